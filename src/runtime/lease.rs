//! One operator at a time: a Lease, by the algorithm of client-go's leader election.
//!
//! Whether another's lease has run out is judged by our own monotonic clock since we last saw it
//! change, never by comparing wall clocks of two machines. Every write carries the resourceVersion
//! that was read. The lease saves double work; what keeps data safe are the conditions on every write.
use crate::controller::WritePermit;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a lease is good for without being renewed.
const DURATION: Duration = Duration::from_secs(30);
/// After this long without a renewal no write is begun any more, and the holder ends, also while it is ending anyway:
/// its calls are cut before another one may begin.
const RENEW_DEADLINE: Duration = Duration::from_secs(12);
/// Pause between tries.
const RETRY: Duration = Duration::from_secs(2);
/// Time limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(4);
/// What passes at most until the holder notices: a call that gave the lease and answered late, a pause, and a call
/// without an answer.
const NOTICE: u64 = CALL_LIMIT.as_secs() + RETRY.as_secs() + CALL_LIMIT.as_secs();
const _: () = assert!(RENEW_DEADLINE.as_secs() + NOTICE < DURATION.as_secs());

/// Until when this process holds the lease.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Option<Instant>>>);

impl Held {
    fn renew(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at + RENEW_DEADLINE);
    }

    fn lose(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_held_at(&self, now: Instant) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }
}

impl WritePermit for Held {
    fn may_write(&self) -> bool {
        self.is_held_at(Instant::now())
    }
}

/// What was last seen of the lease, and when it last changed by our own clock.
#[derive(Clone, Debug)]
struct ObservedLease {
    spec: Option<LeaseSpec>,
    since: Instant,
}

/// What to do about a lease.
#[derive(Clone, Debug, PartialEq)]
enum LeaseMove {
    /// It is free, run out or ours: this is to be stored.
    Write(Box<Lease>),
    /// Another holds it.
    Wait,
}

/// Decides about a lease as it reads now. Pure.
fn decide_lease(
    identity: &str,
    lease: &Lease,
    seen: &ObservedLease,
    now: Instant,
    wall: Timestamp,
) -> LeaseMove {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.clone().unwrap_or_default();
    let ours = holder == identity;
    let length = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(DURATION, Duration::from_secs);
    if !ours && !holder.is_empty() && now < seen.since + length {
        return LeaseMove::Wait;
    }
    let taken = if ours {
        spec.acquire_time.clone()
    } else {
        Some(MicroTime(wall))
    };
    let transitions = spec.lease_transitions.unwrap_or(0) + i32::from(!ours);
    let mut next = lease.clone();
    next.spec = Some(LeaseSpec {
        holder_identity: Some(identity.into()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: taken,
        renew_time: Some(MicroTime(wall)),
        lease_transitions: Some(transitions),
        ..spec
    });
    LeaseMove::Write(Box::new(next))
}

/// Takes and keeps a Lease.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    held: Held,
    seen: Option<ObservedLease>,
}

impl Elector {
    /// For one Lease; `identity` must differ between processes.
    pub fn new(client: kube::Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            identity: identity.into(),
            held: Held::default(),
            seen: None,
        }
    }

    /// Tells the controller whether it may write.
    pub fn permit(&self) -> Held {
        self.held.clone()
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&mut self) {
        loop {
            match self.try_once().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the lease could not be read or written"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews until that is not possible any more; then the process must end.
    pub async fn keep(&mut self) {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(RETRY).await;
            match self.try_once().await {
                Ok(true) => last = Instant::now(),
                Ok(false) => {
                    tracing::error!("another operator took the lease");
                    return self.held.lose();
                }
                Err(error) => tracing::warn!(%error, "the lease was not renewed"),
            }
            if last.elapsed() >= RENEW_DEADLINE {
                tracing::error!("the lease could not be renewed in time");
                return self.held.lose();
            }
        }
    }

    /// Gives the lease up, so that another need not wait for it to run out.
    pub async fn release(&mut self) {
        self.held.lose();
        let give_up = async {
            let mut lease = self.api.get(&self.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            let params = PostParams::default();
            self.api.replace(&self.name, &params, &lease).await?;
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(CALL_LIMIT, give_up).await {
            Ok(Ok(())) => tracing::info!("the lease was given up"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given up; it runs out"),
            Err(_) => tracing::warn!("the lease was not given up in time; it runs out"),
        }
    }

    /// One look and at most one write. True when the lease is ours now.
    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        // Counted from before the write: the others count from when they see it.
        let began = Instant::now();
        match tokio::time::timeout(CALL_LIMIT, self.look_and_write(began)).await {
            Ok(Ok(true)) => {
                self.held.renew(began);
                Ok(true)
            }
            Ok(other) => other,
            Err(_) => Err(kube::Error::Service("no answer in time".into())),
        }
    }

    async fn look_and_write(&mut self, now: Instant) -> Result<bool, kube::Error> {
        let wall = Timestamp::now();
        let params = PostParams::default();
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let blank = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                ..Lease::default()
            };
            let seen = ObservedLease {
                spec: None,
                since: now,
            };
            let LeaseMove::Write(first) = decide_lease(&self.identity, &blank, &seen, now, wall)
            else {
                return Ok(false);
            };
            return is_written(self.api.create(&params, &first).await);
        };
        if self
            .seen
            .as_ref()
            .is_none_or(|seen| seen.spec != lease.spec)
        {
            self.seen = Some(ObservedLease {
                spec: lease.spec.clone(),
                since: now,
            });
        }
        let seen = self.seen.clone().unwrap_or(ObservedLease {
            spec: None,
            since: now,
        });
        match decide_lease(&self.identity, &lease, &seen, now, wall) {
            LeaseMove::Wait => Ok(false),
            LeaseMove::Write(next) => {
                is_written(self.api.replace(&self.name, &params, &next).await)
            }
        }
    }
}

/// Somebody was faster: not ours, and no error.
fn is_written(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some("op".into()),
                resource_version: Some("7".into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: Some(15),
                acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                lease_transitions: Some(3),
                ..LeaseSpec::default()
            }),
        }
    }

    fn decide_after(holder: &str, seconds: u64) -> LeaseMove {
        let start = Instant::now();
        let seen = ObservedLease {
            spec: lease(holder).spec,
            since: start,
        };
        let wall = Timestamp::from_second(1000).unwrap();
        decide_lease(
            "me",
            &lease(holder),
            &seen,
            start + Duration::from_secs(seconds),
            wall,
        )
    }

    #[test]
    fn another_holder_is_left_alone_until_it_was_silent_for_its_whole_lease() {
        assert_eq!(decide_after("other", 0), LeaseMove::Wait);
        assert_eq!(decide_after("other", 14), LeaseMove::Wait);
        let LeaseMove::Write(taken) = decide_after("other", 15) else {
            panic!("not taken");
        };
        let spec = taken.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!(spec.lease_transitions, Some(4));
        assert_eq!(spec.acquire_time, spec.renew_time);
        // The condition of the write.
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn a_released_lease_is_taken_at_once_and_our_own_is_renewed() {
        assert!(matches!(decide_after("", 0), LeaseMove::Write(_)));
        let LeaseMove::Write(renewed) = decide_after("me", 1) else {
            panic!("not renewed");
        };
        let spec = renewed.spec.unwrap();
        assert_eq!(spec.lease_transitions, Some(3));
        assert_eq!(spec.acquire_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
        assert_ne!(spec.renew_time, spec.acquire_time);
    }

    #[test]
    fn writing_ends_before_another_may_begin() {
        let held = Held::default();
        let start = Instant::now();
        assert!(!held.is_held_at(start));
        held.renew(start);
        assert!(held.is_held_at(start + RENEW_DEADLINE - Duration::from_millis(1)));
        assert!(!held.is_held_at(start + RENEW_DEADLINE));
        assert!(RENEW_DEADLINE < DURATION);
        held.lose();
        assert!(!held.is_held_at(start));
    }
}
