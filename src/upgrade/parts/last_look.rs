//! The last look at the databases before the new version is started on them: what the backup holds must be what they
//! hold. Pure.
//!
//! Verification and a gate may take hours, and an OMS that was cut off may come back in that time and write. Every node
//! of OMS keeps its row of `heart_beat` fresh while it runs, so a row that is newer than when the dump was begun says
//! that one has run. That is a plain read of one small table, the same on OceanBase, MySQL and MariaDB: counts and
//! checksums of tables cost too much here, and what `information_schema` tells of them follows the engine and lags.
//! Two texts of one clock are compared, so neither clocks nor time zones count.
use crate::api::{OmsUpgradeStatus, Reason, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::departure::require_same_metadb;
use crate::upgrade::parts::stop::require_no_sessions;

/// Dumps before it is given up.
const DUMPS: usize = 3;

/// What the last look needs.
pub(crate) fn list_needs(needs: Needs) -> Needs {
    Needs {
        sessions: true,
        health: true,
        fingerprint: true,
        ..needs
    }
}

/// Remembers the newest heart beat before a dump is begun.
pub(crate) fn note_heart_beat(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    if draft.internal.last_heart_beat.is_none() {
        draft.internal.last_heart_beat = Some(find_newest(cx)?);
    }
    Ok(())
}

/// Nobody is connected, and nobody has written since the dump was begun: `StartingNew`. Otherwise the dump is made
/// again.
pub(crate) fn look_once_more(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    require_no_sessions(cx)?;
    require_same_schema(cx)?;
    require_same_metadb(cx)?;
    // Whoever was connected until now may have written.
    let waiting = cx.status.waiting.as_ref();
    let came = waiting.is_some_and(|waiting| waiting.reason == Reason::SessionsLeft);
    let newest = find_newest(cx)?;
    let known = cx.status.internal.last_heart_beat.as_deref();
    if !came && known.is_some_and(|known| newest.as_str() <= known) {
        return Ok(Step::StartingNew);
    }
    if count_dumps(cx) >= DUMPS {
        return Err(Next::fail(
            Reason::BackupStale,
            format!(
                "an OMS wrote to the databases after each of {DUMPS} dumps although every target is stopped, so no backup holds what they hold; \
                 the new version was never started; find out where another OMS of this MetaDB runs (table heart_beat names the host), and end it"
            ),
        ));
    }
    draft.backup = None;
    draft.internal.last_heart_beat = None;
    Ok(Step::BackingUp)
}

/// The schema is seen to be another than the one that OMS was stopped with.
pub(crate) fn is_schema_changed(cx: &Context<'_>) -> bool {
    let known = cx.status.internal.fingerprint.as_ref();
    let found = cx.observed.metadb.fingerprint.known();
    known
        .zip(found)
        .is_some_and(|(known, found)| *known != String::from(found.clone()))
}

/// A dump of a schema that a new version has altered already is no backup of the old one.
pub(crate) fn require_same_schema(cx: &Context<'_>) -> Result<(), Next> {
    if cx.status.internal.fingerprint.is_none() {
        return Ok(());
    }
    require_known(&cx.observed.metadb.fingerprint, 2, Reason::MetaDbUnseen)?;
    if !is_schema_changed(cx) {
        return Ok(());
    }
    Err(Next::Stall(Failure::with_advice(
        Reason::SchemaChanged,
        "the schema of the databases of OMS is not what it was when OMS was stopped: somebody has altered it since, as a new version does when it is started; \
         no version is started on it by itself; find out who it was (a Deployment, a container outside of Kubernetes, a restore of the MetaDB), bring the \
         databases back as they were (docs/backup.md, restore by hand), then write a new spec.retryRequest",
    )))
}

/// Says why a dump is made once more.
pub(crate) fn tell_repetition(cx: &Context<'_>, next: Next) -> Next {
    match next {
        Next::Wait {
            poll,
            problem: None,
        } if count_dumps(cx) > 0 => Next::trouble(
            poll,
            Reason::BackupStale,
            "an OMS was connected or wrote to the databases after they were dumped, so they are dumped again; the former dump is not used",
        ),
        next => next,
    }
}

/// How often the dump was left behind on this way.
fn count_dumps(cx: &Context<'_>) -> usize {
    let history = cx.status.history.iter();
    history
        .filter(|record| record.step == Step::BackingUp)
        .count()
}

fn find_newest(cx: &Context<'_>) -> Result<String, Next> {
    let beats = require_known(&cx.observed.metadb.heart_beats, 2, Reason::HostsUnseen)?;
    let newest = beats.iter().map(|beat| beat.written.as_str()).max();
    Ok(newest.unwrap_or_default().to_owned())
}
