//! When two worlds are the same: names and numbers given out are renamed by order of appearance,
//! moments count only as far as a decision depends on them, words for people do not count.
use super::events::LIMIT;
use super::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use oms_operator::api::ORIGINALS_ANNOTATION;
use oms_operator::objects::deployment::read_replicas_owned_time;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Keys that nothing is decided on, or that say the same as others.
const SILENT: [&str; 19] = [
    "resourceVersion",
    "creationTimestamp",
    "message",
    "conditions",
    "history",
    "stepSummary",
    "nextActions",
    "checks",
    "steps",
    "lastTransitionTime",
    "operatorVersion",
    "progress",
    "managedFields",
    "time",
    "template_hash",
    "checkpoint",
    "resumedAt",
    "estimates",
    "lastHeartBeat",
];

impl World {
    /// Names the world: equal worlds have equal names.
    pub fn fingerprint(&self) -> u128 {
        let text = self.describe();
        let mut one = DefaultHasher::new();
        let mut two = DefaultHasher::new();
        text.hash(&mut one);
        (&text, "another").hash(&mut two);
        u128::from(one.finish()) << 64 | u128::from(two.finish())
    }

    /// The canonical text.
    pub fn describe(&self) -> String {
        let mut text = String::with_capacity(8192);
        for (place, object) in &self.objects {
            match place.resource {
                // Written and never read by the operator.
                "events" | "namespaces" | "persistentvolumeclaims" | "configmaps" => continue,
                // What it holds never changes; that it exists may, and whose it is.
                "secrets" => {
                    let metadata = &object["metadata"];
                    let owner = &metadata["ownerReferences"][0]["uid"];
                    let _ = write!(text, "secrets/{}={}{owner}", place.name, metadata["uid"]);
                    continue;
                }
                // Named after its template, which is all that is in it.
                "replicasets" => {
                    let _ = write!(text, "{}{}", place.name, object["metadata"]["annotations"]);
                    continue;
                }
                resource => {
                    let _ = write!(text, "{resource}/{}=", place.name);
                }
            }
            if place.resource == "jobs" {
                // Its spec follows from the status that was recorded before.
                write_value(&mut text, "status", &object["status"]);
                write_conditions(&mut text, object);
                write_value(&mut text, "metadata", &object["metadata"]);
            } else {
                write_value(&mut text, "", object);
                let managers = object["metadata"]["managedFields"].as_array();
                for one in managers.into_iter().flatten() {
                    let scaled = one.pointer("/fieldsV1/f:spec/f:replicas").is_some();
                    let imaged = one.pointer("/fieldsV1/f:spec/f:template").is_some();
                    let _ = write!(text, "{}{scaled}{imaged}", one["manager"]);
                }
                let owned = read_replicas_owned_time(object);
                let _ = write!(
                    text,
                    "{}",
                    owned.is_some() && owned == self.read_owned_time(&place.name)
                );
            }
            text.push('\n');
        }
        let _ = write!(
            text,
            "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
            self.db, self.oms, self.ghosts, self.claim, self.asks, self.mishaps, self.stranger
        );
        let _ = write!(
            text,
            "{:?}{:?}{:?}{:?}{:?}{:?}",
            self.inits, self.stopped, self.resumed, self.new_ran, self.trouble, self.accepted
        );
        let _ = write!(text, "{}{:?}{}", self.delays, self.late_job, self.spoilt);
        let _ = write!(
            text,
            "{}{}{:?}",
            self.late_copy, self.copy_lost, self.lacking
        );
        if let Some(ask) = &self.delayed {
            let _ = write!(
                text,
                "{}{}{:?}",
                ask.method,
                ask.path,
                self.foresee_delivery()
            );
            write_value(&mut text, "", &ask.body);
        }
        let age = match self.step_age() {
            ..20 => 0,
            20..LIMIT => 1,
            // Some steps may last twice as long, or are given their time once more.
            age => 1 + (age / LIMIT).min(4),
        };
        for kind in ["wanting", "unseen"] {
            let last = self.status_text(&format!("/internal/overdue/{kind}/lastTime"));
            let last = last.parse::<Timestamp>().map(|last| last.as_second());
            let _ = write!(text, "{}", last.is_ok_and(|last| self.clock - last >= 30));
        }
        let beaten = self.status_text("/internal/lastHeartBeat") == self.read_heart_beat();
        let _ = write!(text, "{beaten}");
        let _ = write!(text, "age{age}{}", self.compare_checkpoints());
        rename(&text, self)
    }

    /// When the replicas of a stopped target became the operator's, as recorded.
    fn read_owned_time(&self, target: &str) -> Option<Time> {
        let stopped = self.status("/internal/stoppedTargets")?.as_array()?;
        let one = stopped.iter().find(|one| one["name"] == target)?;
        serde_json::from_value(one["replicasOwnedTime"].clone()).ok()
    }

    /// The checkpoint as far as it is compared with recorded ones.
    fn compare_checkpoints(&self) -> String {
        let recorded = |pointer: &str| self.status(pointer).and_then(Value::as_i64);
        let now = self.read_checkpoint();
        let order = |other: Option<i64>| other.map(|other| now.cmp(&other));
        format!(
            "{:?}{:?}",
            order(recorded("/internal/projects/0/checkpoint")),
            order(recorded("/internal/projects/0/resumedAt"))
        )
    }
}

fn write_conditions(text: &mut String, object: &Value) {
    if let Some(conditions) = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
    {
        for condition in conditions {
            let _ = write!(text, "{}{}", condition["type"], condition["status"]);
        }
    }
}

fn write_value(text: &mut String, key: &str, value: &Value) {
    match value {
        Value::Object(map) => {
            text.push('{');
            for (key, value) in map {
                if SILENT.contains(&key.as_str()) || value.is_null() {
                    continue;
                }
                text.push_str(key);
                text.push(':');
                if key == ORIGINALS_ANNOTATION {
                    let inner = value
                        .as_str()
                        .and_then(|text| serde_json::from_str(text).ok())
                        .unwrap_or_default();
                    write_value(text, key, &inner);
                } else if key.ends_with("Time") || key == "deletionTimestamp" {
                    text.push('t');
                } else {
                    write_value(text, key, value);
                }
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for value in list {
                write_value(text, key, value);
                text.push(',');
            }
            text.push(']');
        }
        // Long texts that never change once recorded.
        Value::String(long) if key == "template" || key == "managedFields" => {
            let _ = write!(text, "{}", long.len());
        }
        Value::String(word) => text.push_str(word),
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Renames tokens (`z00042`) and the numbers of contents and processes by order of appearance.
fn rename(text: &str, world: &World) -> String {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('z') {
        let (before, tail) = rest.split_at(at);
        result.push_str(before);
        let is_token = tail.len() >= 6 && tail.as_bytes()[1..6].iter().all(u8::is_ascii_digit);
        if is_token {
            let (word, after) = tail.split_at(6);
            let next = names.len();
            let number = *names.entry(word).or_insert(next);
            let _ = write!(result, "z{number}");
            rest = after;
        } else {
            result.push('z');
            rest = &tail[1..];
        }
    }
    result.push_str(rest);
    // Contents are only ever compared with each other.
    let mut contents: Vec<u64> = vec![world.db.content];
    contents.extend(world.claim.values().map(|artefact| artefact.content));
    let pids: Vec<u64> = world.oms.values().map(|oms| oms.console_pid).collect();
    for (kind, numbers) in [("content: ", contents), ("console_pid: ", pids.clone())] {
        for (index, number) in numbers.iter().enumerate() {
            let first = numbers
                .iter()
                .position(|other| other == number)
                .unwrap_or(index);
            result = result.replace(&format!("{kind}{number},"), &format!("{kind}#{first},"));
        }
    }
    if world.status_text("/internal/intent/effect") == "RestartConsole" {
        let before = world.status_text("/internal/intent/before");
        let at = pids.iter().position(|pid| pid.to_string() == before);
        result = result.replace(&format!("before:{before},"), &format!("before:{at:?},"));
    }
    result
}
