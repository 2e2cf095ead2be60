//! Where the steps say that they lead, they do lead: no step names a way that is never taken.
use super::world::{NEW, Trouble, World};
use super::*;
use oms_operator::upgrade::list_defs;
use std::collections::BTreeSet;

/// The ways from step to step that an upgrade has gone, by its own record.
fn list_taken(world: &World) -> Vec<(Step, Step)> {
    let history = world.status.history.iter().map(|record| record.step);
    let steps: Vec<Step> = history.chain(world.status.step).collect();
    steps.windows(2).map(|two| (two[0], two[1])).collect()
}

fn finish(mut world: World, phase: Phase) -> Vec<(Step, Step)> {
    run(&mut world);
    expect(&world, phase);
    list_taken(&world)
}

#[test]
fn every_way_that_a_step_names_is_taken() {
    let mut planned = World::new(1, true, Trouble::default());
    planned.ask(Action::Plan);
    run(&mut planned);
    planned.ask(Action::Run);
    planned.run_pass();
    let mut taken = BTreeSet::from_iter(finish(planned, Phase::Succeeded));
    for step in [Step::Preflight, Step::BackingUp] {
        let mut aborted = World::new(1, true, Trouble::default());
        run_until(&mut aborted, step);
        aborted.ask(Action::Abort);
        taken.extend(finish(aborted, Phase::Aborted));
    }
    let mut changed = World::new(1, true, Trouble::default());
    run_until(&mut changed, Step::Locking);
    changed.pause(0, true);
    run(&mut changed);
    taken.extend(list_taken(&changed));
    let mut written = World::new(1, true, Trouble::default());
    run_until(&mut written, Step::VerifyingBackup);
    written.writes += 1;
    taken.extend(finish(written, Phase::Succeeded));
    let mut vouched = World::new(1, true, Trouble::default());
    run_until(&mut vouched, Step::BackingUp);
    let before = vouched.nodes[0].object["spec"]["template"].clone();
    vouched.set_image(0, NEW);
    vouched.scale(0, 1);
    vouched.run_pass();
    vouched.scale(0, 0);
    vouched.write_back(0, before);
    run(&mut vouched);
    accept(&mut vouched);
    taken.extend(finish(vouched, Phase::Aborted));
    let different = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let equal = Trouble {
        unpullable: true,
        ..Trouble::default()
    };
    for trouble in [different, equal] {
        let world = World::new(1, true, trouble);
        taken.extend(finish(world, Phase::RolledBack));
    }
    for def in list_defs() {
        for to in def.leads_to {
            assert!(
                taken.contains(&(def.step, *to)),
                "{:?} says that it leads to {to:?}; nothing goes there",
                def.step
            );
        }
    }
}
