//! Which `OmsUpgrade` lays claim to which Deployment: an index that the watch keeps, so that nothing is listed for it.
//! No call.
//!
//! It may lag behind, so nothing is decided on it that could harm: it only spares people a start in vain. What keeps
//! two upgrades apart is the lock row in the MetaDB, which is taken before anything is touched, and the record on a
//! Deployment, which is read anew then.
use crate::api::OmsUpgrade;
use crate::facts::Fact;
use crate::objects::labels::Owner;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What one `OmsUpgrade` lays claim to, as far as others have to know. Read off plain JSON, so that an object which
/// cannot be read as a whole hides none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    namespace: String,
    name: String,
    uid: String,
    created: Option<Timestamp>,
    targets: Vec<String>,
    standing: Standing,
    settled: bool,
    /// Targets with an image that must not come, also after the end.
    guarded: Vec<String>,
}

/// How far an upgrade is, for others that want the same Deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It only looks so far: the older one goes first.
    #[default]
    Looking,
    /// It waits for a person before it begins, or cannot begin, and keeps nobody waiting.
    Aside,
    Begun,
    /// It is over, or ended before it began.
    Over,
}

impl Claim {
    /// Reads an object as it is stored. `readable`: the operator can work on it.
    pub fn read(object: &Value, readable: bool) -> Self {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let settled = object.pointer("/status/settled") == Some(&Value::Bool(true));
        let phase = text("/status/phase");
        let standing = if settled || phase.as_deref() == Some("Failed") {
            Standing::Over
        } else if text("/status/startedTime").is_some() {
            Standing::Begun
        } else if phase.as_deref() == Some("Planned") || !readable {
            Standing::Aside
        } else {
            Standing::Looking
        };
        Self {
            namespace: text("/metadata/namespace").unwrap_or_default(),
            name: text("/metadata/name").unwrap_or_default(),
            uid: text("/metadata/uid").unwrap_or_default(),
            created: text("/metadata/creationTimestamp").and_then(|time| time.parse().ok()),
            targets: object
                .pointer("/spec/targets")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|target| target.get("name")?.as_str().map(str::to_owned))
                .collect(),
            standing,
            settled,
            guarded: object
                .pointer("/status/forbiddenImages")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|one| one.get("target")?.as_str().map(str::to_owned))
                .collect(),
        }
    }

    /// Whether it keeps another upgrade of a shared target waiting: it has begun, or both only look so far and it is
    /// the older one.
    fn goes_before(&self, owner: Owner<'_>, upgrade: &OmsUpgrade) -> bool {
        if self.uid == owner.uid {
            return false;
        }
        match self.standing {
            Standing::Begun => true,
            Standing::Aside | Standing::Over => false,
            Standing::Looking => {
                let theirs = (self.created, self.name.as_str());
                let ours = (upgrade.creation_timestamp().map(|time| time.0), owner.name);
                theirs < ours
            }
        }
    }
}

/// The claims of all watched namespaces.
#[derive(Debug, Default)]
pub struct Claims(RwLock<HashMap<String, Namespace>>);

#[derive(Debug, Default)]
struct Namespace {
    /// All objects of the namespace were read once.
    complete: bool,
    known: Index,
    /// What a new list has brought so far. Until it is whole the former one counts.
    incoming: Index,
}

#[derive(Debug, Default)]
struct Index {
    by_name: HashMap<String, Arc<Claim>>,
    /// By target, then by name.
    by_target: HashMap<String, BTreeMap<String, Arc<Claim>>>,
}

impl Index {
    fn insert(&mut self, claim: &Arc<Claim>) {
        self.remove(&claim.name);
        for target in &claim.targets {
            self.by_target
                .entry(target.clone())
                .or_default()
                .insert(claim.name.clone(), claim.clone());
        }
        self.by_name.insert(claim.name.clone(), claim.clone());
    }

    fn remove(&mut self, name: &str) {
        let Some(former) = self.by_name.remove(name) else {
            return;
        };
        for target in &former.targets {
            if let Some(claims) = self.by_target.get_mut(target) {
                claims.remove(name);
                if claims.is_empty() {
                    self.by_target.remove(target);
                }
            }
        }
    }

    fn find(&self, target: &str) -> impl Iterator<Item = &Arc<Claim>> {
        self.by_target
            .get(target)
            .into_iter()
            .flat_map(BTreeMap::values)
    }
}

impl Claims {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Namespace>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Namespace>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch of a namespace tells.
    pub fn apply(&self, namespace: &str, event: &Event<Arc<Claim>>) {
        let mut all = self.write();
        let here = all.entry(namespace.to_owned()).or_default();
        match event {
            Event::Apply(claim) => here.known.insert(claim),
            Event::Delete(claim) => here.known.remove(&claim.name),
            Event::Init => here.incoming = Index::default(),
            Event::InitApply(claim) => here.incoming.insert(claim),
            Event::InitDone => {
                here.known = std::mem::take(&mut here.incoming);
                here.complete = true;
            }
        }
    }

    /// Upgrades of the same namespace that share a target with this one and go first. Unknown until all were read.
    pub fn find_rivals(&self, owner: Owner<'_>, upgrade: &OmsUpgrade) -> Fact<Vec<String>> {
        let namespace = owner.namespace;
        let all = self.read();
        let Some(here) = all.get(namespace).filter(|here| here.complete) else {
            return Fact::Unknown(format!(
                "the other OmsUpgrades of namespace {namespace} were not read yet"
            ));
        };
        let mut rivals: Vec<String> = upgrade
            .spec
            .targets
            .iter()
            .flat_map(|target| here.known.find(&target.name))
            .filter(|claim| claim.goes_before(owner, upgrade))
            .map(|claim| claim.name.clone())
            .collect();
        rivals.sort();
        rivals.dedup();
        Fact::Known(rivals)
    }

    /// Names of the unsettled upgrades with this target.
    pub fn find_unsettled(&self, namespace: &str, target: &str) -> Vec<String> {
        self.find_where(namespace, target, |claim| !claim.settled)
    }

    /// Those, and the settled ones that forbid an image there.
    pub fn find_watching(&self, namespace: &str, target: &str) -> Vec<String> {
        self.find_where(namespace, target, |claim| {
            !claim.settled || claim.guarded.iter().any(|one| one == target)
        })
    }

    fn find_where(
        &self,
        namespace: &str,
        target: &str,
        wanted: impl Fn(&Claim) -> bool,
    ) -> Vec<String> {
        let all = self.read();
        let Some(here) = all.get(namespace) else {
            return Vec::new();
        };
        here.known
            .find(target)
            .filter(|claim| wanted(claim))
            .map(|claim| claim.name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, created: &str, target: &str, status: Value) -> Value {
        json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": name, "namespace": "oms", "uid": format!("uid-{name}"), "creationTimestamp": created},
            "spec": {"targets": [{"name": target}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": status,
        })
    }

    fn claim(object: &Value) -> Arc<Claim> {
        Arc::new(Claim::read(object, true))
    }

    fn synced(objects: &[Value]) -> Claims {
        let claims = Claims::default();
        claims.apply("oms", &Event::Init);
        for object in objects {
            claims.apply("oms", &Event::InitApply(claim(object)));
        }
        claims.apply("oms", &Event::InitDone);
        claims
    }

    fn rivals(claims: &Claims, object: &Value) -> Fact<Vec<String>> {
        let upgrade: OmsUpgrade = serde_json::from_value(object.clone()).unwrap();
        claims.find_rivals(Owner::read(&upgrade.metadata).unwrap(), &upgrade)
    }

    const FIRST: &str = "2026-01-01T00:00:00Z";
    const SECOND: &str = "2026-01-01T00:00:01Z";

    #[test]
    fn what_was_not_read_is_unknown_and_never_empty() {
        let ours = object("ours", SECOND, "oms", json!({}));
        let claims = Claims::default();
        assert!(matches!(rivals(&claims, &ours), Fact::Unknown(_)));
        claims.apply("oms", &Event::Init);
        claims.apply("oms", &Event::InitApply(claim(&ours)));
        assert!(matches!(rivals(&claims, &ours), Fact::Unknown(_)));
        claims.apply("oms", &Event::InitDone);
        assert_eq!(rivals(&claims, &ours), Fact::Known(vec![]));
        // Another namespace says nothing about this one.
        let mut elsewhere = ours.clone();
        elsewhere["metadata"]["namespace"] = json!("other");
        assert!(matches!(rivals(&claims, &elsewhere), Fact::Unknown(_)));
    }

    #[test]
    fn while_it_is_listed_anew_the_former_list_counts() {
        let begun = object("begun", SECOND, "oms", json!({"startedTime": FIRST}));
        let ours = object("ours", FIRST, "oms", json!({}));
        let claims = synced(&[begun, ours.clone()]);
        let blocked = Fact::Known(vec!["begun".to_owned()]);
        assert_eq!(rivals(&claims, &ours), blocked);
        claims.apply("oms", &Event::Init);
        claims.apply("oms", &Event::InitApply(claim(&ours)));
        assert_eq!(rivals(&claims, &ours), blocked);
        claims.apply("oms", &Event::InitDone);
        assert_eq!(rivals(&claims, &ours), Fact::Known(vec![]));
    }

    #[test]
    fn who_has_begun_goes_first_and_else_the_older_one() {
        let ours = object("ours", SECOND, "oms", json!({}));
        for (status, created, blocks) in [
            (json!({}), FIRST, true),
            (json!({}), "2026-01-01T00:00:02Z", false),
            (json!({"startedTime": FIRST}), "2026-01-01T00:00:02Z", true),
            (json!({"startedTime": FIRST, "settled": true}), FIRST, false),
            (json!({"phase": "Failed"}), FIRST, false),
            (json!({"phase": "Planned"}), FIRST, false),
        ] {
            let other = object("other", created, "oms", status.clone());
            let known = rivals(&synced(&[other, ours.clone()]), &ours);
            assert_eq!(
                known.known().unwrap().len(),
                usize::from(blocks),
                "{status} {created}"
            );
        }
        // Of two that were made in the same second exactly one goes first, and none keeps itself waiting.
        for (name, blocks) in [("a", true), ("z", false), ("ours", false)] {
            let other = object(name, SECOND, "oms", json!({}));
            let known = rivals(&synced(&[other]), &ours);
            assert_eq!(known.known().unwrap().len(), usize::from(blocks), "{name}");
        }
        let apart = object("apart", FIRST, "oms-2", json!({"startedTime": FIRST}));
        assert_eq!(rivals(&synced(&[apart]), &ours), Fact::Known(vec![]));
    }

    #[test]
    fn a_settled_upgrade_watches_only_what_it_forbids() {
        let forbids = json!([{"target": "oms", "container": "oms", "image": "a", "useImage": "b"}]);
        for (name, status, unsettled, watching) in [
            ("runs", json!({"settled": false}), 1, 1),
            ("over", json!({"settled": true}), 0, 0),
            (
                "forbids",
                json!({"settled": true, "forbiddenImages": forbids}),
                0,
                1,
            ),
        ] {
            let claims = synced(&[object(name, FIRST, "oms", status)]);
            assert_eq!(
                claims.find_unsettled("oms", "oms").len(),
                unsettled,
                "{name}"
            );
            assert_eq!(claims.find_watching("oms", "oms").len(), watching, "{name}");
        }
    }

    #[test]
    fn an_object_that_cannot_be_read_blocks_only_what_it_has_begun() {
        let ours = object("ours", SECOND, "oms", json!({}));
        for (status, blocks) in [
            (json!({}), false),
            (json!({"startedTime": FIRST, "step": "?"}), true),
        ] {
            let other = object("other", FIRST, "oms", status);
            let claims = synced(&[]);
            claims.apply("oms", &Event::Apply(Arc::new(Claim::read(&other, false))));
            assert_eq!(
                rivals(&claims, &ours).known().unwrap().len(),
                usize::from(blocks)
            );
        }
    }

    #[test]
    fn the_index_follows_edits_and_deletions() {
        let other = object("other", FIRST, "oms", json!({"startedTime": FIRST}));
        let ours = object("ours", SECOND, "oms", json!({}));
        let claims = synced(&[]);
        claims.apply("oms", &Event::Apply(claim(&other)));
        assert_eq!(claims.find_unsettled("oms", "oms"), ["other"]);
        let moved = object("other", FIRST, "oms-2", json!({"startedTime": FIRST}));
        claims.apply("oms", &Event::Apply(claim(&moved)));
        assert_eq!(rivals(&claims, &ours), Fact::Known(vec![]));
        assert_eq!(claims.find_unsettled("oms", "oms-2"), ["other"]);
        let settled = object("other", FIRST, "oms-2", json!({"settled": true}));
        claims.apply("oms", &Event::Apply(claim(&settled)));
        assert!(claims.find_unsettled("oms", "oms-2").is_empty());
        claims.apply("oms", &Event::Apply(claim(&other)));
        claims.apply("oms", &Event::Delete(claim(&other)));
        assert_eq!(rivals(&claims, &ours), Fact::Known(vec![]));
    }
}
