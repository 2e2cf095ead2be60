//! Errors of calls to the meta database: what happened, what it means, what to do next.
use crate::metadb::judge_code;
use thiserror::Error;

/// Whether a failed call may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteFate {
    /// Nothing was written.
    NotWritten,
    /// The answer was lost: read before trying again.
    Unknown,
}

/// A call to the meta database that did not succeed. Never holds a secret or a statement's values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum MetaDbError {
    /// No connection.
    #[error(
        "cannot connect to the meta database at {address}: {reason}; nothing was read or written; \
         check oms_meta_host and oms_meta_port, the network policy and that the database runs"
    )]
    Unreachable {
        /// Host and port.
        address: String,
        /// Cause in words.
        reason: String,
    },
    /// Wrong account or password.
    #[error(
        "the meta database at {address} refused the login of user {user}{}; nothing was read or \
         written; correct user and password in the Secret that spec.metadb.credentialsSecretRef names, or in config.yaml where it is taken from there; an account that is made for other hosts is refused in the same \
         way, and so is one that requires TLS (REQUIRE SSL, and on some servers everybody with require_secure_transport) where \
         spec.metadb.tls asks for none",
        seen_from.as_ref().map(|host| format!(", who comes from {host} as it sees it")).unwrap_or_default()
    )]
    LoginRefused {
        /// Host and port.
        address: String,
        /// Login name.
        user: String,
        /// From where the server sees the login come.
        seen_from: Option<String>,
    },
    /// The server wants what this client refuses to do.
    #[error(
        "the meta database at {address} asks for a login by {method}, which this operator does not offer; \
         nothing was read or written, and no password was given away; check that the account exists, and let it log in by \
         caching_sha2_password or, where the server still has that, by mysql_native_password"
    )]
    UnsupportedLogin {
        /// Host and port.
        address: String,
        /// What it asked for.
        method: String,
    },
    /// The server wants a login that would tell the password, and nobody has allowed it.
    #[error(
        "the meta database at {address} asks for a login by caching_sha2_password, and the connection is not encrypted: the \
         password would go to whoever answers there; nothing was read or written, and no password was given away; where the \
         server offers TLS, set spec.metadb.tls; where you trust the network between operator and MetaDB, allow it by name: \
         spec.metadb.loginsWithoutTls: [caching_sha2_password]; else name an account with mysql_native_password in spec.metadb.credentialsSecretRef, where \
         the server still has that (MySQL 9 has not)"
    )]
    UnprotectedLogin {
        /// Host and port.
        address: String,
    },
    /// The server takes TLS only.
    #[error(
        "the meta database at {address} takes connections with TLS only (require_secure_transport), and spec.metadb.tls asks for \
         none; nothing was read or written; set spec.metadb.tls.mode, to VerifyIdentity where you have the CA of the server's \
         certificate"
    )]
    TlsRequired {
        /// Host and port.
        address: String,
    },
    /// TLS is asked for, and the server has none.
    #[error(
        "the meta database at {address} offers no TLS, and spec.metadb.tls asks for it; nothing was read or written, and no \
         password was given away; give the server a certificate, or see what answers at that address; where the network is \
         trusted, set spec.metadb.tls.mode to Disable"
    )]
    TlsNotOffered {
        /// Host and port.
        address: String,
    },
    /// The server's certificate is not what it must be.
    #[error(
        "the certificate of the meta database at {address} is not trusted: {reason}; nothing was read or written, and no \
         password was given away; see what answers at that address; put the CA that signed the server's certificate into the \
         Secret of spec.metadb.tls.caSecretRef; give the address by a name that the certificate bears"
    )]
    Untrusted {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No encrypted connection came about.
    #[error(
        "TLS with the meta database at {address} failed: {reason}; nothing was read or written; see the log of the server; it \
         must know TLS 1.2 or 1.3, and trust the certificate of spec.metadb.tls.clientSecretRef where it asks for one"
    )]
    TlsFailed {
        /// Host and port.
        address: String,
        /// The library's words.
        reason: String,
    },
    /// The server takes no connections from here.
    #[error(
        "the meta database at {address} takes no connections from here: {reason}; nothing was read or written; allow its \
         accounts the addresses of the cluster's nodes and pods (CREATE USER … @'%', or an address that the words name)"
    )]
    HostRefused {
        /// Host and port.
        address: String,
        /// The server's words, shortened.
        reason: String,
    },
    /// A setting of the session reads otherwise than it was set.
    #[error(
        "{call}: the meta database does not keep the session's setting {name}: it reads {found} instead of {wanted}; nothing \
         was read or written; if there is a proxy in between, let it keep the settings of sessions, or give the address of the \
         server itself"
    )]
    SettingNotKept {
        /// What was tried.
        call: String,
        /// The variable.
        name: &'static str,
        /// As it was set.
        wanted: String,
        /// As it reads.
        found: String,
    },
    /// A database or table is not there.
    #[error(
        "{call}: {object} does not exist in the meta database; nothing was written; check the \
         database names in config.yaml against `show databases`"
    )]
    Missing {
        /// What was tried.
        call: String,
        /// What is missing.
        object: String,
    },
    /// The account may not do it.
    #[error(
        "{call}: the meta database account lacks a privilege (error {code}); nothing was written; \
         grant it: {grant}"
    )]
    PrivilegeMissing {
        /// What was tried.
        call: String,
        /// Server error code.
        code: u16,
        /// Statement that would help.
        grant: String,
    },
    /// Tables or values are not as documented; nothing is guessed.
    #[error(
        "{call}: the meta database is not shaped as expected: {reason}; nothing was written; this \
         version of OMS may differ from the documented one: check by hand and attest it in the spec"
    )]
    SchemaDiffers {
        /// What was tried.
        call: String,
        /// What differs.
        reason: String,
    },
    /// More than the operator keeps in memory.
    #[error(
        "{call}: the meta database answers with more than {limit}; {}; nothing is concluded from a part of it; see what fills \
         the table or the list, and what answers at that address",
        fate_words(*fate)
    )]
    TooLarge {
        /// What was tried.
        call: String,
        /// What was exceeded, in words.
        limit: String,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// Not the MySQL protocol, or not as anybody honest speaks it.
    #[error(
        "{call}: {reason}; {}; see what answers at that address",
        fate_words(*fate)
    )]
    Hostile {
        /// What was tried.
        call: String,
        /// What was wrong.
        reason: String,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// Too slow.
    #[error(
        "{call}: no answer from the meta database within {seconds} s; {}; it is asked again",
        fate_words(*fate)
    )]
    TimedOut {
        /// What was tried.
        call: String,
        /// The limit, whole seconds, rounded up.
        seconds: u64,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// The server's own limit for one statement struck.
    #[error(
        "{call}: the meta database stopped the statement at its time limit (error {code}); {}; it is \
         asked again; if that does not help, raise ob_query_timeout or max_statement_time",
        fate_words(*fate)
    )]
    StatementCut {
        /// What was tried.
        call: String,
        /// Server error code.
        code: u16,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// The connection broke in the middle.
    #[error(
        "{call}: the connection to the meta database broke; {}; it is asked again",
        fate_words(*fate)
    )]
    ConnectionLost {
        /// What was tried.
        call: String,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// Any other refusal by the server.
    #[error(
        "{call}: the meta database answered error {code} ({state}): {message}; {}; see the \
         server's log",
        fate_words(*fate)
    )]
    Server {
        /// What was tried.
        call: String,
        /// Error code.
        code: u16,
        /// SQL state.
        state: String,
        /// Server's message, shortened.
        message: String,
        /// Whether something may have been written.
        fate: WriteFate,
    },
    /// A replica, which may lag behind.
    #[error(
        "{call}: the meta database's server that answered is read-only (read_only), so it may be a replica that does not know \
         yet what happened; nothing was read or written; give the address of the server that OMS writes to, and let no proxy \
         send reads elsewhere"
    )]
    ReadOnlyServer {
        /// What was tried.
        call: String,
    },
    /// A write went through but does not read back as written.
    #[error(
        "{call}: written, but it reads back differently: {reason}; somebody else changes it; find \
         out who before going on"
    )]
    NotAsWritten {
        /// What was tried.
        call: String,
        /// What reads differently.
        reason: String,
    },
    /// The request itself makes no sense.
    #[error("{call}: refused before asking the meta database: {reason}; nothing was written")]
    Invalid {
        /// What was tried.
        call: String,
        /// Why.
        reason: String,
    },
}

fn fate_words(fate: WriteFate) -> &'static str {
    match fate {
        WriteFate::NotWritten => "nothing was written",
        WriteFate::Unknown => "the write may or may not have happened",
    }
}

impl MetaDbError {
    /// What was asked for is not there, or not for this account: something else that tells it may be asked instead.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::PrivilegeMissing { .. } | Self::SchemaDiffers { .. } => {
                true
            }
            Self::Server { code, .. } => judge_code(*code).is_unavailable(),
            _ => false,
        }
    }

    /// True when asking again later may help without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::StatementCut { .. }
                | Self::ConnectionLost { .. }
                | Self::Hostile { .. }
        )
    }
}
