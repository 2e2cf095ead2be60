//! What the errors of connection and server mean.
use mysql_async::{DriverError, Error};

use super::super::metadb::{MetaDbError, WriteFate};

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
    match server.code {
        1045 | 1698 => MetaDbError::LoginRefused {
            address,
            user: user.to_owned(),
        },
        3159 => MetaDbError::TlsRequired { address },
        1251 => unsupported(address, "another authentication protocol"),
        // Too many connections or errors, host not allowed.
        1040 | 1129 | 1130 | 1203 | 1226 => MetaDbError::Unreachable {
            address,
            reason: format!("the server refuses connections (error {})", server.code),
        },
        code => MetaDbError::Server {
            call: call.to_owned(),
            code,
            state: server.state,
            message: shorten(&server.message),
            fate: WriteFate::NotWritten,
        },
    }
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
    match server.code {
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 => MetaDbError::PrivilegeMissing {
            call,
            code: server.code,
            grant: format!("the account must be allowed to use {what}"),
        },
        1049 | 1146 => MetaDbError::Missing {
            call,
            object: what.to_owned(),
        },
        1054 => MetaDbError::SchemaDiffers {
            call,
            reason: format!("{what} lacks an expected column"),
        },
        // OceanBase: query timeout; MariaDB: max_statement_time; MySQL: max_execution_time.
        4012 | 1969 | 3024 => MetaDbError::StatementCut {
            call,
            code: server.code,
            fate,
        },
        1053 | 1317 | 1927 => MetaDbError::ConnectionLost { call, fate },
        code => MetaDbError::Server {
            call,
            code,
            state: server.state,
            message: shorten(&server.message),
            fate,
        },
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
}
