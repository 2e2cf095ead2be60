//! Effects made whole: with everything that they are carried out with, so that nothing is looked up or decided
//! afterwards. Pure.
use crate::api::{HaDriver, JobRole, Reason};
use crate::objects::agent_request::{Place, build_request, find_deadline};
use crate::objects::deployment::{build_patch, read_generation};
use crate::objects::jobs::JobOrder;
use crate::objects::labels::Owner;
use crate::objects::target_change::TargetChange;
use crate::oms::ha::HaPatch;
use crate::oms::metadb::{HaRowWrite, LockClaim};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::target_record::build_target_record;
use json_patch::Patch;

/// Writes a target: one patch that tests the version it was decided on.
pub(crate) fn patch_target(cx: &Context<'_>, target: &str, change: TargetChange) -> Next {
    match build_target_patch(cx, target, &change) {
        Some((generation, patch)) => Next::Do(Effect::PatchTarget {
            target: target.into(),
            change,
            generation,
            patch: Box::new(patch),
        }),
        None => Next::Stall(Failure::with_advice(
            Reason::OriginalsLost,
            format!(
                "what status.originals holds of Deployment {target} cannot be read any more, so nothing is made of it; \
                 Deployment and databases are not touched; put it back as it was, then raise spec.retries"
            ),
        )),
    }
}

fn build_target_patch(
    cx: &Context<'_>,
    target: &str,
    change: &TargetChange,
) -> Option<(i64, Patch)> {
    let (status, object) = (cx.status, cx.object);
    let mut all = cx.observed.targets.iter();
    let facts = all.find(|facts| facts.name == target)?;
    let deployment = facts.deployment.known()?.as_ref()?;
    let original = cx.original(target)?;
    let record = build_target_record(&object.name, &object.uid, status, target)?;
    let image = &cx.spec.image;
    let operations = build_patch(deployment, original, image, change, &record, status.epoch)?;
    let patch = serde_json::from_value(operations).ok()?;
    Some((read_generation(&deployment.object), patch))
}

/// Starts a Job; waits while it is not known where the MetaDB is.
pub(crate) fn create_job(cx: &Context<'_>, role: JobRole, attempt: i32) -> Next {
    match build_job_order(cx, role, attempt) {
        Ok(order) => Next::Do(Effect::CreateJob(Box::new(order))),
        Err(next) => next,
    }
}

fn build_job_order(cx: &Context<'_>, role: JobRole, attempt: i32) -> Result<JobOrder, Next> {
    let found = require_known(&cx.observed.installation, 2, Reason::MetaDbUnseen)?;
    let account = require_known(&cx.observed.account, 2, Reason::MetaDbUnseen)?;
    let place = Place {
        host: found.host.clone(),
        port: found.port,
        databases: found.database_names(),
    };
    let owner = Owner {
        namespace: &cx.object.namespace,
        name: &cx.object.name,
        uid: &cx.object.uid,
    };
    Ok(JobOrder {
        role,
        attempt,
        claim: cx.spec.backup.claim_name.clone(),
        account: account.clone(),
        request: build_request(owner, cx.spec, cx.status, &place, account, role, attempt),
        deadline: find_deadline(&cx.spec.timeouts, role),
    })
}

/// Changes keys of `ha.config`, only while it reads as it does now.
pub(crate) fn set_ha(cx: &Context<'_>, driver: HaDriver, patch: HaPatch, insert: bool) -> Next {
    match require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen) {
        Ok(row) => Next::Do(Effect::SetHa {
            driver,
            write: Box::new(HaRowWrite {
                expected: row.clone(),
                patch,
                insert_if_missing: insert,
            }),
        }),
        Err(next) => next,
    }
}

/// What the lock in the MetaDB is taken for, and at which epoch.
pub(crate) fn build_lock_claim(cx: &Context<'_>) -> LockClaim {
    LockClaim {
        holder: cx.object.uid.clone(),
        epoch: u64::try_from(cx.status.epoch).unwrap_or(0),
        note: format!("{}/{}", cx.object.namespace, cx.object.name),
    }
}
