//! Requests that the watch has seen in an object and that may be gone from it when it is read: a tool that syncs from
//! git takes a button's `action: Abort` back within half a second. No call.
//!
//! In memory only. What was heard and not written down before the operator ends is lost, as a request is that was
//! taken back while nobody looked; people see that nothing comes of it.
use super::cached::CachedUpgrade;
use crate::api::{Action, OmsUpgrade};
use crate::upgrade::HeardRequests;
use kube::runtime::watcher::Event;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was heard and nobody has answered yet, by uid.
#[derive(Debug, Default)]
pub struct Hearing(Mutex<HashMap<String, HeardRequests>>);

impl Hearing {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, HeardRequests>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch tells. A list brings objects as they are now, which every reconcile reads by itself.
    pub(super) fn hear(&self, event: &Event<CachedUpgrade>) {
        let (cached, gone) = match event {
            Event::Apply(cached) => (cached, false),
            Event::Delete(cached) => (cached, true),
            Event::Init | Event::InitApply(_) | Event::InitDone => return,
        };
        let Ok(upgrade) = &cached.content else {
            return;
        };
        let uid = upgrade.metadata.uid.clone().unwrap_or_default();
        let asked = HeardRequests {
            abort: upgrade.spec.action == Action::Abort,
            roll_back: upgrade.spec.action == Action::RollBack,
        };
        let mut all = self.lock();
        if gone {
            all.remove(&uid);
        } else if is_news(upgrade) && asked != HeardRequests::default() {
            let heard = all.entry(uid).or_default();
            *heard = heard.and(asked);
        }
    }

    /// What was heard of an object.
    pub(super) fn find(&self, uid: &str) -> HeardRequests {
        self.lock().get(uid).copied().unwrap_or_default()
    }

    /// Drops what was answered.
    pub(super) fn forget(&self, uid: &str, answered: HeardRequests) {
        let mut all = self.lock();
        if let Some(heard) = all.get_mut(uid) {
            *heard = heard.without(answered);
            if *heard == HeardRequests::default() {
                all.remove(uid);
            }
        }
    }
}

/// The spec is another than that which the status speaks of. Otherwise the request is known, or was none.
fn is_news(upgrade: &OmsUpgrade) -> bool {
    let status = upgrade.status.as_ref();
    status.and_then(|status| status.observed_generation) != upgrade.metadata.generation
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn upgrade(generation: i64, observed: i64, action: &str) -> CachedUpgrade {
        serde_json::from_value(json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u", "generation": generation},
            "spec": {"action": action, "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": {"observedGeneration": observed},
        }))
        .unwrap()
    }

    const NOTHING: HeardRequests = HeardRequests {
        abort: false,
        roll_back: false,
    };

    #[test]
    fn a_request_that_was_taken_back_is_still_heard() {
        let hearing = Hearing::default();
        hearing.hear(&Event::Apply(upgrade(2, 1, "Abort")));
        hearing.hear(&Event::Apply(upgrade(3, 1, "Run")));
        let heard = hearing.find("u");
        assert!(heard.abort && !heard.roll_back);
        assert_eq!(hearing.find("another"), NOTHING);
        hearing.hear(&Event::Apply(upgrade(4, 1, "RollBack")));
        hearing.forget("u", heard);
        let left = hearing.find("u");
        assert!(!left.abort && left.roll_back, "what came meanwhile stays");
        hearing.forget("u", left);
        assert_eq!(hearing.find("u"), NOTHING);
    }

    #[test]
    fn what_is_known_already_is_no_news() {
        let hearing = Hearing::default();
        hearing.hear(&Event::Apply(upgrade(2, 2, "RollBack")));
        hearing.hear(&Event::InitApply(upgrade(2, 1, "Abort")));
        assert_eq!(hearing.find("u"), NOTHING);
        hearing.hear(&Event::Apply(upgrade(2, 1, "Abort")));
        hearing.hear(&Event::Delete(upgrade(3, 1, "Run")));
        assert_eq!(hearing.find("u"), NOTHING);
    }
}
