//! Preflight checks of what the probe Job found. Pure.
use super::job_step::format_bytes;
use super::jobs::RAISED_QUERY_TIMEOUT;
use super::preflight::CheckId;
use super::preflight_checks::{Found, Verdict};
use crate::agent::report::{PrivilegeState, ProbeReport, Trial};

/// What the probe Job found.
pub(super) fn check_probe(probe: &ProbeReport) -> Vec<Found> {
    let fixed = CheckId::fixed;
    let mut found = Vec::new();
    found.push((
        fixed("ClaimWritable"),
        match &probe.claim {
            Trial::Works => Verdict::Passed(format!("{} free", format_bytes(probe.free_bytes))),
            Trial::Failed(why) | Trial::NotTried(why) => Verdict::Failed(format!("spec.backup.claimName: the Job's user (65532) cannot write there: {why}; set the owner or the fsGroup of the volume")),
        },
    ));
    let wanted = probe.estimated_bytes.saturating_mul(13) / 10;
    if probe.free_bytes < wanted {
        let text = format!(
            "spec.backup.claimName: {} free, {} wanted (1.3 × the databases); enlarge the claim",
            format_bytes(probe.free_bytes),
            format_bytes(wanted)
        );
        found.push((fixed("ClaimSpace"), Verdict::Failed(text)));
    }
    if !probe.missing_databases.is_empty() {
        let text = format!(
            "databases {} do not exist; correct config.yaml or spec.metadb.databases",
            probe.missing_databases.join(", ")
        );
        found.push((fixed("Databases"), Verdict::Failed(text)));
    }
    let missing: Vec<String> = probe
        .privileges
        .iter()
        .filter(|privilege| privilege.state == PrivilegeState::Missing)
        .map(|privilege| {
            privilege
                .grant
                .clone()
                .unwrap_or_else(|| privilege.purpose.clone())
        })
        .collect();
    found.push((
        fixed("Privileges"),
        if missing.is_empty() {
            Verdict::Passed("dump and restore are permitted".into())
        } else {
            Verdict::Failed(format!(
                "the MetaDB account lacks privileges; grant them: {}",
                missing.join("; ")
            ))
        },
    ));
    if !probe.unsupported_objects.is_empty() {
        let text = format!(
            "the documented backup does not carry these objects: {}; remove them or ask for help",
            probe.unsupported_objects.join(", ")
        );
        found.push((fixed("Objects"), Verdict::Failed(text)));
    }
    if probe
        .ob_query_timeout_micros
        .is_some_and(|limit| limit < RAISED_QUERY_TIMEOUT)
        && probe.may_set_ob_query_timeout == Some(false)
    {
        let text = format!(
            "ob_query_timeout cuts dumps, and this account may not raise it; let an administrator run: SET GLOBAL ob_query_timeout = {RAISED_QUERY_TIMEOUT}"
        );
        found.push((fixed("QueryTimeout"), Verdict::Failed(text)));
    }
    if probe.heartbeat_sequence_rows > 1_000_000 {
        let text = format!(
            "heatbeat_sequence has about {} rows; the upgrade guide (step 2) lets you delete all but the newest once OMS is stopped, which shortens the dump",
            probe.heartbeat_sequence_rows
        );
        found.push((fixed("HeartbeatSequence"), Verdict::Warning(text)));
    }
    found
}
