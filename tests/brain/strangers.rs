//! Somebody else writes the targets.
use super::*;

#[test]
fn a_stranger_is_named_and_not_fought() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.scale(0, 1);
    for _ in 0..5 {
        world.run_pass();
    }
    assert_eq!(world.status.direction, Some(Direction::Abort));
    assert!(
        world
            .status
            .cause
            .as_ref()
            .unwrap()
            .message
            .contains("argocd-controller"),
        "{:?}",
        world.status.cause
    );
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// The API server does not say when a subresource was written.
#[test]
fn who_scales_is_named_and_not_who_made_the_deployment() {
    for (step, replicas, who) in [
        (Step::BackingUp, 1, "kubectl"),
        (Step::BackingUp, 2, "kube-controller-manager"),
        (Step::Initializing, 0, "kubectl"),
        (Step::Recovering, 0, "kubectl"),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.scale_by_subresource(0, replicas, who);
        for _ in 0..5 {
            world.run_pass();
        }
        let status = &world.status;
        let told = match (&status.cause, &status.stall) {
            (Some(cause), _) => &cause.message,
            (None, Some(stall)) => &stall.message,
            (None, None) => panic!("{step:?}: nothing is told"),
        };
        assert!(
            told.contains(&format!("make {who} leave")),
            "{step:?}: {told}"
        );
    }
}

/// Who scaled before the upgrade has nothing to do with an image that another one names during it.
#[test]
fn who_scaled_before_is_not_blamed_for_an_image() {
    for step in [Step::StoppingOld, Step::BackingUp] {
        let mut world = World::new(1, true, Trouble::default());
        world.scale_by_subresource(0, 2, "kubectl");
        world.scale_by_subresource(0, 1, "kubectl");
        run_until(&mut world, step);
        world.write_template(0);
        for _ in 0..5 {
            world.run_pass();
        }
        let cause = world.status.cause.clone().unwrap();
        assert!(
            cause.message.contains("make argocd-controller leave"),
            "{step:?}: {cause:?}"
        );
    }
}

/// Annotations of a Deployment count in its generation as the spec does.
#[test]
fn an_annotation_before_our_write_is_nobody_elses_change_of_the_spec() {
    for (step, effect, notes) in [
        (Step::StoppingOld, "Stop", 1),
        (Step::StartingNew, "StartUpgrade", 3),
        (Step::StartingFinal, "StartFinal", 3),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        while world
            .status
            .internal
            .intent
            .as_ref()
            .map(|intent| intent.effect.as_str())
            != Some(effect)
        {
            world.run_pass();
        }
        for note in 0..notes {
            world.annotate(0, &format!("seen {note} times"));
        }
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// An annotation on a stopped target starts nothing: what was read of the databases holds.
#[test]
fn an_annotation_on_a_stopped_target_is_no_start_by_others() {
    for step in [
        Step::BackingUp,
        Step::VerifyingBackup,
        Step::StartingNew,
        Step::Comparing,
        Step::Restoring,
        Step::StartingOld,
    ] {
        let back = matches!(step, Step::Comparing | Step::Restoring | Step::StartingOld);
        let mut world = World::new(
            1,
            true,
            Trouble {
                init_fails: back,
                ..Trouble::default()
            },
        );
        run_until(&mut world, step);
        world.annotate(0, "seen");
        run(&mut world);
        assert_eq!(world.status.stall, None, "{step:?}");
        expect(
            &world,
            if back {
                Phase::RolledBack
            } else {
                Phase::Succeeded
            },
        );
    }
}

/// A stop cannot mend a template of somebody else, and the start of the new version must not overwrite it.
#[test]
fn a_template_of_a_stranger_ends_the_upgrade() {
    for step in [Step::StoppingOld, Step::BackingUp, Step::StartingNew] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.write_template(0);
        run(&mut world);
        assert_eq!(
            world.status.cause.clone().unwrap().reason,
            "TargetContended"
        );
        assert!(world.status.settled, "{step:?}");
    }
}

/// Nobody looked while OMS ran again; the owner of the replicas tells.
#[test]
fn a_target_that_others_started_and_stopped_is_not_trusted() {
    for (step, phase) in [
        (Step::BackingUp, Phase::Aborted),
        (Step::VerifyingBackup, Phase::Aborted),
        (Step::StartingNew, Phase::RolledBack),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.clock += 1;
        world.scale(0, 1);
        world.scale(0, 0);
        run(&mut world);
        let cause = world.status.cause.clone().unwrap();
        assert_eq!(cause.reason, "TargetContended");
        assert!(cause.message.contains("argocd-controller"), "{cause:?}");
        expect(&world, phase);
    }
}
