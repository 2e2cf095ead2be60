//! Preflight checks of projects and connectors (OMS upgrade overview, restrictions). Pure.
use crate::api::CheckName;
use crate::facts::Fact;
use crate::oms::metadb::{ConnectorReport, DbType};
use crate::oms::project::{
    ProjectProgress, Switchover, compute_lag_seconds, find_live_link, judge_switchover,
};
use crate::oms::version::{OmsVersion, parse_image_version};
use crate::upgrade::context::Context;
use crate::upgrade::parts::recovery_keys::MOST_PROJECTS;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::installation::find_metadb_needs;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// Lag that still counts as quasi-real-time, seconds. OMS gives no number; this is the default of
/// its highest delay alarm (system parameter `alarm.thresholds.delayThreshold`, HIGH).
const MOST_LAG: u64 = 30;

/// Projects that a check names one by one; the others stand together.
const NAMED: usize = 20;

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
    if let Fact::Known(progress) = &cx.observed.progress
        && progress.len() > MOST_PROJECTS
    {
        let verdict = Verdict::warning(
            format!(
                "{} projects run; the recovery of the first {MOST_PROJECTS} is watched",
                progress.len()
            ),
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
    // Of what weighs most, should there be too many.
    seen.sort_by_key(|(_, verdict)| verdict.is_unseen());
    if seen.len() > NAMED {
        let others = seen.split_off(NAMED);
        if let Some((_, first)) = others.first() {
            let names: Vec<&str> = others.iter().map(|(name, _)| name.as_str()).collect();
            let mut verdict = first.clone();
            verdict.evidence = format!("likewise: {}", names.join(", "));
            seen.push(("others".into(), verdict));
        }
    }
    seen
}

/// Progress of the projects that are not over.
fn read_progress<'a>(cx: &'a Context<'_>) -> Result<Vec<&'a ProjectProgress>, Vec<Seen>> {
    let unread = |text: String| vec![(EVERY.to_owned(), Verdict::unread(text))];
    if let Fact::Unknown(reason) = &cx.observed.metadb.projects {
        return Err(unread(format!("the projects cannot be listed: {reason}")));
    }
    match &cx.observed.progress {
        Fact::Unknown(reason) => Err(vec![(
            EVERY.to_owned(),
            Verdict::unseen(
                format!("the progress of the projects cannot be read: {reason}"),
                "see the console, and its account in spec.console.credentialsSecretRef",
            ),
        )]),
        Fact::Known(all) => Ok(all
            .iter()
            .filter(|project| !project.status.is_over())
            .collect()),
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
    let progress = match read_progress(cx) {
        Ok(progress) => progress,
        Err(seen) => return seen,
    };
    let running: Vec<_> = progress
        .into_iter()
        .filter(|project| project.status.is_running() && find_live_link(project).is_some())
        .collect();
    let late = |project: &&ProjectProgress| {
        let text = match compute_lag_seconds(project, cx.unix_now()) {
            Some(lag) if lag <= MOST_LAG => return None,
            Some(lag) => format!("{} lags {lag} s", project.key),
            None => format!("{} has no checkpoint yet", project.key),
        };
        let verdict = Verdict::failed(
            format!("not in quasi-real-time sync: {text}"),
            "wait until it has caught up",
        );
        Some((project.key.id.clone(), verdict))
    };
    let seen = running.iter().filter_map(late).collect();
    let passed = format!(
        "{} running project(s) lag {MOST_LAG} s at most",
        running.len()
    );
    or_passed(seen, passed)
}

fn judge_switchovers(cx: &Context<'_>) -> Vec<Seen> {
    let progress = match read_progress(cx) {
        Ok(progress) => progress,
        Err(seen) => return seen,
    };
    let judge = |project: &ProjectProgress| {
        let key = &project.key;
        let verdict = match judge_switchover(project) {
            Switchover::Finished | Switchover::NotApplicable => return None,
            Switchover::Pending => Verdict::failed(
                format!("forward switchover of {key} is not finished"),
                "finish it on the present version (OMS does not recommend it on the new one)",
            ),
            Switchover::Unknown => Verdict::unseen(
                format!("whether the forward switchover of {key} is finished cannot be told"),
                "look at it in the console",
            ),
        };
        Some((project.key.id.clone(), verdict))
    };
    let seen = progress.into_iter().filter_map(judge).collect();
    or_passed(seen, "no forward switchover is pending")
}

/// Only installations that come from 3.2.x, or 3.3.0 that may hold projects of 3.2.x, are affected.
fn judge_connectors(cx: &Context<'_>) -> Vec<Seen> {
    let every = |verdict| vec![("every connector".to_owned(), verdict)];
    let first_safe = OmsVersion::new(3, 3, 1);
    let sources: Vec<_> = read_source_images(cx)
        .iter()
        .map(|image| parse_image_version(image))
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
