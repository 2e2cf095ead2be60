//! The plan: what preflight found, and what will happen. No I/O.
use super::*;
use crate::api::CheckOutcome;

/// What preflight found and what will happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What an approval is given to: sha256 over the image and its digests, the uids of the targets, the source
    /// version, the databases, the restore method, every verdict, and the projects that nobody watches. Never over
    /// numbers, times and sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Checks, each with its verdict; all findings stand here at once. Those that passed are left out once the upgrade
    /// has started.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into(), "subject".into()]))]
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// The new image as it was pulled on the nodes, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_digests: Vec<String>,
    /// Ids of projects that need a Store of HA's making and whose recovery nobody watches, the first two hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered_projects: Vec<String>,
    /// Estimated bytes and times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<Estimates>,
    /// How a restore would swap the content in: by renaming tables, or by drop and load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_method: Option<String>,
    /// The steps in words, until the upgrade has started: from then on `history` and `stepSummary` tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// What was seen of the assumptions about OMS that no document bears out, until the upgrade has started. What each
    /// of them says, and what happens where it does not hold, is in `docs/assumptions.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumptions: Option<AssumptionsStatus>,
    /// What will be left when the upgrade is over: what, where, about how large, and for how long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<String>,
}

impl PlanStatus {
    /// Leaves out what nobody asks for once it is carried out: a status has to stay small while it remembers more.
    pub fn shorten(&mut self) {
        self.steps.clear();
        self.assumptions = None;
        self.checks
            .retain(|check| check.outcome != CheckOutcome::Passed);
    }
}

/// Estimates of the probe. What follows from the size of the databases is missing when the server has no statistics
/// about it: OceanBase's engine tells a length of zero for tables whose rows it has not flushed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimates {
    /// Bytes of the databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Seconds of the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump_seconds: Option<i64>,
    /// Seconds of a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_seconds: Option<i64>,
    /// Seconds for which OMS will be without replication, from the stop until HA is switched on again: dump, proof, and
    /// what starts and `docker_init.sh` usually take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_seconds: Option<i64>,
    /// Free bytes of the claim.
    pub free_bytes: i64,
}

/// What preflight saw of what the operator takes to be true of OMS. Each stands in one of the lists, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssumptionsStatus {
    /// Looked at on this installation, and found as assumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<String>,
    /// Looked at, and not seen: `Name: why`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<String>,
    /// Seen to be otherwise: `Name: what was seen`. Where that is in the way of an upgrade a check says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<String>,
    /// Only the upgrade itself can show them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
}
