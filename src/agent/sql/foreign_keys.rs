//! Foreign keys of CREATE TABLE statements, and which of them no order of creation satisfies. No I/O.
//!
//! OceanBase takes a foreign key to a table that does not exist yet only within one database (error 1235 otherwise,
//! seen on seekdb 1.4.0, whatever foreign_key_checks says). So the table that is referred to comes first, and a ring of
//! such keys across databases cannot be loaded at all, though `ALTER TABLE` can build one.

use super::definitions::Definitions;
use super::statements::name_of;
use super::tokens::{Token, first_token};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Name of the constraint; empty if it has none.
    pub constraint: String,
    /// Database of the table that it refers to, where the statement names one.
    pub database: Option<String>,
    /// The table that it refers to.
    pub table: String,
}

/// The foreign keys of a CREATE TABLE statement.
pub fn list_foreign_keys(create_table: &[u8]) -> Vec<ForeignKey> {
    let mut found = Vec::new();
    let mut constraint = String::new();
    let mut before: &[u8] = b"";
    let mut at = 0;
    while at < create_table.len() {
        let rest = &create_table[at..];
        let (token, length) = first_token(rest);
        let text = &rest[..length];
        at += length;
        match token {
            Token::Space => continue,
            Token::Name if before.eq_ignore_ascii_case(b"CONSTRAINT") => {
                constraint = name_of(text).unwrap_or_default();
            }
            Token::Name if before.eq_ignore_ascii_case(b"REFERENCES") => {
                let first = name_of(text).unwrap_or_default();
                let second = second_part(&rest[length..]);
                let (database, table) = match second {
                    Some(table) => (Some(first), table),
                    None => (None, first),
                };
                found.push(ForeignKey {
                    constraint: std::mem::take(&mut constraint),
                    database,
                    table,
                });
            }
            _ => {}
        }
        before = text;
    }
    found
}

/// The name behind a point.
fn second_part(rest: &[u8]) -> Option<String> {
    let name = rest.trim_ascii_start().strip_prefix(b".")?;
    let name = name.trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let (_, length) = first_token(name);
    name_of(&name[..length])
}

/// A table and its foreign keys to tables of other databases.
struct Node<'d> {
    database: &'d str,
    table: &'d str,
    keys: Vec<ForeignKey>,
}

impl Node<'_> {
    fn refers_to(&self, other: &Node<'_>) -> bool {
        self.keys.iter().any(|key| key.leads_to(other))
    }
}

impl ForeignKey {
    fn leads_to(&self, node: &Node<'_>) -> bool {
        self.database.as_deref() == Some(node.database) && self.table == node.table
    }
}

/// The foreign keys that form rings across databases, in words; empty when there is an order in which all tables can be
/// made.
pub fn find_rings(definitions: &[Definitions]) -> Vec<String> {
    let mut left: Vec<Node<'_>> = Vec::new();
    for one in definitions {
        for table in &one.tables {
            let mut keys = list_foreign_keys(&table.create);
            keys.retain(|key| {
                key.database
                    .as_ref()
                    .is_some_and(|name| *name != one.database)
            });
            if !keys.is_empty() {
                left.push(Node {
                    database: &one.database,
                    table: &table.name,
                    keys,
                });
            }
        }
    }
    // What waits for nobody can be made; what nobody waits for is in no ring.
    loop {
        let is_in_between: Vec<bool> = left
            .iter()
            .map(|node| {
                left.iter().any(|other| node.refers_to(other))
                    && left.iter().any(|other| other.refers_to(node))
            })
            .collect();
        let before = left.len();
        let mut stays = is_in_between.into_iter();
        left.retain(|_| stays.next().unwrap_or(false));
        if left.len() == before {
            break;
        }
    }
    let describe = |node: &Node<'_>| -> Vec<String> {
        let (database, table) = (node.database, node.table);
        node.keys
            .iter()
            .filter(|key| left.iter().any(|other| key.leads_to(other)))
            .map(|key| {
                format!(
                    "constraint {} of {database}.{table} refers to {}.{}",
                    key.constraint,
                    key.database.as_deref().unwrap_or_default(),
                    key.table
                )
            })
            .collect()
    };
    left.iter().flat_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sql::definitions::Definition;

    fn database(name: &str, tables: &[(&str, &str)]) -> Definitions {
        let tables = tables.iter().map(|(table, keys)| Definition {
            name: (*table).to_owned(),
            settings: Vec::new(),
            create: format!("CREATE TABLE `{table}` (`id` int{keys})").into_bytes(),
        });
        Definitions {
            database: name.to_owned(),
            tables: tables.collect(),
            ..Definitions::default()
        }
    }

    fn key(name: &str, to: &str) -> String {
        format!(", CONSTRAINT `{name}` FOREIGN KEY (`id`) REFERENCES {to} (`id`) ON DELETE CASCADE")
    }

    #[test]
    fn keys_are_listed_with_their_names() {
        let text = format!(
            "CREATE TABLE `t` (`CONSTRAINT` int COMMENT 'REFERENCES `x`.`y`'{}{}, FOREIGN KEY (`a`) REFERENCES `r`(`id`))",
            key("a`b".replace('`', "``").as_str(), "`o``m` . `p`"),
            key("c", "`q`")
        );
        let expected = |constraint: &str, database: Option<&str>, table: &str| ForeignKey {
            constraint: constraint.to_owned(),
            database: database.map(str::to_owned),
            table: table.to_owned(),
        };
        assert_eq!(
            list_foreign_keys(text.as_bytes()),
            [
                expected("a`b", Some("o`m"), "p"),
                expected("c", None, "q"),
                expected("", None, "r"),
            ]
        );
        for text in ["REFERENCES", "REFERENCES `", "REFERENCES `a`.", ""] {
            assert!(list_foreign_keys(text.as_bytes()).len() < 2);
        }
    }

    #[test]
    fn only_rings_across_databases_are_named() {
        let job = key("fk_job", "`cm`.`machine`");
        let forward = [
            database("rm", &[("job", &job), ("self", &key("s", "`self`"))]),
            database("cm", &[("machine", &key("within", "`cm`.`machine`"))]),
        ];
        assert_eq!(find_rings(&forward), Vec::<String>::new());
        let back = key("fk_machine", "`rm`.`job`");
        let ring = [
            database(
                "rm",
                &[("job", &job), ("other", &key("o", "`cm`.`outside`"))],
            ),
            database(
                "cm",
                &[("machine", &back), ("outside", &key("n", "`rm`.`job`"))],
            ),
        ];
        assert_eq!(
            find_rings(&ring),
            [
                "constraint fk_job of rm.job refers to cm.machine",
                "constraint fk_machine of cm.machine refers to rm.job"
            ]
        );
    }
}
