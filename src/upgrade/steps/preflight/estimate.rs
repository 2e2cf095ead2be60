//! The estimates of a plan: how large, and for how long. Pure.
use crate::api::{Estimates, OmsUpgradeSpec, Verification};
use crate::protocol::report::ProbeReport;
use crate::upgrade::context::to_i64;

/// Seconds of what the probe cannot measure: both starts of the new version and `docker_init.sh`. The vendor's guide gives no
/// number; this is what a start and a script of usual length take.
const STARTS_SECONDS: i64 = 900;
/// A restore into scratch databases is made by `Auto` up to this length (see `Verification`).
const LONGEST_SCRATCH_SECONDS: i64 = 300;

/// What the probe measured, and what follows from it. Nothing follows from a size that the server does not tell.
pub(crate) fn build_estimates(spec: &OmsUpgradeSpec, probe: &ProbeReport) -> Estimates {
    let known = probe.estimated_bytes > 0;
    let of = |number: u64| known.then(|| to_i64(number));
    let (dump, restore) = (of(probe.dump_seconds), of(probe.restore_seconds));
    Estimates {
        bytes: of(probe.estimated_bytes),
        dump_seconds: dump,
        restore_seconds: restore,
        downtime_seconds: dump.zip(restore).map(|(dump, restore)| {
            let proof = measure_proof(spec.backup.verification, restore);
            dump.saturating_add(proof).saturating_add(STARTS_SECONDS)
        }),
        free_bytes: to_i64(probe.free_bytes),
    }
}

/// Seconds of the proof beyond a look at the files, which runs as fast as the dump was written.
fn measure_proof(verification: Verification, restore: i64) -> i64 {
    match verification {
        Verification::Manifest => 0,
        Verification::Auto if restore > LONGEST_SCRATCH_SECONDS => 0,
        Verification::Auto | Verification::ScratchRestore => restore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_counts_where_it_restores() {
        for (verification, restore, wanted) in [
            (Verification::Manifest, 200, 0),
            (Verification::Auto, 300, 300),
            (Verification::Auto, 301, 0),
            (Verification::ScratchRestore, 301, 301),
        ] {
            assert_eq!(
                measure_proof(verification, restore),
                wanted,
                "{verification:?}"
            );
        }
    }
}
