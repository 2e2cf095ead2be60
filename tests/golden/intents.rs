//! The intent of every effect, as it is stored before the effect is carried out.
use super::objects::order;
use super::source::read_sources;
use super::{UID, find_loss, pin, read_stored, to_text};
use oms_operator::api::{
    ContentProof, HaDriver, InitRecord, Intent, Internal, JobRole, KeptKey, OmsUpgradeStatus,
};
use oms_operator::facts::{OwnKind, OwnObject};
use oms_operator::metadb::record::RecordFact;
use oms_operator::objects::prepull::{AfterPull, Pull};
use oms_operator::objects::target_change::{OldStartProof, TargetChange};
use oms_operator::oms::ha::HaPatch;
use oms_operator::oms::metadb::{HaRow, HaRowWrite, LockClaim, RecordClaim, TakeOverClaim};
use oms_operator::upgrade::Effect;
use serde_json::{Value, json};

const MEANING: &str = "An operator that is replaced between recording an intent and carrying it out leaves this in the status. The next \
    one compares it with what it wants itself: where the text differs it takes its own write for another's, does it twice, or calls the \
    Deployment contended. Lines that come are free. One that changes needs the old form to be understood as well.";

fn list_effects() -> Vec<Effect> {
    let target = || "oms-1".to_owned();
    let claim = || LockClaim {
        holder: UID.into(),
        epoch: 3,
        note: "oms/to-4-0-0".into(),
    };
    let proof = OldStartProof::from_status(&OmsUpgradeStatus {
        internal: Internal {
            content_proof: Some(ContentProof::Equal),
            ..Internal::default()
        },
        ..OmsUpgradeStatus::default()
    })
    .unwrap();
    let patch = HaPatch::new()
        .with_bool("enable", true)
        .with_number("refetchStoreIntervalMin", 95)
        .with_value("perceiveStoreClientCheckpoint", None);
    let mut effects = vec![
        Effect::AddFinalizer,
        Effect::RemoveFinalizer,
        Effect::CreateCredentialsSecret,
        Effect::CreatePrePull { target: target() },
        Effect::CreateOldPull {
            target: target(),
            pull: Pull {
                name: "oms-11111111-prepull-0123456789".into(),
                image: "oms:3.3.1".into(),
                policy: "IfNotPresent".into(),
                after: AfterPull::Stay,
            },
        },
        Effect::AcquireLock(claim()),
        Effect::RaiseLock(claim()),
        Effect::TakeOverLock(Box::new(TakeOverClaim {
            from: "u-1".into(),
            from_epoch: 1,
            to: claim(),
        })),
        Effect::AppendRecord(Box::new(RecordClaim {
            holder: "uid-1".into(),
            epoch: 3,
            seq: 4,
            fact: RecordFact::Line {},
        })),
        Effect::ReleaseLock,
        Effect::SetHa {
            driver: HaDriver::MetaDb,
            write: Box::new(HaRowWrite {
                expected: HaRow::NoRow,
                patch,
                insert_if_missing: true,
            }),
        },
        Effect::KeepKeys {
            keys: vec![KeptKey {
                key: "refetchStoreIntervalMin".into(),
                value: "30".into(),
                original: None,
            }],
        },
        Effect::RestartConsole {
            target: target(),
            pid: 42,
        },
        Effect::StopConsole { target: target() },
        Effect::StartConsole { target: target() },
        Effect::SetQueryTimeout {
            microseconds: 3_600_000_000,
        },
        Effect::CreateOriginalsCopy {
            records: Default::default(),
        },
        Effect::PassOriginalsCopy {
            name: "oms-f86381adde-originals".into(),
            uid: UID.into(),
            resource_version: "42".into(),
            owned: true,
        },
        Effect::PassOriginalsCopy {
            name: "oms-f86381adde-originals".into(),
            uid: UID.into(),
            resource_version: "43".into(),
            owned: false,
        },
        Effect::StartInit(Box::new(InitRecord {
            target: target(),
            pod_uid: "pod".into(),
            container_id: "containerd://1".into(),
            restart_count: 0,
            attempt: 2,
            completed: false,
            step: None,
            unconfirmed: None,
        })),
    ];
    for role in [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
        JobRole::DropCopies,
    ] {
        effects.push(Effect::CreateJob(Box::new(order(role, 3))));
    }
    for kind in [
        OwnKind::Job,
        OwnKind::Pod,
        OwnKind::Secret,
        OwnKind::OriginalsCopy,
    ] {
        effects.push(Effect::DeleteOwn(OwnObject {
            kind,
            name: "oms-f86381adde-dump-2".into(),
            uid: UID.into(),
            active: true,
            trouble: None,
        }));
    }
    for change in [
        TargetChange::Fence,
        TargetChange::Stop,
        TargetChange::StartUpgrade,
        TargetChange::StartFinal,
        TargetChange::StartOld(proof),
        TargetChange::GiveBack,
    ] {
        effects.push(Effect::PatchTarget {
            target: target(),
            change,
            generation: 7,
            patch: Box::default(),
        });
    }
    effects
}

/// Name of the variant.
fn name(effect: &Effect) -> String {
    let text = format!("{effect:?}");
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    text[..end.unwrap_or(text.len())].to_owned()
}

#[test]
fn intents_as_they_are_stored() {
    let effects = list_effects();
    let lines: Vec<Value> = effects
        .iter()
        .map(|effect| json!(effect.describe_intent()))
        .collect();
    let path = "tests/golden/files/intents.json";
    pin::check(path, &to_text(&Value::Array(lines)), MEANING);
    let stored: Vec<Value> = serde_json::from_str(&read_stored(path)).unwrap();
    for value in stored {
        let intent: Intent = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(find_loss(&value, &json!(intent), "intent"), None);
    }
}

/// An effect that is added later is not forgotten above.
#[test]
fn every_effect_has_its_line() {
    let sources = read_sources("src/upgrade");
    let tokens = sources
        .iter()
        .map(|source| &source.tokens)
        .find_map(|tokens| {
            let found = tokens
                .windows(2)
                .position(|two| two[0] == "enum" && two[1] == "Effect")?;
            Some(&tokens[found + 3..])
        })
        .unwrap();
    let pinned: Vec<String> = list_effects().iter().map(name).collect();
    let mut depth = 0;
    let mut seen = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 0 => break,
            "}" | ")" | "]" => depth -= 1,
            // The first word after a comma, an attribute, or the brace.
            word if depth == 0 && word.starts_with(|c: char| c.is_ascii_uppercase()) => {
                seen += 1;
                assert!(
                    pinned.iter().any(|name| name == word),
                    "{word}: add it to list_effects ({at})"
                );
            }
            _ => {}
        }
    }
    assert!(seen >= 16, "only {seen} effects were found");
}
