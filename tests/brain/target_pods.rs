//! Pods of targets on bad days: they do not end, or nobody may make them. OMS is down meanwhile, so people hear of it.
use super::*;

const REFUSAL: &str = "pods \"oms-x\" is forbidden: exceeded quota: q, password=hunter2";

fn settle(world: &mut World) {
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
    }
}

/// Which pod, why, and since when; in a stop of either version, and in the stall that follows on a way back.
#[test]
fn a_pod_that_does_not_end_is_named() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    for (step, end) in [
        (Step::StoppingOld, Phase::Aborted),
        (Step::StoppingNew, Phase::RolledBack),
    ] {
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.keeps_pods = true;
        settle(&mut world);
        let told = world.status.waiting.clone().expect("nobody is told");
        let named = ["oms-x on node n1", "told to end at", "example.com/keep"];
        assert!(
            told.reason == "PodStays" && named.iter().all(|words| told.message.contains(words)),
            "{told:?}"
        );
        run_slowly(&mut world, 2000, |world| {
            world.status.stall.is_some()
                || world.status.cause.is_some() && step == Step::StoppingOld
        });
        let stalled = world.status.stall.as_ref().map(|stall| &stall.message);
        let cause = world.status.cause.as_ref().map(|cause| &cause.message);
        let told = stalled.or(cause).unwrap();
        assert!(named.iter().all(|words| told.contains(words)), "{told}");
        world.keeps_pods = false;
        if stalled.is_some() {
            retry(&mut world);
        }
        run(&mut world);
        expect(&world, end);
    }
}

/// The words of the server, with no secret in them; on the way forward it turns back at the limit, and every start of
/// either version tells it.
#[test]
fn a_pod_that_nobody_may_make_is_told_with_the_words_of_the_server() {
    let steps = [Step::StartingNew, Step::StartingFinal, Step::StartingOld];
    for step in steps {
        let trouble = Trouble {
            init_fails: step == Step::StartingOld,
            ..Trouble::default()
        };
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.refuses_pods = Some(REFUSAL);
        settle(&mut world);
        let told = world.status.waiting.clone().expect("nobody is told");
        assert!(
            told.reason == "PodRefused" && told.message.contains("exceeded quota: q"),
            "{told:?}"
        );
        assert!(!told.message.contains("hunter2"), "{told:?}");
        world.refuses_pods = None;
        run(&mut world);
        let end = match step {
            Step::StartingOld => Phase::RolledBack,
            _ => Phase::Succeeded,
        };
        expect(&world, end);
    }
}

/// Whoever put it there hears of it before OMS is touched; it holds nothing up.
#[test]
fn a_helper_in_the_pods_of_jobs_is_told_in_preflight() {
    let mut world = World::new(1, true, Trouble::default());
    world.helpers = vec!["istio-proxy".into()];
    world.ask(Action::Plan);
    run(&mut world);
    let plan = serde_json::to_string(&world.status.plan).unwrap();
    assert!(plan.contains("a webhook puts istio-proxy beside"), "{plan}");
    world.ask(Action::Run);
    world.run_pass();
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
