//! Preflight checks of what the probe Job found. Pure.
use crate::api::HeartbeatSequence;
use crate::facts::JobState;
use crate::protocol::report::{Privilege, PrivilegeState, ProbeReport, Trial};
use crate::upgrade::context::Context;
use crate::upgrade::parts::guard::RAISED_QUERY_TIMEOUT;
use crate::upgrade::parts::progress::format_bytes;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::installation::name_metadb;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// The Job as the subject of a check.
const JOB: &str = "probe Job";

/// What the checks of the probe are made from.
#[derive(Clone, Debug)]
pub(crate) enum Probing<'a> {
    Reported(&'a ProbeReport),
    /// It was made, and did not come to a result.
    Failed(String),
    /// It was not made, or has not ended.
    NotMade(String),
}

/// What the probe Job found, or why it found nothing.
pub(crate) fn check_probe(cx: &Context<'_>, probing: &Probing<'_>) -> Vec<Found> {
    let (verdict, needs) = match probing {
        Probing::Reported(report) => return read_report(cx, report),
        Probing::Failed(why) => (
            Verdict::failed(why.as_str(), "fix what the message names"),
            format!("BackupProbe {JOB}"),
        ),
        Probing::NotMade(needs) => (Verdict::not_made(needs), needs.clone()),
    };
    let mut found = vec![Found::new(CheckId::BackupProbe, JOB, verdict)];
    let metadb = name_metadb(cx);
    let claim = &cx.spec.backup.claim_name;
    found.extend(
        [
            (CheckId::ClaimWritable, claim.as_str()),
            (CheckId::ClaimSpace, claim),
            (CheckId::Databases, &metadb),
            (CheckId::Privileges, &metadb),
            (CheckId::RestoreMethod, &metadb),
            (CheckId::Objects, &metadb),
            (CheckId::FirstRows, &metadb),
            (CheckId::ServerSettings, &metadb),
            (CheckId::QueryTimeout, "ob_query_timeout"),
        ]
        .map(|(id, subject)| Found::new(id, subject, Verdict::not_made(&needs))),
    );
    found
}

fn read_report(cx: &Context<'_>, probe: &ProbeReport) -> Vec<Found> {
    let metadb = name_metadb(cx);
    let mut found = check_claim(&cx.spec.backup.claim_name, probe);
    found.extend(check_helpers(cx));
    for database in &probe.missing_databases {
        let verdict = Verdict::failed(
            format!("database {database} does not exist"),
            "correct config.yaml or spec.metadb.databases",
        );
        found.push(Found::new(CheckId::Databases, database, verdict));
    }
    found.extend(check_privileges(&metadb, &probe.privileges));
    if let Some(verdict) = judge_restore_method(probe) {
        found.push(Found::new(CheckId::RestoreMethod, &metadb, verdict));
    }
    for object in &probe.unsupported_objects {
        let verdict = Verdict::failed(
            format!("the documented backup does not carry {object}"),
            "remove it or ask for help",
        );
        found.push(Found::new(CheckId::Objects, object, verdict));
    }
    let verdict = judge_first_rows(&probe.first_rows);
    found.push(Found::new(CheckId::FirstRows, &metadb, verdict));
    found.extend(
        probe
            .unsuited_settings
            .iter()
            .map(|text| check_setting(text)),
    );
    if probe
        .ob_query_timeout_micros
        .is_some_and(|limit| limit < RAISED_QUERY_TIMEOUT)
        && probe.may_set_ob_query_timeout == Some(false)
    {
        let verdict = Verdict::failed(
            "ob_query_timeout cuts dumps, and this account may not raise it",
            format!(
                "let an administrator run: SET GLOBAL ob_query_timeout = {RAISED_QUERY_TIMEOUT}"
            ),
        );
        found.push(Found::new(
            CheckId::QueryTimeout,
            "ob_query_timeout",
            verdict,
        ));
    }
    if probe.heartbeat_sequence_rows > 1_000_000
        && cx.spec.backup.heartbeat_sequence == HeartbeatSequence::Keep
    {
        let verdict = Verdict::warning(
            format!(
                "heatbeat_sequence has about {} rows",
                probe.heartbeat_sequence_rows
            ),
            "the upgrade guide (step 2) deletes all but the newest once OMS is stopped, which shortens the dump: \
             spec.backup.heartbeatSequence: Trim",
        );
        found.push(Found::new(
            CheckId::HeartbeatSequence,
            "heatbeat_sequence",
            verdict,
        ));
    }
    found
}

/// What the trial of dump and load with the first rows says.
fn judge_first_rows(trial: &Trial) -> Verdict {
    match trial {
        Trial::Works => Verdict::passed(
            "the first rows of every table were dumped, read, loaded beside and compared",
        ),
        Trial::NotTried(why) => Verdict::warning(
            format!("dump and load were not tried with the first rows: {why}"),
            "the backup itself is still proven after OMS was stopped, before the new version starts",
        ),
        Trial::Failed(why) | Trial::Unsupported(why) => Verdict::failed(
            format!("the first rows of the tables do not come through dump and load: {why}"),
            "do what the message says; OMS runs on, and nothing of it was changed",
        ),
    }
}

/// What somebody's webhook put beside the agent. It holds no Job up, but it has to be up before the agent has a network
/// where it is a proxy, and its claim on memory and quota counts.
fn check_helpers(cx: &Context<'_>) -> Option<Found> {
    let Some(JobState::Ended { helpers, .. }) = cx.observed.job.known() else {
        return None;
    };
    let names = helpers.join(", ");
    let verdict = Verdict::warning(
        format!(
            "a webhook puts {names} beside the agent in the pods of Jobs, and it runs on when the agent has ended; the end of the agent counts"
        ),
        "keep it out of pods with the label app.kubernetes.io/managed-by=oms-operator",
    );
    (!helpers.is_empty()).then(|| Found::new(CheckId::BackupProbe, JOB, verdict))
}

fn check_claim(claim: &str, probe: &ProbeReport) -> Vec<Found> {
    let free = format_bytes(probe.free_bytes);
    let written = match &probe.claim {
        Trial::Works if probe.estimated_bytes == 0 => Verdict::passed(format!(
            "{free} free; the server does not tell how large the databases are"
        )),
        Trial::Works => Verdict::passed(format!(
            "{free} free for databases of {}",
            format_bytes(probe.estimated_bytes)
        )),
        Trial::Failed(why) | Trial::NotTried(why) | Trial::Unsupported(why) => Verdict::failed(
            format!("the Job's user (65532) cannot write to the claim: {why}"),
            "set the owner or the fsGroup of the volume, or name another claim in spec.backup.claimName",
        ),
    };
    let mut found = vec![Found::new(CheckId::ClaimWritable, claim, written)];
    let wanted = probe.estimated_bytes.saturating_mul(13) / 10;
    if probe.claim == Trial::Works && probe.free_bytes < wanted {
        let verdict = Verdict::failed(
            format!(
                "{free} free, {} wanted (1.3 × the databases)",
                format_bytes(wanted)
            ),
            "enlarge the claim, or name another one in spec.backup.claimName",
        );
        found.push(Found::new(CheckId::ClaimSpace, claim, verdict));
    }
    if probe.claim == Trial::Works && probe.estimated_bytes == 0 {
        let verdict = Verdict::warning(
            format!("{free} free; the server does not tell how large the databases are"),
            "see that the claim has room for 1.3 times the databases: OceanBase tells nothing before its first major compaction",
        );
        found.push(Found::new(CheckId::ClaimSpace, claim, verdict));
    }
    found
}

/// Each privilege that is missing, by what it is needed for.
fn check_privileges(metadb: &str, privileges: &[Privilege]) -> Vec<Found> {
    let missing: Vec<Found> = privileges
        .iter()
        .filter(|privilege| privilege.state == PrivilegeState::Missing)
        .map(|privilege| {
            let purpose = &privilege.purpose;
            let way_out = match &privilege.grant {
                Some(grant) => format!("let an administrator run: {grant}"),
                None => "let an administrator grant it".into(),
            };
            let evidence = format!("the MetaDB account lacks a privilege, to {purpose}");
            let verdict = Verdict::failed(evidence, way_out);
            Found::new(CheckId::Privileges, purpose, verdict)
        })
        .collect();
    if missing.is_empty() {
        let verdict = Verdict::passed("dump and restore are permitted");
        return vec![Found::new(CheckId::Privileges, metadb, verdict)];
    }
    missing
}

/// The text begins with the name of the setting, and ends with the statement that changes it.
fn check_setting(text: &str) -> Found {
    let name = text.split_whitespace().next().unwrap_or_default();
    let (what, way_out) = text
        .split_once(". ")
        .unwrap_or((text, "let an administrator change it"));
    let evidence = format!(
        "{what}; the dump client takes it as the server gives it, and cannot set it for itself"
    );
    let verdict = Verdict::failed(evidence, way_out);
    Found::new(CheckId::ServerSettings, name, verdict)
}

/// How a restore would bring the content in. Only what was tried speaks.
fn judge_restore_method(probe: &ProbeReport) -> Option<Verdict> {
    match &probe.rename_across_databases {
        Trial::Works => Some(Verdict::passed(
            "a restore loads aside, compares, and swaps tables by RENAME TABLE",
        )),
        Trial::Unsupported(why) => Some(Verdict::warning(
            format!(
                "this server cannot rename tables across databases, so a restore drops the databases and loads them from the backup (DropAndLoad): {why}"
            ),
            "nothing; what the new version wrote would be kept nowhere after a rollback",
        )),
        Trial::Failed(why) => Some(Verdict::failed(
            format!("what a restore does was tried in scratch databases and failed: {why}"),
            "see what the server refuses; no backup could be relied on",
        )),
        Trial::NotTried(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::Observed;
    use crate::protocol::report::Engine;
    use crate::upgrade::ObjectFacts;
    use crate::upgrade::steps::preflight::verdict::Kind;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn check(probing: &Probing<'_>) -> Vec<Found> {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}}))
        .unwrap();
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &Observed::default(),
        };
        check_probe(&cx, probing)
    }

    fn find_all(report: &ProbeReport, id: CheckId) -> Vec<Found> {
        let found = check(&Probing::Reported(report)).into_iter();
        found.filter(|found| found.id == id).collect()
    }

    fn report(estimated_bytes: u64) -> ProbeReport {
        ProbeReport {
            engine: Engine::OceanBase,
            server_version: "1".into(),
            client_version: "1".into(),
            free_bytes: 10 << 30,
            claim: Trial::Works,
            privileges: vec![],
            rename_across_databases: Trial::Works,
            first_rows: Trial::Works,
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

    #[test]
    fn each_missing_privilege_is_told_with_what_it_is_for() {
        let privilege = |purpose: &str, state| Privilege {
            purpose: purpose.into(),
            state,
            grant: Some("GRANT SET USER ON *.* TO 'u'@'%'".into()),
        };
        let found = find_all(
            &ProbeReport {
                privileges: vec![
                    privilege("restore view oms_rm.v", PrivilegeState::Missing),
                    privilege("restore view oms_rm.w", PrivilegeState::Unknown),
                    privilege("restore oms_cm", PrivilegeState::Missing),
                ],
                ..report(1)
            },
            CheckId::Privileges,
        );
        let subjects: Vec<&str> = found.iter().map(|found| found.subject.as_str()).collect();
        assert_eq!(subjects, ["restore view oms_rm.v", "restore oms_cm"]);
        for one in &found {
            let way_out = one.verdict.way_out.as_deref().unwrap();
            assert!(way_out.ends_with("GRANT SET USER ON *.* TO 'u'@'%'"));
        }
    }

    #[test]
    fn a_setting_that_would_cut_the_dump_fails_by_name() {
        let list = |unsuited_settings: Vec<String>| {
            let probe = ProbeReport {
                unsuited_settings,
                ..report(1)
            };
            find_all(&probe, CheckId::ServerSettings)
        };
        assert!(list(vec![]).is_empty());
        let said = "sql_select_limit is 60 for new sessions: rows are lost. Let an administrator run: SET GLOBAL x = 1";
        let found = list(vec![said.into()]).remove(0);
        assert_eq!(found.subject, "sql_select_limit");
        assert_eq!(found.verdict.kind, Kind::Failed);
        assert!(found.verdict.evidence.contains("rows are lost"));
        let way_out = found.verdict.way_out.unwrap();
        assert_eq!(way_out, "Let an administrator run: SET GLOBAL x = 1");
    }

    #[test]
    fn what_the_probe_did_not_find_out_is_not_made() {
        let found = check(&Probing::NotMade("Claim c".into()));
        assert!(found.len() > 5);
        for one in found {
            assert_eq!(one.verdict.kind, Kind::NotMade);
            assert_eq!(one.verdict.evidence, "not made: needs Claim c");
        }
        let mut found = check(&Probing::Failed("it was killed".into())).into_iter();
        assert_eq!(found.next().unwrap().verdict.kind, Kind::Failed);
        assert!(found.all(|one| one.verdict.kind == Kind::NotMade));
    }

    #[test]
    fn the_claim_is_measured_against_the_databases_when_their_size_is_known() {
        let told = |bytes| {
            let found = find_all(&report(bytes), CheckId::ClaimWritable).remove(0);
            assert_eq!(found.verdict.kind, Kind::Passed);
            found.verdict.evidence
        };
        assert_eq!(told(2 << 30), "10 GiB free for databases of 2048 MiB");
        assert_eq!(
            told(0),
            "10 GiB free; the server does not tell how large the databases are"
        );
        let space = |bytes| {
            let found = find_all(&report(bytes), CheckId::ClaimSpace);
            found.first().map(|found| found.verdict.kind)
        };
        assert_eq!(space(8 << 30), Some(Kind::Failed));
        assert_eq!(space(7 << 30), None);
        assert_eq!(space(0), Some(Kind::Warning));
    }
}
