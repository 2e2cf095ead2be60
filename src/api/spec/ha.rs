//! How high availability (HA) is switched off and on again. No I/O.
use super::HaParameters;
use crate::protocol::names::name_variants;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How HA is switched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("(self.driver == 'OmsApi') == has(self.api)", "ha.api: needed with driver OmsApi, and only there"))]
#[x_kube(validation = ("!has(self.parameters) || !has(self.parameters.perceiveStoreClientCheckpoint) || self.parameters.perceiveStoreClientCheckpoint == (self.pullBack.method == 'PerceiveCheckpoint')", "ha.parameters.perceiveStoreClientCheckpoint: ha.pullBack writes it, true with method PerceiveCheckpoint and false with RefetchInterval; leave it out, or say the same, and it stays so"))]
#[x_kube(validation = ("!has(self.parameters) || !has(self.parameters.refetchStoreIntervalMin) || self.pullBack.method == 'PerceiveCheckpoint'", "ha.parameters.refetchStoreIntervalMin: ha.pullBack with method RefetchInterval writes it; leave it out, or choose PerceiveCheckpoint"))]
pub struct Ha {
    /// By which way `ha.config` is changed.
    #[serde(default)]
    pub driver: HaDriver,
    /// What HA shall be after a successful upgrade.
    #[serde(default)]
    pub goal: HaGoal,
    /// What HA shall be after an abort or a rollback.
    #[serde(default)]
    pub rollback_goal: HaRollbackGoal,
    /// Keys of `ha.config` that are set in the same write that switches HA on after the upgrade. Those that are not
    /// named stay as the new version has them. A rollback brings the row of before back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<HaParameters>,
    /// From where new Stores start once HA is on again.
    #[serde(default)]
    pub pull_back: HaPullBack,
    /// How the system parameter is read and written over HTTP. Needed with driver `OmsApi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<HaApi>,
}

/// Ways to change the system parameter `ha.config`. OMS documents no API for it, only its console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HaDriver {
    /// Single keys of the JSON row in the MetaDB, then a restart of `oms_console` so that it is read.
    #[default]
    MetaDb,
    /// The console's own HTTP call, described in `ha.api`; the result is verified in the MetaDB.
    OmsApi,
    /// A person changes it in the console; the operator waits and verifies in the MetaDB.
    Manual,
}

name_variants!(HaDriver: MetaDb, OmsApi, Manual);

/// What HA shall be after a successful upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HaGoal {
    /// On, as the upgrade guide says. Only HA starts the components of projects again.
    #[default]
    Enabled,
    /// As it was before.
    Restore,
}

name_variants!(HaGoal: Enabled, Restore);

/// What HA shall be after an abort or a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HaRollbackGoal {
    /// As it was before the upgrade.
    #[default]
    Restore,
    /// Off, also where it was on: a person looks first, and switches it on. Until then nobody starts the components of
    /// projects.
    Disabled,
}

name_variants!(HaRollbackGoal: Restore, Disabled);

/// From where new Stores start once HA is on again (OMS upgrade guide, enable HA).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HaPullBack {
    /// Method.
    #[serde(default)]
    pub method: PullBackMethod,
    /// Minutes added to the downtime with method `RefetchInterval`. The guide's example adds 30.
    #[schemars(range(min = 0, max = 1440))]
    #[serde(default = "default_slack")]
    pub slack_minutes: i32,
}

fn default_slack() -> i32 {
    30
}

impl Default for HaPullBack {
    fn default() -> Self {
        Self {
            method: PullBackMethod::default(),
            slack_minutes: default_slack(),
        }
    }
}

/// Methods to set the pull-back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullBackMethod {
    /// `perceiveStoreClientCheckpoint: true`: from the earliest downstream checkpoint.
    #[default]
    PerceiveCheckpoint,
    /// `refetchStoreIntervalMin` greater than the time since OMS was stopped.
    RefetchInterval,
}

/// The console's HTTP call for system parameters, as read off the browser's network panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HaApi {
    /// Port on the pod's address, where it is another one than `console.port`.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Method of the writing call.
    #[serde(default)]
    pub method: HttpMethod,
    /// Path and query of the writing call.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/"))]
    pub path: String,
    /// Body of the writing call. `${config}` stands for the whole JSON value, `${config:string}` for
    /// it as a JSON string.
    #[schemars(length(min = 1, max = 4096))]
    pub body_template: String,
    /// Headers, for instance `Content-Type`, or `Authorization` from a Secret.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HaApiHeader>,
}

/// Methods of the writing call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpMethod {
    /// The call makes or sends something.
    #[default]
    #[serde(rename = "POST")]
    Post,
    /// The call puts something in its place.
    #[serde(rename = "PUT")]
    Put,
}

/// One header of the writing call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.value) != has(self.secretKeyRef)", "give value or secretKeyRef, not both"))]
pub struct HaApiHeader {
    /// Name of the header.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// A value that is no secret.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A value taken from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// One key of a Secret in the namespace of the `OmsUpgrade`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}
