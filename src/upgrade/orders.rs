//! Effects made whole: with everything that they are carried out with, so that nothing is looked up or decided
//! afterwards. Pure.
use crate::api::{HaDriver, JobRole, Reason};
use crate::objects::agent_request::{build_request, find_deadline};
use crate::objects::deployment::read_generation;
use crate::objects::jobs::JobOrder;
use crate::objects::labels::Owner;
use crate::objects::originals::OriginalTexts;
use crate::objects::target_change::TargetChange;
use crate::objects::target_patch::build_patch;
use crate::oms::ha::HaPatch;
use crate::oms::metadb::{HaRowWrite, LockClaim};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::originals::{find_owners, find_texts};
use crate::upgrade::target_record::build_target_record;
use json_patch::Patch;

/// Writes a target: one patch that tests the version it was decided on.
pub(crate) fn patch_target(cx: &Context<'_>, target: &str, change: TargetChange) -> Next {
    let texts = match change {
        // Nothing is left to be started: lost texts are nobody's trouble any more.
        TargetChange::GiveBack => give_back_texts(cx, target),
        _ => find_texts(cx, target),
    };
    let texts = match texts {
        Ok(texts) => texts,
        Err(next) => return next,
    };
    match build_target_patch(cx, target, &change, texts) {
        Some((generation, patch)) => Next::Do(Effect::PatchTarget {
            target: target.into(),
            change,
            generation,
            patch: Box::new(patch),
        }),
        None => Next::Stall(Failure::with_advice(
            Reason::OriginalsLost,
            format!(
                "no template of Deployment {target} can be made of what was recorded of it, so nothing is written; \
                 Deployment and databases are not touched; put the record back as it was, then write a new spec.retryRequest"
            ),
        )),
    }
}

/// Only the owners of the fields are needed.
fn give_back_texts(cx: &Context<'_>, target: &str) -> Result<OriginalTexts, Next> {
    let managed_fields = match cx.original(target) {
        Some(original) => find_owners(cx, original)?,
        None => None,
    };
    Ok(OriginalTexts {
        template: String::new(),
        managed_fields,
    })
}

fn build_target_patch(
    cx: &Context<'_>,
    target: &str,
    change: &TargetChange,
    texts: OriginalTexts,
) -> Option<(i64, Patch)> {
    let (status, object) = (cx.status, cx.object);
    let mut all = cx.observed.targets.iter();
    let facts = all.find(|facts| facts.name == target)?;
    let deployment = facts.deployment.known()?.as_ref()?;
    let original = cx.original(target)?;
    let record = build_target_record(&object.name, cx.marks(), status, target, texts.clone())?;
    let image = &cx.spec.image;
    let operations = build_patch(
        deployment,
        original,
        &texts,
        image,
        change,
        &record,
        status.internal.epoch,
    )?;
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
        tls: cx.spec.metadb.tls.clone(),
        request: build_request(owner, cx.spec, cx.status, found, account, role, attempt),
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
        epoch: cx.status.internal.epoch,
        note: format!("{}/{}", cx.object.namespace, cx.object.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Internal, OmsUpgradeSpec, OmsUpgradeStatus, Originals, TargetOriginal};
    use crate::facts::Fact;
    use crate::facts::{DeploymentFacts, Observed, TargetFacts};
    use crate::objects::target_change::OldStartProof;
    use crate::protocol::hex::hash_text;
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    const TEMPLATE: &str = r#"{"spec":{"containers":[{"image":"oms:3.3.1-ce","name":"oms"}]}}"#;

    fn ask(template: &str, observed: &Observed, question: impl Fn(&Context<'_>) -> Next) -> Next {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}
        }))
        .unwrap();
        let status = OmsUpgradeStatus {
            internal: Internal {
                epoch: 3,
                originals: Some(Originals {
                    targets: vec![TargetOriginal {
                        name: "oms".into(),
                        container: "oms".into(),
                        replicas: 1,
                        template_hash: hash_text(template),
                        ..TargetOriginal::default()
                    }],
                    ..Originals::default()
                }),
                ..Internal::default()
            },
            ..OmsUpgradeStatus::default()
        };
        question(&Context {
            now: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &status,
            observed,
        })
    }

    fn start_old(template: &str) -> Next {
        let proof = OldStartProof::from_status(&OmsUpgradeStatus::default()).unwrap();
        let observed = Observed {
            targets: vec![TargetFacts {
                name: "oms".into(),
                deployment: Fact::Known(Some(DeploymentFacts {
                    uid: "d".into(),
                    resource_version: "42".into(),
                    object: json!({"metadata": {"generation": 7, "annotations": {}},
                        "spec": {"template": serde_json::from_str::<serde_json::Value>(TEMPLATE).unwrap()}}),
                })),
                ..TargetFacts::default()
            }],
            originals_copy: Fact::Known(None),
            ..Observed::default()
        };
        ask(template, &observed, |cx| {
            patch_target(cx, "oms", TargetChange::StartOld(proof))
        })
    }

    #[test]
    fn a_patch_is_whole_and_tests_the_version_it_was_decided_on() {
        let Next::Do(Effect::PatchTarget {
            generation, patch, ..
        }) = start_old(TEMPLATE)
        else {
            panic!("no patch")
        };
        assert_eq!(generation, 7);
        let operations = serde_json::to_value(&patch).unwrap();
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "42"});
        assert_eq!(operations[0], test);
        let image = operations.to_string();
        assert!(image.contains("oms:3.3.1-ce") && !image.contains("oms:4.0.0-ce"));
    }

    #[test]
    fn an_original_that_no_place_has_is_a_persons_and_no_write() {
        let Next::Stall(failure) = start_old("another template") else {
            panic!("something is done with half an original")
        };
        assert_eq!(failure.reason, Reason::OriginalsLost);
    }

    #[test]
    fn no_job_is_ordered_while_nobody_knows_where_the_metadb_is() {
        let unseen = Observed {
            installation: Fact::Unknown("the Secret cannot be read".into()),
            ..Observed::default()
        };
        let next = ask(TEMPLATE, &unseen, |cx| create_job(cx, JobRole::Dump, 1));
        let Next::Wait { problem, .. } = next else {
            panic!("a Job without an address")
        };
        assert!(
            problem
                .unwrap()
                .message
                .contains("the Secret cannot be read")
        );
    }
}
