//! Somebody else writes the targets, or `ha.config`, while what was started is up and the verdict has not fallen.
use super::world::{NEW, OLD};
use super::*;

/// Ways to what is up last, each with the steps that follow.
fn list_ends() -> [(&'static str, Phase); 3] {
    [
        ("forward", Phase::Succeeded),
        ("abort", Phase::Aborted),
        ("rollback", Phase::RolledBack),
    ]
}

fn walk_to(way: &str, step: Step) -> World {
    let trouble = Trouble {
        init_fails: way == "rollback",
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    if way == "abort" {
        run_until(&mut world, Step::BackingUp);
        world.ask(Action::Abort);
    }
    run_until(&mut world, step);
    world
}

/// Passes and moves of the cluster while time goes on, until a person is asked.
fn run_to_the_stall(world: &mut World) {
    for _ in 0..1000 {
        if world.status.stall.is_some() {
            return;
        }
        assert!(
            !world.status.settled,
            "a verdict although something else runs"
        );
        let moved = world.run_pass() | world.run_cluster();
        if !moved {
            world.clock += 40;
        }
    }
    panic!("nobody is asked: {:?}", world.status.waiting);
}

#[test]
fn another_image_under_what_was_up_is_no_verdict() {
    for (way, end) in list_ends() {
        for step in [Step::EnablingHa, Step::Recovering] {
            let mut world = walk_to(way, step);
            // Nothing may come of it in the world either: its old image on a new schema would be a lost day.
            let other = match way {
                "forward" => "registry.example.com/oms:feature_4.1.0-ce",
                _ => NEW,
            };
            let before = world.nodes[0].object["spec"]["template"].clone();
            world.set_image(0, other);
            while world.run_pass() {}
            let stall = world
                .status
                .stall
                .clone()
                .unwrap_or_else(|| panic!("{way} {step:?}: {:?}", world.status.conditions));
            assert_eq!(stall.reason, "TargetContended", "{way} {step:?}");
            assert!(stall.message.contains("kubectl-set"), "{stall:?}");
            assert!(
                stall
                    .message
                    .contains("kubectl rollout undo deployment oms-1"),
                "{stall:?}"
            );
            let ready = find_condition(&world.status.conditions, types::READY).unwrap();
            assert_eq!(ready.status.as_str(), "False");
            // Whoever wrote it takes it back; nothing of it ran.
            world.write_back(0, before);
            retry(&mut world);
            run(&mut world);
            expect(&world, end);
        }
    }
}

#[test]
fn a_target_that_is_scaled_to_nothing_is_no_verdict() {
    for (way, end) in list_ends() {
        for step in [Step::EnablingHa, Step::Recovering] {
            let mut world = walk_to(way, step);
            world.scale(0, 0);
            run_to_the_stall(&mut world);
            assert_eq!(
                world.status.stall.clone().unwrap().reason,
                "TargetContended"
            );
            world.scale(0, 1);
            retry(&mut world);
            run(&mut world);
            expect(&world, end);
        }
    }
}

#[test]
fn a_target_that_is_deleted_is_no_verdict() {
    for (way, _) in list_ends() {
        for step in [Step::EnablingHa, Step::Recovering] {
            let mut world = walk_to(way, step);
            world.nodes[0].gone = true;
            run_to_the_stall(&mut world);
            assert_eq!(world.status.stall.clone().unwrap().reason, "TargetVanished");
        }
    }
}

/// The same image with the same settings: who restarts what is up has started nothing else.
#[test]
fn a_restart_by_hand_under_what_is_up_is_waited_for() {
    for (way, end) in list_ends() {
        for step in [Step::EnablingHa, Step::Recovering] {
            let mut world = walk_to(way, step);
            let before = world.nodes[0].pod.as_ref().unwrap().number;
            world.restart(0);
            run(&mut world);
            assert!(
                world.status.settled,
                "{way} {step:?}: {:?}",
                world.status.stall
            );
            assert_eq!(world.status.phase, Some(end));
            let pod = world.nodes[0].pod.as_ref().unwrap();
            assert!(pod.up && pod.number > before, "{way} {step:?}");
        }
    }
}

/// The new template is written and another pod runs: paused in the same moment.
#[test]
fn a_pod_of_another_template_is_no_verdict() {
    for (way, _) in list_ends() {
        let mut world = walk_to(way, Step::Recovering);
        let image = match way {
            "forward" => OLD,
            _ => NEW,
        };
        let pod = world.nodes[0].pod.as_mut().unwrap();
        pod.template["spec"]["containers"][0]["image"] = serde_json::json!(image);
        world.pause(0, true);
        for _ in 0..200 {
            world.run_pass();
            world.clock += 40;
            assert!(!world.status.settled, "{way}: a verdict on another pod");
        }
        let told = find_condition(&world.status.conditions, types::READY).unwrap();
        assert!(
            told.message
                .contains("kubectl rollout resume deployment oms-1"),
            "{}",
            told.message
        );
    }
}

/// It is at its goal when the verdict falls, and not only when it was written.
#[test]
fn ha_that_is_switched_by_others_is_no_verdict() {
    for (way, end) in list_ends() {
        let mut world = walk_to(way, Step::Recovering);
        world.trouble.project_down = false;
        let before = world.ha.clone();
        world.ha = before.replace("\"enable\":true", "\"enable\":false");
        assert_ne!(world.ha, before);
        run_to_the_stall(&mut world);
        assert_eq!(
            world.status.stall.clone().unwrap().reason,
            "HaChanged",
            "{way}"
        );
        world.ha = before;
        run(&mut world);
        expect(&world, end);
    }
}

/// A person lets it be as somebody has set it: then only replication is open.
#[test]
fn ha_that_a_person_lets_be_is_no_obstacle() {
    for (way, end) in list_ends() {
        let mut world = walk_to(way, Step::Recovering);
        world.ha = world.ha.replace("\"enable\":true", "\"enable\":false");
        run_to_the_stall(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "HaChanged", "{way}");
        let actions = &world.status.next_actions;
        assert_eq!(actions[0].name.as_str(), "Accept", "{way}");
        accept(&mut world);
        run_to_the_stall(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "ReplicationNotRecovered", "{way}");
        world.checkpoint += 5000;
        for _ in 0..10 {
            world.run_pass();
            world.checkpoint += 1000;
        }
        run(&mut world);
        expect(&world, end);
        assert!(!world.ha_enabled());
        let told = find_condition(&world.status.conditions, types::HA_RESTORED).unwrap();
        assert_eq!(told.status.as_str(), "False", "{}", told.message);
    }
}

/// A change by others while it runs would start a second OMS beside the first one.
#[test]
fn a_strategy_that_starts_the_new_pod_first_is_a_warning() {
    for (strategy, warns) in [("RollingUpdate", true), ("Recreate", false)] {
        let mut world = World::new(1, true, Trouble::default());
        world.nodes[0].object["spec"]["strategy"] = serde_json::json!({"type": strategy});
        run(&mut world);
        expect(&world, Phase::Succeeded);
        let plan = world.status.plan.as_ref().unwrap();
        let told = plan.checks.iter().any(|check| {
            check.evidence.contains("strategy RollingUpdate")
                && check
                    .way_out
                    .as_deref()
                    .is_some_and(|way| way.contains("Recreate"))
        });
        assert_eq!(told, warns);
    }
}
