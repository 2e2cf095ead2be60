//! One reconcile: read, observe, decide, then record or perform. Takes no state and leaves none.
use super::calls::{CallError, CallSite};
use super::fitting::require_fitting;
use super::observe::observe;
use super::perform::perform;
use super::ports::Ports;
use super::record::record;
use super::subject::Subject;
use crate::api::{FINALIZER, OmsUpgrade};
use crate::facts::Observed;
use crate::upgrade::{
    Context, Decision, HeardRequests, ObjectFacts, decide, decide_refusal, defers_requests,
    find_needs, is_release_requested,
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

/// What a reconcile came to: when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
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

/// Takes one step with one object.
///
/// # Errors
/// A call that failed before or while something was recorded or done. Trying again is always right.
pub fn reconcile<'a>(ports: &'a Ports, key: &'a Key) -> BoxFuture<'a, Result<Outcome, CallError>> {
    Box::pin(read_and_reconcile(ports, key))
}

async fn read_and_reconcile(ports: &Ports, key: &Key) -> Result<Outcome, CallError> {
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), &key.namespace);
    // Without resourceVersion: a quorum read. A cached object could be older than our own writes.
    let read = ports.kube(CallSite::GetUpgrade, api.get(&key.name)).await;
    let upgrade = match read {
        Ok(upgrade) => upgrade,
        Err(error) if error.is_not_found() => return Ok(Outcome::AwaitChange),
        Err(error) => return Err(error),
    };
    if !ports.sightings.contradict(&upgrade)
        && let Some(outcome) = find_rest(ports, &upgrade)
    {
        return Ok(outcome);
    }
    let subject = Subject::read(&upgrade)?;
    let subject = Subject {
        heard: ports.hearing.find(subject.owner.uid),
        ..subject
    };
    require_fitting(ports, &subject).await?;
    let span = describe_reconcile(&subject);
    decide_and_act(ports, &subject).instrument(span).await
}

/// Fields for every log line of a reconcile.
fn describe_reconcile(subject: &Subject<'_>) -> tracing::Span {
    let (owner, status) = (subject.owner, subject.status);
    let role = find_needs(status).job;
    let attempt = role
        .and_then(|role| status.internal.jobs.iter().find(|job| job.role == role))
        .map(|job| job.attempt);
    tracing::info_span!(
        "reconcile",
        namespace = owner.namespace,
        upgrade = owner.name,
        uid = owner.uid,
        step = status.step.map(|step| format!("{step:?}")),
        epoch = subject
            .upgrade
            .status
            .as_ref()
            .map(|status| status.internal.epoch),
        attempt,
    )
}

async fn decide_and_act(ports: &Ports, subject: &Subject<'_>) -> Result<Outcome, CallError> {
    // Each part on the heap: a future inside a future makes one frame of all of them, too large for a thread's stack.
    let observation = Box::pin(observe(ports, subject)).await;
    let decision = ask(subject, &observation.observed, ports.now(), decide);
    tracing::debug!(decision = describe(&decision), "decided");
    let uid = subject.owner.uid;
    if !matches!(decision, Decision::Record { .. }) && !defers_requests(subject.status) {
        // Nothing comes of it here, or it is known already.
        ports.hearing.forget(uid, subject.heard);
    }
    match decision {
        Decision::Record { status, notes } => {
            let requests = &status.internal.requests;
            let answered = HeardRequests {
                abort: requests.abort.is_some(),
                roll_back: requests.roll_back.is_some(),
            };
            let written = Box::pin(record(ports, subject, *status, &notes)).await?;
            if written.is_some() {
                ports.hearing.forget(uid, answered);
            }
            // Where it is settled now, nothing is left to look for.
            Ok(written
                .and_then(|written| find_rest(ports, &written))
                .unwrap_or(Outcome::Recorded))
        }
        Decision::Perform(effect) => {
            let intent = effect.describe_intent();
            let what = match &intent.subject {
                Some(subject) => format!("{} {subject}", intent.effect),
                None => intent.effect,
            };
            tracing::info!(effect = what, "performing");
            if let Err(error) = Box::pin(perform(ports, subject, &observation, effect)).await {
                if error.is_refusal() {
                    tell_refusal(ports, subject, &what, &error).await;
                }
                return Err(error);
            }
            Ok(Outcome::Performed(what))
        }
        Decision::Wait { poll } => Ok(Outcome::Within(Duration::from_secs(poll))),
        Decision::Sleep { seconds } => Ok(Outcome::Within(Duration::from_secs(seconds))),
        Decision::Rest => Ok(Outcome::AwaitChange),
    }
}

/// What cannot be written now is written with the next try.
async fn tell_refusal(ports: &Ports, subject: &Subject<'_>, effect: &str, error: &CallError) {
    let text = error.to_string();
    let decision = ask(subject, &Observed::default(), ports.now(), |cx| {
        decide_refusal(cx, effect, &text)
    });
    if let Decision::Record { status, notes } = decision
        && let Err(error) = record(ports, subject, *status, &notes).await
    {
        tracing::debug!(%error, "the refusal was not recorded");
    }
}

/// What a settled object waits for, where nobody has asked for anything since. `None`: look properly.
pub(super) fn find_rest(ports: &Ports, upgrade: &OmsUpgrade) -> Option<Outcome> {
    let uid = upgrade.metadata.uid.as_deref().unwrap_or_default();
    let silent = ports.hearing.find(uid) == HeardRequests::default();
    silent
        .then(|| decide_from_cache(upgrade, ports.now()))
        .flatten()
}

/// A settled object that asks for nothing needs no call at all; its own content decides that.
/// `None`: look properly.
pub fn decide_from_cache(upgrade: &OmsUpgrade, now: Time) -> Option<Outcome> {
    let settled = upgrade.status.as_ref().is_some_and(|status| status.settled);
    if !settled || upgrade.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let subject = Subject::read(upgrade).ok()?;
    match ask(&subject, &Observed::default(), now, decide) {
        Decision::Sleep { seconds } => Some(Outcome::Within(Duration::from_secs(seconds))),
        Decision::Rest => Some(Outcome::AwaitChange),
        _ => None,
    }
}

/// Asks the brain.
pub(super) fn ask(
    subject: &Subject<'_>,
    observed: &Observed,
    now: Time,
    question: impl FnOnce(&Context<'_>) -> Decision,
) -> Decision {
    let object = read_object(subject);
    question(&Context {
        now,
        object: &object,
        spec: &subject.upgrade.spec,
        status: subject.status,
        observed,
    })
}

fn read_object(subject: &Subject<'_>) -> ObjectFacts {
    let (owner, upgrade) = (subject.owner, subject.upgrade);
    ObjectFacts {
        namespace: owner.namespace.into(),
        name: owner.name.into(),
        uid: owner.uid.into(),
        generation: upgrade.metadata.generation.unwrap_or_default(),
        deleting: upgrade.metadata.deletion_timestamp.is_some(),
        finalizer: upgrade.finalizers().iter().any(|one| one == FINALIZER),
        release: is_release_requested(upgrade.metadata.annotations.as_ref()),
        heard: subject.heard,
    }
}

fn describe(decision: &Decision) -> &'static str {
    match decision {
        Decision::Record { .. } => "record",
        Decision::Perform(_) => "perform",
        Decision::Wait { .. } => "wait",
        Decision::Sleep { .. } => "sleep",
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

    /// A request that was heard is kept until somebody looks at requests again.
    #[test]
    fn a_lost_status_and_one_that_is_taken_over_look_at_no_request() {
        let taken = json!({"by": "u", "from": "v", "marks": "v"});
        for (status, defers) in [
            (json!({}), true),
            (json!({"step": "BackingUp"}), true),
            (
                json!({"step": "BackingUp", "internal": {"epoch": 1}}),
                false,
            ),
            (
                json!({"step": "Pending", "internal": {"epoch": 1, "takenOver": taken}}),
                true,
            ),
        ] {
            let found = upgrade(status.clone()).status.unwrap();
            assert_eq!(defers_requests(&found), defers, "{status}");
        }
    }

    /// A settled status as the brain itself writes it.
    fn settle(mut status: Value) -> Value {
        let now = Time(Timestamp::from_second(1000).unwrap());
        for _ in 0..3 {
            let object = upgrade(status.clone());
            let subject = Subject::read(&object).unwrap();
            match ask(&subject, &Observed::default(), now.clone(), decide) {
                Decision::Record { status: next, .. } => {
                    status = serde_json::to_value(*next).unwrap();
                }
                _ => break,
            }
        }
        status
    }

    /// A rollback that ended at 600 s and has left a copy.
    fn roll_back() -> OmsUpgrade {
        upgrade(settle(json!({
            "observedGeneration": 1, "step": "Settling", "direction": "RollBack", "settled": true, "internal": {"epoch": 2},
            "finishedTime": "1970-01-01T00:10:00Z", "stepStartedTime": "1970-01-01T00:10:00Z",
            "leftovers": [{"kind": "SafetyCopy", "place": "MetaDB db:2881", "name": "oms_rm__omsnew_1"}],
        })))
    }

    #[test]
    fn a_settled_object_sleeps_until_its_copies_are_due_and_needs_no_call() {
        let mut object = roll_back();
        let ask = |object: &OmsUpgrade, second| {
            decide_from_cache(object, Time(Timestamp::from_second(second).unwrap()))
        };
        let within = |seconds| Some(Outcome::Within(Duration::from_secs(seconds)));
        let due = 600 + 168 * 3600;
        assert_eq!(
            ask(&object, 1000),
            within(3600),
            "not for longer than an hour"
        );
        assert_eq!(ask(&object, due - 7), within(7));
        assert_eq!(ask(&object, due), None);
        // Another time is written down, which takes a call.
        object.spec.cleanup = serde_json::from_value(json!({"safetyCopies": "1h"})).unwrap();
        assert_eq!(ask(&object, 1000), None);
    }

    #[test]
    fn a_settled_object_needs_no_call() {
        let later = Time(Timestamp::from_second(9000).unwrap());
        let settled = settle(json!({
            "observedGeneration": 1, "step": "Settling", "direction": "Forward", "settled": true, "internal": {"epoch": 1},
            "finishedTime": "1970-01-01T00:10:00Z", "stepStartedTime": "1970-01-01T00:10:00Z",
        }));
        let rested = upgrade(settled.clone());
        assert_eq!(
            decide_from_cache(&rested, later.clone()),
            Some(Outcome::AwaitChange)
        );
        // A newer operator does not write it only to put its own version there.
        let mut older = settled.clone();
        older["operatorVersion"] = json!("0.0.1");
        assert_eq!(
            decide_from_cache(&upgrade(older), later.clone()),
            Some(Outcome::AwaitChange)
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
