//! Preflight checks of what the probe Job found. Pure.
use crate::protocol::report::{PrivilegeState, ProbeReport, Trial};
use crate::protocol::sentence::join_clause;
use crate::upgrade::parts::guard::RAISED_QUERY_TIMEOUT;
use crate::upgrade::parts::progress::format_bytes;
use crate::upgrade::steps::preflight::check::{CheckId, Found, Verdict};

/// What the probe Job found.
pub(crate) fn check_probe(probe: &ProbeReport) -> Vec<Found> {
    let mut found = Vec::new();
    found.push((
        CheckId::ClaimWritable,
        match &probe.claim {
            Trial::Works if probe.estimated_bytes == 0 => Verdict::Passed(format!(
                "{} free; the server does not tell how large the databases are",
                format_bytes(probe.free_bytes)
            )),
            Trial::Works => Verdict::Passed(format!(
                "{} free for databases of {}",
                format_bytes(probe.free_bytes),
                format_bytes(probe.estimated_bytes)
            )),
            Trial::Failed(why) | Trial::NotTried(why) | Trial::Unsupported(why) => {
                Verdict::Failed(format!(
                    "spec.backup.claimName: the Job's user (65532) cannot write there: {}",
                    join_clause(why, "set the owner or the fsGroup of the volume")
                ))
            }
        },
    ));
    let wanted = probe.estimated_bytes.saturating_mul(13) / 10;
    if probe.free_bytes < wanted {
        let text = format!(
            "spec.backup.claimName: {} free, {} wanted (1.3 × the databases); enlarge the claim",
            format_bytes(probe.free_bytes),
            format_bytes(wanted)
        );
        found.push((CheckId::ClaimSpace, Verdict::Failed(text)));
    }
    if !probe.missing_databases.is_empty() {
        let text = format!(
            "databases {} do not exist; correct config.yaml or spec.metadb.databases",
            probe.missing_databases.join(", ")
        );
        found.push((CheckId::Databases, Verdict::Failed(text)));
    }
    let missing: Vec<String> = probe
        .privileges
        .iter()
        .filter(|privilege| privilege.state == PrivilegeState::Missing)
        .map(|privilege| {
            let purpose = &privilege.purpose;
            match &privilege.grant {
                Some(grant) => format!("{grant} (to {purpose})"),
                None => purpose.clone(),
            }
        })
        .collect();
    found.push((
        CheckId::Privileges,
        if missing.is_empty() {
            Verdict::Passed("dump and restore are permitted".into())
        } else {
            Verdict::Failed(format!(
                "the MetaDB account lacks privileges; grant them: {}",
                missing.join("; ")
            ))
        },
    ));
    if let Some(verdict) = judge_restore_method(probe) {
        found.push((CheckId::RestoreMethod, verdict));
    }
    if !probe.unsupported_objects.is_empty() {
        let text = format!(
            "the documented backup does not carry these objects: {}; remove them or ask for help",
            probe.unsupported_objects.join(", ")
        );
        found.push((CheckId::Objects, Verdict::Failed(text)));
    }
    if !probe.unsuited_settings.is_empty() {
        let text = format!(
            "the dump client takes these settings as the server gives them, and cannot set them for itself: {}",
            probe.unsuited_settings.join(". ")
        );
        found.push((CheckId::ServerSettings, Verdict::Failed(text)));
    }
    if probe
        .ob_query_timeout_micros
        .is_some_and(|limit| limit < RAISED_QUERY_TIMEOUT)
        && probe.may_set_ob_query_timeout == Some(false)
    {
        let text = format!(
            "ob_query_timeout cuts dumps, and this account may not raise it; let an administrator run: SET GLOBAL ob_query_timeout = {RAISED_QUERY_TIMEOUT}"
        );
        found.push((CheckId::QueryTimeout, Verdict::Failed(text)));
    }
    if probe.heartbeat_sequence_rows > 1_000_000 {
        let text = format!(
            "heatbeat_sequence has about {} rows; the upgrade guide (step 2) lets you delete all but the newest once OMS is stopped, which shortens the dump",
            probe.heartbeat_sequence_rows
        );
        found.push((CheckId::HeartbeatSequence, Verdict::Warning(text)));
    }
    found
}

/// How a restore would bring the content in. Only what was tried speaks.
fn judge_restore_method(probe: &ProbeReport) -> Option<Verdict> {
    match &probe.rename_across_databases {
        Trial::Works => Some(Verdict::Passed(
            "a restore loads aside, compares, and swaps tables by RENAME TABLE".into(),
        )),
        Trial::Unsupported(why) => Some(Verdict::Warning(format!(
            "this server cannot rename tables across databases, so a restore drops the databases and loads them from the backup (DropAndLoad), \
             and what the new version wrote is kept nowhere: {why}"
        ))),
        Trial::Failed(why) => Some(Verdict::Failed(format!(
            "what a restore does was tried in scratch databases and failed: {}",
            join_clause(why, "no backup could be relied on")
        ))),
        Trial::NotTried(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::report::{Engine, Privilege};

    fn report(estimated_bytes: u64) -> ProbeReport {
        ProbeReport {
            engine: Engine::OceanBase,
            server_version: "1".into(),
            client_version: "1".into(),
            free_bytes: 10 << 30,
            claim: Trial::Works,
            privileges: vec![],
            rename_across_databases: Trial::Works,
            ob_query_timeout_micros: None,
            may_set_ob_query_timeout: None,
            estimated_bytes,
            heartbeat_sequence_rows: 0,
            dump_seconds: 5,
            restore_seconds: 10,
            unsupported_objects: vec![],
            unsuited_settings: vec![],
            missing_databases: vec![],
        }
    }

    fn judge_space(estimated_bytes: u64) -> Vec<Found> {
        check_probe(&report(estimated_bytes))
    }

    #[test]
    fn a_missing_privilege_is_told_with_what_it_is_for() {
        let privilege = |purpose: &str, state| Privilege {
            purpose: purpose.into(),
            state,
            grant: Some("GRANT SET USER ON *.* TO 'u'@'%'".into()),
        };
        let found = check_probe(&ProbeReport {
            privileges: vec![
                privilege(
                    "restore view oms_rm.v with its definer root@%",
                    PrivilegeState::Missing,
                ),
                privilege("restore view oms_rm.w", PrivilegeState::Unknown),
            ],
            ..report(1)
        });
        let told = found.iter().find(|(id, _)| *id == CheckId::Privileges);
        let Some((_, Verdict::Failed(text))) = told else {
            panic!("{told:?}");
        };
        assert!(
            text.ends_with(
                "GRANT SET USER ON *.* TO 'u'@'%' (to restore view oms_rm.v with its definer root@%)"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_setting_that_would_cut_the_dump_fails_by_name() {
        let verdict_of = |unsuited_settings: Vec<String>| {
            let probe = ProbeReport {
                unsuited_settings,
                ..report(1)
            };
            let mut found = check_probe(&probe).into_iter();
            found.find(|(id, _)| *id == CheckId::ServerSettings)
        };
        assert!(verdict_of(vec![]).is_none());
        let said = "sql_select_limit is 60 for new sessions".to_owned();
        let Some((_, Verdict::Failed(text))) = verdict_of(vec![said.clone()]) else {
            panic!("not refused");
        };
        assert!(text.contains(&said), "{text}");
    }

    #[test]
    fn the_claim_is_measured_against_the_databases_when_their_size_is_known() {
        let told = |bytes| match judge_space(bytes).swap_remove(0).1 {
            Verdict::Passed(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(2 << 30), "10 GiB free for databases of 2048 MiB");
        assert_eq!(
            told(0),
            "10 GiB free; the server does not tell how large the databases are"
        );
        let short = |bytes| {
            judge_space(bytes).iter().any(|(id, verdict)| {
                *id == CheckId::ClaimSpace && matches!(verdict, Verdict::Failed(_))
            })
        };
        assert!(short(8 << 30) && !short(7 << 30) && !short(0));
    }
}
