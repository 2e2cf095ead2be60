//! Tests of `pins`.
use super::*;

#[test]
fn values_are_known_in_every_spelling() {
    for (value, found) in [
        (Value::Number(0), "0.000000"),
        (Value::Number(20), "20"),
        (Value::Number(ALL_ROWS), "9223372036854775807"),
        (Value::Switch(true), "ON"),
        (Value::Switch(true), "1"),
        (Value::Switch(false), "OFF"),
        (Value::Word("utf8mb4"), "utf8mb4"),
        (Value::Word("STRONG"), "strong"),
        (Value::Word(""), ""),
    ] {
        assert!(agrees(value, found), "{value:?} {found}");
    }
    for (value, found) in [
        (Value::Number(0), "0.5"),
        (Value::Number(ALL_ROWS), "60"),
        (Value::Number(1), ""),
        (Value::Switch(true), "OFF"),
        (Value::Switch(false), "1"),
        (Value::Word("utf8mb4"), "utf8mb3"),
    ] {
        assert!(!agrees(value, found), "{value:?} {found}");
    }
}

#[test]
fn every_session_reads_whole_lists_and_keeps_what_it_writes() {
    let call = Purpose::Call(Duration::from_millis(2500));
    for (purpose, is_oceanbase) in [
        (call, false),
        (call, true),
        (Purpose::Work, false),
        (Purpose::Work, true),
    ] {
        let pins = list_pins(purpose, is_oceanbase);
        for pin in [
            ("sql_select_limit", Value::Number(ALL_ROWS)),
            ("autocommit", Value::Switch(true)),
            ("character_set_results", Value::Word("utf8mb4")),
        ] {
            assert!(pins.contains(&pin), "{purpose:?}: {pin:?}");
        }
        let mut names: Vec<_> = pins.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), pins.len(), "one value for each");
    }
}

#[test]
fn a_call_is_ended_by_the_server_too() {
    let limit = Duration::from_millis(2500);
    let maria = list_for_call(limit, false);
    assert!(maria.contains(&("max_statement_time", Value::Number(2))));
    assert!(maria.contains(&("lock_wait_timeout", Value::Number(2))));
    let ahead = list_ahead(Purpose::Call(limit), true);
    assert_eq!(ahead, [("ob_query_timeout", Value::Number(2_500_000))]);
    let soon = Duration::from_millis(1);
    assert!(list_for_call(soon, false).contains(&("max_execution_time", Value::Number(1000))));
}

#[test]
fn a_job_waits_for_locks_longer_than_a_lost_node_keeps_them_and_not_for_ever() {
    for is_oceanbase in [false, true] {
        let pins = list_for_work(is_oceanbase);
        let seconds = |name: &str, unit: u64| match pins.iter().find(|pin| pin.0 == name) {
            Some((_, Value::Number(number))) => number / unit,
            other => panic!("{other:?}"),
        };
        let mut waits = vec![seconds("lock_wait_timeout", 1)];
        if is_oceanbase {
            waits.push(seconds("ob_trx_lock_timeout", 1_000_000));
            assert_eq!(seconds("ob_trx_idle_timeout", 1_000_000), IDLE_SECONDS);
        } else {
            waits.push(seconds("innodb_lock_wait_timeout", 1));
        }
        for wait in waits {
            assert!(wait > IDLE_SECONDS && wait <= 2 * IDLE_SECONDS, "{wait}");
        }
    }
}

#[test]
fn statements_are_written_for_the_session() {
    assert_eq!(
        write_set(&[
            ("a", Value::Number(7)),
            ("b", Value::Switch(false)),
            ("c", Value::Word(""))
        ]),
        "SET SESSION a = 7, SESSION b = 0, SESSION c = ''"
    );
}
