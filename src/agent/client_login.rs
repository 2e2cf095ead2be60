//! How the dump client logs in: what it is told, and what it may load. Files for this user only, gone once they have
//! served. Touches the temporary directory of the pod.

use super::failure::Failure;
use crate::metadb::LoginRules;
use crate::metadb::secret::Credentials;
use crate::protocol::report::Reason;
use crate::protocol::request::Address;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Whose client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    MariaDb,
    MySql5,
    MySql8,
}

/// MariaDB's client loads whatever way to log in a server asks for, among them two that tell the password to whoever
/// answers (`mysql_clear_password`; `caching_sha2_password` with a key that comes from there as well). Native passwords
/// need none of these. A place where nobody can put one; MySQL's client asks for leave before it does such things.
const NO_PLUGINS: &str = "--plugin-dir=/proc/none";

/// What MariaDB's client has for accounts of MySQL, as a file.
const SHA2_PLUGIN: &str = "caching_sha2_password.so";

/// Where distributions keep what MariaDB's client may load, below `lib` or a folder in it that has the name of the
/// machine.
const PLUGIN_FOLDERS: [&str; 3] = ["libmariadb3/plugin", "mariadb/plugin", "mysql/plugin"];

/// One run of a client, from its start until it is in.
pub(super) struct ClientLogin {
    options: OptionFile,
    plugins: Option<PluginFolder>,
    arguments: Vec<OsString>,
}

impl ClientLogin {
    /// Writes what the client is told.
    ///
    /// # Errors
    /// `Internal`: the temporary directory cannot be written.
    pub(super) fn create(
        program: &Path,
        family: Family,
        address: &Address,
        account: &Credentials,
        rules: &LoginRules,
        attempt: i32,
    ) -> Result<Self, Failure> {
        let base = std::env::temp_dir().join(format!("oms-agent-{attempt}-{}", std::process::id()));
        let mut plugins = None;
        let mut arguments: Vec<OsString> = Vec::new();
        match family {
            Family::MariaDb => {
                if rules.sha2_without_tls
                    && let Some(plugin) = find_plugin(program)
                {
                    plugins = Some(PluginFolder::create(
                        base.with_extension("plugins"),
                        &plugin,
                    )?);
                }
                arguments.push(match &plugins {
                    Some(PluginFolder(path)) => {
                        let mut argument = OsString::from("--plugin-dir=");
                        argument.push(path);
                        argument
                    }
                    None => NO_PLUGINS.into(),
                });
            }
            Family::MySql5 | Family::MySql8 if rules.sha2_without_tls => {
                // The first of 5.7 do not know it.
                arguments.push("--loose-get-server-public-key".into());
            }
            Family::MySql5 | Family::MySql8 => {}
        }
        let options = OptionFile::create(base.with_extension("cnf"), address, account)?;
        Ok(Self {
            options,
            plugins,
            arguments,
        })
    }

    /// The file that holds the account.
    pub(super) fn option_file(&self) -> &Path {
        &self.options.0
    }

    /// Arguments that say what may be loaded and asked for. None holds a secret.
    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Removes everything: the client is in.
    pub(super) fn end(self) {
        drop((self.options, self.plugins));
    }
}

/// A folder with one thing to load in it and nothing else: the client looks there for whatever a server asks for.
struct PluginFolder(PathBuf);

impl PluginFolder {
    fn create(path: PathBuf, plugin: &Path) -> Result<Self, Failure> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        let folder = Self(path);
        made.and_then(|()| symlink(plugin, folder.0.join(SHA2_PLUGIN)))
            .map_err(|e| unwritable("The folder of plugins", &folder.0, &e))?;
        Ok(folder)
    }
}

impl Drop for PluginFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0.join(SHA2_PLUGIN));
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Looks where the program was installed, then where Debian and others keep it.
fn find_plugin(program: &Path) -> Option<PathBuf> {
    let own = program.ancestors().nth(2).map(Path::to_owned);
    let roots = own.into_iter().chain([PathBuf::from("/usr")]);
    let libraries = roots.flat_map(|root| [root.join("lib"), root.join("lib64")]);
    let folders = libraries.flat_map(|library| {
        let within = std::fs::read_dir(&library).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = within.map(|entry| entry.path()).collect();
        all.sort();
        all.insert(0, library);
        all
    });
    folders
        .flat_map(|folder| PLUGIN_FOLDERS.map(|plugins| folder.join(plugins).join(SHA2_PLUGIN)))
        .find(|plugin| plugin.is_file())
}

fn unwritable(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Reason::Internal,
        format!(
            "{what} for the dump client cannot be written to {}: {error}. Nothing was changed. The pod needs an emptyDir at /tmp",
            path.display()
        ),
    )
}

/// The account for the client: a file for this user only, which is gone as soon as the client has read it.
struct OptionFile(PathBuf);

impl OptionFile {
    fn create(path: PathBuf, address: &Address, account: &Credentials) -> Result<Self, Failure> {
        let text = option_text(address, account);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        let file = Self(path);
        written.map_err(|e| unwritable("The option file", &file.0, &e))?;
        Ok(file)
    }
}

impl Drop for OptionFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn option_text(address: &Address, account: &Credentials) -> Zeroizing<String> {
    let head = format!(
        "[client]\nprotocol=tcp\nhost={}\nport={}\nuser={}\n",
        option_value(&address.host),
        address.port,
        option_value(&account.user),
    );
    let password = Zeroizing::new(option_value(account.password.reveal()));
    Zeroizing::new([&head, "password=", &password, "\n"].concat())
}

/// A value between double quotes, with the escapes that option files know. Without the quotes a `#` would
/// begin a comment and blanks at the ends would be lost.
fn option_value(text: &str) -> String {
    // Room for every letter to be escaped: a string that grows leaves its beginning behind, and this may be a password.
    let mut out = String::with_capacity(2 * text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[path = "client_login_tests.rs"]
mod tests;
