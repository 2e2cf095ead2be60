//! What the operator asks an agent and what it is answered: the two may come from images of different versions.
use super::objects::{OWNER, ROLES, account, installation, spec};
use super::{UID, find_loss, pin, read_stored, samples, to_text};
use oms_operator::objects::agent_request::build_request;
use oms_operator::objects::pods::{find_progress, find_report};
use oms_operator::protocol::report::*;
use oms_operator::protocol::request::Request;
use serde_json::{Map, Value, json};

const REQUESTS: &str = "The agent refuses a request with a field that it does not know: an operator that is newer than the image of the \
    tools must hear of it before anything is touched. A field that comes is therefore NOT free: each upgrade that is under way fails its next Job \
    until both images are of one version. A field that went or was renamed fails likewise.";
const REPORTS: &str = "The operator reads this from the log and from the termination message of Jobs that may have been started by the \
    version before. Fields that come are free when they may be absent. Where the text that is stored here is not read any more, a finished dump \
    or restore counts as one without a report.";

#[test]
fn requests() {
    let mut status = samples::read_status();
    for left in &mut status.leftovers {
        left.dropped_time = None;
    }
    let mut all = Map::new();
    for role in ROLES {
        let request = build_request(
            OWNER,
            &spec(),
            &status,
            &installation(),
            &account(),
            role,
            2,
        );
        let mut value = json!(request);
        // A digest that the agent takes; the sample's is any text.
        if let Some(digest) = value.get_mut("expectedManifestDigest") {
            *digest = json!("ab".repeat(32));
        }
        all.insert(format!("{role:?}"), value);
    }
    let path = "tests/golden/files/requests.json";
    pin::check(path, &to_text(&Value::Object(all)), REQUESTS);
    let stored: Value = serde_json::from_str(&read_stored(path)).unwrap();
    for (role, value) in stored.as_object().unwrap() {
        let read = Request::parse(&value.to_string())
            .unwrap_or_else(|error| panic!("{role}: the stored request is refused: {error}"));
        assert_eq!(find_loss(value, &json!(read), role), None);
    }
}

fn list_results() -> Vec<(&'static str, CommandResult)> {
    let probe = ProbeReport {
        engine: Engine::OceanBase,
        server_version: "4.3.5".into(),
        client_version: "mariadb-dump 10.11".into(),
        free_bytes: 1 << 40,
        claim: Trial::Works,
        privileges: vec![Privilege {
            purpose: "dump oms_rm".into(),
            state: PrivilegeState::Missing,
            grant: Some("GRANT SELECT ON oms_rm.* TO oms".into()),
        }],
        rename_across_databases: Trial::Unsupported("no".into()),
        first_rows: Trial::Works,
        ob_query_timeout_micros: Some(10_000_000),
        may_set_ob_query_timeout: Some(true),
        estimated_bytes: 5,
        heartbeat_sequence_rows: 6,
        dump_seconds: 7,
        restore_seconds: 8,
        unsupported_objects: vec!["trigger oms_rm.t".into()],
        unsuited_settings: vec!["SET GLOBAL sql_select_limit = 9223372036854775807".into()],
        missing_databases: vec!["oms_cm".into()],
    };
    let dump = DumpReport {
        directory: "/backup/to-4-0-0-f86381adde/attempt-2".into(),
        databases: vec![DatabaseSummary {
            name: "oms_rm".into(),
            tables: 1,
            views: 2,
            rows: 3,
            raw_bytes: 4,
            stored_bytes: 5,
        }],
        digest_seconds: 6,
        dump_seconds: 7,
    };
    let verify = VerifyReport {
        files: 3,
        rows: 4,
        stored_bytes: 5,
        scratch_restore: Trial::NotTried("its estimate is too long".into()),
    };
    let restore = RestoreReport {
        method: RestoreMethodUsed::DropAndLoad,
        safety_copies: vec![SafetyCopy {
            database: "oms_rm__omsnew_1".into(),
            tables: Some(1),
            bytes: Some(2),
        }],
        tables: 1,
        views: 2,
        rows: 3,
        resumed_attempt: Some(1),
    };
    let different = CompareReport::Different {
        summary: "table oms_rm.t is missing".into(),
        objects: 1,
    };
    let dropped = DropReport {
        dropped: vec!["oms_rm__omsnew_1".into()],
        foreign: vec!["oms_cm__omsnew_1".into()],
    };
    vec![
        ("probe", CommandResult::Probe(Box::new(probe))),
        ("dump", CommandResult::Dump(dump)),
        ("verify", CommandResult::Verify(verify)),
        ("compare", CommandResult::Compare(CompareReport::Equal)),
        ("compare", CommandResult::Compare(different)),
        ("restore", CommandResult::Restore(restore)),
        (
            "drop-safety-copies",
            CommandResult::DropSafetyCopies(dropped),
        ),
    ]
}

fn list_lines() -> Vec<OutputLine> {
    let progress = Progress {
        phase: ProgressPhase::Dumping,
        database: "oms_rm".into(),
        table: Some("t".into()),
        bytes_done: 1,
        bytes_total: Some(2),
        bytes_per_second: 3,
        eta_seconds: Some(4),
    };
    let mut lines = vec![OutputLine::Progress(progress)];
    for (command, result) in list_results() {
        lines.push(OutputLine::Report(Box::new(Report {
            command: command.into(),
            upgrade_uid: UID.into(),
            attempt: 2,
            outcome: Outcome::Succeeded,
            reason: Reason::Completed,
            message: "as asked".into(),
            manifest_digest: Some("ab".repeat(32)),
            seconds: 9,
            result: Some(result),
        })));
    }
    lines
}

#[test]
fn reports() {
    let lines: Vec<String> = list_lines()
        .iter()
        .map(|line| serde_json::to_string(line).unwrap())
        .collect();
    let path = "tests/golden/files/reports.jsonl";
    pin::check(path, &format!("{}\n", lines.join("\n")), REPORTS);
    for (number, line) in read_stored(path).lines().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        let read: OutputLine = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("line {number} is not read any more: {error}"));
        assert_eq!(find_loss(&value, &json!(read), "line"), None);
        // The way by which the operator reads it.
        match read {
            OutputLine::Progress(progress) => assert_eq!(find_progress(line), Some(progress)),
            OutputLine::Report(report) => assert_eq!(find_report(line), Some(*report)),
        }
    }
}
