//! One bounded connection to the meta database.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use mysql_async::prelude::{Protocol, Queryable};
use mysql_async::{Conn, Error, Params, QueryResult, Row};

use super::super::installation::Address;
use super::super::metadb::{MetaDbError, WriteFate};
use super::explain::{explain_connect, explain_refusal, explain_statement};
use super::own::{OwnSessions, Ticket};
use super::rows::Cells;
use crate::metadb::pins::{self, PinError, Purpose};
use crate::metadb::secret::Credentials;
use crate::metadb::{
    Engine, LoginRules, Meaning, Wire, WireError, WireLimits, judge_code, name_engine, open_wire,
};
use std::panic::AssertUnwindSafe;

/// Bytes that a server may send within one call. Several calls at once have to fit into the operator's memory.
const MOST_BYTES: u64 = 4 << 20;
/// Cells that one statement may bring: small ones take many times the memory that they take on the way.
const MOST_CELLS: usize = 100_000;
/// What a row takes besides its cells, in cells.
const ROW: usize = 3;
/// A connection may last longer than its call, to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// How to get in.
pub(super) struct Door {
    address: Address,
    account: Credentials,
    rules: LoginRules,
    limit: Duration,
    own: OwnSessions,
}

impl Door {
    pub(super) fn new(
        address: &Address,
        account: &Credentials,
        rules: &LoginRules,
        limit: Duration,
        own: OwnSessions,
    ) -> Self {
        Self {
            address: address.clone(),
            account: account.clone(),
            rules: rules.clone(),
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
        let bounded = AssertUnwindSafe(async {
            let session = self.connect(call, wrote.clone()).await?;
            let (session, answer) = work(session).await;
            if matches!(answer, Err(MetaDbError::TooLarge { .. })) {
                // Else the rest of the answer would be read first.
                session.wire.cut();
            }
            // The session must be gone before the next look at the session list. A failure to say
            // goodbye changes nothing about the answer.
            let _ = session.conn.disconnect().await;
            answer
        });
        // The driver panics at some answers; nothing of it outlives the call.
        match tokio::time::timeout(self.limit, bounded.catch_unwind()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(MetaDbError::Hostile {
                call: call.to_owned(),
                reason: "what answers there does not speak the MySQL protocol as expected".into(),
                fate: fate_of(&wrote),
            }),
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
        let limits = WireLimits {
            bytes: Some(MOST_BYTES),
            lifetime: Some(self.limit + GOODBYE),
            keepalive: None,
        };
        let (mut conn, wire) = open_wire(&self.address, &self.account, &self.rules, limits)
            .await
            .map_err(|error| self.explain_wire(call, error))?;
        pins::begin(&mut conn)
            .await
            .map_err(|error| self.explain_opened(call, &wire, error))?;
        let row: Option<Row> = conn
            .query_first("select version(), @@version_comment, connection_id()")
            .await
            .map_err(|error| self.explain_opened(call, &wire, error))?;
        let cells = Cells::new(call, "version()", row.ok_or_else(|| broken(call))?);
        let version = cells.text(0)?;
        let comment = cells.optional_text(1).unwrap_or_default();
        let id = cells.unsigned(2)?;
        let ticket = self.own.register(id);
        drop(opening);
        let mut session = Session {
            conn,
            wire,
            call,
            wrote,
            engine: name_engine(&version, &comment),
            version,
            id,
            user: self.account.user.clone(),
            _ticket: ticket,
            own: self.own.clone(),
        };
        session.pin_settings(self.limit).await?;
        Ok(session)
    }

    fn explain(&self, call: &'static str, error: Error) -> MetaDbError {
        explain_connect(call, &self.address.to_string(), &self.account.user, error)
    }

    fn explain_opened(&self, call: &'static str, wire: &Wire, error: Error) -> MetaDbError {
        self.explain_wire(
            call,
            wire.refusal()
                .cloned()
                .map_or(WireError::Driver(error), WireError::Refused),
        )
    }

    fn explain_wire(&self, call: &'static str, error: WireError) -> MetaDbError {
        match error {
            WireError::Driver(error) => self.explain(call, error),
            WireError::Refused(why) => {
                explain_refusal(call, &self.address.to_string(), WriteFate::NotWritten, &why)
            }
        }
    }
}

/// An open connection within one call.
pub(super) struct Session {
    conn: Conn,
    wire: Wire,
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
        let answer = match self.conn.exec_iter(sql, params.into()).await {
            Ok(result) => collect_rows(result).await,
            Err(error) => Err(error.into()),
        };
        self.take_rows(what, answer)
    }

    /// Rows of a statement that servers do not let be prepared.
    pub(super) async fn read_plain(
        &mut self,
        what: &'static str,
        sql: &str,
    ) -> Result<Vec<Cells>, MetaDbError> {
        let answer = match self.conn.query_iter(sql).await {
            Ok(result) => collect_rows(result).await,
            Err(error) => Err(error.into()),
        };
        self.take_rows(what, answer)
    }

    fn take_rows(
        &self,
        what: &'static str,
        answer: Result<Vec<Row>, Unread>,
    ) -> Result<Vec<Cells>, MetaDbError> {
        let rows = answer.map_err(|why| match why {
            Unread::Failed(error) => self.explain(what, error),
            Unread::TooMany => MetaDbError::TooLarge {
                call: self.call.to_owned(),
                limit: format!("{MOST_CELLS} values for {what}"),
                fate: fate_of(&self.wrote),
            },
        })?;
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
        let fate = fate_of(&self.wrote);
        match self.wire.refusal() {
            Some(why) => explain_refusal(self.call, "that address", fate, why),
            None => explain_statement(self.call, what, fate, error),
        }
    }

    /// The error for contents that are not as documented.
    pub(super) fn differs(&self, reason: impl Into<String>) -> MetaDbError {
        MetaDbError::SchemaDiffers {
            call: self.call.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Why there are no rows.
enum Unread {
    Failed(Error),
    TooMany,
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn collect_rows<P: Protocol>(mut result: QueryResult<'_, '_, P>) -> Result<Vec<Row>, Unread> {
    let (mut rows, mut cells) = (Vec::new(), 0_usize);
    while let Some(row) = result.next().await? {
        cells = cells.saturating_add(row.len() + ROW);
        if cells > MOST_CELLS {
            return Err(Unread::TooMany);
        }
        rows.push(row);
    }
    Ok(rows)
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
