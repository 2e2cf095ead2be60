//! The record of upgrades in the double of the MetaDB.
use super::world::{Schema, World};
use oms_operator::metadb::SchemaFingerprint;
use oms_operator::metadb::record::{InstallationId, VERDICTS_KEPT, choose_forgotten};
use oms_operator::oms::metadb::{
    LockRow, MetaDbError, RecordClaim, RecordOutcome, RecordRow, TakeOverClaim, UpgradeRecord,
};

pub fn append(
    world: &mut World,
    claim: &RecordClaim,
    lock: Option<LockRow>,
) -> Result<RecordOutcome, MetaDbError> {
    let plain = !claim.holder.is_empty() && claim.seq > 0 && i32::try_from(claim.seq).is_ok();
    if !plain || claim.fact.to_columns().is_none() {
        return Err(MetaDbError::Invalid {
            call: "append".into(),
            reason: "no claim".into(),
        });
    }
    let ours = |row: &LockRow| row.holder == claim.holder && row.epoch == claim.epoch;
    if !lock.as_ref().is_some_and(ours) {
        return Ok(RecordOutcome::NotOurs(lock));
    }
    let own = || world.db.record.iter().filter(|row| row.uid == claim.holder);
    if let Some(row) = own().find(|row| row.seq == claim.seq) {
        return Ok(if row.fact == claim.fact {
            RecordOutcome::AlreadyThere
        } else {
            RecordOutcome::Conflict(row.clone())
        });
    }
    let last = own().map(|row| row.seq).max().unwrap_or(0);
    if last + 1 != claim.seq {
        return Ok(RecordOutcome::Behind { last });
    }
    let newest = world.db.record.iter().map(|row| row.ordinal).max();
    world.db.record.push(RecordRow {
        uid: claim.holder.clone(),
        seq: claim.seq,
        ordinal: newest.unwrap_or(0) + 1,
        epoch: claim.epoch,
        fact: claim.fact.clone(),
        written: 0,
    });
    world.touched = true;
    Ok(RecordOutcome::Appended)
}

/// Lock and rows change hands together, or not at all.
pub fn take_over(world: &mut World, claim: &TakeOverClaim) -> Result<(), MetaDbError> {
    let to = &claim.to;
    if to.holder == claim.from || to.epoch <= claim.from_epoch || to.holder.is_empty() {
        return Err(MetaDbError::Invalid {
            call: "take over".into(),
            reason: "no claim".into(),
        });
    }
    if world.db.lock == Some((claim.from.clone(), claim.from_epoch)) {
        world.check_forerunner(&claim.from);
        world.db.lock = Some((to.holder.clone(), to.epoch));
        let rows = world.db.record.iter_mut();
        for row in rows.filter(|row| row.uid == claim.from) {
            row.uid = to.holder.clone();
        }
        world.touched = true;
    }
    Ok(())
}

fn is_verdict(row: &RecordRow) -> bool {
    row.fact
        .to_columns()
        .is_some_and(|columns| columns.fact == "Verdict")
}

/// The last row of each upgrade, the newest first.
fn list_last(world: &World) -> Vec<&RecordRow> {
    let rows = &world.db.record;
    let mut last: Vec<&RecordRow> = rows
        .iter()
        .filter(|row| {
            !rows
                .iter()
                .any(|other| other.uid == row.uid && other.seq > row.seq)
        })
        .collect();
    last.sort_by_key(|row| std::cmp::Reverse(row.ordinal));
    last
}

pub fn read(world: &World, uid: &str) -> UpgradeRecord {
    let rows = world.db.record.iter().filter(|row| row.uid == uid);
    let verdicts = world.db.record.iter().filter(|row| is_verdict(row));
    UpgradeRecord {
        rows: rows.cloned().collect(),
        newest_verdict: verdicts.max_by_key(|row| row.ordinal).cloned(),
        unfinished: list_last(world)
            .into_iter()
            .filter(|row| row.uid != uid && !is_verdict(row))
            .cloned()
            .collect(),
    }
}

/// What comes with the lock when it is taken.
pub fn prepare(world: &mut World, holder: &str) {
    world
        .db
        .installation
        .get_or_insert_with(|| InstallationId::from_bytes(*b"one installation"));
    let newest_verdict = |uid: &str| {
        let rows = world.db.record.iter();
        rows.filter(|row| row.uid == uid && is_verdict(row))
            .map(|row| row.ordinal)
            .max()
    };
    let others: Vec<(String, u64, Option<u64>)> = list_last(world)
        .into_iter()
        .filter(|row| row.uid != holder)
        .map(|row| (row.uid.clone(), row.ordinal, newest_verdict(&row.uid)))
        .collect();
    if others.len() >= VERDICTS_KEPT {
        let gone: Vec<String> = choose_forgotten(&others)
            .into_iter()
            .map(str::to_owned)
            .collect();
        world.db.record.retain(|row| !gone.contains(&row.uid));
    }
}

/// A fingerprint that differs where the schema does.
pub fn fingerprint(world: &World) -> SchemaFingerprint {
    let digit = match world.db.schema {
        Schema::Old => "0",
        Schema::Half => "1",
        Schema::New => "2",
        Schema::Torn => "3",
    };
    SchemaFingerprint::try_from(digit.repeat(16)).unwrap()
}

#[tokio::test]
async fn the_double_keeps_a_record_like_a_server() {
    let world = World::new(1, super::world::Setup::default());
    let gate = super::gate::Gate::new(world, None);
    super::record_rules::check(&super::metadb::SqlDouble(gate)).await;
}
