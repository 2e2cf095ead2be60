//! Reads the account of the MetaDB from the mounted files. The only place that touches them.

use super::failure::Failure;
use crate::metadb::config_file::read_config_file;
use crate::metadb::secret::{Credentials, SecretString, cut_line_end};
use crate::metadb::{LoginRules, TlsRules, TlsTexts};
use crate::protocol::report::Reason;
use crate::protocol::request;
use std::path::Path;
use zeroize::Zeroizing;

/// Reads the account.
///
/// # Errors
/// `CredentialsUnreadable`, naming the file or key.
pub fn read_account(place: &request::Credentials) -> Result<Credentials, Failure> {
    match place {
        request::Credentials::Files {
            directory,
            user_key,
            password_key,
        } => Ok(Credentials {
            user: cut_line_end(&read_key(directory, user_key)?).to_owned(),
            password: SecretString::new(cut_line_end(&read_key(directory, password_key)?)),
        }),
        request::Credentials::ConfigYaml { path } => {
            parse_config(path, &read_file(Path::new(path))?)
        }
    }
}

/// How far a login may go, with the certificates that are mounted.
///
/// # Errors
/// `CredentialsUnreadable`, naming the file.
pub fn read_rules(request: &request::Request) -> Result<LoginRules, Failure> {
    let allowed = &request.logins_without_tls;
    let Some(tls) = &request.tls else {
        return Ok(LoginRules::new(allowed, None));
    };
    let read = |path: &str| read_bytes(Path::new(path));
    let texts = TlsTexts {
        authorities: tls.authorities.as_deref().map(read).transpose()?,
        client: match &tls.client {
            Some(client) => Some((read(&client.certificate)?, read(&client.private_key)?)),
            None => None,
        },
    };
    let rules = TlsRules::build(tls.mode, &texts)
        .map_err(|error| unreadable(&format!("spec.metadb.tls: {error}")))?;
    Ok(LoginRules::new(allowed, Some(rules)))
}

fn parse_config(path: &str, text: &str) -> Result<Credentials, Failure> {
    read_config_file(text)
        .and_then(|mut file| file.take_account())
        .map_err(|flaw| unreadable(&format!("{path}: {flaw}; {}", flaw.advise())))
}

fn read_key(directory: &str, key: &str) -> Result<Zeroizing<String>, Failure> {
    if key.is_empty() || key.contains('/') || key.starts_with('.') {
        return Err(unreadable(&format!("{key:?} is not a key of a Secret")));
    }
    read_file(&Path::new(directory).join(key))
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| unreadable(&format!("{} is not UTF-8", path.display())))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|e| unreadable(&format!("{} cannot be read: {e}", path.display())))
}

fn unreadable(what: &str) -> Failure {
    Failure::new(
        Reason::CredentialsUnreadable,
        format!(
            "The account of the MetaDB, or a certificate for it, cannot be read: {what}. Nothing was touched. Check the Secrets that the upgrade names and their keys"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lose_their_last_newline_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("user"), "root@metadb#obtest\n").unwrap();
        std::fs::write(dir.path().join("password"), " p#'\"%\\ä \n").unwrap();
        let files = |password_key: &str| request::Credentials::Files {
            directory: dir.path().display().to_string(),
            user_key: "user".into(),
            password_key: password_key.into(),
        };
        let account = read_account(&files("password")).unwrap();
        assert_eq!(
            (account.user.as_str(), account.password.reveal()),
            ("root@metadb#obtest", " p#'\"%\\ä ")
        );
        for wrong in ["absent", "../password", ""] {
            assert_eq!(
                read_account(&files(wrong)).unwrap_err().reason,
                Reason::CredentialsUnreadable
            );
        }
        assert!(!format!("{account:?}").contains("p#"));
    }

    #[test]
    fn config_yaml_gives_its_two_keys() {
        let text = "oms_meta_host: h\noms_meta_port: 2883\noms_meta_user: root@a#b\noms_meta_password: \"p: #'\\\"\"\ndrc_password: no\n\
                    cm_nodes:\n - 10.0.0.1\n";
        let account = parse_config("c", text).unwrap();
        assert_eq!(
            (account.user.as_str(), account.password.reveal()),
            ("root@a#b", "p: #'\"")
        );
    }

    #[test]
    fn a_password_of_digits_stays_as_it_is_written() {
        let account = parse_config("c", "oms_meta_user: root\noms_meta_password: 00123\n").unwrap();
        assert_eq!(account.password.reveal(), "00123");
    }

    #[test]
    fn a_broken_file_never_shows_its_text() {
        let failure =
            parse_config("c", "oms_meta_user: root\noms_meta_password: [s3cret\n").unwrap_err();
        assert!(!failure.message.contains("s3cret"));
        assert!(parse_config("c", "oms_meta_user: root\n").is_err());
    }
}
