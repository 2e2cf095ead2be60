//! What a Job's agent is asked. Pure.
use super::names::backup_directory;
use crate::api::{
    HeartbeatSequence, JobRole, OmsUpgradeSpec, OmsUpgradeStatus, Step, Timeouts, Verification,
};
use crate::facts::AccountSource;
use crate::metadb::read_address;
use crate::objects::labels::Owner;
use crate::objects::tls::describe_tls;
use crate::oms::installation::Installation;
use crate::protocol::request::{
    Lock, ProbeOptions, Request, RestoreMethod, ScratchMode, ScratchRestore, VerifyExtent,
};

/// Seconds that a scratch restore may take with `verification: Auto`.
const SCRATCH_BUDGET: u64 = 300;
/// Seconds before its deadline at which the agent gives up by itself, with a report.
const GRACE: u64 = 20;

/// Seconds that a Job may run.
pub fn find_deadline(timeouts: &Timeouts, role: JobRole) -> u64 {
    let limit = match role {
        JobRole::Probe | JobRole::DropCopies => timeouts.preflight,
        JobRole::Dump | JobRole::Compare => timeouts.backup,
        JobRole::Verify => timeouts.verify,
        JobRole::Restore => timeouts.restore,
    };
    u64::from(limit.as_seconds())
}

/// Builds the request of a Job. The lock is held under the uid of the object; everything else that the agent makes or
/// finds bears that of the object that began the upgrade.
pub fn build_request(
    owner: Owner<'_>,
    spec: &OmsUpgradeSpec,
    status: &OmsUpgradeStatus,
    installation: &Installation,
    account: &AccountSource,
    role: JobRole,
    attempt: i32,
) -> Request {
    let marks = status.internal.find_marks(owner.uid);
    let deadline = find_deadline(&spec.timeouts, role);
    let plan = status.plan.as_ref();
    let method = plan.and_then(|plan| plan.restore_method.as_deref());
    let mode = match spec.backup.verification {
        Verification::Auto => ScratchMode::Auto,
        Verification::Manifest => ScratchMode::Never,
        Verification::ScratchRestore => ScratchMode::Always,
    };
    Request {
        upgrade_uid: marks.into(),
        attempt,
        metadb: installation.metadb.clone(),
        credentials: account.describe(),
        logins_without_tls: spec.metadb.list_allowed_logins(),
        tls: spec.metadb.tls.as_ref().and_then(describe_tls),
        databases: installation.databases.names(),
        oms_addresses: status
            .installation
            .iter()
            .flat_map(|recorded| &recorded.addresses)
            .filter_map(|address| read_address(address))
            .collect(),
        directory: backup_directory(marks, owner.name),
        expected_manifest_digest: match role {
            JobRole::Probe | JobRole::Dump | JobRole::DropCopies => None,
            JobRole::Verify | JobRole::Compare | JobRole::Restore => status
                .backup
                .as_ref()
                .map(|backup| backup.manifest_digest.clone()),
        },
        // The probe runs before the lock is taken.
        lock: (role != JobRole::Probe).then(|| Lock {
            holder: owner.uid.into(),
            epoch: status.internal.epoch,
        }),
        restore_method: method.and_then(RestoreMethod::parse).unwrap_or_default(),
        scratch_restore: ScratchRestore {
            mode,
            budget_seconds: SCRATCH_BUDGET,
        },
        verify_extent: match status.step {
            Some(Step::FindingBackup) => VerifyExtent::Presence,
            _ => VerifyExtent::Everything,
        },
        safety_copies: match role {
            JobRole::DropCopies => list_kept_copies(status),
            _ => vec![],
        },
        trim_heartbeat_sequence: role == JobRole::Dump
            && spec.backup.heartbeat_sequence == HeartbeatSequence::Trim,
        probe: ProbeOptions::default(),
        deadline_seconds: Some(deadline.saturating_sub(GRACE).max(deadline / 2)),
    }
}

/// The databases of replaced tables that are recorded and not dropped yet.
fn list_kept_copies(status: &OmsUpgradeStatus) -> Vec<String> {
    let kept = status.leftovers.iter().filter(|one| one.is_kept_copy());
    kept.map(|copy| copy.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BackupStatus, Internal, PlanStatus};
    use crate::oms::installation::{Address, Databases};
    use serde_json::json;

    fn spec() -> OmsUpgradeSpec {
        serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce",
            "backup": {"claimName": "c", "verification": "ScratchRestore"}, "timeouts": {"restore": "1h"}
        }))
        .unwrap()
    }

    #[test]
    fn every_request_is_one_that_the_agent_takes() {
        let owner = Owner {
            namespace: "oms",
            name: &"n".repeat(253),
            uid: "0f7c2a1e-6a55-4c1e-9a5e-000000000001",
        };
        let status = OmsUpgradeStatus {
            internal: Internal {
                epoch: 3,
                ..Internal::default()
            },
            backup: Some(BackupStatus {
                manifest_digest: "ab".repeat(32),
                ..BackupStatus::default()
            }),
            plan: Some(PlanStatus {
                restore_method: Some("DropAndLoad".into()),
                ..PlanStatus::default()
            }),
            ..OmsUpgradeStatus::default()
        };
        let installation = Installation {
            metadb: Address {
                host: "metadb".into(),
                port: 2881,
            },
            databases: Databases {
                rm: "rm".into(),
                cm: "cm".into(),
                heartbeats: vec![],
            },
            ..Installation::default()
        };
        let account = AccountSource::Keys {
            secret: "s".into(),
            user_key: "u".into(),
            password_key: "p".into(),
        };
        for role in [
            JobRole::Probe,
            JobRole::Dump,
            JobRole::Verify,
            JobRole::Compare,
            JobRole::Restore,
            JobRole::DropCopies,
        ] {
            let request = build_request(owner, &spec(), &status, &installation, &account, role, 2);
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(Request::parse(&text).unwrap(), request);
            assert_eq!(request.lock.is_none(), role == JobRole::Probe);
            assert_eq!(
                request.expected_manifest_digest.is_some(),
                matches!(role, JobRole::Verify | JobRole::Compare | JobRole::Restore)
            );
        }
        let restore = build_request(
            owner,
            &spec(),
            &status,
            &installation,
            &account,
            JobRole::Restore,
            1,
        );
        // Before a rollback stops anything it only looks whether the backup is still there.
        let looks = |step| {
            let status = OmsUpgradeStatus {
                step,
                ..status.clone()
            };
            let role = JobRole::Verify;
            build_request(owner, &spec(), &status, &installation, &account, role, 1).verify_extent
        };
        assert_eq!(looks(Some(Step::FindingBackup)), VerifyExtent::Presence);
        assert_eq!(looks(Some(Step::VerifyingBackup)), VerifyExtent::Everything);
        assert_eq!(restore.restore_method, RestoreMethod::DropAndLoad);
        assert_eq!(restore.deadline_seconds, Some(3580));
        assert_eq!(restore.scratch_restore.mode, ScratchMode::Always);
    }
}
