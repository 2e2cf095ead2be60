//! Why a run cannot go on: one reason for machines, one text for people. No I/O.

use crate::metadb::{Meaning, judge_code, quotes_values};
use crate::protocol::report::Reason;
use crate::protocol::sentence::join_sentence;

/// The error of every function in the agent.
///
/// The message says what happened, what it means for the data and what to do next. It never holds a
/// credential, nor a value of a row: server messages that quote values are replaced by their number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For the operator.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Failure {
    /// A failure with a reason and a text.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Adds a sentence: what it means, or what to do next. Nothing where there is none. Messages have no full stop at
    /// their end, so that whoever repeats one can go on after it.
    #[must_use]
    pub fn and(mut self, sentence: &str) -> Self {
        if !sentence.is_empty() {
            self.message = join_sentence(&self.message, sentence);
        }
        self
    }

    /// Judges an error of the MySQL connection; `doing` completes "while …".
    pub fn from_sql(doing: &str, error: &mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(server) => {
                let reason = reason_of_code(server.code);
                let what = format!("While {doing} the MetaDB answered {}", words(server));
                Self::new(reason, what).and(advise(server.code, reason))
            }
            // MySQL asks users whom it does not know in a way that it picks at random.
            mysql_async::Error::Driver(mysql_async::DriverError::UnknownAuthPlugin { name }) => {
                Self::login_unsupported(doing, name)
            }
            other => Self::new(
                Reason::ConnectionLost,
                format!("While {doing} the connection to the MetaDB failed: {other}"),
            )
            .and(hint(Reason::ConnectionLost)),
        }
    }

    /// The server wants a login that is not offered at all; `doing` completes "while …".
    pub fn login_unsupported(doing: &str, method: &str) -> Self {
        Self::new(
            Reason::AccessDenied,
            format!(
                "While {doing} the MetaDB asked for a login by {method}, which is not supported. Nothing was changed, and no \
                 password was given away. Check that the user exists, and let it log in by caching_sha2_password or, where the \
                 server still has that, by mysql_native_password"
            ),
        )
    }

    /// The server wants a login that would tell the password, and nobody has allowed it.
    pub fn login_unprotected(doing: &str) -> Self {
        Self::new(
            Reason::AccessDenied,
            format!(
                "While {doing} the MetaDB asked for a login by caching_sha2_password, and the connection is not encrypted: the \
                 password would go to whoever answers there. Nothing was changed, and no password was given away. {ALLOW_SHA2}"
            ),
        )
    }

    /// Judges an error of the file system; `doing` completes "while …".
    pub fn from_io(doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let reason = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Reason::NoSpace,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Reason::ClaimNotWritable,
            _ => Reason::VolumeFailed,
        };
        let what = format!("While {doing} the volume answered: {error}");
        Self::new(reason, what).and(hint(reason))
    }
}

/// What lets an account in that has nothing but `caching_sha2_password`.
pub const ALLOW_SHA2: &str = "Where the server offers TLS, set spec.metadb.tls. Where you trust the network between here and the MetaDB, allow it by name: spec.metadb.loginsWithoutTls: \
    [caching_sha2_password]; else give the upgrade an account with mysql_native_password, where the server still has that (MySQL \
    9 has not)";

/// The error number that the server gave, if it was the server.
pub fn server_code(error: &mysql_async::Error) -> Option<u16> {
    match error {
        mysql_async::Error::Server(server) => Some(server.code),
        _ => None,
    }
}

/// What the server answered, or `None` when it refused: a refusal may be a finding, a connection that broke is none.
///
/// # Errors
/// `ConnectionLost`; `doing` completes "while …".
pub fn answer<T>(doing: &str, result: Result<T, mysql_async::Error>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if server_code(&error).is_some() => Ok(None),
        Err(error) => Err(Failure::from_sql(doing, &error)),
    }
}

/// What an error number of a server or of the dump client is to the operator.
pub fn reason_of_code(code: u16) -> Reason {
    match judge_code(code) {
        Meaning::LoginRefused | Meaning::HostRefused | Meaning::LoginUnsupported => {
            Reason::AccessDenied
        }
        Meaning::PrivilegeMissing => Reason::PrivilegeMissing,
        Meaning::DatabaseMissing => Reason::DatabaseMissing,
        Meaning::TimeLimit => Reason::QueryTimeout,
        Meaning::ConnectionEnded | Meaning::TurnedAway => Reason::ConnectionLost,
        Meaning::Tls => Reason::TlsFailed,
        Meaning::Busy => Reason::MetadbBusy,
        Meaning::TableMissing
        | Meaning::ColumnMissing
        | Meaning::NotUnderstood
        | Meaning::NotSupported
        | Meaning::VariableUnknown
        | Meaning::DuplicateKey
        | Meaning::Locked
        | Meaning::Other => Reason::ServerError,
    }
}

fn words(error: &mysql_async::ServerError) -> String {
    if quotes_values(error.code) {
        format!("error {} (SQL state {})", error.code, error.state)
    } else {
        format!("error {} ({}): {}", error.code, error.state, error.message)
    }
}

fn advise(code: u16, reason: Reason) -> &'static str {
    if judge_code(code) == Meaning::Locked {
        "A transaction of somebody else keeps what is needed locked. Find it (SHOW FULL PROCESSLIST; \
         information_schema.INNODB_TRX, on OceanBase oceanbase.GV$OB_TRANSACTION_PARTICIPANTS), end it with KILL, then try again"
    } else {
        hint(reason)
    }
}

/// What to do next, by reason.
pub fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::AccessDenied => {
            "Nothing was changed. Check user name and password in the Secret that the upgrade names, and that the account may come \
             from the address that the server names. An account that requires TLS (REQUIRE SSL, and on some servers everybody with \
             require_secure_transport) is refused in the same way where spec.metadb.tls asks for none"
        }
        Reason::PrivilegeMissing => "Grant the missing privilege to the account and try again",
        Reason::DatabaseMissing => "Check the database names in OMS's config.yaml",
        Reason::QueryTimeout => {
            "A result that is cut is never taken for a whole one. Raise the time limit of the server \
             (OceanBase: SET GLOBAL ob_query_timeout = 36000000000) and try again"
        }
        Reason::TlsFailed => {
            "Client and server disagree about TLS. Nothing was changed. Where the server takes nothing else \
             (require_secure_transport), set spec.metadb.tls.mode, to VerifyIdentity where you have the CA of its certificate; and \
             use the tools image that belongs to the operator, whose dump client demands no TLS of its own"
        }
        Reason::MetadbBusy => {
            "The MetaDB is short of memory or otherwise too busy; the statement did nothing. On OceanBase wait for the memory to be flushed \
             (GV$OB_MEMSTORE), or give the tenant more, then try again"
        }
        Reason::ConnectionLost => "Check that the MetaDB is up and reachable, then try again",
        Reason::NoSpace => {
            "The volume is full: enlarge the claim or remove old backups, then try again"
        }
        Reason::ClaimNotWritable => {
            "The claim must be writable for user 65532 (fsGroup 65532, or ownership set on volumes that ignore fsGroup)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rows_never_reach_a_message() {
        let error = mysql_async::Error::Server(mysql_async::ServerError {
            code: 1062,
            message: "Duplicate entry 'secret-value' for key 'k'".into(),
            state: "23000".into(),
        });
        let failure = Failure::from_sql("loading", &error);
        assert!(!failure.message.contains("secret-value"));
        assert!(failure.message.contains("1062"));
    }

    #[test]
    fn numbers_become_reasons() {
        for (code, reason) in [
            (4012, Reason::QueryTimeout),
            (1045, Reason::AccessDenied),
            (1040, Reason::ConnectionLost),
            // Not allowed now: no grant would help.
            (4179, Reason::ServerError),
            (9999, Reason::ServerError),
        ] {
            assert_eq!(reason_of_code(code), reason, "{code}");
        }
    }

    #[test]
    fn a_full_volume_is_told_apart() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::from_io("writing", &full).reason, Reason::NoSpace);
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(
            Failure::from_io("writing", &denied).reason,
            Reason::ClaimNotWritable
        );
    }
}
