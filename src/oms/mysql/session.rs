//! One bounded connection to the meta database.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, Params, Row};

use super::super::installation::Address;
use super::super::metadb::{MetaDbError, WriteFate};
use super::explain::{explain_connect, explain_statement};
use super::own::{OwnSessions, Ticket};
use super::rows::Cells;
use crate::metadb::pins::{self, PinError, Purpose};
use crate::metadb::secret::Credentials;
use crate::metadb::{Engine, Meaning, build_options, judge_code, name_engine};

/// How to get in.
pub(super) struct Door {
    opts: Opts,
    address: String,
    user: String,
    limit: Duration,
    own: OwnSessions,
}

impl Door {
    pub(super) fn new(
        address: &Address,
        credentials: &Credentials,
        limit: Duration,
        own: OwnSessions,
    ) -> Self {
        Self {
            opts: build_options(address, credentials).into(),
            address: address.to_string(),
            user: credentials.user.clone(),
            limit,
            own,
        }
    }

    /// Connects, works, disconnects: all within the limit.
    pub(super) async fn call<T, W, F>(&self, call: &'static str, work: W) -> Result<T, MetaDbError>
    where
        W: FnOnce(Session) -> F + Send,
        F: Future<Output = (Session, Result<T, MetaDbError>)> + Send,
        T: Send,
    {
        let wrote = Arc::new(AtomicBool::new(false));
        let bounded = async {
            let session = self.connect(call, wrote.clone()).await?;
            let (session, answer) = work(session).await;
            // The session must be gone before the next look at the session list. A failure to say
            // goodbye changes nothing about the answer.
            let _ = session.conn.disconnect().await;
            answer
        };
        match tokio::time::timeout(self.limit, bounded).await {
            Ok(answer) => answer,
            Err(_) => Err(MetaDbError::TimedOut {
                call: call.to_owned(),
                seconds: self.limit_seconds(),
                fate: fate_of(&wrote),
            }),
        }
    }

    fn limit_seconds(&self) -> u64 {
        u64::try_from(self.limit.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }

    async fn connect(
        &self,
        call: &'static str,
        wrote: Arc<AtomicBool>,
    ) -> Result<Session, MetaDbError> {
        let opening = self.own.begin_opening().await;
        let mut conn = Conn::new(self.opts.clone())
            .await
            .map_err(|error| self.explain(call, error))?;
        pins::begin(&mut conn)
            .await
            .map_err(|error| self.explain(call, error))?;
        let row: Option<Row> = conn
            .query_first("select version(), @@version_comment, connection_id()")
            .await
            .map_err(|error| self.explain(call, error))?;
        let cells = Cells::new(call, "version()", row.ok_or_else(|| broken(call))?);
        let version = cells.text(0)?;
        let comment = cells.optional_text(1).unwrap_or_default();
        let id = cells.unsigned(2)?;
        let ticket = self.own.register(id);
        drop(opening);
        let mut session = Session {
            conn,
            call,
            wrote,
            engine: name_engine(&version, &comment),
            version,
            id,
            user: self.user.clone(),
            _ticket: ticket,
            own: self.own.clone(),
        };
        session.pin_settings(self.limit).await?;
        Ok(session)
    }

    fn explain(&self, call: &'static str, error: Error) -> MetaDbError {
        explain_connect(call, &self.address, &self.user, error)
    }
}

/// An open connection within one call.
pub(super) struct Session {
    conn: Conn,
    pub(super) call: &'static str,
    wrote: Arc<AtomicBool>,
    pub(super) engine: Engine,
    pub(super) version: String,
    /// `connection_id()`.
    pub(super) id: u64,
    /// Login name of this client.
    pub(super) user: String,
    pub(super) own: OwnSessions,
    _ticket: Ticket,
}

impl Session {
    /// Sets what decides about reading, keeping and waiting, and makes the server stop a statement that outlives the
    /// call.
    async fn pin_settings(&mut self, limit: Duration) -> Result<(), MetaDbError> {
        let purpose = Purpose::Call(limit);
        match pins::pin(&mut self.conn, purpose, self.engine.is_oceanbase()).await {
            Ok(unkept) => {
                if !unkept.is_empty() {
                    tracing::debug!(?unkept, "the server keeps settings of its own");
                }
                Ok(())
            }
            Err(PinError::Refused(error)) => Err(self.explain("the settings of a session", error)),
            Err(PinError::NotKept {
                name,
                wanted,
                found,
            }) => Err(MetaDbError::SettingNotKept {
                call: self.call.to_owned(),
                name,
                wanted,
                found,
            }),
        }
    }

    /// Rows of a read.
    pub(super) async fn read(
        &mut self,
        what: &'static str,
        sql: &str,
        params: impl Into<Params> + Send,
    ) -> Result<Vec<Cells>, MetaDbError> {
        let rows: Vec<Row> = self
            .conn
            .exec(sql, params.into())
            .await
            .map_err(|error| self.explain(what, error))?;
        Ok(rows
            .into_iter()
            .map(|row| Cells::new(self.call, what, row))
            .collect())
    }

    /// Rows of a statement that servers do not let be prepared.
    pub(super) async fn read_plain(
        &mut self,
        what: &'static str,
        sql: &str,
    ) -> Result<Vec<Cells>, MetaDbError> {
        let rows: Vec<Row> = self
            .conn
            .query(sql)
            .await
            .map_err(|error| self.explain(what, error))?;
        Ok(rows
            .into_iter()
            .map(|row| Cells::new(self.call, what, row))
            .collect())
    }

    /// What the server says is not there when it is asked so; `None` when the statement goes well.
    pub(super) async fn find_missing(
        &mut self,
        what: &'static str,
        sql: &str,
    ) -> Result<Option<Meaning>, MetaDbError> {
        match self.conn.query_drop(sql).await {
            Ok(()) => Ok(None),
            Err(Error::Server(error)) if judge_code(error.code).is_missing() => {
                Ok(Some(judge_code(error.code)))
            }
            Err(error) => Err(self.explain(what, error)),
        }
    }

    /// A write; returns the number of rows changed.
    pub(super) async fn write(
        &mut self,
        what: &'static str,
        sql: &str,
        params: impl Into<Params> + Send,
    ) -> Result<u64, MetaDbError> {
        self.wrote.store(true, Ordering::SeqCst);
        self.conn
            .exec_drop(sql, params.into())
            .await
            .map_err(|error| self.explain(what, error))?;
        Ok(self.conn.affected_rows())
    }

    /// A write that servers do not let be prepared (DDL, SET GLOBAL).
    pub(super) async fn write_plain(
        &mut self,
        what: &'static str,
        sql: &str,
    ) -> Result<(), MetaDbError> {
        self.wrote.store(true, Ordering::SeqCst);
        self.conn
            .query_drop(sql)
            .await
            .map_err(|error| self.explain(what, error))
    }

    fn explain(&self, what: &str, error: Error) -> MetaDbError {
        explain_statement(self.call, what, fate_of(&self.wrote), error)
    }

    /// The error for contents that are not as documented.
    pub(super) fn differs(&self, reason: impl Into<String>) -> MetaDbError {
        MetaDbError::SchemaDiffers {
            call: self.call.to_owned(),
            reason: reason.into(),
        }
    }
}

fn broken(call: &str) -> MetaDbError {
    MetaDbError::ConnectionLost {
        call: call.to_owned(),
        fate: WriteFate::NotWritten,
    }
}

fn fate_of(wrote: &AtomicBool) -> WriteFate {
    if wrote.load(Ordering::SeqCst) {
        WriteFate::Unknown
    } else {
        WriteFate::NotWritten
    }
}
