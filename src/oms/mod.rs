//! OMS as seen from outside: what can be known and changed without a Kubernetes client.
//!
//! Two kinds of modules live here:
//! * plain data without I/O, which the upgrade procedure reasons about: [`installation`], [`config_yaml`], [`ha`],
//!   [`project`], [`version`], [`container`] (command lines and the reading of their answers),
//!   [`metadb`] (facts and the port), [`open_api`] (facts and the port);
//! * the two adapters that do talk: [`mysql`] to the meta database, [`http`] to the console.
//!
//! Facts about OMS are quoted from its public guides; the name of the page stands at each item.
pub mod assumptions;
pub mod config_yaml;
pub mod container;
pub mod ha;
pub mod http;
pub mod installation;
pub mod metadb;
pub mod mysql;
pub mod open_api;
pub mod project;
mod tls;
pub mod version;
