//! The statements of a dump that make tables and views, each with the session settings that stand before it. No I/O.
//!
//! A dump makes each view twice: an empty placeholder among the tables, which lets views of one database be made in any
//! order, and the real one at its end. Placeholders do not reach across dumps of several databases, so only the real
//! ones are taken.

use super::statements::Kind;
use std::collections::BTreeSet;

/// One statement that makes a table or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Name of the table or view.
    pub name: String,
    /// The session settings that belong to it alone.
    pub settings: Vec<Vec<u8>>,
    /// The statement.
    pub create: Vec<u8>,
}

/// What the dump of one database makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// The database as it is called in the backup.
    pub database: String,
    /// The session settings for all of the dump.
    pub preamble: Vec<Vec<u8>>,
    /// Its tables, in the order of the dump.
    pub tables: Vec<Definition>,
    pub views: Vec<Definition>,
}

/// Picks the definitions out of the statements of a dump.
pub struct Collector {
    found: Definitions,
    view_names: BTreeSet<String>,
    in_preamble: bool,
    settings: Vec<Vec<u8>>,
}

impl Collector {
    /// For the dump of `database`, which has views of these names.
    pub fn new(database: &str, view_names: impl IntoIterator<Item = String>) -> Self {
        Self {
            found: Definitions {
                database: database.to_owned(),
                ..Definitions::default()
            },
            view_names: view_names.into_iter().collect(),
            in_preamble: true,
            settings: Vec::new(),
        }
    }

    /// Looks at the next statement.
    pub fn look_at(&mut self, kind: &Kind, statement: &[u8]) {
        match kind {
            Kind::Set if self.in_preamble => {
                self.found.preamble.push(statement.to_vec());
                return;
            }
            Kind::Set => {
                self.settings.push(statement.to_vec());
                return;
            }
            // Never run, so it neither ends the preamble nor parts a definition from its settings.
            Kind::Transaction => return,
            Kind::CreateView(name) => {
                self.found.views.retain(|known| known.name != *name);
                let view = self.define(name, statement);
                self.found.views.push(view);
            }
            // Old clients create a table as the placeholder of a view.
            Kind::CreateTable(name) if !self.view_names.contains(name) => {
                let table = self.define(name, statement);
                self.found.tables.push(table);
            }
            Kind::CreateTable(_) | Kind::Drop | Kind::Insert(_) | Kind::Neutral => {}
        }
        self.in_preamble = false;
        // What follows belongs to the next one.
        self.settings.clear();
    }

    fn define(&mut self, name: &str, statement: &[u8]) -> Definition {
        Definition {
            name: name.to_owned(),
            settings: std::mem::take(&mut self.settings),
            create: statement.to_vec(),
        }
    }

    /// All that was found.
    pub fn finish(self) -> Definitions {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sql::statements::classify;

    fn collect(statements: &[&str]) -> Definitions {
        let mut collector = Collector::new("oms_rm", ["v".to_owned()]);
        for statement in statements {
            collector.look_at(
                &classify(statement.as_bytes()).unwrap(),
                statement.as_bytes(),
            );
        }
        collector.finish()
    }

    fn text(statements: &[Vec<u8>]) -> Vec<&str> {
        statements
            .iter()
            .map(|one| std::str::from_utf8(one).unwrap())
            .collect()
    }

    #[test]
    fn each_definition_comes_with_its_own_settings_and_views_without_their_placeholders() {
        for placeholder in [
            "/*!50001 CREATE VIEW `v` AS SELECT NULL AS `id` */",
            "/*!50001 CREATE TABLE `v` (`id` tinyint) ENGINE=MyISAM */",
        ] {
            let found = collect(&[
                "/*!40101 SET NAMES utf8mb4 */",
                "/*!40014 SET FOREIGN_KEY_CHECKS=0 */",
                "DROP TABLE IF EXISTS `v`",
                "SET @saved_cs_client = @@character_set_client",
                placeholder,
                "SET character_set_client = @saved_cs_client",
                "DROP TABLE IF EXISTS `t`",
                "SET character_set_client = utf8mb4",
                "CREATE TABLE `t` (`id` int)",
                "SET character_set_client = @saved_cs_client",
                "INSERT INTO `t` VALUES (1)",
                "/*!50001 DROP VIEW IF EXISTS `v`*/",
                "/*!50001 SET character_set_client = gbk */",
                "/*!50001 CREATE ALGORITHM=UNDEFINED */ /*!50001 VIEW `v` AS select 1 AS `id` */",
                "/*!50001 SET character_set_client = @saved_cs_client */",
                "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */",
            ]);
            assert_eq!(
                text(&found.preamble),
                [
                    "/*!40101 SET NAMES utf8mb4 */",
                    "/*!40014 SET FOREIGN_KEY_CHECKS=0 */"
                ]
            );
            let [table] = found.tables.as_slice() else {
                panic!("{found:?}")
            };
            let [view] = found.views.as_slice() else {
                panic!("{found:?}")
            };
            assert_eq!(
                text(&table.settings),
                ["SET character_set_client = utf8mb4"]
            );
            assert_eq!(
                text(&view.settings),
                ["/*!50001 SET character_set_client = gbk */"]
            );
            assert!(view.create.ends_with(b"select 1 AS `id` */"));
        }
    }
}
