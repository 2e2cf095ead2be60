//! One pass: read, observe, decide, then record or perform. Takes no state and leaves none.
use super::calls::{CallError, CallSite};
use super::observe::{namespace_of, observe};
use super::perform::perform;
use super::ports::Ports;
use super::record::record;
use crate::api::{FINALIZER, OmsUpgrade, OmsUpgradeStatus};
use crate::facts::Observed;
use crate::upgrade::{
    Context, Decision, ObjectFacts, decide, decide_refusal, find_needs, is_release_requested,
};
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::Api;
use std::time::Duration;
use tracing::Instrument;

/// Names an `OmsUpgrade`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

/// When to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At once: the status was recorded.
    Recorded,
    /// At once: an effect was carried out. When the same one is wanted again, it has not worked, and a
    /// pause is in order.
    Performed(String),
    /// When something changes, or after this time.
    Within(Duration),
    /// When the object changes.
    AwaitChange,
}

/// One pass over one object.
///
/// # Errors
/// A call that failed before or while something was recorded or done. Trying again is always right.
pub fn reconcile<'a>(ports: &'a Ports, key: &'a Key) -> BoxFuture<'a, Result<Verdict, CallError>> {
    Box::pin(read_and_pass(ports, key))
}

async fn read_and_pass(ports: &Ports, key: &Key) -> Result<Verdict, CallError> {
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), &key.namespace);
    // Without resourceVersion: a quorum read. A cached object could be older than our own writes.
    let read = ports.kube(CallSite::GetUpgrade, api.get(&key.name)).await;
    let upgrade = match read {
        Ok(upgrade) => upgrade,
        Err(error) if error.is_not_found() => return Ok(Verdict::AwaitChange),
        Err(error) => return Err(error),
    };
    if let Some(verdict) = decide_from_cache(&upgrade, ports.now()) {
        return Ok(verdict);
    }
    let span = describe_pass(&upgrade);
    pass(ports, &upgrade).instrument(span).await
}

/// Fields for every log line of a pass.
fn describe_pass(upgrade: &OmsUpgrade) -> tracing::Span {
    let status = upgrade.status.as_ref();
    let attempt = status.and_then(|status| {
        let role = find_needs(status).job?;
        let job = status.jobs.iter().find(|job| job.role == role)?;
        Some(job.attempt)
    });
    tracing::info_span!(
        "pass",
        namespace = namespace_of(upgrade),
        upgrade = upgrade.name_any(),
        uid = upgrade.uid(),
        step = status
            .and_then(|status| status.step)
            .map(|step| format!("{step:?}")),
        epoch = status.map(|status| status.epoch),
        attempt,
    )
}

async fn pass(ports: &Ports, upgrade: &OmsUpgrade) -> Result<Verdict, CallError> {
    let sight = observe(ports, upgrade).await;
    let decision = decide_upgrade(upgrade, &sight.observed, ports.now());
    tracing::debug!(decision = describe(&decision), "decided");
    match decision {
        Decision::Record { status, notes } => {
            let written = record(ports, upgrade, *status, &notes).await?;
            // Where it is settled now, nothing is left to look for.
            Ok(written
                .and_then(|written| decide_from_cache(&written, ports.now()))
                .unwrap_or(Verdict::Recorded))
        }
        Decision::Perform(effect) => {
            let intent = effect.describe_intent();
            let what = match &intent.subject {
                Some(subject) => format!("{} {subject}", intent.effect),
                None => intent.effect,
            };
            tracing::info!(effect = what, "performing");
            if let Err(error) = perform(ports, upgrade, &sight, effect).await {
                if error.is_refusal() {
                    tell_refusal(ports, upgrade, &what, &error).await;
                }
                return Err(error);
            }
            Ok(Verdict::Performed(what))
        }
        Decision::Wait { poll } => Ok(Verdict::Within(Duration::from_secs(poll))),
        Decision::Rest => Ok(Verdict::AwaitChange),
    }
}

/// What cannot be written now is written with the next try.
async fn tell_refusal(ports: &Ports, upgrade: &OmsUpgrade, effect: &str, error: &CallError) {
    let text = error.to_string();
    let decision = ask(upgrade, &Observed::default(), ports.now(), |cx| {
        decide_refusal(cx, effect, &text)
    });
    if let Decision::Record { status, notes } = decision
        && let Err(error) = record(ports, upgrade, *status, &notes).await
    {
        tracing::debug!(%error, "the refusal was not recorded");
    }
}

/// A settled object that asks for nothing needs no call at all; its own content decides that.
/// `None`: look properly.
pub fn decide_from_cache(upgrade: &OmsUpgrade, now: Time) -> Option<Verdict> {
    let settled = upgrade.status.as_ref().is_some_and(|status| status.settled);
    if !settled || upgrade.metadata.deletion_timestamp.is_some() {
        return None;
    }
    match decide_upgrade(upgrade, &Observed::default(), now) {
        Decision::Rest => Some(Verdict::AwaitChange),
        _ => None,
    }
}

/// Asks the brain.
fn decide_upgrade(upgrade: &OmsUpgrade, observed: &Observed, now: Time) -> Decision {
    ask(upgrade, observed, now, decide)
}

pub(super) fn ask(
    upgrade: &OmsUpgrade,
    observed: &Observed,
    now: Time,
    question: impl FnOnce(&Context<'_>) -> Decision,
) -> Decision {
    let object = read_object(upgrade);
    let blank = OmsUpgradeStatus::default();
    question(&Context {
        now,
        object: &object,
        spec: &upgrade.spec,
        status: upgrade.status.as_ref().unwrap_or(&blank),
        observed,
    })
}

fn read_object(upgrade: &OmsUpgrade) -> ObjectFacts {
    ObjectFacts {
        namespace: namespace_of(upgrade),
        name: upgrade.name_any(),
        uid: upgrade.uid().unwrap_or_default(),
        generation: upgrade.metadata.generation.unwrap_or_default(),
        deleting: upgrade.metadata.deletion_timestamp.is_some(),
        finalizer: upgrade.finalizers().iter().any(|one| one == FINALIZER),
        release: is_release_requested(upgrade.metadata.annotations.as_ref()),
    }
}

fn describe(decision: &Decision) -> &'static str {
    match decision {
        Decision::Record { .. } => "record",
        Decision::Perform(_) => "perform",
        Decision::Wait { .. } => "wait",
        Decision::Rest => "rest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    fn upgrade(status: Value) -> OmsUpgrade {
        serde_json::from_value(json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u", "generation": 1, "resourceVersion": "5"},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": status,
        }))
        .unwrap()
    }

    /// A settled status as the brain itself writes it.
    fn settle(mut status: Value) -> Value {
        let now = Time(Timestamp::from_second(1000).unwrap());
        for _ in 0..3 {
            let object = upgrade(status.clone());
            match decide_upgrade(&object, &Observed::default(), now.clone()) {
                Decision::Record { status: next, .. } => {
                    status = serde_json::to_value(*next).unwrap();
                }
                _ => break,
            }
        }
        status
    }

    #[test]
    fn a_settled_object_needs_no_call() {
        let later = Time(Timestamp::from_second(9000).unwrap());
        let settled = settle(json!({
            "observedGeneration": 1, "step": "Settling", "direction": "Forward", "settled": true, "epoch": 1,
            "finishedTime": "1970-01-01T00:10:00Z", "stepStartedTime": "1970-01-01T00:10:00Z",
        }));
        let rested = upgrade(settled.clone());
        assert_eq!(
            decide_from_cache(&rested, later.clone()),
            Some(Verdict::AwaitChange)
        );
        // A newer operator does not write it only to put its own version there.
        let mut older = settled.clone();
        older["operatorVersion"] = json!("0.0.1");
        assert_eq!(
            decide_from_cache(&upgrade(older), later.clone()),
            Some(Verdict::AwaitChange)
        );
        let mut asked = upgrade(settled.clone());
        asked.spec.action = crate::api::Action::RollBack;
        assert_eq!(decide_from_cache(&asked, later.clone()), None);
        let mut deleted = upgrade(settled);
        deleted.metadata.deletion_timestamp = Some(later.clone());
        assert_eq!(decide_from_cache(&deleted, later.clone()), None);
        assert_eq!(
            decide_from_cache(&upgrade(json!({"step": "StoppingOld"})), later),
            None
        );
    }
}
