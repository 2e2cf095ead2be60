//! A call that is refused for good: a lacking right, a webhook, a quota, a changed password. Whatever it is, the
//! upgrade comes to rest, and says why.
use super::access::is_write;
use super::judging::{describe_place, is_end};
use super::walk::{setup, walk_to_rest, walk_until};
use super::world::{ConfigFrom, Setup, Trouble, World};
use oms_operator::controller::CallSite;
use std::collections::{BTreeMap, BTreeSet};

/// Without these nothing can be seen, or nothing can be said. Who may not try to write a status may not write it.
const SPEECHLESS: [CallSite; 3] = [
    CallSite::GetUpgrade,
    CallSite::TryStatus,
    CallSite::ReplaceStatus,
];

fn explore_refusals(starts: &[World]) -> BTreeMap<CallSite, BTreeSet<String>> {
    let mut rests: BTreeMap<CallSite, BTreeSet<String>> = BTreeMap::new();
    for start in starts {
        let mut sites = BTreeSet::new();
        walk_to_rest(start.clone(), |site| {
            sites.insert(site);
        });
        for site in sites.into_iter().filter(|site| !SPEECHLESS.contains(site)) {
            let mut world = start.clone();
            world.refused = Some(site);
            let world = walk_to_rest(world, |_| ());
            let told = world.status_text("/step") == "Settling"
                && !world.status_text("/waiting/message").is_empty();
            assert!(
                is_end(&world) || told,
                "{site:?} refused from {:?} on: it rests at {}",
                start.status_text("/step"),
                describe_place(&world)
            );
            rests
                .entry(site)
                .or_default()
                .insert(describe_place(&world));
        }
    }
    rests
}

#[test]
fn a_refused_call_is_told_and_never_repeated_in_silence() {
    let rollback = setup(Trouble {
        init_fails: true,
        ..Trouble::default()
    });
    let container = Setup {
        config: ConfigFrom::Container,
        ..Setup::default()
    };
    let back = walk_until(World::new(1, rollback), "StartingNew");
    let rests = explore_refusals(&[
        World::new(1, Setup::default()),
        World::new(1, container),
        walk_until(World::new(1, Setup::default()), "StoppingOld"),
        walk_until(World::new(1, Setup::default()), "EnablingHa"),
        walk_until(back.clone(), "StoppingJobs"),
        back,
    ]);
    for (site, rests) in &rests {
        println!("{site:?}: {rests:?}");
    }
    let writes = rests.keys().filter(|site| is_write(**site)).count();
    assert!(
        rests.len() >= 40 && writes >= 14,
        "{} calls, {writes} of them writes",
        rests.len()
    );
    let anywhere = |site: CallSite, word: &str| rests[&site].iter().any(|rest| rest.contains(word));
    assert!(anywhere(CallSite::PatchDeployment, "stalled EffectRefused"));
    assert!(anywhere(CallSite::CreateJob, "stalled EffectRefused"));
    assert!(anywhere(CallSite::CreateEvent, "Succeeded"));
}
