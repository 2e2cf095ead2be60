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
    folder: PrivateFolder,
    arguments: Vec<OsString>,
}

impl ClientLogin {
    /// Makes a place for what the client is told, and what it may load.
    ///
    /// # Errors
    /// `Internal`: the temporary directory cannot be written.
    pub(super) fn create(
        program: &Path,
        family: Family,
        rules: &LoginRules,
        attempt: i32,
    ) -> Result<Self, Failure> {
        let name = format!("oms-agent-{attempt}-{}", std::process::id());
        let folder = PrivateFolder::create(std::env::temp_dir().join(name))?;
        let may_use_sha2 = rules.sha2_without_tls || rules.tls.is_some();
        let argument = match family {
            Family::MariaDb if may_use_sha2 => match find_plugin(program) {
                Some(plugin) => Some(folder.offer_plugin(&plugin)?),
                None => Some(NO_PLUGINS.into()),
            },
            Family::MariaDb => Some(NO_PLUGINS.into()),
            // The first of 5.7 do not know it.
            _ if rules.sha2_without_tls => Some("--loose-get-server-public-key".into()),
            Family::MySql5 | Family::MySql8 => None,
        };
        Ok(Self {
            folder,
            arguments: argument.into_iter().collect(),
        })
    }

    /// Where a door for the client may be: nobody else gets into the folder.
    pub(super) fn door(&self) -> PathBuf {
        self.folder.0.join("door")
    }

    /// Writes the account and where to go with it: to the address, or to the door.
    ///
    /// # Errors
    /// `Internal`: the temporary directory cannot be written.
    pub(super) fn write_options(
        &self,
        address: &Address,
        account: &Credentials,
        uses_door: bool,
    ) -> Result<(), Failure> {
        let door = uses_door.then(|| self.door());
        let path = self.option_file();
        let text = option_text(address, door.as_deref(), account);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| unwritable(&path, &e))
    }

    /// The file that holds the account.
    pub(super) fn option_file(&self) -> PathBuf {
        self.folder.0.join("client.cnf")
    }

    /// Arguments that say what may be loaded and asked for. None holds a secret.
    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Removes everything: the client is in.
    pub(super) fn end(self) {
        drop(self.folder);
    }
}

/// A folder for this user only, gone with this value.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn create(path: PathBuf) -> Result<Self, Failure> {
        make_folder(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Self(path))
    }

    /// Puts one thing to load into a folder, and nothing else: the client looks there for whatever a server asks for.
    fn offer_plugin(&self, plugin: &Path) -> Result<OsString, Failure> {
        let plugins = self.0.join("plugins");
        make_folder(&plugins)
            .and_then(|()| symlink(plugin, plugins.join(SHA2_PLUGIN)))
            .map_err(|e| unwritable(&plugins, &e))?;
        let mut argument = OsString::from("--plugin-dir=");
        argument.push(plugins);
        Ok(argument)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
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

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Reason::Internal,
        format!(
            "What the dump client is told cannot be written to {}: {error}. Nothing was changed. The pod needs an emptyDir at /tmp",
            path.display()
        ),
    )
}

fn option_text(address: &Address, door: Option<&Path>, account: &Credentials) -> Zeroizing<String> {
    let place = match door {
        Some(door) => format!(
            "protocol=socket\nsocket={}\n",
            option_value(&door.to_string_lossy())
        ),
        None => format!(
            "protocol=tcp\nhost={}\nport={}\n",
            option_value(&address.host),
            address.port
        ),
    };
    let head = format!("[client]\n{place}user={}\n", option_value(&account.user));
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
