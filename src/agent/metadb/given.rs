//! What a session of the dump client gets from the server and cannot set for itself. Reads settings, nothing else.
//!
//! Our own sessions are pinned (`metadb::pins`). The client's is not: it has no command that a session begins with. It
//! sets its SQL mode, time zone, isolation and character set of results by itself, and MariaDB's also the time limit of
//! statements. For everything else it takes what the server gives to a new session, so that is looked at in a session
//! that has set nothing yet, which covers server-wide settings as well as `init_connect`.

use crate::agent::failure::Failure;
use crate::metadb::pins::{ALL_ROWS, LONGEST_MICROS, begin, is_on, read_settings, unless_unknown};
use crate::protocol::report::Reason;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;

/// The settings that matter to a dump, beside those that decide whether a question is answered at all.
const LOOKED_AT: [&str; 6] = [
    "max_join_size",
    "max_execution_time",
    "max_statement_time",
    "ob_trx_timeout",
    "ob_read_consistency",
    "character_set_client",
];

/// What a new session gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<String, String>);

/// Reads it in a session that has set nothing yet, and begins to pin that session.
///
/// # Errors
/// Of the server.
pub async fn read_given(connection: &mut Conn) -> Result<Given, mysql_async::Error> {
    // A SELECT may give no row, or be refused, under the very limits that are asked for.
    connection
        .query_drop("SET @oms_given_limit = @@session.sql_select_limit")
        .await?;
    unless_unknown(
        connection
            .query_drop("SET @oms_given_selects = @@session.sql_big_selects")
            .await,
    )?;
    begin(connection).await?;
    let row: Option<(Option<String>, Option<String>)> = connection
        .query_first("SELECT @oms_given_limit, @oms_given_selects")
        .await?;
    let (limit, selects) = row.unwrap_or_default();
    let mut values = read_settings(connection, &LOOKED_AT).await?;
    // Every server has this one; an answer without it says nothing of the others either.
    if !values.contains_key("character_set_client") {
        return Err(mysql_async::Error::Other(
            "the server does not list its settings".into(),
        ));
    }
    values.insert("sql_select_limit".to_owned(), limit.unwrap_or_default());
    if let Some(selects) = selects {
        values.insert("sql_big_selects".to_owned(), selects);
    }
    Ok(Given(values))
}

impl Given {
    /// What would make a dump less than whole or end it early, each with the statement that changes it.
    /// `client_sets_time`: the client lifts MariaDB's time limit of statements by itself.
    pub fn list_unsuited(&self, client_sets_time: bool) -> Vec<String> {
        let at_least = |value: &str, least: u64| value.parse().is_ok_and(|n: u64| n >= least);
        let is_zero = |value: &str| value.parse().is_ok_and(|n: f64| n == 0.0);
        let mut found = Vec::new();
        let mut need = |name: &str, fits: &dyn Fn(&str) -> bool, wanted: &str, meaning: &str| {
            // A server that does not list a setting has none.
            if let Some(value) = self.0.get(name).filter(|value| !fits(value)) {
                found.push(format!(
                    "{name} is {value} for new sessions: {meaning}. Let an administrator run: SET GLOBAL {name} = {wanted}; \
                     where init_connect sets it, take it out there"
                ));
            }
        };
        need(
            "sql_select_limit",
            &|value| at_least(value, ALL_ROWS),
            &ALL_ROWS.to_string(),
            "the dump would lack all further rows of each table",
        );
        let big_selects = self
            .0
            .get("sql_big_selects")
            .is_none_or(|value| is_on(value));
        need(
            "max_join_size",
            &|value| big_selects || at_least(value, ALL_ROWS),
            "18446744073709551615",
            "the dump would end at the first table with more rows",
        );
        let cut = "the dump would end at the first table that takes longer";
        need("max_execution_time", &is_zero, "0", cut);
        need(
            "max_statement_time",
            &|value| client_sets_time || is_zero(value),
            "0",
            cut,
        );
        need(
            "ob_trx_timeout",
            &|value| at_least(value, LONGEST_MICROS),
            &LONGEST_MICROS.to_string(),
            "the dump of a database would end after so many microseconds",
        );
        need(
            "ob_read_consistency",
            &|value| value.eq_ignore_ascii_case("STRONG"),
            "'STRONG'",
            "the dump may hold rows as they were earlier",
        );
        need(
            "character_set_client",
            &|value| value.eq_ignore_ascii_case("utf8mb4"),
            "utf8mb4",
            "the dump client asks for utf8mb4 and would not get it, so that names and texts may lose letters (also an effect of \
             skip-character-set-client-handshake)",
        );
        found
    }

    /// Refuses a dump that would not be whole.
    ///
    /// # Errors
    /// `UnsuitedSetting`, with everything that has to be changed.
    pub fn require_suited(&self, client_sets_time: bool) -> Result<(), Failure> {
        let unsuited = self.list_unsuited(client_sets_time);
        if unsuited.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Reason::UnsuitedSetting,
            format!(
                "The dump client takes these settings as the server gives them: {}. Nothing was written; try again after that",
                unsuited.join(". ")
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[(&str, &str)]) -> Given {
        let mut all = BTreeMap::from([("sql_select_limit".to_owned(), u64::MAX.to_string())]);
        all.extend(
            values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Given(all)
    }

    #[test]
    fn settings_as_servers_come_suit() {
        let maria = given(&[
            ("sql_big_selects", "ON"),
            ("max_join_size", "18446744073709551615"),
            ("max_statement_time", "0.000000"),
            ("character_set_client", "utf8mb4"),
        ]);
        assert_eq!(maria.list_unsuited(false), Vec::<String>::new());
        let oceanbase = given(&[
            ("sql_select_limit", "9223372036854775807"),
            ("sql_big_selects", "ON"),
            ("max_join_size", "18446744073709547520"),
            ("max_execution_time", "0"),
            ("ob_trx_timeout", "86400000000"),
            ("ob_read_consistency", "STRONG"),
            ("character_set_client", "utf8mb4"),
        ]);
        assert_eq!(oceanbase.list_unsuited(true), Vec::<String>::new());
    }

    #[test]
    fn each_setting_that_harms_is_named_with_its_statement() {
        for (values, statement) in [
            (
                vec![("sql_select_limit", "60")],
                "SET GLOBAL sql_select_limit = 9223372036854775807;",
            ),
            (
                vec![("sql_select_limit", "")],
                "SET GLOBAL sql_select_limit = ",
            ),
            (
                vec![("sql_big_selects", "OFF"), ("max_join_size", "5")],
                "SET GLOBAL max_join_size = 18446744073709551615;",
            ),
            (
                vec![("max_execution_time", "1000")],
                "SET GLOBAL max_execution_time = 0;",
            ),
            (
                vec![("max_statement_time", "0.500000")],
                "SET GLOBAL max_statement_time = 0;",
            ),
            (
                // The default of OceanBase 3.
                vec![("ob_trx_timeout", "100000000")],
                "SET GLOBAL ob_trx_timeout = 36000000000;",
            ),
            (
                vec![("ob_read_consistency", "WEAK")],
                "SET GLOBAL ob_read_consistency = 'STRONG';",
            ),
            (
                vec![("character_set_client", "latin1")],
                "SET GLOBAL character_set_client = utf8mb4;",
            ),
        ] {
            let found = given(&values).list_unsuited(false);
            assert!(
                found.len() == 1 && found[0].contains(statement),
                "{values:?}: {found:?}"
            );
            let failure = given(&values).require_suited(false).unwrap_err();
            assert!(failure.message.contains(statement), "{failure}");
        }
        let limited = given(&[("max_statement_time", "5.000000")]);
        assert_eq!(limited.list_unsuited(true), Vec::<String>::new());
    }
}
