//! What an upgrade costs the API server while it only waits.
use super::*;
use oms_operator::facts::{Fact, JobState};
use oms_operator::protocol::report::Progress;
use oms_operator::upgrade::{Decision, decide};

/// How far a dump of 100 GiB is that takes ten hours, with a rate that is never the same twice.
fn tell_progress(second: i64) -> Progress {
    let total: u64 = 100 << 30;
    let second = u64::try_from(second).unwrap();
    Progress {
        database: "oms_rm".into(),
        bytes_done: total / 36_000 * second,
        bytes_total: Some(total),
        bytes_per_second: (3 << 20) + (second * 7_919_317) % (20 << 20),
        eta_seconds: Some(36_000 - second),
        ..Progress::default()
    }
}

/// A Job that runs for an hour and says something new each second is looked at every two seconds.
#[test]
fn a_job_that_runs_is_written_down_every_ten_seconds_at_most() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    let began = world.clock;
    let mut writes = Vec::new();
    while world.clock < began + 3_600 {
        let mut observed = world.observe();
        if let Fact::Known(JobState::Running { progress, .. }) = &mut observed.job {
            *progress = Some(tell_progress(world.clock - began));
        }
        match world.ask_brain(&observed, decide) {
            Decision::Record { status, .. } => {
                world.status = *status;
                writes.push(world.clock - began);
            }
            Decision::Perform(_) => {
                world.run_pass();
            }
            Decision::Wait { .. } | Decision::Sleep { .. } | Decision::Rest => {}
        }
        world.clock += 2;
    }
    let progress = world.status.progress.as_ref().unwrap();
    assert!(progress.bytes_done > 9 << 30, "{progress:?}");
    // Making the Job takes some writes of its own.
    assert!((300..=370).contains(&writes.len()), "{}", writes.len());
    let late: Vec<i64> = writes.into_iter().filter(|second| *second > 20).collect();
    assert!(
        late.windows(2).all(|pair| pair[1] - pair[0] >= 10),
        "{late:?}"
    );
}
