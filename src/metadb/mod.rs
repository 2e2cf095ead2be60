//! What operator and agent both know of the server that holds the MetaDB, each thing once: which product it is, what
//! its error numbers mean, how names are quoted, how our own tables there are laid out, what the record of upgrades
//! says, how a schema is told from another, how sessions are listed, and what a session of ours sets for itself, and
//! how OMS's own `config.yaml` names server and account.
//!
//! Knowledge, not conduct: the operator's short calls ([`crate::oms::mysql`]) and the agent's long sessions stay apart,
//! and no limit of the one reaches the other. Two talk to the server: [`wire`], through which each connection goes, so
//! that a server cannot say what harms the driver, and [`pins`], over a connection that it is given.
mod codes;
pub mod config_file;
mod elsewhere;
mod engine;
mod fingerprint;
pub mod lock_table;
mod options;
pub mod pins;
mod quoting;
pub mod record;
mod rules;
pub mod secret;
mod sessions;
mod tls;
mod wire;

pub use codes::{Meaning, judge_code, quotes_values};
pub use elsewhere::{is_elsewhere, read_address};
pub use engine::{Engine, name_engine};
pub use fingerprint::{SchemaFingerprint, SchemaItem, hash_schema};
pub use lock_table::{
    INSTALLATION_TABLE, KEPT_TABLE, LOCK_DATABASE, LOCK_TABLE, RECORD_TABLE, describe_removal,
};
pub use quoting::{quote_name, quote_table};
pub use rules::LoginRules;
pub use sessions::{SessionList, cut_port, name_database};
pub(crate) use tls::read_certificates;
pub use tls::{TlsRules, TlsTexts};
pub use wire::{Refusal, Wire, WireError, WireLimits, open_door, open_wire};
