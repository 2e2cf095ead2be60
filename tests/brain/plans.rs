//! A plan tells everything at once, waits for a person, and is made again when it is asked for.
use super::world::{JobEnd, Trouble, World};
use super::*;
use oms_operator::api::{CheckOutcome, CheckResult, PlanStatus};
use oms_operator::oms::metadb::ServerCoverage;
use oms_operator::protocol::report::{Privilege, PrivilegeState};
use oms_operator::upgrade::{Decision, decide};
use serde_json::json;

/// What somebody or something does to a world.
type Change = fn(&mut World);

fn plan(world: &World) -> &PlanStatus {
    world.status.plan.as_ref().unwrap()
}

/// Names and subjects of all checks with an outcome.
fn list(world: &World, outcome: CheckOutcome) -> Vec<String> {
    let checks = plan(world).checks.iter();
    let of = checks.filter(|check| check.outcome == outcome);
    of.map(|check| format!("{} {}", check.name, check.subject))
        .collect()
}

fn edit(world: &mut World, change: impl FnOnce(&mut World)) {
    change(world);
    world.generation += 1;
}

fn ask_anew(world: &mut World, word: &str) {
    edit(world, |world| world.spec.plan_request = Some(word.into()));
}

/// Passes until nothing moves.
fn rest(world: &mut World) {
    for _ in 0..200 {
        if !world.run_pass() & !world.run_cluster() {
            return;
        }
    }
    panic!("no rest: {:?}", world.status.step);
}

/// Looks until what cannot be seen is judged.
fn wait_for_facts(world: &mut World) {
    for _ in 0..4 {
        world.clock += 30;
        rest(world);
    }
}

/// Nothing shows that the old version survives a restart.
pub fn never_restarted(world: &mut World) {
    let check = json!({"name": "ImagePullable", "policy": "Skip", "reason": "test"});
    world.spec.checks = vec![serde_json::from_value(check).unwrap()];
    world.nodes[0].object["metadata"]["creationTimestamp"] = json!("2027-01-15T08:00:00Z");
}

/// None falls behind while time passes.
fn without_projects() -> Trouble {
    Trouble {
        no_project: true,
        ..Trouble::default()
    }
}

fn lack(purpose: &str) -> Privilege {
    Privilege {
        purpose: purpose.into(),
        state: PrivilegeState::Missing,
        grant: Some(format!("GRANT SELECT ON `{purpose}`.* TO 'oms'@'%'")),
    }
}

/// An account that is missing, a pod that never restarted, a claim that is missing: one plan tells all three, and once
/// they are mended one word goes on.
#[test]
fn all_findings_are_told_at_once_and_one_word_goes_on() {
    let mut world = World::new(1, true, Trouble::default());
    never_restarted(&mut world);
    (world.account_gone, world.claim_gone) = (true, true);
    run(&mut world);
    let told = expect_findings(&world, "CheckFailed");
    assert_eq!(
        list(&world, CheckOutcome::Failed),
        [
            "Claim oms-backup",
            "Installation config.yaml",
            "OldImageRestarts oms-1"
        ]
    );
    for words in [
        "3 findings",
        "spec.backup.claimName",
        "no Secret is mounted",
        "kubectl rollout restart deployment oms-1",
        "could not be made before",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let open = list(&world, CheckOutcome::Unknown);
    for name in [
        "MetaDb MetaDB",
        "BackupProbe probe Job",
        "HaReadable ha.config",
    ] {
        assert!(open.iter().any(|one| one == name), "{name}: {open:?}");
    }
    assert!(world.jobs.is_empty());
    // The world becomes better, and nothing begins by itself.
    (world.account_gone, world.claim_gone) = (false, false);
    world.nodes[0].object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    for _ in 0..20 {
        world.run_pass();
        world.clock += 100_000;
    }
    expect_findings(&world, "CheckFailed");
    world.checkpoint += world.clock;
    ask_anew(&mut world, "2");
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(!condition_is_true(&world.status.conditions, types::PLANNED));
}

/// What the probe finds stands beside what was found without it, each with its subject.
#[test]
fn the_findings_of_the_probe_stand_beside_the_others() {
    let mut world = World::new(1, true, without_projects());
    never_restarted(&mut world);
    world.probe.privileges = vec![lack("dump oms_rm"), lack("dump oms_cm")];
    world.probe.missing_databases = vec!["oms_cm_hb".into()];
    world.probe.unsupported_objects = vec!["trigger oms_rm.t".into(), "event oms_rm.e".into()];
    run(&mut world);
    expect_findings(&world, "CheckFailed");
    assert_eq!(
        list(&world, CheckOutcome::Failed),
        [
            "OldImageRestarts oms-1",
            "Databases oms_cm_hb",
            "Privileges dump oms_rm",
            "Privileges dump oms_cm",
            "Objects trigger oms_rm.t",
            "Objects event oms_rm.e"
        ]
    );
    let way_out = |check: &CheckResult| check.way_out.is_some();
    let checks = &plan(&world).checks;
    assert!(checks.iter().filter(|check| !check.is_good()).all(way_out));
    assert!(checks.iter().all(|check| !check.subject.is_empty()));
}

/// A plan waits however the probe ends, with whatever was seen without it.
#[test]
fn a_probe_that_fails_hides_nothing() {
    let mut world = World::new(1, true, Trouble::default());
    never_restarted(&mut world);
    for _ in 0..300 {
        world.run_pass();
        if let Some((_, end)) = world.jobs.get_mut(&JobRole::Probe) {
            *end = JobEnd::Bad(oms_operator::protocol::report::Reason::AccessDenied);
        }
        world.clock += 1;
    }
    expect_findings(&world, "CheckFailed");
    let failed = list(&world, CheckOutcome::Failed);
    assert_eq!(failed, ["OldImageRestarts oms-1", "BackupProbe probe Job"]);
    let open = list(&world, CheckOutcome::Unknown);
    assert!(open.contains(&"Privileges metadb:2881".into()), "{open:?}");
}

/// Past its time preflight tells what it has seen, and what it waited for.
#[test]
fn past_its_time_a_plan_tells_what_was_seen() {
    let mut world = World::new(1, true, without_projects());
    never_restarted(&mut world);
    run_until(&mut world, Step::Preflight);
    for _ in 0..1000 {
        world.run_pass();
        world.clock += 1;
    }
    let told = expect_findings(&world, "Timeout");
    assert!(told.contains("OldImageRestarts oms-1"), "{told}");
    let failed = list(&world, CheckOutcome::Failed);
    assert_eq!(failed, ["OldImageRestarts oms-1", "Preparation Timeout"]);
    // The Job that hangs is not left behind.
    let (_, end) = &world.jobs[&JobRole::Probe];
    assert_eq!(*end, JobEnd::Gone);
}

/// A word counts once. What only steers an upgrade makes no plan again, nor does a word that comes back.
#[test]
fn only_an_edit_or_a_new_word_makes_the_plan_again() {
    let mut world = World::new(1, true, Trouble::default());
    world.claim_gone = true;
    ask_anew(&mut world, "1");
    run(&mut world);
    expect_findings(&world, "CheckFailed");
    let plans = |world: &World| {
        let passed = world.status.history.iter();
        passed.filter(|one| one.step == Step::Preflight).count()
    };
    assert_eq!(plans(&world), 1);
    let asks: [(&str, bool, Change); 9] = [
        ("paused", false, |world| world.spec.paused = true),
        ("not paused", false, |world| world.spec.paused = false),
        ("a retry", false, |world| {
            world.spec.retry_request = Some("again".into());
        }),
        ("a new word", true, |world| {
            world.spec.plan_request = Some("2".into());
        }),
        ("a former word", false, |world| {
            world.spec.plan_request = Some("1".into());
        }),
        ("no word", false, |world| world.spec.plan_request = None),
        ("the word again", false, |world| {
            world.spec.plan_request = Some("2".into());
        }),
        ("another claim", true, |world| {
            world.spec.backup.claim_name = "another".into();
        }),
        ("another limit", true, |world| {
            world.spec.timeouts.preflight = "11m".parse().unwrap();
        }),
    ];
    let mut wanted = 1;
    for (what, makes, ask) in asks {
        edit(&mut world, ask);
        rest(&mut world);
        wanted += usize::from(makes);
        assert_eq!(plans(&world), wanted, "{what}");
        assert_eq!(world.status.phase, Some(Phase::Planned), "{what}");
        let generation = Some(world.generation);
        assert_eq!(world.status.observed_generation, generation, "{what}");
    }
}

/// Findings that vanish are told no more; those that are left are.
#[test]
fn a_plan_that_is_made_again_holds_what_is_found_then() {
    let mut world = World::new(1, true, without_projects());
    world.ask(Action::Plan);
    world.claim_gone = true;
    world.coverage = ServerCoverage::AnsweringServer;
    rest(&mut world);
    wait_for_facts(&mut world);
    let failed = list(&world, CheckOutcome::Failed);
    let sessions = "SessionsVisible metadb:2881";
    assert_eq!(failed, ["Claim oms-backup", sessions]);
    world.claim_gone = false;
    ask_anew(&mut world, "2");
    rest(&mut world);
    wait_for_facts(&mut world);
    let told = expect_findings(&world, "CheckFailed");
    assert!(
        told.starts_with(&format!("1 finding: {sessions}")),
        "{told}"
    );
    world.coverage = ServerCoverage::AllServers;
    // A word of a person also when it is the word to begin.
    edit(&mut world, |world| world.ask(Action::Run));
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// An edit while the lock is held, and a finding afterwards: the lock is given back all the same.
#[test]
fn a_plan_that_waits_holds_no_lock() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Locking);
    while world.lock.is_none() {
        world.run_pass();
    }
    world.claim_gone = true;
    ask_anew(&mut world, "2");
    rest(&mut world);
    expect_findings(&world, "CheckFailed");
    assert!(world.lock.is_none(), "the lock is held");
    world.claim_gone = false;
    ask_anew(&mut world, "3");
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_plan_with_findings_is_deleted_at_once() {
    let mut world = World::new(1, true, Trouble::default());
    world.claim_gone = true;
    run(&mut world);
    expect_findings(&world, "CheckFailed");
    world.deleting = true;
    run_slowly(&mut world, 100, |world| world.status.settled);
    assert_eq!(world.status.phase, Some(Phase::Aborted));
    assert!(condition_is_true(&world.status.conditions, types::FINISHED));
    assert!(!world.finalizer);
}

/// The hash of a plan that is made in a world.
fn hash(change: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(1, true, Trouble::default());
    world.ask(Action::Plan);
    change(&mut world);
    run(&mut world);
    let hash = plan(&world).hash.clone().unwrap();
    let digits = hash.strip_prefix("sha256:").unwrap();
    assert!(digits.len() == 64 && digits.chars().all(|digit| digit.is_ascii_hexdigit()));
    hash
}

#[test]
fn the_hash_of_a_plan_knows_no_numbers_times_and_sizes() {
    let plain = hash(|_| ());
    let changes: [(&str, Change); 4] = [
        ("times", |world| world.clock = 9),
        ("sizes", |world| {
            world.probe.estimated_bytes = 1 << 30;
            world.probe.free_bytes = 1 << 41;
            world.probe.dump_seconds = 77;
            world.probe.restore_seconds = 78;
        }),
        ("lags", |world| {
            (world.lags, world.checkpoint) = (20, world.checkpoint - 20)
        }),
        ("numbers", |world| world.probe.heartbeat_sequence_rows = 999),
    ];
    for (what, change) in changes {
        assert_eq!(hash(change), plain, "{what}");
    }
}

#[test]
fn the_hash_of_a_plan_knows_everything_else() {
    let mut hashes = vec![hash(|_| ())];
    let changes: [(&str, Change); 13] = [
        ("goal of HA", |world| {
            world.spec.ha.goal = oms_operator::api::HaGoal::Restore;
        }),
        ("HA after a way back", |world| {
            world.spec.ha.rollback_goal = oms_operator::api::HaRollbackGoal::Disabled;
        }),
        ("parameters of HA", |world| {
            world.spec.ha.parameters = Some(oms_operator::api::HaParameters {
                enable_host: Some(true),
                ..Default::default()
            });
        }),
        ("proof of the backup", |world| {
            world.spec.backup.verification = oms_operator::api::Verification::Manifest;
        }),
        ("image", |world| world.spec.image += "-hotfix"),
        ("digest", |world| {
            world.spec.checks.truncate(1);
            world.digest = Some("sha256:one".into());
        }),
        ("another digest", |world| {
            world.spec.checks.truncate(1);
            world.digest = Some("sha256:other".into());
        }),
        ("uid", |world| {
            world.nodes[0].object["metadata"]["uid"] = json!("uid-other");
        }),
        ("source version", |world| {
            world.run_image("oms:feature_3.3.0-ce")
        }),
        ("databases", |world| world.metadb_host = "other".into()),
        ("restore method", |world| {
            world.probe.rename_across_databases =
                oms_operator::protocol::report::Trial::Unsupported("no".into());
        }),
        ("the reason of a skip", |world| {
            world.spec.checks[1].reason = Some("somebody else's".into());
        }),
        ("uncovered projects", |world| {
            (world.trouble.no_project, world.trouble.paused_beside) = (true, true);
        }),
    ];
    for (what, change) in changes {
        let one = hash(change);
        assert!(!hashes.contains(&one), "{what}");
        hashes.push(one);
    }
}

/// Who vouches for what cannot be seen, and why, is part of what is approved.
#[test]
fn the_hash_of_a_plan_knows_the_words_of_an_attestation() {
    let attested = |reason: &str| {
        let check = json!({"name": "SessionsVisible", "policy": "Attest", "reason": reason});
        hash(|world| {
            world.coverage = ServerCoverage::AnsweringServer;
            let check = serde_json::from_value(check).unwrap();
            world.spec.checks.push(check);
        })
    };
    let one = attested("looked at on every server");
    assert_eq!(attested("looked at on every server"), one);
    assert_ne!(attested("looked at on one server"), one);
}

#[test]
fn a_plan_names_the_projects_that_nobody_watches() {
    let list = |trouble: Trouble| {
        let mut world = World::new(1, true, trouble);
        world.ask(Action::Plan);
        run(&mut world);
        plan(&world).uncovered_projects.clone()
    };
    assert!(list(Trouble::default()).is_empty());
    let unwatched = Trouble {
        unwatched: true,
        ..Trouble::default()
    };
    assert_eq!(list(unwatched), ["p_1"]);
    let paused = Trouble {
        paused_beside: true,
        no_project: true,
        ..Trouble::default()
    };
    assert_eq!(list(paused), ["p_2"]);
}

/// Nothing was changed, so nothing is put back: people are not told of a way back that is none.
#[test]
fn an_object_that_goes_before_it_began_alarms_nobody() {
    let mut world = World::new(1, true, Trouble::default());
    world.ask(Action::Plan);
    run(&mut world);
    world.deleting = true;
    let mut told = Vec::new();
    while world.finalizer {
        if let Decision::Record { notes, .. } = world.ask_brain(&world.observe(), decide) {
            told.extend(notes);
        }
        take_turn(&mut world);
    }
    assert!(told.iter().all(|note| !note.warning), "{told:?}");
    let reasons: Vec<&str> = told.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(reasons, ["Aborted"], "{told:?}");
    assert!(told[0].message.contains("had not begun"), "{told:?}");
}
