//! The objects that an installation and its `OmsUpgrade` begin with.
use super::world::{CANARY, ConfigFrom, NEW_IMAGE, OLD_IMAGE, Setup};
use serde_json::{Value, json};

pub fn build_spec(names: &[String], setup: Setup) -> Value {
    let targets: Vec<Value> = names
        .iter()
        .map(|name| json!({"kind": "Deployment", "name": name}))
        .collect();
    let mut spec = json!({"targets": targets, "image": NEW_IMAGE, "backup": {"claimName": "oms-backup"}, "action": "Run", "paused": false});
    let limits = [
        "preflight",
        "ha",
        "stop",
        "backup",
        "verify",
        "start",
        "init",
        "health",
        "recovery",
        "restore",
    ];
    spec["timeouts"] = limits.map(|limit| (limit, "1h")).into_iter().collect();
    if setup.config == ConfigFrom::Container {
        spec["metadb"] = json!({"source": "Container"});
    }
    if setup.unwatched {
        let attest = |name: &str| json!({"name": name, "policy": "Attest", "reason": "looked at in the console"});
        spec["checks"] = json!([attest("ProjectsInSync"), attest("ForwardSwitchover")]);
    }
    if setup.trouble.unwell {
        spec["checks"] =
            json!([{"name": "OmsHealthy", "policy": "Attest", "reason": "it was always so"}]);
    }
    if setup.by_api {
        spec["ha"] = json!({"driver": "OmsApi", "api": {"method": "POST", "path": "/config", "bodyTemplate": "{\"value\":${config:string}}",
            "headers": [{"name": "Content-Type", "value": "application/json"}]}});
    }
    if setup.parameters {
        spec["ha"]["parameters"] = json!({"enableHost": true, "subtopicStoreNumberThreshold": 8, "refetchStoreIntervalMin": 45});
    }
    spec
}

/// OMS's `config.yaml`.
pub fn build_config(targets: usize) -> String {
    let nodes: String = (1..=targets).map(|n| format!(" - 10.0.0.{n}\n")).collect();
    let password = CANARY.replace('\'', "''");
    format!(
        "oms_meta_host: metadb.oms.svc\noms_meta_port: 2881\noms_meta_user: root@metadb\noms_meta_password: '{password}'\n\
         drc_user: drc\ndrc_password: drc-{CANARY_PLAIN}\ndrc_rm_db: oms_rm\ndrc_cm_db: oms_cm\ndrc_cm_heartbeat_db: oms_cm_hb\n\
         cm_url: http://10.0.0.1:8088\ncm_location: 0\ncm_region: cn-a\ncm_is_default: true\ncm_nodes:\n{nodes}",
        CANARY_PLAIN = "canary-plain",
    )
}

pub fn build_config_secret(targets: usize) -> Value {
    let data =
        serde_json::to_value(k8s_openapi::ByteString(build_config(targets).into_bytes())).unwrap();
    json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": {"config.yaml": data}})
}

pub fn build_deployment(name: &str, number: usize, config: ConfigFrom) -> Value {
    let volume = match config {
        ConfigFrom::Secret => json!({"name": "conf", "secret": {"secretName": "oms-config"}}),
        ConfigFrom::ConfigMap => json!({"name": "conf", "configMap": {"name": "oms-config"}}),
        ConfigFrom::Container => json!({"name": "conf", "hostPath": {"path": "/oms/config.yaml"}}),
    };
    json!({
        "kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {"managedFields": [
            {"manager": "helm", "operation": "Update", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
             "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "containers": [{"name": "oms", "image": OLD_IMAGE,
                    "env": [{"name": "OMS_HOST_IP", "value": format!("10.0.0.{number}")}],
                    "livenessProbe": {"tcpSocket": {"port": 8089}}, "startupProbe": {"tcpSocket": {"port": 8089}},
                    "readinessProbe": {"tcpSocket": {"port": 8089}},
                    "volumeMounts": [{"name": "conf", "mountPath": "/home/admin/conf/config.yaml", "subPath": "config.yaml"},
                        {"name": "data", "mountPath": "/home/admin/logs", "subPath": "logs"},
                        {"name": "data", "mountPath": "/home/ds", "subPath": "ds"}]}],
                "volumes": [volume, {"name": "data", "persistentVolumeClaim": {"claimName": format!("{name}-data")}}]}}},
        "status": {}
    })
}
