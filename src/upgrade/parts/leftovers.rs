//! What an upgrade leaves behind: written down, and told to people. Pure.
use crate::api::{Leftover, LeftoverKind, OmsUpgradeStatus, Step};
use crate::metadb::quote_name;
use crate::oms::installation::Address;
use crate::protocol::report::SafetyCopy;
use crate::upgrade::context::{Context, to_i64};
use crate::upgrade::parts::copies::find_end;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// Remembers the databases in which a restore has kept what it replaced.
pub(crate) fn note_copies(draft: &mut OmsUpgradeStatus, copies: &[SafetyCopy]) {
    let place = describe_metadb(draft);
    for copy in copies {
        let bytes = copy.bytes.map(to_i64);
        let mut known = draft.leftovers.iter_mut();
        match known.find(|one| is_same(one, LeftoverKind::SafetyCopy, &place, &copy.database)) {
            Some(known) => known.bytes = bytes,
            None => draft.leftovers.push(Leftover {
                bytes,
                ..build(LeftoverKind::SafetyCopy, &place, &copy.database)
            }),
        }
    }
}

/// Completes what is left at the end: the backup, and until when each copy is kept.
pub(crate) fn complete_leftovers(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    if draft.step != Some(Step::Settling) {
        return;
    }
    note_backup(cx, draft);
    let end = find_end(cx, draft).and_then(|end| Timestamp::from_second(end).ok());
    for copy in draft.leftovers.iter_mut().filter(|one| one.is_kept_copy()) {
        copy.kept_until_time = end.map(Time);
    }
}

fn note_backup(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let Some(backup) = &draft.backup else { return };
    let place = format!("claim {}", cx.spec.backup.claim_name);
    let mut known = draft.leftovers.iter();
    if known.any(|one| is_same(one, LeftoverKind::Backup, &place, &backup.directory)) {
        return;
    }
    let bytes = backup.databases.iter().map(|one| one.stored_bytes).sum();
    let left = Leftover {
        bytes: Some(bytes).filter(|_| !backup.databases.is_empty()),
        ..build(LeftoverKind::Backup, &place, &backup.directory)
    };
    draft.leftovers.push(left);
}

fn build(kind: LeftoverKind, place: &str, name: &str) -> Leftover {
    Leftover {
        kind,
        place: place.to_owned(),
        name: name.to_owned(),
        bytes: None,
        kept_until_time: None,
        dropped_time: None,
        problem: None,
    }
}

fn is_same(one: &Leftover, kind: LeftoverKind, place: &str, name: &str) -> bool {
    one.kind == kind && one.place == place && one.name == name
}

fn describe_metadb(status: &OmsUpgradeStatus) -> String {
    match &status.installation {
        Some(found) => {
            let address = Address {
                host: found.metadb_host.clone(),
                port: u16::try_from(found.metadb_port).unwrap_or_default(),
            };
            format!("MetaDB {address}")
        }
        None => "MetaDB".into(),
    }
}

/// Where the safety copies lie, for how long, and how a person drops them: the rest of a sentence, or nothing.
pub(crate) fn describe_copies(status: &OmsUpgradeStatus) -> String {
    let kept: Vec<&Leftover> = status
        .leftovers
        .iter()
        .filter(|one| one.is_kept_copy())
        .collect();
    let Some(first) = kept.first() else {
        return String::new();
    };
    let place = &first.place;
    let drops: Vec<String> = kept
        .iter()
        .map(|copy| format!("DROP DATABASE {}", quote_name(&copy.name)))
        .collect();
    let until = match (&first.problem, &first.kept_until_time) {
        (Some(problem), _) => format!(
            "the tables that the restore replaced are still on {place}, for they could not be dropped, and that is tried again ({problem}); by hand"
        ),
        (None, Some(end)) => format!(
            "the tables that the restore replaced are kept on {place} until {} and dropped then (spec.cleanup.safetyCopies); earlier by hand",
            end.0
        ),
        (None, None) => format!(
            "the tables that the restore replaced are kept on {place} until a person drops them"
        ),
    };
    format!("; {until}: {}", drops.join("; "))
}
