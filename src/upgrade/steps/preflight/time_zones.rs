//! Preflight warning: OMS and its MetaDB are in one time zone. Pure.
//!
//! OMS's deployment guide wants NTP, and the MetaDB and all machines in one time zone. Its `docker run` passes none
//! into the container: there it is that of the image, unless `/etc/localtime` is mounted or `TZ` is set. What counts is
//! what OMS writes with, so the container is asked, and not the node. An upgrade changes neither, so this is in
//! nobody's way.
use crate::facts::Fact;
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::installation::find_metadb_needs;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::{Found, Kind, Verdict};

/// Each target against the MetaDB; one word where all of them are as they should be.
pub(crate) fn check_time_zones(cx: &Context<'_>) -> Vec<Found> {
    let needs = find_metadb_needs(cx);
    let targets = cx.spec.targets.iter().enumerate();
    let mut found: Vec<Found> = targets
        .map(|(index, target)| {
            let verdict = judge(cx, index).after(needs.as_deref());
            Found::new(CheckId::TimeZones, &target.name, verdict)
        })
        .collect();
    if found.iter().all(|one| one.verdict.kind == Kind::Passed) {
        found.truncate(1);
        found.iter_mut().for_each(|one| one.subject = "OMS".into());
    }
    found
}

fn judge(cx: &Context<'_>, index: usize) -> Verdict {
    let facts = cx.observed.targets.get(index);
    let Some(facts) = facts.filter(|facts| facts.find_running().is_some()) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    let name = &facts.name;
    let unread = |whose: &str, why: &str| {
        Verdict::unread(format!(
            "whether OMS and its MetaDB are in one time zone cannot be told: that of {whose} cannot be read: {why}"
        ))
    };
    match (&facts.utc_offset_seconds, &cx.observed.metadb.identity) {
        (Fact::Unknown(why), _) => unread(&format!("the container of {name}"), why),
        (_, Fact::Unknown(why)) => unread("the MetaDB", why),
        (Fact::Known(own), Fact::Known(server)) => compare(name, *own, server.utc_offset_seconds),
    }
}

fn compare(name: &str, own: i32, server: i32) -> Verdict {
    if own == server {
        let offset = write_offset(own);
        return Verdict::passed(format!(
            "containers of OMS and the MetaDB are at UTC{offset}"
        ));
    }
    Verdict::warning(
        format!(
            "the container of {name} is at UTC{}, the MetaDB at UTC{}; OMS's deployment guide wants the MetaDB and all machines in one time zone. \
             Local times that OMS writes, such as heart beats, look {} min wrong by the clock of the MetaDB, so their age may say nothing; \
             checkpoints are Unix time and do not mind, and the upgrade changes neither zone",
            write_offset(own),
            write_offset(server),
            i64::from(own).abs_diff(i64::from(server)) / 60
        ),
        "nothing, where OMS has worked so all along; else, before the upgrade or after it but not within: mount the node's /etc/localtime into the \
         container or set its variable TZ (the guide's docker run names neither), or set the global time_zone of the MetaDB, and restart OMS",
    )
}

/// Seconds east of UTC as people write them: `+08:00`.
fn write_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_zones_are_named_where_they_differ() {
        let verdict = compare("oms", 0, 28800);
        assert_eq!(verdict.kind, Kind::Warning);
        for words in ["UTC+00:00", "MetaDB at UTC+08:00", "480 min", "Unix time"] {
            assert!(verdict.evidence.contains(words), "{words}: {verdict:?}");
        }
        let way_out = verdict.way_out.unwrap();
        assert!(
            way_out.contains("/etc/localtime") && way_out.contains("TZ"),
            "{way_out}"
        );
        assert_eq!(compare("oms", -12600, -12600).kind, Kind::Passed);
        assert_eq!(compare("oms", 0, -12600).kind, Kind::Warning);
    }

    #[test]
    fn offsets_read_as_people_write_them() {
        for (seconds, text) in [(0, "+00:00"), (28800, "+08:00"), (-12600, "-03:30")] {
            assert_eq!(write_offset(seconds), text);
        }
    }
}
