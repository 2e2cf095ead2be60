//! What the record of upgrades does, as one list: asserted of the explorer's double, and of real servers by
//! `tests/oms_metadb`. Nobody holds the lock before and after, and the record tells of no upgrade named here.
use oms_operator::metadb::record::{RecordFact, RecordedOutcome};
use oms_operator::oms::metadb::{
    LockClaim, LockOutcome, MetaDb, RecordClaim, RecordOutcome, TakeOverClaim,
};

fn lock(holder: &str, epoch: i64) -> LockClaim {
    LockClaim {
        holder: holder.into(),
        epoch,
        note: "oms/up".into(),
    }
}

fn claim(holder: &str, epoch: i64, seq: u32, fact: RecordFact) -> RecordClaim {
    RecordClaim {
        holder: holder.into(),
        epoch,
        seq,
        fact,
    }
}

fn restore(attempt: i32) -> RecordFact {
    RecordFact::RestoreBegun { attempt }
}

fn verdict() -> RecordFact {
    RecordFact::Verdict {
        outcome: RecordedOutcome::Aborted,
        fingerprint: None,
    }
}

async fn take(metadb: &dyn MetaDb, holder: &str, epoch: i64) {
    let outcome = metadb.acquire_lock(&lock(holder, epoch)).await.unwrap();
    assert!(matches!(outcome, LockOutcome::Held(_)), "{outcome:?}");
}

async fn append(metadb: &dyn MetaDb, claim: RecordClaim) -> RecordOutcome {
    metadb.append_record(&claim).await.unwrap()
}

/// Asserts all of it.
pub async fn check(metadb: &dyn MetaDb) {
    only_who_holds_the_lock_adds(metadb).await;
    rows_come_one_behind_the_other(metadb).await;
    others_are_told(metadb).await;
    the_id_stays(metadb).await;
    odd_claims_are_refused(metadb).await;
    lock_and_rows_change_hands_together(metadb).await;
}

fn take_over(from: &str, from_epoch: i64, to: &str, epoch: i64) -> TakeOverClaim {
    TakeOverClaim {
        from: from.into(),
        from_epoch,
        to: lock(to, epoch),
    }
}

async fn lock_and_rows_change_hands_together(metadb: &dyn MetaDb) {
    take(metadb, "beside", 1).await;
    append(metadb, claim("beside", 1, 1, verdict())).await;
    metadb.release_lock("beside", "beside").await.unwrap();
    let beside = metadb.read_record("beside").await.unwrap().rows;
    take(metadb, "gone-A", 3).await;
    for seq in 1..=2 {
        append(metadb, claim("gone-A", 3, seq, restore(1))).await;
    }
    let before = metadb.read_record("gone-A").await.unwrap().rows;
    for late in [
        take_over("gone-A", 2, "heir", 4),
        take_over("gone-A", 4, "heir", 5),
        take_over("gone-a", 3, "heir", 4),
        take_over("gone-A ", 3, "heir", 4),
        take_over("other", 3, "heir", 4),
    ] {
        let outcome = metadb.take_over_lock(&late).await.unwrap();
        let LockOutcome::HeldByOther(row) = outcome else {
            panic!("{late:?}: {outcome:?}");
        };
        assert_eq!((row.holder.as_str(), row.epoch), ("gone-A", 3));
        assert_eq!(metadb.read_record("gone-A").await.unwrap().rows, before);
    }
    for odd in [
        take_over("gone-A", 3, "gone-A", 4),
        take_over("gone-A", 3, "heir", 3),
        take_over("gone-A", 3, "", 4),
    ] {
        assert!(metadb.take_over_lock(&odd).await.is_err(), "{odd:?}");
    }
    // Twice: the answer may be lost.
    for _ in 0..2 {
        let right = take_over("gone-A", 3, "heir", 4);
        let outcome = metadb.take_over_lock(&right).await.unwrap();
        assert!(
            matches!(&outcome, LockOutcome::Held(row) if row.holder == "heir" && row.epoch == 4),
            "{outcome:?}"
        );
    }
    let third = take_over("gone-A", 3, "third", 4);
    let outcome = metadb.take_over_lock(&third).await.unwrap();
    assert!(matches!(outcome, LockOutcome::HeldByOther(row) if row.holder == "heir"));
    assert!(metadb.read_record("gone-A").await.unwrap().rows.is_empty());
    let mut taken = metadb.read_record("heir").await.unwrap().rows;
    for row in &mut taken {
        assert_eq!(row.uid, "heir");
        row.uid = "gone-A".into();
    }
    assert_eq!(taken, before);
    assert_eq!(metadb.read_record("beside").await.unwrap().rows, beside);
    let late = append(metadb, claim("gone-A", 3, 3, restore(2))).await;
    assert!(matches!(late, RecordOutcome::NotOurs(Some(row)) if row.holder == "heir"));
    let next = append(metadb, claim("heir", 4, 3, verdict())).await;
    assert_eq!(next, RecordOutcome::Appended);
    assert!(matches!(
        metadb.release_lock("gone-A", "gone-A").await.unwrap(),
        LockOutcome::HeldByOther(_)
    ));
    assert_eq!(
        metadb.release_lock("heir", "gone-A").await.unwrap(),
        LockOutcome::Free
    );
    let free = metadb
        .take_over_lock(&take_over("heir", 4, "third", 5))
        .await;
    assert_eq!(free.unwrap(), LockOutcome::Free);
    // One that has no row yet.
    take(metadb, "bare", 1).await;
    let outcome = metadb
        .take_over_lock(&take_over("bare", 1, "third", 2))
        .await;
    assert!(matches!(outcome.unwrap(), LockOutcome::Held(row) if row.holder == "third"));
    assert!(metadb.read_record("third").await.unwrap().rows.is_empty());
    metadb.release_lock("third", "third").await.unwrap();
}

async fn only_who_holds_the_lock_adds(metadb: &dyn MetaDb) {
    take(metadb, "fence-A", 1).await;
    for late in [
        ("fence-A", 0),
        ("fence-A", 2),
        ("fence-a", 1),
        ("fence-A ", 1),
        ("fence-b", 1),
    ] {
        let outcome = append(metadb, claim(late.0, late.1, 1, restore(1))).await;
        let RecordOutcome::NotOurs(Some(row)) = outcome else {
            panic!("{late:?}: {outcome:?}");
        };
        assert_eq!((row.holder.as_str(), row.epoch), ("fence-A", 1));
    }
    let first = claim("fence-A", 1, 1, restore(1));
    assert_eq!(append(metadb, first.clone()).await, RecordOutcome::Appended);
    metadb.raise_lock(&lock("fence-A", 2)).await.unwrap();
    // Not even for what it has written itself.
    for late in [first, claim("fence-A", 1, 2, restore(2))] {
        let outcome = append(metadb, late).await;
        assert!(
            matches!(&outcome, RecordOutcome::NotOurs(Some(row)) if row.epoch == 2),
            "{outcome:?}"
        );
    }
    let second = claim("fence-A", 2, 2, verdict());
    assert_eq!(append(metadb, second).await, RecordOutcome::Appended);
    assert_eq!(
        metadb.release_lock("fence-A", "fence-A").await.unwrap(),
        LockOutcome::Free
    );
    let free = append(metadb, claim("fence-A", 2, 3, restore(3))).await;
    assert_eq!(free, RecordOutcome::NotOurs(None));
    let record = metadb.read_record("fence-A").await.unwrap();
    let seen: Vec<_> = record.rows.iter().map(|row| (row.seq, row.epoch)).collect();
    assert_eq!(seen, [(1, 1), (2, 2)]);
    assert_eq!(record.newest_verdict.as_ref(), record.rows.last());
    assert!(metadb.read_record("fence-a").await.unwrap().rows.is_empty());
}

async fn rows_come_one_behind_the_other(metadb: &dyn MetaDb) {
    take(metadb, "order", 1).await;
    assert_eq!(metadb.read_record("order").await.unwrap().next_seq(), 1);
    let behind = append(metadb, claim("order", 1, 3, restore(3))).await;
    assert_eq!(behind, RecordOutcome::Behind { last: 0 });
    for seq in 1..=3 {
        let row = claim("order", 1, seq, restore(seq.try_into().unwrap()));
        assert_eq!(append(metadb, row.clone()).await, RecordOutcome::Appended);
        assert_eq!(append(metadb, row).await, RecordOutcome::AlreadyThere);
    }
    let behind = append(metadb, claim("order", 1, 5, restore(5))).await;
    assert_eq!(behind, RecordOutcome::Behind { last: 3 });
    for other in [
        restore(9),
        RecordFact::Swapped { attempt: 2 },
        RecordFact::Line {},
    ] {
        let outcome = append(metadb, claim("order", 1, 2, other)).await;
        let RecordOutcome::Conflict(row) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((row.seq, row.fact), (2, restore(2)));
    }
    let record = metadb.read_record("order").await.unwrap();
    assert_eq!((record.rows.len(), record.next_seq()), (3, 4));
    let ordinals: Vec<u64> = record.rows.iter().map(|row| row.ordinal).collect();
    assert!(
        ordinals.is_sorted() && ordinals[0] < ordinals[1],
        "{ordinals:?}"
    );
    append(metadb, claim("order", 1, 4, verdict())).await;
    metadb.release_lock("order", "order").await.unwrap();
}

async fn others_are_told(metadb: &dyn MetaDb) {
    take(metadb, "left", 1).await;
    append(metadb, claim("left", 1, 1, restore(1))).await;
    metadb.release_lock("left", "left").await.unwrap();
    take(metadb, "again", 1).await;
    append(metadb, claim("again", 1, 1, verdict())).await;
    append(metadb, claim("again", 1, 2, restore(2))).await;
    // Its own rows are none of others; a verdict that was followed by a rollback ends nothing.
    let own = metadb.read_record("again").await.unwrap();
    let uids = |rows: &[oms_operator::oms::metadb::RecordRow]| -> Vec<String> {
        rows.iter().map(|row| row.uid.clone()).collect()
    };
    assert_eq!(uids(&own.unfinished), ["left"]);
    let other = metadb.read_record("nobody").await.unwrap();
    assert_eq!(uids(&other.unfinished), ["again", "left"]);
    assert_eq!(other.unfinished[0].fact, restore(2));
    let newest = other.newest_verdict.unwrap();
    assert_eq!((newest.uid.as_str(), newest.seq), ("again", 1));
    append(metadb, claim("again", 1, 3, verdict())).await;
    metadb.release_lock("again", "again").await.unwrap();
    let other = metadb.read_record("nobody").await.unwrap();
    assert_eq!(uids(&other.unfinished), ["left"]);
    assert_eq!(other.newest_verdict.map(|row| row.seq), Some(3));
}

async fn the_id_stays(metadb: &dyn MetaDb) {
    let id = metadb.read_installation_id().await.unwrap();
    assert!(id.is_some());
    take(metadb, "id", 1).await;
    assert_eq!(metadb.read_installation_id().await.unwrap(), id);
    metadb.release_lock("id", "id").await.unwrap();
    assert_eq!(metadb.read_installation_id().await.unwrap(), id);
}

async fn odd_claims_are_refused(metadb: &dyn MetaDb) {
    take(metadb, "odd", 1).await;
    for odd in [
        claim("odd", 1, 0, restore(1)),
        claim("odd", 1, u32::MAX, restore(1)),
        claim("", 1, 1, restore(1)),
        claim(
            "odd",
            1,
            1,
            RecordFact::BackupVerified {
                manifest_digest: "d".repeat(40_000),
            },
        ),
    ] {
        assert!(metadb.append_record(&odd).await.is_err());
    }
    assert!(metadb.read_record("odd").await.unwrap().rows.is_empty());
    metadb.release_lock("odd", "odd").await.unwrap();
}
