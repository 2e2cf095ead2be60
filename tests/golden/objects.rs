//! The objects that are made, and the patches of Deployments, whole.
use super::{UID, pin, samples, to_text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oms_operator::api::*;
use oms_operator::facts::{AccountSource, ConfigSource, DeploymentFacts, HolderKind};
use oms_operator::metadb::secret::{Credentials, SecretString};
use oms_operator::objects::agent_request::{build_request, find_deadline};
use oms_operator::objects::credentials::build_credentials_secret;
use oms_operator::objects::deployment::{TemplateKind, build_template};
use oms_operator::objects::event::Note;
use oms_operator::objects::event::build_event;
use oms_operator::objects::jobs::{JobOrder, build_job};
use oms_operator::objects::labels::Owner;
use oms_operator::objects::originals::{OriginalTexts, build_originals_copy, build_owner_patch};
use oms_operator::objects::pod_settings::PodSettings;
use oms_operator::objects::prepull::{PrePullSite, Pull, build_prepull_pod};
use oms_operator::objects::target_change::{OldStartProof, TargetChange};
use oms_operator::objects::target_patch::build_patch;
use oms_operator::oms::installation::{Address, Databases, Installation};
use oms_operator::protocol::hex::hash_text;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const OWNER: Owner<'_> = Owner {
    namespace: "oms",
    name: "to-4-0-0",
    uid: UID,
};
const OLD: &str = "registry.example.com/oms:feature_3.3.1-ce";
const NEW: &str = "registry.example.com/oms:feature_4.0.0-ce";
pub const ROLES: [JobRole; 6] = [
    JobRole::Probe,
    JobRole::Dump,
    JobRole::Verify,
    JobRole::Compare,
    JobRole::Restore,
    JobRole::DropCopies,
];

const OBJECTS: &str = "An object that is there already is found by name and labels and is not made anew: labels, annotations and names \
    are read by the next operator, rights and security by those who admit pods. Fields that come are free where every supported API server \
    knows them.";
const PATCHES: &str = "The next operator tells the templates that this one has written from those of strangers by building them \
    itself from the recorded original: a template that is built in another way makes every upgrade that is under way `TargetContended`.";

pub fn installation() -> Installation {
    Installation {
        metadb: Address {
            host: "metadb.oms.svc".into(),
            port: 2881,
        },
        databases: Databases {
            rm: "oms_rm".into(),
            cm: "oms_cm".into(),
            heartbeats: vec!["oms_cm_hb".into()],
        },
        ..Installation::default()
    }
}

pub fn spec() -> OmsUpgradeSpec {
    serde_json::from_value(json!({
        "targets": [{"name": "oms-1"}], "image": NEW, "backup": {"claimName": "oms-backup"}
    }))
    .unwrap()
}

pub fn account() -> AccountSource {
    AccountSource::Keys {
        secret: "oms-metadb".into(),
        user_key: "user".into(),
        password_key: "password".into(),
    }
}

/// A Job as it is ordered.
pub fn order(role: JobRole, attempt: i32) -> JobOrder {
    let (spec, status, account) = (spec(), samples::read_status(), account());
    JobOrder {
        role,
        attempt,
        claim: spec.backup.claim_name.clone(),
        request: build_request(
            OWNER,
            &spec,
            &status,
            &installation(),
            &account,
            role,
            attempt,
        ),
        account,
        tls: spec.metadb.tls.clone(),
        deadline: find_deadline(&spec.timeouts, role),
    }
}

fn build_jobs() -> Value {
    let settings = PodSettings::default();
    let file = AccountSource::ConfigFile(ConfigSource {
        kind: HolderKind::ConfigMap,
        name: "oms-config".into(),
        key: "config.yaml".into(),
    });
    let mut jobs = Map::new();
    for role in ROLES {
        let account = if role == JobRole::Restore {
            file.clone()
        } else {
            account()
        };
        let order = JobOrder {
            account,
            ..order(role, 2)
        };
        let image = "registry.example.com/oms-operator-tools:0.1.0";
        let mut job = json!(build_job(OWNER, &order, image, &settings).unwrap());
        // The request has a pin of its own.
        let request = job
            .pointer_mut("/spec/template/spec/containers/0/args/3")
            .unwrap();
        *request = json!("(request)");
        jobs.insert(format!("{role:?}"), job);
    }
    Value::Object(jobs)
}

#[test]
fn jobs() {
    let path = "tests/golden/files/jobs.json";
    pin::check(path, &to_text(&build_jobs()), OBJECTS);
}

#[test]
fn other_objects() {
    let site = PrePullSite {
        node: "node1".into(),
        service_account: Some("oms".into()),
        ..PrePullSite::default()
    };
    let account = Credentials {
        user: "root@metadb#cluster".into(),
        password: SecretString::new("not-a-password"),
    };
    let note = Note {
        reason: "StoppingOld".into(),
        message: "stopping the old version".into(),
        warning: false,
    };
    let now: Time = serde_json::from_value(json!("2026-01-02T03:04:05Z")).unwrap();
    let objects = json!({
        "pre-pull pod": build_prepull_pod(OWNER, &Pull::of_new(OWNER, "oms-1", NEW), &site, &PodSettings::default()),
        "secret": build_credentials_secret(OWNER, &account, &[]).unwrap(),
        "second copy of the originals": build_originals_copy(OWNER, &BTreeMap::from([("oms-1".into(), "(record)".into())])),
        "its owner": build_owner_patch(OWNER, "5e1f", "42", true),
        "event": build_event(OWNER, "12345", &note, "pod-1", &now),
    });
    let path = "tests/golden/files/objects.json";
    pin::check(path, &to_text(&objects), OBJECTS);
}

pub fn template() -> Value {
    json!({"spec": {"containers": [
        {"name": "side", "image": "side:1"},
        {"name": "oms", "image": OLD,
         "livenessProbe": {"tcpSocket": {"port": 8089}}, "startupProbe": {"tcpSocket": {"port": 8089}},
         "readinessProbe": {"tcpSocket": {"port": 8089}},
         "env": [{"name": "OMS_HOST_IP", "value": "10.0.0.1"}]}]}})
}

pub fn original() -> TargetOriginal {
    TargetOriginal {
        name: "oms-1".into(),
        uid: "7d1c".into(),
        container: "oms".into(),
        replicas: 1,
        image: OLD.into(),
        image_id: Some("registry.example.com/oms@sha256:00".into()),
        template_hash: hash_text(&texts().template),
        managed_fields_hash: hash_text(&texts().managed_fields.unwrap()),
    }
}

pub fn texts() -> OriginalTexts {
    let owners = json!([{"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    OriginalTexts {
        template: template().to_string(),
        managed_fields: Some(owners.to_string()),
    }
}

#[test]
fn templates_and_patches_of_a_target() {
    let original = original();
    let mut found = Map::new();
    for kind in [
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
    ] {
        let template = build_template(&original, &texts().template, NEW, &kind).unwrap();
        found.insert(format!("template {kind:?}"), template);
    }
    let facts = DeploymentFacts {
        uid: original.uid.clone(),
        resource_version: "42".into(),
        object: json!({"metadata": {"annotations": {"oms.oceanbase.com/originals": "{}", "oms.oceanbase.com/fence": "1"},
            "managedFields": [{"manager": "oms-operator", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": 0, "template": template()}}),
    };
    let proof = OldStartProof::from_status(&OmsUpgradeStatus::default()).unwrap();
    for change in [
        TargetChange::Fence,
        TargetChange::Stop,
        TargetChange::StartUpgrade,
        TargetChange::StartFinal,
        TargetChange::StartOld(proof),
        TargetChange::GiveBack,
    ] {
        let patch = build_patch(&facts, &original, &texts(), NEW, &change, "(record)", 3).unwrap();
        let shown = format!("{change:?}");
        // Without the proof.
        let name = shown.split('(').next().unwrap();
        found.insert(format!("patch {name}"), patch);
    }
    let path = "tests/golden/files/patches.json";
    pin::check(path, &to_text(&Value::Object(found)), PATCHES);
}
