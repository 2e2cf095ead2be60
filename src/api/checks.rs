//! Preflight checks: their names, what the user may say about them, and their results.
use crate::protocol::names::name_variants;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checks whose verdict the user may attest or skip. All other preflight checks (targets, claim,
/// MetaDB login, privileges, one upgrade at a time) are not negotiable.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum CheckName {
    /// The source version is one that OMS supports as a source of the target version (OMS 4.0.0 upgrade FAQ).
    SourceVersion,
    /// All running projects are in quasi-real-time sync (OMS upgrade overview, restrictions).
    ProjectsInSync,
    /// Forward switchover of migration projects is finished (OMS upgrade overview, restrictions).
    ForwardSwitchover,
    /// Connectors made by 3.2.x have `dbType` (OMS upgrade overview, restrictions).
    ConnectorDbType,
    /// Every node of the installation is a target.
    AllNodesListed,
    /// The old image survives a normal restart: abort and rollback rest on it.
    OldImageRestarts,
    /// The three documented paths are mounted, from volumes that outlive the pod.
    MountsKept,
    /// The new image can be pulled on every node.
    ImagePullable,
    /// The nodes run cgroup v1, or OMS is ONLINE on them now: before 4.2.5 it shows an abnormal server status on cgroup
    /// v2 (OMS troubleshooting guide).
    CgroupVersion,
    /// The MetaDB account sees the sessions of others, on every server of the MetaDB, so that a left-over OMS session
    /// is noticed.
    SessionsVisible,
    /// No other program's sessions would count as OMS's after the stop: a second OMS with the same account.
    OnlyOwnSessions,
    /// OMS is up before it is upgraded: its programs run, its nodes are ONLINE with fresh heart beats. The same is
    /// asked after the upgrade; what is attested here is not. nginx, the console and one node that is ONLINE cannot
    /// be attested.
    OmsHealthy,
    /// Nobody else (Argo CD, Flux, an autoscaler) writes the fields we change.
    NoOtherOwner,
    /// What the operator writes to the targets, and the pods that are made from it, would be stored as they are sent:
    /// no webhook or policy changes or refuses them. Each is tried as a dry run.
    StoredAsSent,
}

name_variants!(
    CheckName:
    SourceVersion, ProjectsInSync, ForwardSwitchover, ConnectorDbType, AllNodesListed,
    OldImageRestarts, MountsKept, ImagePullable, CgroupVersion, SessionsVisible, OnlyOwnSessions,
    OmsHealthy, NoOtherOwner, StoredAsSent,
);

/// What the user says about a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckPolicy {
    /// The check must pass. This is the default for every check.
    #[default]
    Require,
    /// The user vouches for what the operator cannot see. A check that is seen to fail still fails, but for
    /// `OmsHealthy`: there it says that OMS was well enough as it was seen.
    Attest,
    /// The check is not made.
    Skip,
}

/// One check with a policy other than the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.policy == 'Require' || (has(self.reason) && size(self.reason) > 0)", "reason: say why, when policy is Attest or Skip"))]
pub struct Check {
    /// Name of the check.
    pub name: CheckName,
    /// Require, Attest or Skip.
    #[serde(default)]
    pub policy: CheckPolicy,
    /// Why the check is attested or skipped. Shown in the status.
    #[schemars(length(min = 1, max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Verdict of one preflight check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckOutcome {
    /// Seen to hold.
    Passed,
    /// Holds, with something a person should know.
    Warning,
    /// Seen not to hold, or required and cannot be seen.
    Failed,
    /// The user vouches for it.
    Attested,
    /// The user asked not to look.
    Skipped,
    /// Not made, because something else is missing; `evidence` names it. It follows from another finding.
    Unknown,
}

/// Result of one preflight check of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Name of the check.
    pub name: String,
    /// What was looked at: a Deployment, the claim, a database, a project, a privilege, a setting.
    pub subject: String,
    /// Verdict.
    pub outcome: CheckOutcome,
    /// What was seen; where it is attested or skipped, the reason that the user gave.
    #[serde(default)]
    pub evidence: String,
    /// What to do. Absent when the check passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

impl CheckResult {
    /// Whether the upgrade may start as far as this check is concerned.
    pub fn is_good(&self) -> bool {
        !matches!(self.outcome, CheckOutcome::Failed | CheckOutcome::Unknown)
    }
}
