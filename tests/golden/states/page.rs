//! docs/states.md: the way forward, the ways back, and each step.
use super::{LINE, MEANING, is_before_line, list_back, list_forward, list_looks};
use crate::pin;
use oms_operator::api::{Step, Timeouts};
use oms_operator::upgrade::{Limit, OnFailure, StepDef};
use std::collections::BTreeSet;

/// When a way is taken, where a step leads to more than one, or the way means something by itself.
const WHEN: [(Step, Step, &str); 18] = [
    (Step::Preflight, Step::Planned, "action Plan, or findings"),
    (Step::Preflight, Step::Locking, "action Run"),
    (
        Step::Planned,
        Step::Preflight,
        "an edit, a new planRequest, or a gate or window that opens",
    ),
    (
        Step::Locking,
        Step::DisablingHa,
        "the originals are recorded",
    ),
    (
        Step::Locking,
        Step::Preflight,
        "a target was changed after it was checked",
    ),
    (
        Step::VerifyingBackup,
        Step::StartingNew,
        "point of no return",
    ),
    (
        Step::VerifyingBackup,
        Step::BackingUp,
        "an OMS wrote after the dump",
    ),
    (
        Step::StoppingJobs,
        Step::Fencing,
        "a Deployment was written, or may be",
    ),
    (
        Step::StoppingJobs,
        Step::StartingOld,
        "no Deployment was written",
    ),
    (Step::Fencing, Step::StartingOld, "abort"),
    (Step::Fencing, Step::FindingBackup, "rollback"),
    (Step::Comparing, Step::StartingOld, "equal"),
    (Step::Comparing, Step::Restoring, "different"),
    (
        Step::StartingOld,
        Step::EnablingHa,
        "originals were recorded",
    ),
    (Step::StartingOld, Step::Settling, "nothing was recorded"),
    (
        Step::StartingOld,
        Step::StoppingNew,
        "abort: another image ran, and a person vouches for the databases",
    ),
    (Step::StoppingNew, Step::Comparing, "rollback"),
    (Step::StoppingNew, Step::StartingOld, "abort"),
];

const HEAD: &str = "# The steps of an upgrade

<!-- Generated from the steps in src/upgrade/steps: UPDATE_GOLDEN=1 cargo test --test golden. Do not edit. -->

`status.step` says where an upgrade stands, `status.direction` which way it goes: `Forward`, `Abort` (back, from before the new version was
started) or `RollBack` (back, from after it). `status.phase` is made of both. What the phases mean for your OMS is in the
[what happens](what-happens.md); what the operator does in each step, line by line, in [tests/traces](../tests/traces/success.txt).
";

const FORWARD: &str = "
## The way forward

A request turns every step back: `action: Abort` or a deletion before the point of no return, `action: RollBack` (also after success) or
`action: Abort` after it. As long as nothing was touched, an edit of what the plan depends on, or a new `spec.planRequest`, begins `Preflight` anew.
A plan with findings waits in `Planned` for that, whatever `action` says. The arrows to `Aborting`, `RollingBack` and `Stalled` are what follows by itself when a step cannot be done. `StartingFinal` also asks (`InitUnconfirmed`) where `docker_init.sh`
did not say that it is complete.
";

const BACK: &str = "
## The ways back

An abort and a rollback begin in `StoppingJobs`, whatever the upgrade was doing. So does an upgrade whose status was lost: it is made anew from
the record on the Deployments. One that is older than the record in the MetaDB goes on where [that record](backup.md#when-the-cluster-was-restored) leaves no
doubt, forward or back. On a way back a person is asked (`Stalled`) where a step cannot be done; nothing turns round by itself.
";

const STEPS: &str = "
## Step by step

*At most* is the field of `spec.timeouts` with its default; a step without one waits for a person, cleans up, or bounds itself. *Looks at* is what
is read beyond the Deployments and their pods, in brackets what only some situations need. A step that cannot be done is one that failed or is not
done in its time.

### The way forward
";

const STEPS_BACK: &str = "
### The ways back

Where one of these cannot be done a person is asked. When `spec.retryRequest` is new, the step begins again; in a rollback after some reasons an
earlier one does, which looks at the databases anew.
";

const RELEASE: &str = "
An upgrade that is given up (annotation `oms.oceanbase.com/release`, its namespace or all its Deployments deleted) goes to `Settling` from
wherever it stands, and everything stays as it is.
";

fn find_when(from: Step, to: Step) -> Option<&'static str> {
    WHEN.iter()
        .find(|(one, other, _)| (*one, *other) == (from, to))
        .map(|(_, _, when)| *when)
}

fn draw(from: &str, to: &str, when: Option<&str>) -> String {
    let when = when.map_or(String::new(), |when| format!(": {when}"));
    format!("    {from} --> {to}{when}\n")
}

fn draw_ways(def: &StepDef) -> String {
    let from = format!("{:?}", def.step);
    let ways = def.leads_to.iter();
    ways.map(|to| draw(&from, &format!("{to:?}"), find_when(def.step, *to)))
        .collect()
}

/// Where a step of the way forward leads when it cannot be done.
fn find_failure(def: &StepDef) -> &'static str {
    match def.failure {
        OnFailure::Waits => "Planned",
        OnFailure::TurnsBack if is_before_line(def.step) => "Aborting",
        OnFailure::TurnsBack => "RollingBack",
        OnFailure::Stalls => "Stalled",
    }
}

/// What has no limit waits, and does not fail.
fn may_fail(def: &StepDef) -> bool {
    def.limit.is_some()
}

fn draw_forward() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Pending\n");
    for def in list_forward() {
        text.push_str(&draw_ways(def));
        if may_fail(def) {
            let failure = find_failure(def);
            let drawn = def.leads_to.contains(&Step::Planned) && failure == "Planned";
            if !drawn {
                text.push_str(&draw(&format!("{:?}", def.step), failure, None));
            }
            if failure == "Stalled" {
                let when = Some("spec.retryRequest is new, or it comes true");
                text.push_str(&draw(failure, &format!("{:?}", def.step), when));
            }
        }
    }
    text.push_str("    Settling --> Succeeded\n    Succeeded --> RollingBack: action RollBack\n");
    text.push_str("    Succeeded --> [*]\n");
    text
}

fn draw_back() -> String {
    let first = Step::StoppingJobs;
    let mut text = String::from("stateDiagram-v2\n    state \"on the way back\" as Back {\n");
    text.push_str(&format!("        [*] --> {first:?}\n"));
    for def in list_back() {
        for line in draw_ways(def).lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text.push_str("    }\n    [*] --> Back: abort or rollback\n");
    text.push_str(&draw("Back", "Stalled", Some("a step cannot be done")));
    text.push_str(&draw(
        "Stalled",
        "Back",
        Some("spec.retryRequest is new, or it comes true"),
    ));
    text.push_str("    Back --> Aborted: abort\n    Back --> RolledBack: rollback\n");
    text.push_str("    Aborted --> [*]\n    RolledBack --> [*]\n");
    text
}

fn fence(diagram: &str) -> String {
    format!("\n```mermaid\n{diagram}```\n")
}

/// The field of `spec.timeouts`, with its default.
fn describe_limit(limit: Option<Limit>) -> String {
    let Some(limit) = limit else {
        return "–".into();
    };
    let defaults = serde_json::to_value(Timeouts::default()).unwrap();
    let field = format!("{limit:?}").to_lowercase();
    let default = defaults[&field].as_str().unwrap();
    format!("`{field}`, {default}")
}

fn describe_job(def: &StepDef) -> String {
    def.job.map_or("–".into(), |role| format!("`{role:?}`"))
}

fn describe_looks(def: &StepDef) -> String {
    let looks: Vec<String> = list_looks(def)
        .into_iter()
        .map(|(name, always)| {
            if always {
                name.into()
            } else {
                format!("({name})")
            }
        })
        .collect();
    if looks.is_empty() {
        return "–".into();
    }
    looks.join(", ")
}

fn describe_failure(def: &StepDef) -> &'static str {
    match find_failure(def) {
        _ if !may_fail(def) => "–",
        "Planned" => {
            "it stands in the plan, which waits for a person: `Planned`; OMS and its databases were not changed"
        }
        "Aborting" => "everything goes back: `Aborting`",
        "RollingBack" => {
            "everything goes back, with the data: `RollingBack`; with `rollback.policy: OnRequest` a person is asked first"
        }
        _ => "a person is asked: `Stalled`",
    }
}

fn describe_retries(def: &StepDef) -> String {
    let mut targets: Vec<Step> = Vec::new();
    for (_, step) in def.retries {
        if !targets.contains(step) {
            targets.push(*step);
        }
    }
    if targets.is_empty() {
        return "here".into();
    }
    let parts: Vec<String> = targets
        .into_iter()
        .map(|target| {
            let reasons: Vec<String> = def
                .retries
                .iter()
                .filter(|(_, step)| *step == target)
                .map(|(reason, _)| format!("`{reason}`"))
                .collect();
            format!("in `{target:?}` after {}", reasons.join(", "))
        })
        .collect();
    format!("{}; else here", parts.join(", "))
}

fn write_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn write_head(names: &[&str]) -> String {
    format!(
        "\n| {} |\n|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    )
}

fn write_forward() -> String {
    let mut text = write_head(&[
        "Step",
        "Phase",
        "What it does",
        "At most",
        "Job",
        "Looks at",
        "If it cannot be done",
    ]);
    for def in list_forward() {
        if def.step == LINE {
            text.push_str(
                "| **Point of no return** | | from here on the way back is a rollback | | | | |\n",
            );
        }
        text.push_str(&write_row(&[
            format!("`{:?}`", def.step),
            format!("{:?}", def.phase),
            def.words.into(),
            describe_limit(def.limit),
            describe_job(def),
            describe_looks(def),
            describe_failure(def).into(),
        ]));
    }
    text
}

fn write_back() -> String {
    let mut text = write_head(&[
        "Step",
        "What it does",
        "At most",
        "Job",
        "Looks at",
        "A retry of a rollback begins",
    ]);
    for def in list_back() {
        text.push_str(&write_row(&[
            format!("`{:?}`", def.step),
            def.words.into(),
            describe_limit(def.limit),
            describe_job(def),
            describe_looks(def),
            describe_retries(def),
        ]));
    }
    text
}

#[test]
fn the_page_of_the_steps() {
    let text = [
        HEAD.into(),
        FORWARD.into(),
        fence(&draw_forward()),
        BACK.into(),
        fence(&draw_back()),
        RELEASE.into(),
        STEPS.into(),
        write_forward(),
        STEPS_BACK.into(),
        write_back(),
    ];
    pin::check("docs/states.md", &text.concat(), MEANING);
}

#[test]
fn every_fork_says_when() {
    let mut known: BTreeSet<(Step, Step)> = WHEN.iter().map(|(from, to, _)| (*from, *to)).collect();
    for def in list_forward().into_iter().chain(list_back()) {
        for to in def.leads_to {
            let told = find_when(def.step, *to).is_some();
            assert!(
                told || def.leads_to.len() == 1,
                "{:?} to {to:?}: when?",
                def.step
            );
            known.remove(&(def.step, *to));
        }
    }
    assert!(known.is_empty(), "no step leads so: {known:?}");
}
