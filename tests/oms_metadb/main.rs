//! The meta database client against real servers: seekdb (OceanBase's engine) and MariaDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod facts;
mod failures;
mod fingerprint;
mod ha_row;
mod kept_keys;
mod lock;
mod record;
#[path = "../explorer/record_rules.rs"]
mod record_rules;
mod rogue;
mod sessions;
mod settings;
mod support;

use support::{Kind, Server};

/// Every check runs on databases of its own, so their order does not matter; one server for all of
/// them, because starting one is the expensive part.
async fn check_all(kind: Kind) {
    let server = Server::start(kind).await;
    facts::identity(&server).await;
    facts::projects(&server).await;
    facts::hosts_beats_regions(&server).await;
    facts::connectors(&server).await;
    facts::query_timeout(&server).await;
    ha_row::reads(&server).await;
    ha_row::writes_single_keys(&server).await;
    ha_row::inserts_only_if_asked(&server).await;
    ha_row::refuses_odd_rows(&server).await;
    ha_row::one_of_many_writers_wins(&server).await;
    sessions::foreign_and_own(&server).await;
    sessions::visibility(&server).await;
    lock::one_of_many_gets_it(&server).await;
    lock::epochs_fence(&server).await;
    lock::release_takes_out_its_own_rows(&server).await;
    record::racing_writers_agree_on_one_id(&server).await;
    record::tables_lock_rows(&server).await;
    record::rules(&server).await;
    record::one_of_many_writers_adds(&server).await;
    record::a_fenced_writer_stays_out(&server).await;
    record::old_verdicts_are_forgotten(&server).await;
    record::what_is_not_ours_is_told(&server).await;
    record::a_record_that_was_removed_is_told(&server).await;
    record::a_read_only_server_is_not_believed(&server).await;
    fingerprint::tells_what_a_migration_alters(&server).await;
    fingerprint::invisible_is_not_absent(&server).await;
    fingerprint::names_are_as_the_server_folds_them(&server).await;
    kept_keys::outlive_the_lock(&server).await;
    kept_keys::are_of_one_installation(&server).await;
    failures::login(&server).await;
    failures::privileges(&server).await;
    failures::invisible_is_not_absent(&server).await;
    failures::stuck_write_does_not_happen_later(&server).await;
    settings::autocommit_off(&server).await;
    settings::select_limit(&server).await;
    settings::a_setting_that_is_not_kept(&server).await;
}

fn run(kind: Kind) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(check_all(kind));
}

#[test]
fn mariadb() {
    run(Kind::MariaDb);
}

#[test]
fn seekdb() {
    run(Kind::SeekDb);
}

#[test]
fn unreachable_and_silent_addresses() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(failures::nobody_there());
}

#[test]
fn rogue_servers_get_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        rogue::password_in_clear_text().await;
        rogue::password_for_a_key().await;
        rogue::password_for_a_key_that_is_allowed().await;
        rogue::login_without_the_tls_that_was_asked_for().await;
        rogue::answers_without_end().await;
        rogue::file_of_this_machine().await;
    });
}
