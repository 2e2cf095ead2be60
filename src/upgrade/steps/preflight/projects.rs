//! Preflight checks of projects and connectors (OMS upgrade overview, restrictions). Pure.
use crate::api::CheckName;
use crate::facts::Fact;
use crate::oms::metadb::{ConnectorReport, DbType};
use crate::oms::project::{
    ProjectProgress, Switchover, compute_lag_seconds, find_live_link, judge_switchover,
};
use crate::oms::version::{OmsVersion, parse_image_version};
use crate::upgrade::context::Context;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::steps::preflight::check::{CheckId, Verdict};

/// Projects kept in the status; an installation with more is told so by preflight.
pub(crate) const MOST_PROJECTS: usize = 200;

/// Lag that still counts as quasi-real-time, seconds. OMS gives no number; this is the default of
/// its highest delay alarm (system parameter `alarm.thresholds.delayThreshold`, HIGH).
const MOST_LAG: u64 = 30;

/// In sync, switched over, `dbType` set.
pub(crate) fn check_projects(cx: &Context<'_>) -> Vec<(CheckId, Verdict)> {
    let mut found = vec![
        (CheckId::Named(CheckName::ProjectsInSync), judge_sync(cx)),
        (
            CheckId::Named(CheckName::ForwardSwitchover),
            judge_switchovers(cx),
        ),
        (
            CheckId::Named(CheckName::ConnectorDbType),
            judge_connectors(cx),
        ),
    ];
    if let Fact::Known(progress) = &cx.observed.progress
        && progress.len() > MOST_PROJECTS
    {
        let text = format!(
            "{} projects run; the recovery of the first {MOST_PROJECTS} is watched, look at the others by hand",
            progress.len()
        );
        found.push((CheckId::ManyProjects, Verdict::Warning(text)));
    }
    found
}

/// Progress of the projects that are not over.
fn read_progress<'a>(cx: &'a Context<'_>) -> Result<Vec<&'a ProjectProgress>, Verdict> {
    if let Fact::Unknown(reason) = &cx.observed.metadb.projects {
        return Err(Verdict::Unseen(format!(
            "the projects cannot be listed: {reason}"
        )));
    }
    match &cx.observed.progress {
        Fact::Unknown(reason) => Err(Verdict::Unseen(format!(
            "the progress of the projects cannot be read: {reason}"
        ))),
        Fact::Known(all) => Ok(all
            .iter()
            .filter(|project| !project.status.is_over())
            .collect()),
    }
}

fn judge_sync(cx: &Context<'_>) -> Verdict {
    let progress = match read_progress(cx) {
        Ok(progress) => progress,
        Err(verdict) => return verdict,
    };
    let running: Vec<_> = progress
        .into_iter()
        .filter(|project| project.status.is_running() && find_live_link(project).is_some())
        .collect();
    let late: Vec<String> = running
        .iter()
        .filter_map(
            |project| match compute_lag_seconds(project, cx.unix_now()) {
                Some(lag) if lag <= MOST_LAG => None,
                Some(lag) => Some(format!("{} lags {lag} s", project.key)),
                None => Some(format!("{} has no checkpoint yet", project.key)),
            },
        )
        .collect();
    if late.is_empty() {
        Verdict::Passed(format!(
            "{} running project(s) lag {MOST_LAG} s at most",
            running.len()
        ))
    } else {
        Verdict::Failed(format!(
            "not in quasi-real-time sync: {}; wait until they have caught up",
            late.join(", ")
        ))
    }
}

fn judge_switchovers(cx: &Context<'_>) -> Verdict {
    let progress = match read_progress(cx) {
        Ok(progress) => progress,
        Err(verdict) => return verdict,
    };
    let mut pending = Vec::new();
    let mut unknown = Vec::new();
    for project in progress {
        match judge_switchover(project) {
            Switchover::Finished | Switchover::NotApplicable => {}
            Switchover::Pending => pending.push(project.key.to_string()),
            Switchover::Unknown => unknown.push(project.key.to_string()),
        }
    }
    match (pending.as_slice(), unknown.as_slice()) {
        ([], []) => Verdict::Passed("no forward switchover is pending".into()),
        ([], unknown) => Verdict::Unseen(format!(
            "whether the forward switchover is finished cannot be told of {}",
            unknown.join(", ")
        )),
        (pending, _) => Verdict::Failed(format!(
            "forward switchover is not finished: {}; finish it on the present version (OMS does not recommend it on the new one)",
            pending.join(", ")
        )),
    }
}

/// Only installations that come from 3.2.x, or 3.3.0 that may hold projects of 3.2.x, are affected.
fn judge_connectors(cx: &Context<'_>) -> Verdict {
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
        return Verdict::Passed("connectors of this version have dbType".into());
    }
    match &cx.observed.metadb.connectors {
        Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
        Fact::Known(ConnectorReport::Unknown { reason }) => Verdict::Unseen(format!(
            "whether connectors have dbType cannot be told: {reason}"
        )),
        Fact::Known(ConnectorReport::Known(connectors)) => {
            let missing: Vec<&str> = connectors
                .iter()
                .filter(|connector| connector.db_type == DbType::Missing)
                .map(|connector| connector.name.as_str())
                .collect();
            if missing.is_empty() {
                Verdict::Passed("every connector has dbType".into())
            } else {
                Verdict::Skippable(format!(
                    "connector(s) without dbType: {}; add it in the console (OPS & Monitoring > Component > Connector > Update > source): \
                     OB_MYSQL for an OceanBase source, MYSQL for a MySQL one. Where no DDL is synchronised it is not needed: \
                     checks: [{{name: ConnectorDbType, policy: Skip, reason: \"…\"}}] (Attest does not help, because this was seen)",
                    missing.join(", ")
                ))
            }
        }
    }
}
