//! Tests of `report`.
use super::*;

fn report(message: &str, result: Option<CommandResult>) -> Report {
    Report {
        command: "probe".into(),
        upgrade_uid: "u".into(),
        attempt: 1,
        outcome: Outcome::Failed,
        reason: Reason::PrivilegeMissing,
        message: message.into(),
        manifest_digest: Some("ab".repeat(32)),
        seconds: 3,
        result,
    }
}

fn probe(privileges: usize) -> ProbeReport {
    ProbeReport {
        engine: Engine::OceanBase,
        server_version: "5.7.25".into(),
        client_version: "mariadb-dump".into(),
        free_bytes: 1,
        claim: Trial::Works,
        privileges: (0..privileges)
            .map(|n| Privilege {
                purpose: format!("dump database_{n}"),
                state: if n % 2 == 0 {
                    PrivilegeState::Present
                } else {
                    PrivilegeState::Missing
                },
                grant: Some(format!(
                    "GRANT SELECT, SHOW VIEW ON `database_{n}`.* TO 'oms'@'%'"
                )),
            })
            .collect(),
        rename_across_databases: Trial::NotTried("a privilege is missing".into()),
        first_rows: Trial::Works,
        ob_query_timeout_micros: Some(10_000_000),
        may_set_ob_query_timeout: Some(false),
        estimated_bytes: 1,
        heartbeat_sequence_rows: 1,
        dump_seconds: 1,
        restore_seconds: 1,
        unsupported_objects: (0..100).map(|n| format!("trigger oms_rm.t{n}")).collect(),
        unsuited_settings: vec![],
        missing_databases: vec![],
    }
}

#[test]
fn a_small_report_is_complete() {
    let report = report(
        "all is well",
        Some(CommandResult::Compare(CompareReport::Equal)),
    );
    assert_eq!(
        serde_json::from_str::<Report>(&report.to_line()).unwrap(),
        report
    );
}

#[test]
fn a_large_report_fits_and_keeps_the_verdict() {
    for (message, privileges) in [
        ("m".repeat(100_000), 0),
        ("short".into(), 400),
        ("€".repeat(9000), 400),
    ] {
        let report = report(
            &message,
            Some(CommandResult::Probe(Box::new(probe(privileges)))),
        );
        let line = report.to_line();
        assert!(line.len() <= MAX_REPORT_BYTES, "{}", line.len());
        let read: Report = serde_json::from_str(&line).unwrap();
        assert_eq!((read.outcome, read.reason), (report.outcome, report.reason));
        assert_eq!(read.manifest_digest, report.manifest_digest);
    }
}

#[test]
fn present_privileges_go_before_missing_ones() {
    let line = report("m", Some(CommandResult::Probe(Box::new(probe(14))))).to_line();
    let Some(CommandResult::Probe(read)) = serde_json::from_str::<Report>(&line).unwrap().result
    else {
        panic!()
    };
    assert!(!read.privileges.is_empty());
    assert!(
        read.privileges
            .iter()
            .all(|p| p.state == PrivilegeState::Missing)
    );
}

#[test]
fn lines_are_told_apart_by_their_key() {
    let progress = OutputLine::Progress(Progress {
        bytes_done: 3,
        ..Progress::default()
    });
    let text = serde_json::to_string(&progress).unwrap();
    assert!(
        text.starts_with("{\"progress\":{\"phase\":\"Starting\",\"bytesDone\":3"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<OutputLine>(&text).unwrap(), progress);
}
