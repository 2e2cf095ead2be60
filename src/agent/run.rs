//! What every command works with: the request, the account, the progress, and the locks. Knows no command.

use super::failure::Failure;
use super::manifest::Manifest;
use super::metadb::connection::{MetaDbServer, keep_alive};
use super::metadb::lock::{Exclusive, check_fence, take_exclusive};
use super::meter::Meter;
use super::volume::attempt::find_manifest;
use super::volume::on_volume;
use crate::metadb::LoginRules;
use crate::metadb::secret::Credentials;
use crate::protocol::report::{CommandResult, Reason};
use crate::protocol::request::{InvalidRequest, Lock, Request};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the server is asked for the spelling of names.
const ASKING_LIMIT: Duration = Duration::from_secs(30);

/// Everything a command works with.
pub struct Run {
    /// What is asked.
    pub request: Request,
    pub account: Credentials,
    /// What a login may give away.
    pub rules: LoginRules,
    /// Progress.
    pub meter: Meter,
    /// Facts for the report that hold even when the run fails later.
    pub found: Mutex<Found>,
    fatal: mpsc::UnboundedSender<Failure>,
}

/// See [`Run::found`].
#[derive(Default)]
pub struct Found {
    /// sha256 of the manifest that was written or trusted.
    pub manifest_digest: Option<String>,
}

/// What a command says when all went well.
pub struct Done {
    /// For people.
    pub message: String,
    /// For the operator.
    pub result: CommandResult,
}

impl Run {
    /// A run that has not begun. Whatever comes out of `fatal` must end it.
    pub fn new(
        request: Request,
        account: Credentials,
        rules: LoginRules,
        fatal: mpsc::UnboundedSender<Failure>,
    ) -> Self {
        Self {
            request,
            account,
            rules,
            meter: Meter::default(),
            found: Mutex::default(),
            fatal,
        }
    }

    /// Connects to the MetaDB for the first time.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`.
    pub async fn discover(&self) -> Result<MetaDbServer, Failure> {
        let mut metadb =
            MetaDbServer::discover(&self.request.metadb, &self.account, &self.rules).await?;
        metadb.oms_addresses.clone_from(&self.request.oms_addresses);
        Ok(metadb)
    }

    /// Servers that fold names (`lower_case_table_names = 1`, OceanBase's default) list them in small letters, and
    /// names that are made from others are compared with the lists. So names are spelt as the server spells them, from
    /// the first step on. Where that cannot be asked, the command itself meets the reason and says it.
    pub async fn take_server_spelling(&mut self) {
        let small = |name: &String| name.to_lowercase();
        let folded: Vec<String> = self.request.databases.iter().map(small).collect();
        if folded == self.request.databases {
            return;
        }
        let asking = async {
            let metadb = self.discover().await.ok()?;
            let mut connection = metadb.connect().await.ok()?;
            let folds: Option<u8> = connection
                .query_first("SELECT @@lower_case_table_names")
                .await
                .ok()?;
            let _ = connection.disconnect().await;
            folds
        };
        if let Ok(Some(1)) = tokio::time::timeout(ASKING_LIMIT, asking).await {
            self.request.databases = folded;
        }
    }

    /// Directory of the upgrade on the claim.
    pub fn root(&self) -> &Path {
        Path::new(&self.request.directory)
    }

    /// Checks the operator's lock row, if the request names one.
    ///
    /// # Errors
    /// `LockLost`.
    pub async fn check_fence(&self, connection: &mut Conn) -> Result<(), Failure> {
        match &self.request.lock {
            Some(lock) => check_fence(connection, lock).await,
            None => Ok(()),
        }
    }

    /// Requires the operator's lock row and takes the lock that keeps agents apart. When that lock is lost
    /// later, the whole run ends.
    ///
    /// # Errors
    /// `InvalidRequest` without a lock in the request, `LockLost`, `AgentBusy`.
    pub async fn take_lock(
        &self,
        metadb: &MetaDbServer,
        connection: &mut Conn,
    ) -> Result<Exclusive, Failure> {
        let lock: &Lock = self
            .request
            .lock
            .as_ref()
            .ok_or_else(|| missing_field("lock"))?;
        check_fence(connection, lock).await?;
        let (exclusive, loss) = keep_alive(connection, take_exclusive(metadb)).await?;
        let fatal = self.fatal.clone();
        tokio::spawn(async move {
            if let Ok(failure) = loss.await {
                let _ = fatal.send(failure);
            }
        });
        // The row may have changed while another attempt was waited for.
        check_fence(connection, lock).await?;
        Ok(exclusive)
    }

    /// Finds the manifest that the operator trusts. It must name exactly the databases of the request.
    ///
    /// # Errors
    /// `InvalidRequest`, `ManifestMismatch`.
    pub async fn trusted_manifest(&self) -> Result<(PathBuf, Manifest), Failure> {
        let expected = self
            .request
            .expected_manifest_digest
            .as_deref()
            .ok_or_else(|| missing_field("expectedManifestDigest"))?
            .to_owned();
        let (root, digest) = (self.root().to_owned(), expected.clone());
        let (directory, manifest) = on_volume(move || find_manifest(&root, &digest)).await?;
        let mut recorded: Vec<&String> = manifest
            .databases
            .iter()
            .map(|database| &database.name)
            .collect();
        let mut asked: Vec<&String> = self.request.databases.iter().collect();
        recorded.sort();
        asked.sort();
        let list = |names: &[&String]| {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            names.join(", ")
        };
        if recorded != asked {
            return Err(Failure::new(
                Reason::ManifestMismatch,
                format!(
                    "The backup holds the databases {}, asked for are {}. A backup is restored as a whole or not at all; nothing was touched",
                    list(&recorded),
                    list(&asked)
                ),
            ));
        }
        self.note(|found| found.manifest_digest = Some(expected.to_owned()));
        Ok((directory, manifest))
    }

    /// Keeps a fact for the report.
    pub fn note(&self, change: impl FnOnce(&mut Found)) {
        change(
            &mut self
                .found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }
}

/// A field that a command cannot do without.
pub fn missing_field(field: &'static str) -> Failure {
    let invalid = InvalidRequest::Field {
        field,
        problem: "is required by this command".into(),
    };
    Failure::new(
        Reason::InvalidRequest,
        format!("The request cannot be carried out: {invalid}. Nothing was touched"),
    )
}
