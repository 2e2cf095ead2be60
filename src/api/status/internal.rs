//! What the operator has to remember to go on, and nobody has to read. No I/O.
use super::*;

/// Requests kept of each kind: a manifest that is reverted or applied again asks for nothing anew.
const KEPT_REQUESTS: usize = 20;

/// Private memory of an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Internal {
    /// Raised whenever the direction changes. Writes decided under an older epoch are refused.
    #[serde(default)]
    pub epoch: i64,
    /// When the gate before the new version was found closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_closed_time: Option<Time>,
    /// What OMS was seen to do before the upgrade: only that is asked of it afterwards. Not set by operators that did
    /// not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_baseline: Option<HealthBaseline>,
    /// The effect that may be carried out next, recorded before it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Requests of the user, remembered once seen.
    #[serde(default)]
    pub requests: Requests,
    /// Hash of the spec that the plan was made for, without what only steers an upgrade: an edit of the rest makes the
    /// plan again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_spec: Option<String>,
    /// sha256 over uid, template and replicas of the targets, and whether they are paused, when they were checked,
    /// until their originals are recorded: what is recorded must be what was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_targets: Option<String>,
    /// What was seen since the time of the present step was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<Overdue>,
    /// The newest heart beat of OMS when the dump was begun, as the MetaDB writes it; empty where there was none. A
    /// newer one says that an OMS has written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heart_beat: Option<String>,
    /// When the operation began, by the clock of the MetaDB in Unix seconds. The operator's own may step, and another
    /// replica on another node may have another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_by_meta_db: Option<i64>,
    /// How many rows of the record in the MetaDB are known. Not set for an upgrade that was begun before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_seq: Option<i32>,
    /// How many rows the record was seen to have while the status knew fewer: what is needed to rebuild the status from
    /// them is looked at. Not set where the two agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_ahead: Option<i32>,
    /// When this status was rebuilt from a record that says that the version which is started had run before, and may
    /// have written since: no rollback and no comparison begins by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_before_time: Option<Time>,
    /// The upgrade of an object that is gone, which this one is to continue or continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<TakenOver>,
    /// sha256 of the schema when OMS was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Originals of everything that is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originals: Option<Originals>,
    /// Another image that somebody else started while OMS was stopped and the new version was not started yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_image: Option<OtherImage>,
    /// The targets as they were when no pod and no session was left; what is known of the databases rests on that.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_targets: Vec<StoppedTarget>,
    /// The Jobs made so far, newest attempt of each role.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["role".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobRecord>,
    /// Rollback: why the old image may run on the databases as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_proof: Option<ContentProof>,
    /// Dropping the safety copies: under way, or failed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_cleanup: Option<CopyCleanup>,
    /// Runs of `docker_init.sh`.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_runs: Vec<InitRecord>,
    /// Projects that ran before the upgrade, with the checkpoint at which they stood.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "id".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<ProjectRecord>,
    /// How the targets stand to what they are kept from, after an end that left the databases to another version.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<TargetSource>,
    /// How many other projects need a Store of HA's making while nothing shows that it was made: those that ran beyond
    /// the number that is recorded, and paused or failed ones where none ran. Not set where it is not known which
    /// projects ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched_projects: Option<i32>,
}

/// The upgrade of an object that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenOver {
    /// Uid of the object that takes it over. Nothing of this counts for an object with another uid, which a backup tool
    /// has given this status.
    pub by: String,
    /// Uid of the object that is gone: `spec.takeOver` when this was begun.
    pub from: String,
    /// The uid that stands in what the upgrade has made, from records on Deployments to the directory of its backup:
    /// that of the object that began it.
    pub marks: String,
    /// What came of it; not set while it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<TakeOverOutcome>,
}

/// What came of a take-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TakeOverOutcome {
    /// Lock and record are those of this object.
    Taken,
    /// There was nothing to take over: the object begins an upgrade of its own.
    Nothing,
}

impl Internal {
    /// The take-over by which lock and record became those of this object.
    pub fn find_taken(&self) -> Option<&TakenOver> {
        let taken = self.taken_over.as_ref();
        taken.filter(|taken| taken.outcome == Some(TakeOverOutcome::Taken))
    }

    /// The uid that stands in what an upgrade has made: that of the object, or of the one whose upgrade it continues.
    pub fn find_marks<'a>(&'a self, own: &'a str) -> &'a str {
        let taken = self.taken_over.as_ref();
        taken
            .filter(|taken| taken.by == own && taken.outcome != Some(TakeOverOutcome::Nothing))
            .map_or(own, |taken| &taken.marks)
    }
}

/// Another image than the original's that somebody else started: what it made of the databases is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherImage {
    /// Name of the Deployment.
    pub target: String,
    /// The image as pulled; as written where no container of it had run yet. Its first 200 characters.
    pub image: String,
    /// When it was first seen.
    pub seen_time: Time,
}

/// What was well on the running old version, at two looks some time apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthBaseline {
    /// When the first look was that showed this.
    pub since_time: Time,
    /// What was well, by what was looked at.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<HealthSubject>,
}

/// One thing that was looked at, and what was well about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthSubject {
    /// A Deployment, or the address of a node.
    pub name: String,
    /// What was well: programs of supervisord, `page` (`/oms/health`), `host` (ONLINE), `heartBeat` (fresh).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub well: Vec<String>,
}

/// What was seen past a time limit: only what several looks saw wanting fails a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overdue {
    /// Looks that saw what is wanting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanting: Option<Looks>,
    /// The last looks, where they could not see whether something is wanting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Looks>,
}

/// Looks that showed the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Looks {
    /// What they showed.
    pub reason: String,
    /// How many of them counted.
    pub count: i32,
    /// When the first one was.
    pub since_time: Time,
    /// When the last one was that counted.
    pub last_time: Time,
}

/// Requests of the user, remembered once seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// When an abort was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Time>,
    /// When a rollback was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_back: Option<Time>,
    /// The values of `spec.retryRequest` that were honoured, oldest first, the last twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<String>,
    /// The values of `spec.planRequest` that were honoured, oldest first, the last twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
}

impl Requests {
    /// Remembers a value of `spec.retryRequest`. Whether it is a new one.
    pub fn honour_retry(&mut self, value: Option<&str>) -> bool {
        honour(&mut self.retries, value)
    }

    /// A value of `spec.retryRequest` that counts.
    pub fn name_retry(&self) -> String {
        name_next("retry", &self.retries)
    }

    /// A value of `spec.planRequest` that counts.
    pub fn name_plan(&self) -> String {
        name_next("plan", &self.plans)
    }

    /// Remembers a value of `spec.planRequest`. Whether it is a new one.
    pub fn honour_plan(&mut self, value: Option<&str>) -> bool {
        honour(&mut self.plans, value)
    }
}

/// A text that was not honoured yet.
fn name_next(kind: &str, honoured: &[String]) -> String {
    let mut names = (honoured.len() + 1..).map(|number| format!("{kind}-{number}"));
    names
        .find(|name| !honoured.contains(name))
        .unwrap_or_default()
}

fn honour(known: &mut Vec<String>, value: Option<&str>) -> bool {
    let Some(value) = value else { return false };
    if known.iter().any(|one| one == value) {
        return false;
    }
    known.push(value.to_owned());
    let surplus = known.len().saturating_sub(KEPT_REQUESTS);
    known.drain(..surplus);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_once_however_often_it_comes_back() {
        let mut requests = Requests::default();
        assert!(!requests.honour_retry(None));
        assert!(requests.honour_retry(Some("a")));
        assert!(requests.honour_retry(Some("b")));
        for _ in 0..3 {
            assert!(!requests.honour_retry(Some("a")));
        }
        assert!(requests.honour_plan(Some("a")), "of another kind");
        for number in 0..30 {
            assert!(requests.honour_retry(Some(&number.to_string())));
        }
        assert_eq!(requests.retries.len(), KEPT_REQUESTS);
        assert!(!requests.honour_retry(Some("29")));
    }
}
