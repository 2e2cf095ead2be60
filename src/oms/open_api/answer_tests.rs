use super::*;

fn key(kind: ProjectKind) -> ProjectKey {
    ProjectKey {
        kind,
        id: "p_1".into(),
    }
}

#[test]
fn reads_a_migration_project() {
    let body = br#"{"success":true,"errorDetail":null,"code":null,"data":{"status":"RUNNING","currentStep":"REVERSE_INCR_SYNC",
        "enableIncrSync":true,"enableReverseIncrSync":true,"incrSyncCheckpoint":1669000000,"reverseIncrSyncCheckpoint":1669000100}}"#;
    let progress = parse_progress(&key(ProjectKind::Migration), body).unwrap();
    assert_eq!(progress.status, ProjectStatus::Running);
    assert_eq!(progress.current_step.as_deref(), Some("REVERSE_INCR_SYNC"));
    assert_eq!(
        (progress.checkpoint, progress.reverse_checkpoint),
        (Some(1669000000), Some(1669000100))
    );
}

#[test]
fn reads_numbers_that_come_as_strings() {
    let read = |value: &str| {
        let body = format!(
            r#"{{"success":true,"data":{{"status":"RUNNING","enableIncrSync":"true","incrSyncCheckpoint":{value}}}}}"#
        );
        parse_progress(&key(ProjectKind::Sync), body.as_bytes()).map(|p| p.checkpoint)
    };
    assert_eq!(read("\"1669000000\"").unwrap(), Some(1669000000));
    assert_eq!(read("1669000000").unwrap(), Some(1669000000));
    for none in ["null", "0", "\"0\"", "\"\""] {
        assert_eq!(read(none).unwrap(), None, "{none}");
    }
    for wrong in ["1669000000000", "\"soon\"", "-5", "1.5", "[]"] {
        assert!(
            matches!(read(wrong), Err(OpenApiError::Unreadable { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn failures_and_nonsense_are_errors_without_quotes() {
    for body in [
        r#"{"success":false,"code":"canary text with blanks","message":"canary","data":null}"#,
        r#"{"success":true}"#,
        r#"{"success":true,"data":{}}"#,
        r#"{"success":true,"data":{"status":"<b>canary</b>"}}"#,
        r#"{"success":true,"data":{"status":"RUNNING","enableIncrSync":"canary"}}"#,
        "[]",
        "<html>canary",
        "",
    ] {
        let error = parse_progress(&key(ProjectKind::Sync), body.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    let failed = parse_progress(
        &key(ProjectKind::Sync),
        br#"{"success":false,"code":"GHANA-OPERAT000001"}"#,
    )
    .unwrap_err();
    assert!(matches!(failed, OpenApiError::Failed { code, .. } if code == "GHANA-OPERAT000001"));
}

#[test]
fn reads_health() {
    assert_eq!(
        parse_health(200, br#"{"data":{"healthy":true}}"#).unwrap(),
        Health::Healthy
    );
    assert_eq!(
        parse_health(200, br#"{"data":{"healthy":false}}"#).unwrap(),
        Health::Unhealthy
    );
    assert_eq!(parse_health(404, b"<html>").unwrap(), Health::NotOffered);
    assert_eq!(parse_health(503, b"").unwrap(), Health::Unhealthy);
    assert!(parse_health(200, b"OK").is_err());
    assert!(parse_health(302, b"").is_err());
}

#[test]
fn an_answer_to_a_write_may_say_that_it_failed() {
    assert!(check_write_answer(br#"{"success":false,"code":"X"}"#).is_err());
    assert!(check_write_answer(b"").is_ok());
}
