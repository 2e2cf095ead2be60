//! What the looks of preflight say of the assumptions about OMS (`docs/assumptions.md`). Pure.
//!
//! Nothing is decided by it: what is in the way of an upgrade is a check. It tells whoever approves the plan how much
//! of what the operator rests on was seen here.
use crate::api::AssumptionsStatus;
use crate::facts::{Fact, TargetFacts};
use crate::objects::foreign_words::cut_text;
use crate::oms::assumptions::AssumptionName;
use crate::oms::ha::HaConfig;
use crate::oms::metadb::{ConnectorReport, HaRow};
use crate::oms::open_api::Health;
use crate::oms::project::{ProjectStatus, compute_lag_seconds, find_live_link};
use crate::oms::version::parse_image_version;
use crate::upgrade::context::Context;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::steps::preflight::mounts::judge_mounts;
use crate::upgrade::steps::preflight::time_zones::check_time_zones;
use crate::upgrade::steps::preflight::verdict::{Kind, Verdict};

/// Characters of the words about one assumption.
const LONGEST: usize = 200;
/// Seconds of ten years: a checkpoint that is further away is none in seconds.
const YEARS: u64 = 10 * 365 * 86_400;

/// What a look says of an assumption.
enum Sight {
    AsAssumed,
    /// The reason, in words.
    NotSeen(String),
    /// What was seen speaks against it.
    Otherwise(String),
    /// Only the upgrade can show it.
    Later,
}

/// Each assumption in one of the lists.
pub(crate) fn look_at_assumptions(cx: &Context<'_>) -> AssumptionsStatus {
    let mut status = AssumptionsStatus::default();
    for name in AssumptionName::ALL {
        let tell = |words: &str| format!("{name}: {}", cut_text(words, LONGEST));
        match look_at(cx, *name) {
            Sight::AsAssumed => status.looked_at.push(name.to_string()),
            Sight::NotSeen(why) => status.not_seen.push(tell(&why)),
            Sight::Otherwise(what) => status.contradicted.push(tell(&what)),
            Sight::Later => status.later.push(name.to_string()),
        }
    }
    status
}

fn look_at(cx: &Context<'_>, name: AssumptionName) -> Sight {
    let metadb = &cx.observed.metadb;
    match name {
        AssumptionName::InitText
        | AssumptionName::InitRepeats
        | AssumptionName::PlainStartMayMigrate
        | AssumptionName::IsUpgrade
        | AssumptionName::RestsBeforeInit
        | AssumptionName::OldOnNewSchema
        | AssumptionName::ConsoleCachesHa
        | AssumptionName::OnlyHaStarts
        | AssumptionName::Lag
        | AssumptionName::RollbackPullBack
        | AssumptionName::SilentWhenStopped => Sight::Later,
        AssumptionName::HaRow => read(&metadb.ha, look_at_ha),
        AssumptionName::HostRows => look_at_hosts(cx),
        AssumptionName::HealthPage => look_at_pages(cx),
        AssumptionName::Account => read(&metadb.sessions, |report| {
            match report.sees_oms_account && !report.foreign.is_empty() {
                true => Sight::AsAssumed,
                false => Sight::NotSeen("no session of OMS is to be seen".into()),
            }
        }),
        AssumptionName::Programs => look_at_each(
            cx,
            |target| &target.programs,
            |programs| !programs.is_empty(),
        ),
        AssumptionName::Mounts => look_at_mounts(cx),
        AssumptionName::ConfigFile => read(&cx.observed.installation, |_| Sight::AsAssumed),
        AssumptionName::ProjectStates => look_at_states(cx),
        AssumptionName::Checkpoint => look_at_checkpoints(cx),
        AssumptionName::DbType => read(&metadb.connectors, |report| match report {
            ConnectorReport::Unknown { reason } => Sight::Otherwise(reason.clone()),
            ConnectorReport::Known(all) if all.is_empty() => {
                Sight::NotSeen("there is no Connector".into())
            }
            ConnectorReport::Known(_) => Sight::AsAssumed,
        }),
        AssumptionName::TagsTellVersions => look_at_tags(cx),
        AssumptionName::TimeZones => look_at_zones(cx),
        AssumptionName::StoreLimits => read(&metadb.store_limit, |limit| match limit {
            Some(_) => Sight::AsAssumed,
            None => Sight::NotSeen("there is no such row".into()),
        }),
    }
}

fn read<T>(fact: &Fact<T>, look: impl FnOnce(&T) -> Sight) -> Sight {
    match fact {
        Fact::Known(seen) => look(seen),
        Fact::Unknown(why) => Sight::NotSeen(why.clone()),
    }
}

/// Seen where it holds of every target; what was read and does not hold was only not seen.
fn look_at_each<T>(
    cx: &Context<'_>,
    find: fn(&TargetFacts) -> &Fact<T>,
    holds: fn(&T) -> bool,
) -> Sight {
    for target in &cx.observed.targets {
        match find(target) {
            Fact::Known(seen) if holds(seen) => {}
            Fact::Known(_) => return Sight::NotSeen(format!("there is none in {}", target.name)),
            Fact::Unknown(why) => return Sight::NotSeen(why.clone()),
        }
    }
    Sight::AsAssumed
}

fn look_at_ha(row: &HaRow) -> Sight {
    match row {
        HaRow::Text(text) => match HaConfig::parse(text) {
            Ok(_) => Sight::AsAssumed,
            Err(error) => Sight::Otherwise(error.to_string()),
        },
        HaRow::NoTable | HaRow::NoRow => {
            Sight::NotSeen("there is no such row, as before 3.3.1".into())
        }
    }
}

fn look_at_hosts(cx: &Context<'_>) -> Sight {
    let metadb = &cx.observed.metadb;
    let (hosts, beats) = match (&metadb.hosts, &metadb.heart_beats) {
        (Fact::Known(hosts), Fact::Known(beats)) => (hosts, beats),
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => return Sight::NotSeen(why.clone()),
    };
    match (hosts.is_empty(), beats.is_empty()) {
        (false, false) => Sight::AsAssumed,
        (true, _) => Sight::Otherwise("the table host has no row".into()),
        (_, true) => Sight::Otherwise("the table heart_beat has no row of a supervisor".into()),
    }
}

fn look_at_pages(cx: &Context<'_>) -> Sight {
    for target in &cx.observed.targets {
        match &target.health {
            Fact::Known(Health::Healthy | Health::Unhealthy) => {}
            Fact::Known(Health::NotOffered) => {
                return Sight::Otherwise(format!("{} does not offer it", target.name));
            }
            Fact::Unknown(why) => return Sight::NotSeen(why.clone()),
        }
    }
    Sight::AsAssumed
}

fn look_at_mounts(cx: &Context<'_>) -> Sight {
    let verdicts = (0..cx.spec.targets.len()).map(|index| judge_mounts(cx, index));
    // A warning is about how they are mounted.
    read_verdicts(verdicts, |_| None)
}

/// What the first verdict that has not passed says; what a warning means depends on what it warns of.
fn read_verdicts(
    verdicts: impl Iterator<Item = Verdict>,
    warned: fn(Verdict) -> Option<Sight>,
) -> Sight {
    let mut sights = verdicts.filter_map(|verdict| match verdict.kind {
        Kind::Passed => None,
        Kind::Warning => warned(verdict),
        Kind::Unseen | Kind::Unread | Kind::NotMade => Some(Sight::NotSeen(verdict.evidence)),
        Kind::Failed | Kind::Skippable | Kind::Excusable => {
            Some(Sight::Otherwise(verdict.evidence))
        }
    });
    sights.next().unwrap_or(Sight::AsAssumed)
}

fn look_at_states(cx: &Context<'_>) -> Sight {
    read(&cx.observed.metadb.projects, |projects| {
        let other = projects.iter().find_map(|project| match &project.status {
            ProjectStatus::Other(word) => Some(format!("{} is {word}", project.key)),
            _ => None,
        });
        match (other, projects.is_empty()) {
            (Some(words), _) => Sight::Otherwise(words),
            (None, true) => Sight::NotSeen("there is no project".into()),
            (None, false) => Sight::AsAssumed,
        }
    })
}

fn look_at_checkpoints(cx: &Context<'_>) -> Sight {
    read(&cx.observed.progress, |report| {
        let live = report
            .seen
            .iter()
            .filter(|one| find_live_link(one).is_some());
        let now = cx.unix_now();
        let mut lags = live.filter_map(|one| Some((&one.key, compute_lag_seconds(one, now)?)));
        let mut seen = false;
        let far = lags.find(|(_, lag)| {
            seen = true;
            *lag > YEARS
        });
        match (far, seen) {
            (Some((key, lag)), _) => Sight::Otherwise(format!("{key} would lag {lag} s")),
            (None, true) => Sight::AsAssumed,
            (None, false) => Sight::NotSeen("the console tells of no checkpoint".into()),
        }
    })
}

fn look_at_tags(cx: &Context<'_>) -> Sight {
    let mut images = read_source_images(cx);
    if images.is_empty() {
        return Sight::NotSeen("no Deployment could be read".into());
    }
    images.push(cx.spec.image.clone());
    match images
        .iter()
        .find(|image| parse_image_version(image).is_none())
    {
        Some(image) => Sight::Otherwise(format!("{image} says none")),
        None => Sight::AsAssumed,
    }
}

fn look_at_zones(cx: &Context<'_>) -> Sight {
    let verdicts = check_time_zones(cx).into_iter().map(|found| found.verdict);
    read_verdicts(verdicts, |verdict| Some(Sight::Otherwise(verdict.evidence)))
}
