//! Our own table on the MetaDB: who may work there. Names, rows and widths; no statement but the one for people.
//!
//! The operator makes the table, keeps its claim in row 1 and takes the row out in the end. The other rows are the
//! agent's: the lock that keeps agents apart, and the record of a restore. Beside it lie the record of upgrades
//! ([`super::record`]) and the id of the installation, which stay. Programs of different versions meet here: nothing of
//! it may change.

/// Database that holds the lock; also visible proof to people that an upgrade is under way.
pub const LOCK_DATABASE: &str = "oms_operator_lock";

/// Table with the lock rows: `id`, `holder`, `epoch`, `note`, `updated_at`.
pub const LOCK_TABLE: &str = "upgrade_lock";

/// The same with its database, as SQL; neither name needs quotes.
pub const TABLE: &str = "oms_operator_lock.upgrade_lock";

/// Table, in the same database, with the record of upgrades: what happened, in rows that are only ever added.
pub const RECORD_TABLE: &str = "upgrade_record";

/// Table, in the same database, with the one row that holds the id of the installation.
pub const INSTALLATION_TABLE: &str = "installation";

/// Table, in the same database, with the recovery keys that were left in `ha.config`.
pub const KEPT_TABLE: &str = "kept_recovery_keys";

/// The row that agents lock against each other.
pub const AGENT_ROW: u8 = 2;

/// The row that tells how far a restore has come: the upgrade, the attempt, the step.
pub const RESTORE_ROW: u8 = 3;

/// Characters that `holder` takes.
pub const HOLDER_MAX: usize = 64;

/// Characters that `note` takes.
pub const NOTE_MAX: usize = 255;

/// The statement with which a person removes the kept keys of one OMS.
pub fn describe_removal(rm: &str) -> String {
    let rm = rm.replace('\'', "''");
    format!("delete from {LOCK_DATABASE}.{KEPT_TABLE} where rm = '{rm}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lies_in_our_database() {
        assert_eq!(TABLE, format!("{LOCK_DATABASE}.{LOCK_TABLE}"));
    }
}
