//! Preflight checks of projects and connectors (OMS upgrade overview, restrictions). Pure.
use crate::api::CheckName;
use crate::facts::Fact;
use crate::oms::metadb::{ConnectorReport, DbType};
use crate::oms::project::{
    ProjectKey, ProjectKind, ProjectProgress, ProjectStatus, Switchover, compute_lag_seconds,
    find_live_link, judge_switchover,
};
use crate::oms::version::OmsVersion;
use crate::upgrade::context::Context;
use crate::upgrade::parts::recovery_keys::MOST_PROJECTS;
use crate::upgrade::parts::source::{find_source_version, read_source_images};
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::installation::find_metadb_needs;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// Projects that a check names one by one; the others stand together.
const NAMED: usize = 20;

/// Ids that a warning lists; the status has no room for all.
const LISTED: usize = 10;

/// What a verdict on all projects is about.
const EVERY: &str = "every project";

/// A project or connector, and what was seen of it.
type Seen = (String, Verdict);

/// In sync, switched over, `dbType` set.
pub(crate) fn check_projects(cx: &Context<'_>) -> Vec<Found> {
    let needs = find_metadb_needs(cx).or_else(|| find_console_needs(cx));
    let named = [
        (CheckName::ProjectsInSync, judge_sync(cx)),
        (CheckName::ForwardSwitchover, judge_switchovers(cx)),
        (CheckName::ConnectorDbType, judge_connectors(cx)),
    ];
    let mut found = Vec::new();
    for (name, seen) in named {
        for (subject, verdict) in bound(seen) {
            let verdict = verdict.after(needs.as_deref());
            found.push(Found::new(CheckId::Named(name), subject, verdict));
        }
    }
    let progress = cx.observed.progress.known();
    let count = progress.map_or(0, |all| all.seen.len() + all.unread.len());
    if count > MOST_PROJECTS {
        let verdict = Verdict::warning(
            format!("{count} projects run; the recovery of the first {MOST_PROJECTS} is watched"),
            "look at the others by hand",
        );
        found.push(Found::new(CheckId::ManyProjects, EVERY, verdict));
    }
    found
}

/// The console answers from a container that runs.
fn find_console_needs(cx: &Context<'_>) -> Option<String> {
    let targets = &cx.observed.targets;
    let runs = targets.iter().any(|facts| facts.find_running().is_some());
    (!runs && !targets.is_empty()).then(|| name_target(cx, 0))
}

/// The first ones each for itself, the others in one: a status has no room for all.
fn bound(mut seen: Vec<Seen>) -> Vec<Seen> {
    // Of what weighs most, should there be too many; what is one for many stands last.
    seen.sort_by_key(|(_, verdict)| (verdict.is_good(), verdict.is_unseen()));
    let ends = |(_, verdict): &Seen| verdict.is_good();
    let groups = seen.split_off(seen.iter().position(ends).unwrap_or(seen.len()));
    if seen.len() > NAMED {
        let others = seen.split_off(NAMED);
        if let Some((_, first)) = others.first() {
            let names: Vec<&str> = others.iter().map(|(name, _)| name.as_str()).collect();
            let mut verdict = first.clone();
            verdict.evidence = format!("likewise: {}", names.join(", "));
            seen.push(("others".into(), verdict));
        }
    }
    seen.extend(groups);
    seen
}

/// Projects that may move data, with their progress; and a verdict on each of which it could not be read.
type Read<'a> = (Vec<&'a ProjectProgress>, Vec<(&'a ProjectKey, Verdict)>);

fn read_progress<'a>(cx: &'a Context<'_>) -> Result<Read<'a>, Vec<Seen>> {
    if let Fact::Unknown(reason) = &cx.observed.metadb.projects {
        let text = format!("the projects cannot be listed: {reason}");
        return Err(vec![(EVERY.to_owned(), Verdict::unread(text))]);
    }
    let unseen = |what: &str, reason: &str| {
        Verdict::unseen(
            format!("the progress of {what} cannot be read: {reason}"),
            "see the console: how it is reached, and its account, stand in spec.console",
        )
    };
    match &cx.observed.progress {
        Fact::Unknown(reason) => Err(vec![(EVERY.to_owned(), unseen("the projects", reason))]),
        Fact::Known(report) => {
            let moves = |project: &&ProjectProgress| {
                !project.status.is_over() && project.status != ProjectStatus::Init
            };
            let unread = report.unread.iter();
            let unread = unread.map(|one| (&one.key, unseen(&one.key.to_string(), &one.reason)));
            Ok((report.seen.iter().filter(moves).collect(), unread.collect()))
        }
    }
}

/// What was found of some, or that all are well.
fn or_passed(seen: Vec<Seen>, passed: impl Into<String>) -> Vec<Seen> {
    if seen.is_empty() {
        return vec![(EVERY.to_owned(), Verdict::passed(passed))];
    }
    seen
}

fn judge_sync(cx: &Context<'_>) -> Vec<Seen> {
    let (progress, unread) = match read_progress(cx) {
        Ok(read) => read,
        Err(mut seen) => {
            seen.extend(warn_of_standing(cx, &[]));
            return seen;
        }
    };
    let unread = unread.into_iter();
    let mut seen: Vec<Seen> = unread
        .map(|(key, verdict)| (key.id.clone(), verdict))
        .collect();
    let limit = u64::try_from(cx.spec.projects.max_lag_seconds).unwrap_or_default();
    let mut running = 0;
    let mut copies = Vec::new();
    for project in &progress {
        let key = &project.key;
        match &project.status {
            ProjectStatus::Running if is_copy(project) && !project.incremental => {
                copies.push(key.id.as_str());
            }
            ProjectStatus::Running if find_live_link(project).is_some() => {
                running += 1;
                if let Some(text) = describe_lag(cx, project, limit) {
                    let verdict = Verdict::failed(
                        format!("not in quasi-real-time sync: {text}"),
                        "wait until it has caught up; how much lag is well is spec.projects.maxLagSeconds",
                    );
                    seen.push((key.id.clone(), verdict));
                } else if is_copy(project) {
                    copies.push(key.id.as_str());
                }
            }
            ProjectStatus::Other(word) => {
                let verdict = Verdict::unseen(
                    format!(
                        "{key} is {word}, a state that OMS does not document: whether it has to go on cannot be told"
                    ),
                    "look at it in the console",
                );
                seen.push((key.id.clone(), verdict));
            }
            _ => {}
        }
    }
    if seen.is_empty() {
        let passed = format!("{running} running project(s) lag {limit} s at most");
        seen.push((EVERY.to_owned(), Verdict::passed(passed)));
    }
    if !copies.is_empty() {
        let verdict = Verdict::warning(
            format!(
                "a full copy or a full check runs: {}; HA restarts neither of them, so it stands still when OMS was stopped, until somebody starts it",
                list_ids(&copies)
            ),
            "let it come to its end first, or start it again in the console afterwards",
        );
        seen.push(("full copies".into(), verdict));
    }
    seen.extend(warn_of_standing(cx, &progress));
    seen
}

/// Whether it copies or compares everything. OMS tells of a migration project neither while its full check runs beside
/// another step (API reference: `currentStep`, excluding full verification).
fn is_copy(project: &ProjectProgress) -> bool {
    let step = project.current_step.as_deref();
    let full = step.is_some_and(|step| step.contains("FULL"));
    let only = step.is_some() && !project.incremental && !project.reverse_incremental;
    full || only
}

fn describe_lag(cx: &Context<'_>, project: &ProjectProgress, limit: u64) -> Option<String> {
    match compute_lag_seconds(project, cx.unix_now()) {
        Some(lag) if lag <= limit => None,
        Some(lag) => Some(format!("{} lags {lag} s", project.key)),
        None => Some(format!("{} has no checkpoint yet", project.key)),
    }
}

/// Projects that stand still now, by what the console says, or by the MetaDB where it says nothing.
fn warn_of_standing(cx: &Context<'_>, progress: &[&ProjectProgress]) -> Vec<Seen> {
    let rows = cx.observed.metadb.projects.known();
    let list = |status: &ProjectStatus| -> Vec<&str> {
        let told = progress.iter().map(|one| (&one.key, &one.status));
        let is_told = |key: &ProjectKey| progress.iter().any(|one| one.key == *key);
        let rows = rows.into_iter().flatten();
        let rows = rows.map(|row| (&row.key, &row.status));
        let rows = rows.filter(|(key, _)| !is_told(key));
        let all = told.chain(rows).filter(|(_, now)| *now == status);
        all.map(|(key, _)| key.id.as_str()).collect()
    };
    let mut seen = Vec::new();
    let failed = list(&ProjectStatus::Failed);
    if !failed.is_empty() {
        let verdict = Verdict::warning(
            format!(
                "FAILED: {}; HA makes new Stores for them and brings nothing else back, and nobody watches them",
                list_ids(&failed)
            ),
            "recover them in the console, before the upgrade or after it",
        );
        seen.push(("FAILED projects".into(), verdict));
    }
    let paused = list(&ProjectStatus::Suspended);
    if !paused.is_empty() {
        let verdict = Verdict::warning(
            format!(
                "paused: {}; HA makes new Stores for them, and they stay paused; one that is paused for more than 12 hours, the time of the upgrade \
                 included, cannot be resumed",
                list_ids(&paused)
            ),
            "resume before the upgrade what has to go on, or in time after it",
        );
        seen.push(("SUSPEND projects".into(), verdict));
    }
    seen
}

fn list_ids(ids: &[&str]) -> String {
    let named = ids
        .iter()
        .take(LISTED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match ids.len().saturating_sub(LISTED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn judge_switchovers(cx: &Context<'_>) -> Vec<Seen> {
    let (progress, unread) = match read_progress(cx) {
        Ok(read) => read,
        Err(seen) => return seen,
    };
    let judge = |project: &&ProjectProgress| {
        let key = &project.key;
        let verdict = match judge_switchover(project) {
            Switchover::Finished | Switchover::NotApplicable => return None,
            Switchover::Pending => Verdict::excusable(
                format!("forward switchover of {key} is not finished"),
                "finish it on the present version: OMS recommends it, and does not recommend it on the new one",
            ),
            Switchover::Unknown => Verdict::unseen(
                format!("whether the forward switchover of {key} is finished cannot be told"),
                "look at it in the console",
            ),
        };
        Some((project.key.id.clone(), verdict))
    };
    let migrations = unread
        .into_iter()
        .filter(|(key, _)| key.kind == ProjectKind::Migration);
    let unread = migrations.map(|(key, verdict)| (key.id.clone(), verdict));
    let seen = progress.iter().filter_map(judge).chain(unread);
    or_passed(seen.collect(), "no forward switchover is pending")
}

/// Only installations that come from 3.2.x, or 3.3.0 that may hold projects of 3.2.x, are affected.
fn judge_connectors(cx: &Context<'_>) -> Vec<Seen> {
    let every = |verdict| vec![("every connector".to_owned(), verdict)];
    let first_safe = OmsVersion::new(3, 3, 1);
    let sources: Vec<_> = read_source_images(cx)
        .iter()
        .map(|image| find_source_version(cx, image))
        .collect();
    if !sources.is_empty()
        && sources
            .iter()
            .all(|source| source.is_some_and(|version| version.release() >= first_safe))
    {
        return every(Verdict::passed("connectors of this version have dbType"));
    }
    let connectors = match &cx.observed.metadb.connectors {
        Fact::Unknown(reason) => return every(Verdict::unread(reason.as_str())),
        Fact::Known(ConnectorReport::Unknown { reason }) => {
            return every(Verdict::unseen(
                format!("whether connectors have dbType cannot be told: {reason}"),
                "look at them in the console",
            ));
        }
        Fact::Known(ConnectorReport::Known(connectors)) => connectors,
    };
    let missing = connectors
        .iter()
        .filter(|connector| connector.db_type == DbType::Missing)
        .map(|connector| {
            let verdict = Verdict::skippable(
                format!("connector without dbType: {}", connector.name),
                "add it in the console (OPS & Monitoring > Component > Connector > Update > source): \
                 OB_MYSQL for an OceanBase source, MYSQL for a MySQL one. Where no DDL is synchronised it is not needed: \
                 checks: [{name: ConnectorDbType, policy: Skip, reason: \"…\"}] (Attest does not help, because this was seen)",
            );
            (connector.name.clone(), verdict)
        })
        .collect::<Vec<Seen>>();
    if missing.is_empty() {
        return every(Verdict::passed("every connector has dbType"));
    }
    missing
}
