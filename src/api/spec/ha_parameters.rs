//! The documented keys of `ha.config` that a person may set for after the upgrade. No I/O.
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Parameters of HA for after the upgrade (OMS guide, modify HA configurations): names, types and defaults are those of
/// OMS, which documents no bounds. `enable` is not among them: `ha.goal` is about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HaParameters {
    /// When a host is down, make tickets that migrate its Connectors and JDBCWriters. OMS's default is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_host: Option<bool>,
    /// HA of Stores: standby Stores take over, new ones are made for abnormal ones. OMS's default is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_store: Option<bool>,
    /// HA starts abnormal Connectors. OMS's default is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_connector: Option<bool>,
    /// HA starts abnormal JDBCWriters. OMS's default is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_jdbc_writer: Option<bool>,
    /// New Stores start from the downstream checkpoint. OMS's default is `false`. `ha.pullBack` writes it for the
    /// recovery; named here, it stays so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceive_store_client_checkpoint: Option<bool>,
    /// Stores of a subtopic up to which HA makes another one. OMS's default is 5.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtopic_store_number_threshold: Option<i32>,
    /// Seconds between two tickets of HA for the same object. OMS's default is 600.
    #[schemars(range(min = 1, max = 604800))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_request_interval_sec: Option<i32>,
    /// Seconds that an abnormal JDBCWriter may be inactive. OMS's default is 600.
    #[schemars(range(min = 1, max = 604800))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_jdbc_writer_interval_sec: Option<i32>,
    /// Seconds without a heart beat after which a host is down. OMS's default is 540.
    #[schemars(range(min = 1, max = 604800))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_host_down_interval_sec: Option<i32>,
    /// Seconds that the last heart beat of a Store may be old. OMS's default is 240.
    #[schemars(range(min = 1, max = 604800))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_module_exception_interval_sec: Option<i32>,
    /// Hours after which an abnormal Store is deleted. OMS's default is 72.
    #[schemars(range(min = 1, max = 87600))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_abnormal_resource_hours: Option<i32>,
    /// Minutes that a new Store is pulled back. OMS's default is 30. Not with `ha.pullBack.method` `RefetchInterval`,
    /// which writes it.
    #[schemars(range(min = 1, max = 525600))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refetch_store_interval_min: Option<i32>,
}
