//! The keys of `ha.config` that say from where HA makes new Stores: what they were before, when they may go back, and
//! what is said where they stay. Pure.
//!
//! HA makes Stores by intervals of its own (documented defaults: 240 to 600 s). Keys that go back before that make
//! Stores begin too late, and what changed meanwhile is lost; only checkpoints that advance show that it has happened.
//! So where nobody can watch, the keys stay, and they are written down beside the lock: the next upgrade must not take
//! them for a person's own.
use crate::api::{
    ConditionReason, ConditionStatus, KeptKey, OmsUpgradeStatus, ProjectRecord, Reason, Step,
};
use crate::facts::{Fact, ProgressReport};
use crate::oms::ha::{HaConfig, HaError};
use crate::oms::metadb::KeptKeys;
use crate::oms::project::{ProjectProgress, ProjectStatus, find_live_link, ran_before};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::ha::{parse_config, read_lasting_config, wants_pull_back};

/// Projects kept in the status; an installation with more is told so by preflight.
pub(crate) const MOST_PROJECTS: usize = 200;

/// `ha.config` as it was before any upgrade changed it for a recovery. A key that reads otherwise than it was left is a
/// person's own by now, and stays.
pub(crate) fn find_original(
    config: &HaConfig,
    kept: Option<&KeptKeys>,
) -> Result<HaConfig, HaError> {
    match kept {
        Some(kept) => config.apply_patch(&config.build_withdrawal(&kept.keys)),
        None => Ok(config.clone()),
    }
}

/// Projects that need a Store of HA's making while nothing shows that it was made: those that ran beyond the watched
/// ones. Paused and failed ones get a Store as well (upgrade guide, multi-node), but HA looks at every Store in the
/// same round, so a watched project that advances speaks for them; where none is watched, nothing does.
pub(crate) fn count_unwatched(report: &ProgressReport, watched: usize) -> i32 {
    // Of one that could not be read it is not known that it needs none.
    let count = list_unwatched(&report.seen, watched).len() + report.unread.len();
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn list_unwatched(progress: &[ProjectProgress], watched: usize) -> Vec<&ProjectProgress> {
    let has_store = |project: &&ProjectProgress| {
        !project.status.is_over()
            && project.status != ProjectStatus::Init
            && find_live_link(project).is_some()
    };
    if watched == 0 {
        return progress.iter().filter(has_store).collect();
    }
    let ran = progress.iter().filter(|project| ran_before(project));
    ran.skip(watched).collect()
}

/// Ids of the projects whose recovery nobody would watch if the upgrade began now; all of them where no console tells
/// how far they are.
pub(crate) fn list_uncovered(cx: &Context<'_>) -> Vec<String> {
    let mut ids: Vec<String> = match (&cx.observed.progress, &cx.observed.metadb.projects) {
        (Fact::Known(report), _) => {
            let ran = report.seen.iter().filter(|project| ran_before(project));
            let watched = ran.count().min(MOST_PROJECTS);
            let unwatched = list_unwatched(&report.seen, watched).into_iter();
            let unwatched = unwatched.map(|project| &project.key);
            let unread = report.unread.iter().map(|one| &one.key);
            unwatched.chain(unread).map(|key| key.id.clone()).collect()
        }
        (Fact::Unknown(_), Fact::Known(rows)) => rows
            .iter()
            .filter(|row| !row.status.is_over() && row.status != ProjectStatus::Init)
            .map(|row| row.key.id.clone())
            .collect(),
        (Fact::Unknown(_), Fact::Unknown(_)) => vec![],
    };
    ids.sort();
    ids.dedup();
    ids
}

/// Whether every project that needs a Store is among those that are watched. Where all of these ended before one
/// advanced, they speak for nobody.
pub(crate) fn is_watched_whole(status: &OmsUpgradeStatus) -> bool {
    status.internal.unwatched_projects == Some(0)
        && (status.internal.projects.is_empty()
            || status.internal.projects.iter().any(has_advanced))
}

/// Whether a project was seen to advance, and did not just end.
fn has_advanced(project: &ProjectRecord) -> bool {
    project.recovered && project.resumed_at.is_some()
}

/// The keys are left, and that is written down.
pub(crate) fn keep_keys(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let config = read_config(cx)?.unwrap_or_else(HaConfig::empty);
    if !wants_pull_back(cx) {
        // What the other direction left may have gone with its row: a restore brings that of before back.
        let left: Vec<KeptKey> = config
            .list_still_kept(&draft.kept_keys)
            .into_iter()
            .cloned()
            .collect();
        draft.kept_keys = left;
        return forget_withdrawn(cx);
    }
    let keys = config.find_kept(&read_lasting_config(cx));
    draft.kept_keys = keys.clone();
    let written = require_known(&cx.observed.metadb.kept_keys, 2, Reason::MetaDbUnseen)?;
    let written = written.as_ref().map_or(&[][..], |kept| &kept.keys);
    if written != keys {
        return Err(Next::Do(Effect::KeepKeys { keys }));
    }
    Ok(())
}

/// What an earlier upgrade wrote down is forgotten, once nothing of it is left in the row.
pub(crate) fn forget_withdrawn(cx: &Context<'_>) -> Result<(), Next> {
    let kept = require_known(&cx.observed.metadb.kept_keys, 2, Reason::MetaDbUnseen)?;
    let Some(kept) = kept else {
        return Ok(());
    };
    // Without a row there is nothing left.
    let config = read_config(cx)?.unwrap_or_else(HaConfig::empty);
    match config.list_still_kept(&kept.keys).is_empty() {
        true => Err(Next::Do(Effect::KeepKeys { keys: vec![] })),
        false => Ok(()),
    }
}

fn read_config(cx: &Context<'_>) -> Result<Option<HaConfig>, Next> {
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    row.text().map(parse_config).transpose()
}

/// Whether replication is back, as far as anybody could see. `None` before HA is at its goal.
pub(crate) fn judge_recovery(
    status: &OmsUpgradeStatus,
) -> Option<(ConditionStatus, ConditionReason, String)> {
    let at_goal = match status.step {
        Some(Step::Recovering) => true,
        Some(Step::Settling) => status.internal.originals.is_some(),
        _ => false,
    };
    if !at_goal {
        return None;
    }
    let watched = status.internal.projects.len();
    let open = status
        .internal
        .projects
        .iter()
        .filter(|project| !project.recovered)
        .count();
    if open > 0 {
        let text = format!("{open} of {watched} project(s) have no advancing checkpoint yet");
        return Some((ConditionStatus::False, ConditionReason::Pending, text));
    }
    let seen = status
        .internal
        .projects
        .iter()
        .filter(|one| has_advanced(one));
    let seen = seen.count();
    if watched > 0 && seen == 0 {
        let text = format!(
            "the {watched} project(s) that ran before were finished, released or deleted before one was seen to advance, so nothing shows \
             that HA has made Stores for others: look at them in the console"
        );
        return Some((
            ConditionStatus::Unknown,
            ConditionReason::NothingWatched,
            text,
        ));
    }
    let advancing = match watched - seen {
        0 => format!("all {watched} project(s) that ran before have an advancing checkpoint"),
        over => format!(
            "{seen} project(s) that ran before have an advancing checkpoint, and {over} ended meanwhile"
        ),
    };
    Some(match (watched, status.internal.unwatched_projects) {
        (0, None) => (
            ConditionStatus::Unknown,
            ConditionReason::NothingWatched,
            "which projects ran before could not be seen, so nobody watched whether they advance again: look at them in the console"
                .into(),
        ),
        (0, Some(0)) => (
            ConditionStatus::True,
            ConditionReason::NoProjects,
            "no project ran before, so none had to recover".into(),
        ),
        (0, Some(paused)) => (
            ConditionStatus::Unknown,
            ConditionReason::NothingWatched,
            format!("{paused} project(s) were paused or failed before, and nobody watches those: look at them in the console"),
        ),
        (_, Some(0)) => (ConditionStatus::True, ConditionReason::Advancing, advancing),
        (_, Some(others)) => (
            ConditionStatus::Unknown,
            ConditionReason::PartlyWatched,
            format!("{advancing}; {others} other(s) are not watched: look at them in the console"),
        ),
        (_, None) => (
            ConditionStatus::Unknown,
            ConditionReason::PartlyWatched,
            format!("{seen} project(s) advance again; whether there are others is not known: look at them in the console"),
        ),
    })
}

/// What a verdict adds where nobody could watch the recovery, or where keys stay.
pub(crate) fn describe_unwatched(status: &OmsUpgradeStatus) -> String {
    let mut text = String::new();
    if let Some((ConditionStatus::Unknown, _, seen)) = judge_recovery(status) {
        text = format!("; {seen}");
    }
    if status.kept_keys.is_empty() {
        return text;
    }
    let list = |word: fn(&KeptKey) -> String| {
        let words: Vec<String> = status.kept_keys.iter().map(word).collect();
        words.join(", ")
    };
    let now = list(|kept| format!("\"{}\": {}", kept.key, kept.value));
    let before = list(|kept| match &kept.original {
        Some(original) => format!("set \"{}\": {original}", kept.key),
        None => format!("remove \"{}\"", kept.key),
    });
    format!(
        "{text}; ha.config keeps {now} until then, since without it HA makes Stores that begin too late, and what changed while OMS was down is lost; \
         once every project advances, in the console under System Management > System Parameters > ha.config: {before}; \
         or leave that to the next upgrade of this MetaDB, which knows of it"
    )
}
