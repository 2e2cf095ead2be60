//! The real controller, over the real Kubernetes client, in a world that can be cloned: every call
//! fails in every way it can, the operator dies before and after every call, and every world that
//! comes out of that is looked at, to a fixpoint.
#![allow(missing_docs)]
mod access;
mod agent;
mod backups;
mod canonical;
mod cluster;
mod conformance;
mod definitions;
mod events;
mod exits;
mod explore;
mod fixpoints;
mod gate;
mod http;
mod inside;
mod invariants;
mod judging;
mod manifests;
mod metadb;
mod mishaps;
mod older;
mod oms;
mod ownership;
mod pauses;
mod plans;
mod random;
mod record;
mod record_rules;
mod refusals;
mod replay;
mod runner;
mod silences;
mod store;
mod strangers;
mod taken_over;
mod transitions;
mod walk;
mod world;

use events::Event;
use explore::Limits;
use walk::{
    AFTER_THE_LINE, BEFORE_THE_LINE, SAMPLE, ask, ends_only_in, explore, setup, start_by_others,
    walk_seeing, walk_through, walk_to_rest, walk_until, walk_until_settled,
};
use world::{ConfigFrom, Setup, Trouble, World};

#[tokio::test]
async fn the_double_behaves_like_an_api_server() {
    conformance::check(conformance::build_client(), "default").await;
}

/// Needs a cluster, for instance that of `tests/cluster`; without `$KUBECONFIG` there is nothing to compare with.
#[tokio::test]
async fn an_api_server_behaves_like_the_double() {
    if std::env::var_os("KUBECONFIG").is_none() {
        println!("no KUBECONFIG: only the double was checked");
        return;
    }
    let client = kube::Client::try_default().await.unwrap();
    conformance::check(client, "default").await;
}

#[test]
fn sample_of_success() {
    let findings = explore("success", vec![World::new(1, Setup::default())], SAMPLE);
    assert!(findings.complete && findings.worlds > 100 && findings.sites.len() >= 40);
    ends_only_in(&findings, &["Succeeded Settling"]);
    // The way that would be told with a broken promise leads there again.
    let (walk, fingerprint) = findings.longest.unwrap();
    let mut steps = 0;
    let start = World::new(1, Setup::default());
    let end = replay::follow(&[start], &walk, |_, _| steps += 1).unwrap();
    assert!(steps > 20 && end.fingerprint() == fingerprint, "{walk}");
}

#[test]
fn sample_of_two_targets() {
    let there = World::new(2, Setup::default());
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let back = walk_until(World::new(2, setup(trouble)), "StartingNew");
    // Two targets make more worlds than one before all of them are seen.
    let limits = Limits {
        worlds: Some(3000),
        ..SAMPLE
    };
    let findings = explore("two targets", vec![there, back], limits);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Succeeded Settling", "RolledBack Settling InitFailed"],
    );
}

/// At each moment of the stop and of the start, when one target may be ahead of the other.
#[test]
fn sample_of_requests_with_two_targets() {
    let mut worlds = vec![];
    let start = walk_until(World::new(2, Setup::default()), "StoppingOld");
    let stopped = walk_seeing(start, "BackingUp", |world| worlds.push(world.clone()));
    let mut asked = ask(&worlds, "Abort");
    let mut worlds = vec![];
    let start = walk_until(stopped, "StartingNew");
    walk_seeing(start, "Initializing", |world| worlds.push(world.clone()));
    asked.extend(ask(&worlds, "RollBack"));
    let limits = Limits {
        worlds: Some(9000),
        every_fault: false,
    };
    let findings = explore("requests with two targets", asked, limits);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Aborted Settling", "RolledBack Settling RollBackRequested"],
    );
}

#[test]
fn sample_of_success_without_ha_from_a_container_by_api() {
    let setup = Setup {
        ha_off: true,
        config: ConfigFrom::Container,
        by_api: true,
        ..Setup::default()
    };
    let findings = explore("success by API", vec![World::new(1, setup)], SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Succeeded Settling"]);
}

/// HA acts at any time after it went on: keys that go back unseen are a gap.
#[test]
fn sample_of_nothing_watched() {
    let setup = |trouble| Setup {
        unwatched: true,
        trouble,
        ..Setup::default()
    };
    let there = World::new(1, setup(Trouble::default()));
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let back = walk_until(World::new(1, setup(trouble)), "StartingOld");
    let starts = vec![walk_until(there, "StartingFinal"), back];
    let findings = explore("nothing watched", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Succeeded Settling", "RolledBack Settling InitFailed"],
    );
}

/// The new version has them when it ends well, the old one never.
#[test]
fn sample_of_parameters_of_ha() {
    let setup = |by_api, trouble| Setup {
        parameters: true,
        by_api,
        trouble,
        ..Setup::default()
    };
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let there = |by_api| World::new(1, setup(by_api, Trouble::default()));
    let back = walk_until(World::new(1, setup(false, trouble)), "StartingOld");
    let starts = vec![
        walk_until(there(false), "StartingFinal"),
        walk_until(there(true), "StartingFinal"),
        back,
    ];
    let findings = explore("parameters of HA", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Succeeded Settling", "RolledBack Settling InitFailed"],
    );
}

#[test]
fn sample_of_rollback() {
    let troubles = [
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
        Trouble {
            init_kills: true,
            ..Trouble::default()
        },
        Trouble {
            unpullable: true,
            ..Trouble::default()
        },
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
    ];
    let worlds = troubles.map(|trouble| walk_until(World::new(1, setup(trouble)), "StartingNew"));
    let findings = explore("rollback", worlds.to_vec(), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling"]);
}

/// It ends without an error and does not say that it is complete: a person is asked, and answers, or goes back.
#[test]
fn sample_of_an_unconfirmed_init() {
    let silent = Trouble {
        init_silent: true,
        ..Trouble::default()
    };
    let lies = Trouble {
        init_lies: true,
        ..Trouble::default()
    };
    let needs_more = Trouble {
        programs_need_init: true,
        ..silent
    };
    let mut starts = vec![];
    for (targets, trouble) in [(1, lies), (1, needs_more), (2, silent), (1, silent)] {
        let mut world = walk_until(World::new(targets, setup(trouble)), "Initializing");
        world.asks.retry = true;
        starts.push(world);
    }
    let asked = walk_to_rest(walk_until(starts[3].clone(), "StartingFinal"), |_| ());
    assert_eq!(asked.status_text("/stall/reason"), "InitUnconfirmed");
    starts.extend(ask(&[asked], "RollBack"));
    let findings = explore("unconfirmed init", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &[
            "Succeeded Settling",
            "RolledBack Settling RollBackRequested",
            "RolledBack Settling InitFailed",
            "Restarting StartingFinal stalled InitUnconfirmed",
        ],
    );
    for end in ["Succeeded", "RolledBack", "Restarting"] {
        let met = findings.ends.keys().any(|name| name.starts_with(end));
        assert!(met, "{end} was not met: {:?}", findings.ends);
    }
}

/// What was not well before is not asked for afterwards, whatever call fails: neither there nor on the way back.
#[test]
fn sample_of_what_was_unwell_before() {
    let unwell = Trouble {
        unwell: true,
        ..Trouble::default()
    };
    let without = Trouble {
        without_sshd: true,
        ..Trouble::default()
    };
    for trouble in [unwell, without] {
        let there = World::new(1, setup(trouble));
        let settled = walk_until_settled(there.clone());
        assert_eq!(settled.status_text("/phase"), "Succeeded", "{trouble:?}");
        let fails = Trouble {
            init_fails: true,
            ..trouble
        };
        let starts = vec![
            walk_until(there, "StartingFinal"),
            walk_until(World::new(1, setup(fails)), "StartingOld"),
        ];
        let findings = explore("unwell before", starts, SAMPLE);
        assert!(findings.complete);
        ends_only_in(
            &findings,
            &["Succeeded Settling", "RolledBack Settling InitFailed"],
        );
    }
}

#[test]
fn sample_of_write_back() {
    // A console that still holds HA on in its cache when OMS is stopped.
    let mut world = walk_until(
        World::new(
            1,
            Setup {
                config: ConfigFrom::ConfigMap,
                ..setup(Trouble {
                    write_back: true,
                    ..Trouble::default()
                })
            },
        ),
        "StoppingOld",
    );
    for oms in world.oms.values_mut() {
        oms.console_text = Some(world::HA_ON.into());
    }
    // And one that does so from the beginning: it is stopped while the row is written.
    let trouble = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    let findings = explore("write back", vec![World::new(1, setup(trouble))], SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Succeeded Settling"]);
    explore(
        "write back at the last moment",
        vec![walk_until(world, "BackingUp")],
        Limits {
            worlds: Some(60),
            every_fault: false,
        },
    );
}

#[test]
fn sample_of_abort_at_every_step() {
    let worlds = walk_through(World::new(1, Setup::default()), &BEFORE_THE_LINE);
    let mut starts = ask(&worlds, "Abort");
    starts.extend(ask(&worlds[2..], "Delete"));
    let findings = explore("abort", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Aborted Settling", "Failed Settling", "gone"]);
}

/// OMS may be down before the operator has seen it: an abort must not rely on having seen the stop.
#[test]
fn sample_of_abort_at_every_moment_of_the_stop() {
    let mut worlds = vec![];
    let start = walk_until(World::new(1, Setup::default()), "DisablingHa");
    walk_seeing(start, "BackingUp", |world| worlds.push(world.clone()));
    let findings = explore("abort of the stop", ask(&worlds, "Abort"), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Aborted Settling"]);
}

/// The Deployment controller may notice the start long after it was asked for.
#[test]
fn sample_of_rollback_at_every_moment_of_the_start() {
    let mut worlds = vec![];
    let start = walk_until(World::new(1, Setup::default()), "StartingNew");
    walk_seeing(start, "Initializing", |world| worlds.push(world.clone()));
    let findings = explore("rollback of the start", ask(&worlds, "RollBack"), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling"]);
}

#[test]
fn sample_of_rollback_on_request() {
    let worlds = walk_through(World::new(1, Setup::default()), &AFTER_THE_LINE);
    let settled = walk_until_settled(worlds[5].clone());
    let mut starts = ask(&worlds, "RollBack");
    // An abort comes too late there: it is read, and that is all.
    starts.extend(ask(std::slice::from_ref(&settled), "Abort"));
    starts.extend(ask(&[settled], "RollBack"));
    starts.extend(ask(&worlds[1..3], "Delete"));
    starts.extend(ask(&worlds[..2], "Abort"));
    let findings = explore("rollback on request", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["RolledBack Settling", "Succeeded Settling", "gone"],
    );
}

/// What a restore replaced is dropped long after the end: whatever fails then, everything is given back again.
#[test]
fn sample_of_dropping_safety_copies() {
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let mut settled = walk_until_settled(World::new(1, setup(fails)));
    assert_eq!(settled.status_text("/phase"), "RolledBack");
    settled.edit("omsupgrades", world::UPGRADE, |upgrade| {
        upgrade["status"]["leftovers"] = serde_json::json!([
            {"kind": "SafetyCopy", "place": "MetaDB db:2881", "name": "rm__omsnew_1"}
        ]);
    });
    settled.clock += 169 * 3600;
    let mut begun = runner::Runner::default().run(&settled, None).world;
    assert!(!begun.is_settled(), "nothing is due");
    let quiet = explore("safety copies", vec![begun.clone()], SAMPLE);
    assert!(quiet.complete);
    ends_only_in(&quiet, &["RolledBack Settling"]);
    begun.mishaps = 1;
    begun.asks.delete = true;
    let limits = Limits {
        worlds: Some(400),
        every_fault: false,
    };
    let findings = explore("safety copies and mishaps", vec![begun], limits);
    ends_only_in(&findings, &["RolledBack Settling", "gone"]);
}

#[test]
fn sample_of_a_lost_node() {
    // Its pod is taken out of the API, its container runs on: only its sessions tell.
    let mut world = walk_until(World::new(1, Setup::default()), "StoppingOld");
    world.mishaps = 1;
    let pod = world.find_pods("oms-1").remove(0);
    let mut lost = world.after(&Event::NodeLost(pod));
    // Nothing comes up again beside it: the Deployment controller sees no pod and makes another.
    lost.mishaps = 0;
    explore(
        "lost node",
        vec![lost],
        Limits {
            worlds: Some(400),
            every_fault: false,
        },
    );
}

/// What people asked for goes away with a revert in git and comes back with the next one: it was asked for once.
#[test]
fn sample_of_requests_that_git_takes_back_and_brings_again() {
    let rollback = setup(Trouble {
        init_fails: true,
        ..Trouble::default()
    });
    let mut back = start_by_others(walk_until(World::new(1, rollback), "StartingOld"));
    back.asks.retry = true;
    let mut stop = walk_until(World::new(1, Setup::default()), "StoppingOld");
    stop.asks.abort = true;
    let mut starts = vec![back, stop];
    for world in &mut starts {
        world.asks.git = world::Git::Revert;
    }
    let findings = explore("requests and git", starts, SAMPLE);
    ends_only_in(
        &findings,
        &[
            "Succeeded Settling",
            "Aborted Settling AbortRequested",
            "RolledBack Settling",
            "RollingBack StartingOld stalled TargetContended",
        ],
    );
}

/// A request of which the answer never came arrives at any later moment: also beside the operator that has gone on
/// without it.
#[test]
fn sample_of_late_requests() {
    let rollback = setup(Trouble {
        init_fails: true,
        ..Trouble::default()
    });
    let mut stop = walk_until(World::new(1, Setup::default()), "StoppingOld");
    stop.asks.abort = true;
    let mut starts = vec![
        stop,
        World::new(1, Setup::default()),
        walk_until(World::new(1, rollback), "StartingNew"),
    ];
    for world in &mut starts {
        world.delays = 1;
    }
    let findings = explore("late requests", starts, SAMPLE);
    ends_only_in(
        &findings,
        &[
            "Succeeded Settling",
            "Aborted Settling",
            "RolledBack Settling",
        ],
    );
}
