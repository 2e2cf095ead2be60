//! A rollback whose backup is gone from its claim, or whose image from everywhere: what runs is left alone, however
//! the calls fail on the way.
use super::explore::Limits;
use super::walk::{ask, ends_only_in, explore, walk_to_rest, walk_until_settled};
use super::world::{Setup, World};

/// Weeks after the success somebody made the claim anew under its name.
fn lose_backup() -> World {
    let mut world = walk_until_settled(World::new(1, Setup::default()));
    world.claim.clear();
    ask(&[world], "RollBack").remove(0)
}

#[test]
fn a_rollback_with_an_empty_claim_stops_nothing() {
    let start = lose_backup();
    let rest = walk_to_rest(start.clone(), |_| ());
    assert_eq!(rest.status_text("/stall/reason"), "ManifestMismatch");
    let told = rest.status_text("/stall/message");
    assert!(told.contains("PersistentVolumeClaim oms-backup"), "{told}");
    assert!(rest.oms.values().all(|oms| oms.up) && !rest.oms.is_empty());
    assert_eq!(rest.db.ha, start.db.ha);
    let limits = Limits {
        worlds: Some(600),
        every_fault: false,
    };
    let findings = explore("an empty claim", vec![start], limits);
    let stalls = [
        "RollingBack FindingBackup stalled",
        "RollingBack StoppingJobs stalled",
    ];
    ends_only_in(&findings, &stalls);
}

/// Weeks after the success the old image was thrown away by the node and by the registry.
fn lose_image() -> World {
    let mut world = walk_until_settled(World::new(1, Setup::default()));
    world.trouble.old_image_gone = true;
    ask(&[world], "RollBack").remove(0)
}

#[test]
fn a_rollback_whose_image_is_gone_stops_nothing() {
    let start = lose_image();
    let rest = walk_to_rest(start.clone(), |_| ());
    assert_eq!(rest.status_text("/stall/reason"), "OldImageNotPulled");
    assert!(rest.oms.values().all(|oms| oms.up) && !rest.oms.is_empty());
    assert_eq!(rest.db.ha, start.db.ha);
    let limits = Limits {
        worlds: Some(150),
        every_fault: false,
    };
    let findings = explore("an image that is gone", vec![start], limits);
    let stalls = [
        "RollingBack FindingBackup stalled",
        "RollingBack StoppingJobs stalled",
    ];
    ends_only_in(&findings, &stalls);
}
