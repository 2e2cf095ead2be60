//! What other files of this program try on seekdb and on Debian's own MariaDB, on MariaDB 11.8 and MySQL 9.7. Left out
//! of `make test`, which takes a sample of these two.

use crate::engines::Kind;
use crate::engines::proxy::Strike;
use crate::{
    busy, corruption, definitions, faults, heartbeats, kills, outside, roundtrip, secrets, servers,
    settings, sight, trial, values, views,
};

const BOTH: [Kind; 2] = [Kind::MariaDb11, Kind::MySql];

/// A test for each of the two, by the name of what is tried.
macro_rules! on_both {
    ($($name:ident: $try:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn on_mariadb_11() {
                let run: fn(Kind) = $try;
                run(Kind::MariaDb11);
            }

            #[test]
            fn on_mysql() {
                let run: fn(Kind) = $try;
                run(Kind::MySql);
            }
        }
    )*};
}

on_both! {
    drop_and_load: roundtrip::drop_and_load;
    by_hand: roundtrip::by_hand;
    large: roundtrip::large;
    backslashes: roundtrip::backslashes;
    no_row_is_lost_to_a_limit: settings::no_row_is_lost_to_a_limit;
    a_limit_is_refused_by_name: settings::a_limit_is_refused_by_name;
    autocommit_off: settings::autocommit_off;
    what_cannot_be_seen_is_refused: sight::what_cannot_be_seen_is_refused;
    a_negative_zero_is_a_zero: values::a_negative_zero_is_a_zero;
    a_float_is_compared_exactly: values::a_float_is_compared_exactly;
    broken_views_are_named: definitions::broken_views_are_named;
    only_the_newest_row_is_left: heartbeats::only_the_newest_row_is_left;
    a_load_waits: busy::a_load_waits;
    a_restore_waits: busy::a_restore_waits;
    awkward_rows_come_through: trial::awkward_rows_come_through;
    what_would_fail_later_fails_now: trial::what_would_fail_later_fails_now;
    long_rows: servers::long_rows;
    lost_node: servers::lost_node;
    views_across: views::there_and_back;
    views_refused_by_name: views::refused_by_name;
    views_that_are_all_gone: |kind| views::views_that_are_all_gone_come_back_on(&[kind]);
    views_swap_killed: |kind| views::killed(kind, "Swap", Strike::KillAfter, 1);
    views_drop_and_load_killed: |kind| views::killed(kind, "DropAndLoad", Strike::KillBefore, 2);
    physical_damage: corruption::physical_damage;
    logical_damage: corruption::logical_damage;
    sessions_of_others: |kind| faults::sessions_of_others_stop_dump_comparison_and_restore_on(&[kind]);
    two_agents: |kind| faults::two_agents_never_work_at_once_on(&[kind]);
    a_broken_connection: |kind| faults::a_broken_connection_is_no_short_backup_on(&[kind]);
    another_program: |kind| faults::sessions_of_another_program_with_the_same_account_do_not_stop_a_dump_on(&[kind]);
    sigterm: |kind| outside::sigterm_takes_the_scratch_databases_along_on(&[kind]);
    swap_killed_before: |kind| kills::kill_restores(kind, "Swap", Strike::KillBefore, 1);
    swap_killed_after: |kind| kills::kill_restores(kind, "Swap", Strike::KillAfter, 0);
    drop_and_load_killed: |kind| kills::kill_restores(kind, "DropAndLoad", Strike::KillAfter, 0);
    dumps_killed: |kind| kills::dumps_killed_anywhere_on(&[(kind, Strike::KillAfter)]);
    verifications_killed: kills::verifications_killed_anywhere_on;
}

#[test]
fn values_that_no_dump_carries_are_refused_on_mariadb_11() {
    values::values_that_no_dump_carries_are_refused(Kind::MariaDb11);
}

#[test]
fn the_password_is_found_nowhere() {
    secrets::the_password_is_found_nowhere_on(&BOTH);
}
