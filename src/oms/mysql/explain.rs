//! What the errors of connection and server mean.
use mysql_async::{DriverError, Error, ServerError};

use super::super::metadb::{MetaDbError, WriteFate};
use crate::metadb::{Meaning, Refusal, judge_code, quotes_values};

/// Why no session could be opened.
pub(super) fn explain_connect(call: &str, address: &str, user: &str, error: Error) -> MetaDbError {
    let address = address.to_owned();
    let server = match error {
        Error::Server(server) => server,
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            return unsupported(address, &shorten(&name));
        }
        Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            return unsupported(address, "mysql_old_password");
        }
        Error::Driver(DriverError::CleartextPluginDisabled) => {
            return unsupported(address, "the password in clear text");
        }
        Error::Io(io) => {
            return MetaDbError::Unreachable {
                address,
                reason: shorten(&io.to_string()),
            };
        }
        // The text of other errors may quote packets, so it is not repeated.
        _ => {
            return MetaDbError::Unreachable {
                address,
                reason: "what answers there does not speak the MySQL protocol as expected"
                    .to_owned(),
            };
        }
    };
    match judge_code(server.code) {
        Meaning::LoginRefused => MetaDbError::LoginRefused {
            address,
            user: user.to_owned(),
            seen_from: find_host(&server.message),
        },
        Meaning::HostRefused => MetaDbError::HostRefused {
            address,
            reason: shorten(&server.message),
        },
        Meaning::Tls => MetaDbError::TlsRequired { address },
        Meaning::LoginUnsupported => unsupported(address, "another authentication protocol"),
        Meaning::TurnedAway => MetaDbError::Unreachable {
            address,
            reason: format!("the server refuses connections (error {})", server.code),
        },
        _ => explain_server(call.to_owned(), WriteFate::NotWritten, server),
    }
}

/// Why a connection was cut on our side.
pub(super) fn explain_refusal(
    call: &str,
    address: &str,
    fate: WriteFate,
    why: &Refusal,
) -> MetaDbError {
    match why {
        Refusal::Login(method) => unsupported(address.to_owned(), method),
        Refusal::Unprotected => MetaDbError::UnprotectedLogin {
            address: address.to_owned(),
        },
        Refusal::TlsNotOffered => MetaDbError::TlsNotOffered {
            address: address.to_owned(),
        },
        Refusal::Untrusted(reason) => MetaDbError::Untrusted {
            address: address.to_owned(),
            reason: reason.clone(),
        },
        Refusal::TlsFailed(reason) => MetaDbError::TlsFailed {
            address: address.to_owned(),
            reason: shorten(reason),
        },
        Refusal::TooLarge(bytes) => MetaDbError::TooLarge {
            call: call.to_owned(),
            limit: format!("{bytes} bytes"),
            fate,
        },
        Refusal::Malformed(_) => MetaDbError::Hostile {
            call: call.to_owned(),
            reason: why.to_string(),
            fate,
        },
    }
}

/// The host in "Access denied for user 'u'@'10.0.0.1' (using password: YES)".
fn find_host(words: &str) -> Option<String> {
    let (_, rest) = words.rsplit_once("'@'")?;
    let (host, _) = rest.split_once('\'')?;
    Some(shorten(host)).filter(|host| !host.is_empty())
}

fn unsupported(address: String, method: &str) -> MetaDbError {
    MetaDbError::UnsupportedLogin {
        address,
        method: method.to_owned(),
    }
}

/// Why a statement about `what` failed.
pub(super) fn explain_statement(
    call: &str,
    what: &str,
    fate: WriteFate,
    error: Error,
) -> MetaDbError {
    let call = call.to_owned();
    let Error::Server(server) = error else {
        return MetaDbError::ConnectionLost { call, fate };
    };
    match judge_code(server.code) {
        Meaning::PrivilegeMissing => MetaDbError::PrivilegeMissing {
            call,
            code: server.code,
            grant: format!("the account must be allowed to use {what}"),
        },
        meaning if meaning.is_missing() => MetaDbError::Missing {
            call,
            object: what.to_owned(),
        },
        Meaning::ColumnMissing => MetaDbError::SchemaDiffers {
            call,
            reason: format!("{what} lacks an expected column"),
        },
        Meaning::TimeLimit => MetaDbError::StatementCut {
            call,
            code: server.code,
            fate,
        },
        Meaning::ConnectionEnded => MetaDbError::ConnectionLost { call, fate },
        _ => explain_server(call, fate, server),
    }
}

/// A refusal that has no variant of its own, in the server's words as far as they tell no values.
fn explain_server(call: String, fate: WriteFate, server: ServerError) -> MetaDbError {
    let message = if quotes_values(server.code) {
        "its words quote values and are left out".to_owned()
    } else {
        shorten(&server.message)
    };
    MetaDbError::Server {
        call,
        code: server.code,
        state: server.state,
        message,
        fate,
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_tls_only_is_named() {
        let refusal = Error::Server(mysql_async::ServerError {
            code: 3159,
            message: "Connections using insecure transport are prohibited".into(),
            state: "HY000".into(),
        });
        let error = explain_connect("call", "metadb:2881", "root", refusal);
        let MetaDbError::TlsRequired { address } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(address, "metadb:2881");
        assert!(!error.is_transient() && error.to_string().contains("require_secure_transport"));
    }

    #[test]
    fn where_a_login_comes_from_is_told_as_the_server_sees_it() {
        let refuse = |code, message: &str| {
            let refusal = Error::Server(mysql_async::ServerError {
                code,
                message: message.into(),
                state: "28000".into(),
            });
            explain_connect("call", "metadb:2881", "root", refusal)
        };
        let words = "Access denied for user 'o'neil'@'10.2.3.4' (using password: YES)";
        let error = refuse(1045, words);
        assert!(error.to_string().contains("10.2.3.4") && !error.is_transient());
        let error = refuse(1045, "Access denied");
        assert!(!error.to_string().contains("comes from"));
        let words = "Host '10.2.3.4' is not allowed to connect to this MySQL server";
        let error = refuse(1130, words);
        assert!(matches!(&error, MetaDbError::HostRefused { .. }) && !error.is_transient());
        assert!(error.to_string().contains("10.2.3.4"));
    }

    #[test]
    fn values_of_rows_are_not_passed_on() {
        let refusal = Error::Server(ServerError {
            code: 1366,
            message: "Incorrect integer value: 'canary-7' for column 'a' at row 1".into(),
            state: "HY000".into(),
        });
        let error = explain_statement("call", "a table", WriteFate::Unknown, refusal);
        let words = error.to_string();
        assert!(
            words.contains("1366") && !words.contains("canary-7"),
            "{words}"
        );
    }
}
