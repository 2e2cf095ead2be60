//! Somebody starts another image while the operator has OMS stopped for the backup: what a way back makes of it.
use super::world::NEW;
use super::*;
use oms_operator::api::find_condition;

/// With a verified backup the way back is that of a rollback: stopped, looked at, compared, restored.
#[test]
fn the_new_image_of_a_stranger_before_the_line_is_rolled_back() {
    for (step, paused) in [
        (Step::VerifyingBackup, false),
        (Step::VerifyingBackup, true),
        (Step::StartingNew, false),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.spec.paused = paused;
        while world
            .status
            .backup
            .as_ref()
            .is_none_or(|backup| !backup.verified)
        {
            world.run_pass();
            world.run_cluster();
        }
        world.clock += 1;
        world.set_image(0, NEW);
        world.scale(0, 1);
        // It is up before the operator looks.
        world.run_cluster();
        world.run_cluster();
        run(&mut world);
        expect(&world, Phase::RolledBack);
        let cause = world.status.cause.clone().unwrap();
        assert!(
            cause.message.contains("kubectl-set") || cause.message.contains("argocd"),
            "{cause:?}"
        );
        assert!(
            world.jobs.contains_key(&JobRole::Restore),
            "{step:?}: the content was not looked at"
        );
    }
}

/// Without one nothing is started and a person is asked: what the other image made of the databases is not known.
#[test]
fn without_a_verified_backup_a_person_is_asked() {
    for step in [Step::StoppingOld, Step::BackingUp] {
        for asked in [false, true] {
            let mut world = World::new(1, true, Trouble::default());
            run_until(&mut world, step);
            if step == Step::StoppingOld {
                // The second copy stands: a stop may be under way.
                while world
                    .status
                    .internal
                    .originals
                    .as_ref()
                    .is_none_or(|all| all.copy_uid.is_none())
                {
                    world.run_pass();
                }
            }
            world.clock += 1;
            world.set_image(0, NEW);
            if oms_operator::objects::deployment::read_replicas(&world.nodes[0].object) == 0 {
                world.scale(0, 1);
            }
            if asked {
                world.ask(Action::Abort);
            }
            run(&mut world);
            let told = find_condition(&world.status.conditions, types::READY).unwrap();
            let stall = world
                .status
                .stall
                .clone()
                .unwrap_or_else(|| panic!("{step:?}: {}", told.message));
            assert_eq!(stall.reason, "OtherImageSeen", "{step:?}");
            for word in ["oms-1", "docs/backup.md", "oms.oceanbase.com/release"] {
                assert!(stall.message.contains(word), "{word}: {}", stall.message);
            }
            // What runs is left as it is, also after another try.
            let image =
                world.nodes[0].object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
            assert_eq!(image, NEW);
            retry(&mut world);
            run(&mut world);
            assert_eq!(world.status.stall.clone().unwrap().reason, "OtherImageSeen");
        }
    }
}

/// It is remembered where it was seen once, whatever stands there afterwards.
#[test]
fn what_was_seen_once_is_remembered() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    let before = world.nodes[0].object["spec"]["template"].clone();
    world.clock += 1;
    world.set_image(0, NEW);
    world.scale(0, 1);
    world.run_pass();
    world.scale(0, 0);
    world.write_back(0, before);
    run(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "OtherImageSeen");
    assert_eq!(world.nodes[0].object["spec"]["replicas"], 0);
}
