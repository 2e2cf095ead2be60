//! Where the texts of the originals are found, and that they stand in two places. Pure.
//!
//! The status has their hashes. A text counts only with the recorded hash, wherever it comes from; so it does not
//! matter in which order the places are asked.
use crate::api::{ORIGINALS_ANNOTATION, OmsUpgradeStatus, Reason, TargetOriginal};
use crate::facts::{Fact, OriginalsCopy, OwnKind, OwnObject, TargetFacts};
use crate::objects::deployment::{TemplateKind, classify_template, list_candidates};
use crate::objects::names::originals_name;
use crate::objects::originals::{OriginalTexts, read_owners_text, read_template_text};
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::targets::{Target, describe_contention, read_targets};
use crate::upgrade::target_record::{build_target_record, find_record, read_copied_record};
use serde_json::Value;
use std::collections::BTreeMap;

/// The texts of a target's original, proven by their hashes; or what to wait for, or that a person has to help.
pub(crate) fn find_texts(cx: &Context<'_>, name: &str) -> Result<OriginalTexts, Next> {
    let original = cx.original(name).ok_or_else(|| {
        Next::Stall(Failure::new(
            Reason::OriginalsLost,
            format!("the original of Deployment {name} is not recorded; it is not touched"),
        ))
    })?;
    let places = Places::of(cx, original);
    match places.find_template() {
        Some(template) => Ok(OriginalTexts {
            template,
            managed_fields: places.find_owners(),
        }),
        None => Err(describe_missing(cx, name)),
    }
}

/// Who owned the fields of a target; nothing where that is lost, which does no harm to anybody's data.
pub(crate) fn find_owners(
    cx: &Context<'_>,
    original: &TargetOriginal,
) -> Result<Option<String>, Next> {
    let owners = Places::of(cx, original).find_owners();
    if owners.is_none() {
        require_copy(cx)?;
    }
    Ok(owners)
}

/// Which template a target has.
pub(crate) fn find_kind(cx: &Context<'_>, target: &Target<'_>) -> Result<TemplateKind, Next> {
    let (original, image) = (target.original, &cx.spec.image);
    let texts = find_texts(cx, &original.name)?;
    let object = &target.deployment.object;
    Ok(classify_template(object, original, &texts.template, image))
}

/// Whether the record on a target has the template that was recorded.
pub(crate) fn is_on_target(uid: &str, original: &TargetOriginal, object: &Value) -> bool {
    find_record(object, uid).is_some_and(|record| record.texts.is_of(original))
}

/// Whether the record on one of the targets does not have the text that was recorded: then the second copy is looked
/// for.
pub fn lacks_record<'a>(
    uid: &str,
    status: &OmsUpgradeStatus,
    mut targets: impl Iterator<Item = &'a TargetFacts>,
) -> bool {
    let Some(originals) = &status.internal.originals else {
        return false;
    };
    targets.any(|facts| {
        let Some(original) = originals.find_target(&facts.name) else {
            return false;
        };
        let deployment = facts.deployment.known().and_then(Option::as_ref);
        !deployment.is_some_and(|one| is_on_target(uid, original, &one.object))
    })
}

/// The texts of a target, before it is stopped on the way forward: a Secret holds them. What is there is taken when it
/// has the recorded hashes, and never overwritten.
pub(crate) fn secure_copy(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let copy = require_copy(cx)?;
    let Some(originals) = draft.internal.originals.as_mut() else {
        return Ok(());
    };
    let Some(copy) = copy else {
        if originals.copy_uid.is_none() {
            recapture_owners(cx, draft)?;
        }
        return Err(create_copy(cx, draft)?);
    };
    let first = originals.copy_uid.is_none();
    for original in &mut originals.targets {
        let texts = read_copy(cx, copy, &original.name);
        let Some(texts) = texts.filter(|texts| texts.is_of(original)) else {
            return Err(Next::Stall(describe_foreign_copy(cx, original)));
        };
        // Made by a former try, which saw the owners as they were then.
        if first && let Some(owners) = &texts.managed_fields {
            original.managed_fields_hash = hash_text(owners);
        }
    }
    originals.copy_uid = Some(copy.uid.clone());
    Ok(())
}

/// The second copy is there, is right, and belongs to nobody, so that no deletion of the object takes it away. On a way
/// back it comes after the records on the targets were written again.
pub(crate) fn mend_copy(cx: &Context<'_>) -> Result<(), Next> {
    if cx.originals().is_none() {
        return Ok(());
    }
    match require_copy(cx)? {
        None => Err(create_copy(cx, cx.status)?),
        Some(copy) if !is_right_copy(cx, copy) => {
            // It goes only where a right one follows.
            create_copy(cx, cx.status)?;
            Err(delete_copy(copy))
        }
        Some(copy) if copy.owned => Err(pass_copy(copy, false)),
        Some(_) => Ok(()),
    }
}

/// Before the records are taken off the targets of an upgrade that has succeeded: a rollback may still be asked for.
pub(crate) fn keep_copy(cx: &Context<'_>) -> Result<(), Next> {
    let Some(originals) = cx.originals() else {
        return Ok(());
    };
    if require_copy(cx)?.is_some() {
        return Ok(());
    }
    let whole = originals.targets.iter().all(|original| {
        find_object(cx, &original.name)
            .is_some_and(|object| is_on_target(cx.marks(), original, object))
    });
    match whole {
        true => Err(create_copy(cx, cx.status)?),
        false => Ok(()),
    }
}

/// After everything else was given back: after a success the second copy goes with the object, otherwise there is
/// nothing left to go back to.
pub(crate) fn settle_copy(cx: &Context<'_>, succeeded: bool) -> Result<(), Next> {
    if cx.originals().is_none() {
        return Ok(());
    }
    match require_copy(cx)? {
        Some(copy) if !succeeded => Err(delete_copy(copy)),
        Some(copy) if !copy.owned => Err(pass_copy(copy, true)),
        _ => Ok(()),
    }
}

/// The places where a target's texts may stand.
struct Places<'a> {
    original: &'a TargetOriginal,
    live: Option<&'a Value>,
    /// By the record on the target, and by the second copy.
    held: Vec<OriginalTexts>,
}

impl<'a> Places<'a> {
    fn of(cx: &Context<'a>, original: &'a TargetOriginal) -> Self {
        let live = find_object(cx, &original.name);
        let record = live.and_then(|object| find_record(object, cx.marks()));
        let copy = cx.observed.originals_copy.known().and_then(Option::as_ref);
        let copied = copy.and_then(|copy| read_copy(cx, copy, &original.name));
        let recorded = record.map(|record| record.texts);
        Self {
            original,
            live,
            held: recorded.into_iter().chain(copied).collect(),
        }
    }

    fn find_template(&self) -> Option<String> {
        let held = self.held.iter().map(|texts| texts.template.clone());
        let live = self
            .live
            .map(|object| list_candidates(object, self.original));
        held.chain(live.into_iter().flatten())
            .find(|text| hash_text(text) == self.original.template_hash)
    }

    fn find_owners(&self) -> Option<String> {
        let held = self.held.iter();
        held.filter_map(|texts| texts.managed_fields.clone())
            .chain(self.live.map(read_owners_text))
            .find(|text| hash_text(text) == self.original.managed_fields_hash)
    }
}

fn find_object<'a>(cx: &Context<'a>, name: &str) -> Option<&'a Value> {
    let mut targets = cx.observed.targets.iter();
    let facts = targets.find(|facts| facts.name == name)?;
    Some(&facts.deployment.known()?.as_ref()?.object)
}

fn read_copy(cx: &Context<'_>, copy: &OriginalsCopy, name: &str) -> Option<OriginalTexts> {
    Some(read_copied_record(copy, cx.marks(), name)?.texts)
}

fn is_right_copy(cx: &Context<'_>, copy: &OriginalsCopy) -> bool {
    let originals = cx.originals().into_iter();
    originals
        .flat_map(|originals| &originals.targets)
        .all(|original| {
            read_copy(cx, copy, &original.name).is_some_and(|texts| texts.is_of(original))
        })
}

fn require_copy<'a>(cx: &Context<'a>) -> Result<Option<&'a OriginalsCopy>, Next> {
    let copy = require_known(&cx.observed.originals_copy, 2, Reason::OwnObjectsUnseen)?;
    Ok(copy.as_ref())
}

/// Nothing was written yet: who owns the fields now is who owned them before the upgrade. The template must be the one
/// that was looked at.
fn recapture_owners(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let targets = read_targets(cx)?;
    let originals = draft.internal.originals.iter_mut();
    for original in originals.flat_map(|originals| &mut originals.targets) {
        let Some(target) = targets
            .iter()
            .find(|one| one.original.name == original.name)
        else {
            continue;
        };
        let object = &target.deployment.object;
        let live = read_template_text(object);
        if live.is_none_or(|text| hash_text(&text) != original.template_hash) {
            return Err(describe_contention(target));
        }
        original.managed_fields_hash = hash_text(&read_owners_text(object));
    }
    Ok(())
}

fn create_copy(cx: &Context<'_>, status: &OmsUpgradeStatus) -> Result<Next, Next> {
    let asked = Context {
        status,
        ..cx.clone()
    };
    let mut records = BTreeMap::new();
    let originals = status.internal.originals.iter();
    for original in originals.flat_map(|originals| &originals.targets) {
        let name = &original.name;
        let texts = find_texts(&asked, name)?;
        let record = build_target_record(&cx.object.name, cx.marks(), status, name, texts);
        records.insert(name.clone(), record.ok_or_else(Next::poll)?);
    }
    Ok(Next::Do(Effect::CreateOriginalsCopy { records }))
}

fn pass_copy(copy: &OriginalsCopy, owned: bool) -> Next {
    Next::Do(Effect::PassOriginalsCopy {
        name: copy.name.clone(),
        uid: copy.uid.clone(),
        resource_version: copy.resource_version.clone(),
        owned,
    })
}

fn delete_copy(copy: &OriginalsCopy) -> Next {
    Next::Do(Effect::DeleteOwn(OwnObject {
        kind: OwnKind::OriginalsCopy,
        name: copy.name.clone(),
        uid: copy.uid.clone(),
        active: false,
        trouble: None,
    }))
}

fn describe_foreign_copy(cx: &Context<'_>, original: &TargetOriginal) -> Failure {
    let (secret, name) = (originals_name(cx.marks()), &original.name);
    Failure::with_advice(
        Reason::OriginalsLost,
        format!(
            "Secret {secret} is to hold the second copy of the original of Deployment {name} and holds another text than the one that was recorded; \
             it is not overwritten, and nothing more is stopped; find out who made it, delete it, then write a new spec.retryRequest"
        ),
    )
}

fn describe_missing(cx: &Context<'_>, name: &str) -> Next {
    let secret = originals_name(cx.marks());
    let missing = format!(
        "the original of Deployment {name} is not in its annotation {ORIGINALS_ANNOTATION} as it was recorded (status.internal.originals has its hash)"
    );
    match &cx.observed.originals_copy {
        Fact::Unknown(why) => Next::trouble(
            2,
            Reason::OwnObjectsUnseen,
            format!("{missing}, and Secret {secret} with its second copy cannot be read: {why}"),
        ),
        Fact::Known(_) => Next::Stall(Failure::with_advice(
            Reason::OriginalsLost,
            format!(
                "{missing}, nor in Secret {secret}, so nothing is made of it; Deployment and databases are not touched any more, the backup stays; \
                 bring back the annotation or the Secret from a backup of the cluster, then write a new spec.retryRequest; or bring OMS back by hand \
                 (docs/backup.md, restore by hand), {release}",
                release = describe_release()
            ),
        )),
    }
}
