//! Which calls change the world: a list of the explorer's own, held against the world and against the operator.
//!
//! The operator asks for the lease before each call that it takes for a write. Were the explorer to ask the operator
//! which calls those are, a write that is taken for a read would be one for both, and nobody would notice.
use super::runner::Runner;
use super::walk::{ask, go_on, setup, walk_until};
use super::world::{ConfigFrom, Setup, Trouble, World};
use oms_operator::controller::CallSite;
use std::collections::BTreeSet;

/// The calls that change something outside. A call that changes the world and is not here breaks a rule at once.
const WRITES: [CallSite; 24] = [
    CallSite::ReplaceStatus,
    CallSite::PatchFinalizer,
    CallSite::CreateEvent,
    CallSite::PatchDeployment,
    CallSite::CreateJob,
    CallSite::CreatePrePullPod,
    CallSite::CreateSecret,
    CallSite::DeleteJob,
    CallSite::DeletePod,
    CallSite::DeleteSecret,
    CallSite::PatchSecret,
    CallSite::ExecInitStart,
    CallSite::ExecRestartConsole,
    CallSite::ExecStopConsole,
    CallSite::ExecStartConsole,
    CallSite::MetaDbWriteHa,
    CallSite::MetaDbWriteKeptKeys,
    CallSite::MetaDbSetQueryTimeout,
    CallSite::MetaDbAcquireLock,
    CallSite::MetaDbRaiseLock,
    CallSite::MetaDbTakeOverLock,
    CallSite::MetaDbAppendRecord,
    CallSite::MetaDbReleaseLock,
    CallSite::ConsoleWriteHa,
];

/// Whether a call changes the world, as far as it has its way.
pub fn is_write(site: CallSite) -> bool {
    WRITES.contains(&site)
}

/// Walks to rest; in every world on the way an operator without the lease tries the same. Tells which writes were due.
fn try_without_lease(mut world: World) -> BTreeSet<CallSite> {
    let (with, without) = (Runner::default(), Runner::without_lease());
    let mut due = BTreeSet::new();
    for _ in 0..3000 {
        let idle = without.run(&world, None);
        let sent: Vec<_> = idle.calls.iter().filter(|site| is_write(**site)).collect();
        assert!(
            sent.is_empty() && idle.steps.is_empty(),
            "at {} an operator that does not hold the lease sends {sent:?}",
            world.status_text("/step")
        );
        let outcome = with.run(&world, None);
        due.extend(outcome.calls.iter().copied().filter(|site| is_write(*site)));
        let (later, came) = go_on(outcome);
        if !came {
            return due;
        }
        world = later;
    }
    panic!("no rest at {}", world.status_text("/step"));
}

#[test]
fn without_the_lease_nothing_is_written() {
    let by_api = Setup {
        config: ConfigFrom::Container,
        by_api: true,
        ..Setup::default()
    };
    let init_fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let write_back = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    let unwatched = Setup {
        unwatched: true,
        ..Setup::default()
    };
    let aborted = ask(
        &[walk_until(World::new(1, Setup::default()), "BackingUp")],
        "Abort",
    );
    let mut due = BTreeSet::new();
    for start in [
        World::new(1, by_api),
        World::new(1, setup(init_fails)),
        World::new(1, setup(write_back)),
        World::new(1, unwatched),
        aborted[0].clone(),
        walk_until(World::new(1, Setup::default()), "BackingUp").bring_back(true),
    ] {
        due.extend(try_without_lease(start));
    }
    let missed: Vec<_> = WRITES.iter().filter(|site| !due.contains(site)).collect();
    assert!(missed.is_empty(), "never due, so never tried: {missed:?}");
}
