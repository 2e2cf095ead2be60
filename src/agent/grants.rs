//! Understands `SHOW GRANTS`, and says what to grant. No I/O.

use super::sql::names::literal;
use crate::metadb::Engine;
use crate::metadb::quote_name;
use crate::protocol::report::PrivilegeState;

/// What an account was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    scopes: Vec<(String, Vec<String>)>,
    has_roles: bool,
}

impl Grants {
    /// Reads the lines of `SHOW GRANTS`.
    pub fn parse(lines: &[String]) -> Self {
        let mut grants = Self::default();
        for line in lines {
            let Some(rest) = line.strip_prefix("GRANT ") else {
                continue;
            };
            match rest.split_once(" ON ") {
                Some((privileges, rest)) if !privileges.starts_with("PROXY") => {
                    let Some(scope) = scope_of(rest) else {
                        continue;
                    };
                    let list = privileges
                        .split(',')
                        .map(|p| p.trim().to_ascii_uppercase())
                        .collect();
                    grants.scopes.push((scope, list));
                }
                Some(_) => {}
                None => grants.has_roles = true,
            }
        }
        grants
    }

    /// Whether the account has all of `privileges` on database `database`, or on everything for `*`.
    pub fn state(&self, database: &str, privileges: &[&str]) -> PrivilegeState {
        let has = |privilege: &str| {
            self.scopes.iter().any(|(scope, granted)| {
                let in_scope = scope == "*" || (database != "*" && matches(scope, database));
                in_scope
                    && granted
                        .iter()
                        .any(|g| g == privilege || g == "ALL PRIVILEGES" || g == "ALL")
            })
        };
        match privileges.iter().all(|privilege| has(privilege)) {
            true => PrivilegeState::Present,
            false if self.has_roles => PrivilegeState::Unknown,
            false => PrivilegeState::Missing,
        }
    }
}

/// The database pattern of `` `oms\_%`.* TO … ``, `'db'.*`, `*.*`; tables and routines do not count.
fn scope_of(rest: &str) -> Option<String> {
    if rest.starts_with("*.*") {
        return Some("*".to_owned());
    }
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '`' | '\'' | '"'));
    let (name, after) = match quote {
        Some(quote) => {
            let mut name = String::new();
            let mut chars = rest[1..].char_indices().peekable();
            loop {
                let (at, c) = chars.next()?;
                if c != quote {
                    name.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    name.push(c);
                    chars.next();
                } else {
                    break (name, &rest[at + 2..]);
                }
            }
        }
        None => rest
            .split_once('.')
            .map(|(name, _)| (name.to_owned(), &rest[name.len()..]))?,
    };
    after.starts_with(".*").then_some(name)
}

/// Patterns of grants: `%` is any text, `_` any character, a back-slash takes the next one literally.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = pattern_chars.as_str();
            (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| matches(rest, &name[at..]))
        }
        Some(wanted) => {
            let wanted = if wanted == '\\' {
                pattern_chars.next()
            } else {
                Some(wanted).filter(|c| *c != '_')
            };
            let mut name_chars = name.chars();
            match name_chars.next() {
                None => false,
                Some(c) => {
                    wanted.is_none_or(|w| w.eq_ignore_ascii_case(&c))
                        && matches(pattern_chars.as_str(), name_chars.as_str())
                }
            }
        }
    }
}

/// `GRANT … ON … TO 'user'@'host'`; `grantee` is as `CURRENT_USER()` gives it.
pub fn grant_statement(privileges: &[&str], scope: &str, grantee: &str) -> String {
    let account = match grantee.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", literal(user), literal(host)),
        None => literal(grantee),
    };
    format!("GRANT {} ON {scope} TO {account}", privileges.join(", "))
}

/// The privilege with which a view may be given another account as its definer.
pub fn definer_privilege(engine: Engine, version: &str) -> &'static str {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match engine {
        Engine::MariaDb if version >= (10, 5) => "SET USER",
        Engine::MySql | Engine::Other if version >= (8, 2) => "SET_ANY_DEFINER",
        Engine::MySql | Engine::Other if version >= (8, 0) => "SET_USER_ID",
        _ => "SUPER",
    }
}

/// Scope for one database.
pub fn scope(database: &str) -> String {
    format!("{}.*", quote_name(&escape(database)))
}

/// Scope for the databases that the agent makes beside `database`.
pub fn scope_beside(database: &str) -> String {
    format!(
        "{}.*",
        quote_name(&format!("{}%", escape(&format!("{database}__oms"))))
    )
}

/// In grants `_` and `%` are wild cards.
fn escape(name: &str) -> String {
    name.replace('_', "\\_").replace('%', "\\%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Grants {
        Grants::parse(&lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn both_spellings_are_understood() {
        let maria = grants(&[
            "GRANT USAGE ON *.* TO `lim`@`%` IDENTIFIED BY PASSWORD '*B6'",
            "GRANT SELECT, SHOW VIEW ON `oms\\_rm`.* TO `lim`@`%`",
            "GRANT ALL PRIVILEGES ON `oms_rm\\_\\_oms%`.* TO `lim`@`%`",
        ]);
        assert_eq!(
            maria.state("oms_rm", &["SELECT", "SHOW VIEW"]),
            PrivilegeState::Present
        );
        assert_eq!(
            maria.state("oms_rm", &["SELECT", "DROP"]),
            PrivilegeState::Missing
        );
        assert_eq!(maria.state("omsxrm", &["SELECT"]), PrivilegeState::Missing);
        assert_eq!(
            maria.state("oms_rm__omsrestore_1", &["CREATE", "DROP"]),
            PrivilegeState::Present
        );
        assert_eq!(maria.state("*", &["PROCESS"]), PrivilegeState::Missing);
        let ob = grants(&["GRANT ALL PRIVILEGES ON *.* TO 'root@metadb#obtest' WITH GRANT OPTION"]);
        assert_eq!(ob.state("any", &["DROP"]), PrivilegeState::Present);
        assert_eq!(ob.state("*", &["PROCESS"]), PrivilegeState::Present);
    }

    #[test]
    fn roles_make_the_answer_unknown() {
        let roles = grants(&["GRANT `r` TO `u`@`%`", "GRANT USAGE ON *.* TO `u`@`%`"]);
        assert_eq!(roles.state("oms_rm", &["SELECT"]), PrivilegeState::Unknown);
    }

    #[test]
    fn a_grant_on_one_table_is_not_one_on_the_database() {
        assert_eq!(
            grants(&["GRANT SELECT ON `oms_rm`.`t` TO `u`@`%`"]).state("oms_rm", &["SELECT"]),
            PrivilegeState::Missing
        );
    }

    #[test]
    fn each_server_has_its_own_privilege_for_definers() {
        for (engine, version, privilege) in [
            (Engine::MariaDb, "10.11.19-MariaDB-0+deb12u1", "SET USER"),
            (Engine::MariaDb, "10.3.39-MariaDB", "SUPER"),
            (Engine::MySql, "5.7.44-log", "SUPER"),
            (Engine::MySql, "8.0.36", "SET_USER_ID"),
            (Engine::MySql, "8.4.2", "SET_ANY_DEFINER"),
            (Engine::OceanBase, "5.7.25-OceanBase-v4.2.1.2", "SUPER"),
        ] {
            assert_eq!(definer_privilege(engine, version), privilege, "{version}");
        }
    }

    #[test]
    fn statements_can_be_pasted() {
        assert_eq!(
            grant_statement(
                &["SELECT", "SHOW VIEW"],
                &scope("oms_rm"),
                "root@metadb#obtest@%"
            ),
            "GRANT SELECT, SHOW VIEW ON `oms\\_rm`.* TO 'root@metadb#obtest'@'%'"
        );
        assert_eq!(scope_beside("oms_rm"), "`oms\\_rm\\_\\_oms%`.*");
    }
}
