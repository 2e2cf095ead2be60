//! What the error numbers of MySQL, MariaDB and OceanBase mean. Pure.
//!
//! OceanBase has numbers of its own inside, and another one on the wire: `src/share/ob_errno.def` names both, the
//! third column being what a client is told, and -1 there meaning "its own number without the sign"
//! (`src/observer/mysql/obmp_packet_sender.cpp`, `ob_mysql_errno` in `src/share/ob_errno.cpp`; read for 3.1 and 4.3,
//! which agree). Only numbers of the wire stand here:
//!
//! | Inside | Name | On the wire |
//! |---|---|---|
//! | -4012 | OB_TIMEOUT | 4012 |
//! | -4121, -4122 | OB_RPC_SEND_ERROR, OB_RPC_POST_ERROR | 4012 |
//! | -4007 | OB_NOT_SUPPORTED | 1235 |
//! | -4179 | OB_OP_NOT_ALLOW, "Operation not allowed now": a state of the server, no privilege | 4179 |
//! | -4224 | OB_DATA_OUT_OF_RANGE: no time limit | 1264 |
//! | -5019 | OB_TABLE_NOT_EXIST | 1146 |
//! | -5036, -5170, -5171, -5390 | privileges on all, database, table, column | 1227, 1044, 1142, 1143 |
//! | -5066 | OB_ERR_SESSION_INTERRUPTED | 5066 |
//! | -6003, -6006 | row is locked, waited or with NOWAIT | 1205 |
//! | -6004 | OB_ERR_SHARED_LOCK_CONFLICT | 4012 |
//! | -6005 | OB_TRY_LOCK_ROW_CONFLICT | 6005 |
//! | -6210, -6212, -6230 | time limits of transaction, statement, call between servers | 4012 |
//! | -6224 | OB_TRANS_NEED_ROLLBACK: rolled back for whatever reason, no time limit | 6002 |
//! | -6225 | OB_TRANS_UNKNOWN, "Transaction result is unknown" | 4012 |
//!
//! So 4012 says that something took too long, and nothing about what became of a write.
//!
//! 2000 and up are numbers of the client library (`CR_…` in `errmsg.h`): no server sends them, the dump client prints
//! them.

/// What an error number means, by what a person or a program would do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Wrong account or password.
    LoginRefused,
    /// The server wants a way to log in that we do not offer.
    LoginUnsupported,
    /// The server takes TLS only, or client and server disagree about it.
    Tls,
    /// No account at all may come from this host.
    HostRefused,
    /// Too many connections or errors: nobody gets in just now.
    TurnedAway,
    /// The account may not do it.
    PrivilegeMissing,
    /// There is no such database.
    DatabaseMissing,
    /// There is no such table.
    TableMissing,
    /// There is no such column.
    ColumnMissing,
    /// The statement is not understood: an older version lacks what it asks for.
    NotUnderstood,
    /// The server has no such feature.
    NotSupported,
    /// The server has no such variable.
    VariableUnknown,
    /// The row is there already.
    DuplicateKey,
    /// A time limit of the server struck; whether a write happened is not said.
    TimeLimit,
    /// Somebody else has locked what is needed.
    Locked,
    /// The server cannot just now: its memory is full until it is flushed, its transaction was rolled back, two were in
    /// each other's way. The statement did nothing, and may pass when it is sent again.
    Busy,
    /// The server ended the session or the statement, or is going down; a client found nobody or lost the server.
    ConnectionEnded,
    /// Anything else.
    Other,
}

impl Meaning {
    /// There is no such object.
    pub fn is_missing(self) -> bool {
        matches!(self, Self::DatabaseMissing | Self::TableMissing)
    }

    /// What was asked for is not there, or not for this account: something else that tells it may be asked instead.
    /// After any other answer it is not known whether it is there.
    pub fn is_unavailable(self) -> bool {
        matches!(
            self,
            Self::DatabaseMissing
                | Self::TableMissing
                | Self::ColumnMissing
                | Self::PrivilegeMissing
                | Self::NotUnderstood
                | Self::NotSupported
        )
    }
}

/// What a number means.
pub fn judge_code(code: u16) -> Meaning {
    match code {
        // ER_ACCESS_DENIED_ERROR, MariaDB's ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
        1045 | 1698 => Meaning::LoginRefused,
        // The server's words, and the client's own: no such plugin, one that cannot be loaded, one that failed.
        1251 | 2058 | 2059 | 2061 => Meaning::LoginUnsupported,
        // The server's require_secure_transport, the client's CR_SSL_CONNECTION_ERROR.
        3159 | 2026 => Meaning::Tls,
        // ER_HOST_NOT_PRIVILEGED.
        1130 => Meaning::HostRefused,
        // Too many connections, host blocked, limits of the account.
        1040 | 1129 | 1203 | 1226 => Meaning::TurnedAway,
        // Database, table, column, what is global, routine, and users that would be made.
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 => Meaning::PrivilegeMissing,
        1049 => Meaning::DatabaseMissing,
        // 1109 is said of tables in information_schema.
        1146 | 1109 => Meaning::TableMissing,
        1054 => Meaning::ColumnMissing,
        1064 | 1149 => Meaning::NotUnderstood,
        1235 => Meaning::NotSupported,
        1193 => Meaning::VariableUnknown,
        1062 => Meaning::DuplicateKey,
        // OceanBase; MariaDB's max_statement_time; MySQL's max_execution_time.
        4012 | 1969 | 3024 => Meaning::TimeLimit,
        // Waited for it; NOWAIT on MySQL 8; OceanBase.
        1205 | 3572 | 6005 => Meaning::Locked,
        // OceanBase: no memory, tenant out of memory, not the leader, queue full, rolled back; out of memory, as
        // seekdb says it. MySQL and MariaDB: out of memory, out of resources, deadlock.
        4013 | 4030 | 4038 | 4119 | 6002 | 11049 | 1037 | 1041 | 1213 => Meaning::Busy,
        // Shutdown, KILL QUERY, KILL on MariaDB, KILL on OceanBase.
        1053 | 1317 | 1927 | 5066 => Meaning::ConnectionEnded,
        // CR_CONNECTION_ERROR, CR_CONN_HOST_ERROR, CR_SERVER_GONE_ERROR, CR_SERVER_LOST.
        2002 | 2003 | 2006 | 2013 => Meaning::ConnectionEnded,
        _ => Meaning::Other,
    }
}

/// Whether the server's words quote values of rows, or pieces of a statement that hold them: such words are not
/// passed on.
pub fn quotes_values(code: u16) -> bool {
    matches!(
        code,
        1048 | 1062 | 1064 | 1264 | 1265 | 1292 | 1300 | 1366 | 1367
            | 1406 | 1411 | 1416 | 1451 | 1452 | 1525 | 1526 | 1690
            // JSON that is none, and values for it.
            | 3140..=3158 | 4037
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only these say that there is no such list; after any other answer there may be one, with sessions that count.
    #[test]
    fn only_what_is_not_there_is_asked_for_elsewhere() {
        for code in [1142, 1146, 1054] {
            assert!(judge_code(code).is_unavailable(), "{code}");
        }
        for code in [1040, 1205, 2013, 4013, 4179, 6002] {
            assert!(!judge_code(code).is_unavailable(), "{code}");
        }
    }

    #[test]
    fn what_took_too_long_is_told_by_the_number_of_the_wire() {
        for code in [4012, 1969, 3024] {
            assert_eq!(judge_code(code), Meaning::TimeLimit, "{code}");
        }
        // OceanBase's numbers inside: none is sent, and 4224 is a value out of range.
        for code in [4224, 6210, 6212, 6224, 6225] {
            assert_eq!(judge_code(code), Meaning::Other, "{code}");
        }
    }

    #[test]
    fn an_operation_that_is_not_allowed_now_is_no_missing_privilege() {
        assert_eq!(judge_code(4179), Meaning::Other);
        for code in [1044, 1142, 1143, 1227, 1370, 1410] {
            assert_eq!(judge_code(code), Meaning::PrivilegeMissing, "{code}");
        }
    }

    #[test]
    fn absence_is_told_from_refusal() {
        for code in [1049, 1109, 1146] {
            assert!(judge_code(code).is_missing(), "{code}");
        }
        for code in [1044, 1142, 1054, 4012, 5019] {
            assert!(!judge_code(code).is_missing(), "{code}");
        }
    }

    #[test]
    fn numbers_of_the_client_are_known_too() {
        assert_eq!(judge_code(2026), Meaning::Tls);
        for code in [2002, 2003, 2006, 2013] {
            assert_eq!(judge_code(code), Meaning::ConnectionEnded, "{code}");
        }
    }
}
