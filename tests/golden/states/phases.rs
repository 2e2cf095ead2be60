//! The phases in docs/what-happens.md: table and diagram. What happens in a phase is told there by hand; which phases
//! there are, in which order, and what follows when one cannot be done, comes from the steps.
use super::{LINE, MEANING, is_before_line, list_forward};
use crate::pin;
use oms_operator::api::{Phase, Step};
use oms_operator::upgrade::{OnFailure, StepDef, find_def};

const PAGE: &str = "docs/what-happens.md";

/// Told before the first phase behind it.
const POINT: &str = "| | **Point of no return**: from here on the way back is a rollback | by itself, or with `rollback.policy: OnRequest` when you \
    ask for it |\n";

/// A phase, with its steps.
struct Part {
    phase: Phase,
    steps: Vec<&'static StepDef>,
}

/// The phases of the way forward in their order. `Pending` is over before one sees it.
fn list_phases() -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for def in list_forward() {
        match parts.last_mut() {
            Some(part) if part.phase == def.phase => part.steps.push(def),
            _ => parts.push(Part {
                phase: def.phase,
                steps: vec![def],
            }),
        }
    }
    parts.retain(|part| part.phase != Phase::Pending);
    parts
}

fn describe_failure(def: &StepDef) -> &'static str {
    match def.failure {
        // What has no limit waits, and does not fail.
        _ if def.limit.is_none() => "",
        OnFailure::Waits => "waits as `Planned` with what was found, as before",
        OnFailure::TurnsBack if is_before_line(def.step) => "`Aborted`, as before",
        OnFailure::TurnsBack => "`RolledBack`",
        OnFailure::Stalls => "waits for you",
    }
}

/// What follows when a phase cannot be done; where its steps differ, step by step.
fn describe_failures(part: &Part) -> String {
    let first = describe_failure(part.steps[0]);
    if part.steps.iter().all(|def| describe_failure(def) == first) {
        return first.into();
    }
    let each: Vec<String> = part
        .steps
        .iter()
        .map(|def| format!("{} (in {:?})", describe_failure(def), def.step))
        .collect();
    each.join("; ")
}

/// What the table says by hand about a phase; the words of its steps where it says nothing yet.
fn find_prose(table: &str, part: &Part) -> String {
    let name = format!("{:?}", part.phase);
    let row = table.lines().find_map(|line| {
        let mut cells = line.split('|').map(str::trim);
        (cells.nth(1) == Some(name.as_str())).then(|| cells.next().unwrap_or_default().to_owned())
    });
    let words = || part.steps.iter().map(|def| def.words);
    row.unwrap_or_else(|| words().collect::<Vec<_>>().join("; "))
}

fn write_table(stored: &str) -> String {
    let mut text = String::from("| Phase | What happens | If it cannot be done |\n|---|---|---|\n");
    for part in list_phases() {
        if part.steps[0].step == LINE {
            text.push_str(POINT);
        }
        text.push_str(&format!(
            "| {:?} | {} | {} |\n",
            part.phase,
            find_prose(stored, &part),
            describe_failures(&part)
        ));
    }
    text
}

fn draw() -> String {
    let mut ways: Vec<String> = vec!["[*] --> Preflight".into()];
    let mut add = |way: String| {
        if !ways.contains(&way) {
            ways.push(way);
        }
    };
    for part in list_phases() {
        let from = part.phase;
        for def in &part.steps {
            for to in def.leads_to.iter().map(|step| find_def(*step)) {
                let when = match to.phase {
                    _ if to.step == LINE => ": point of no return",
                    Phase::Planned => ": action Plan, or findings",
                    Phase::Preflight if def.step == Step::Locking => {
                        ": a target was changed after it was checked"
                    }
                    Phase::Preflight => {
                        ": an edit, a new planRequest, or a gate or window that opens"
                    }
                    _ => "",
                };
                if to.phase != from {
                    add(format!("{from:?} --> {:?}{when}", to.phase));
                }
            }
            match def.failure {
                _ if def.limit.is_none() => {}
                OnFailure::Waits if from == Phase::Preflight => {}
                OnFailure::Waits => add(format!("{from:?} --> Planned: the lock is not to be had")),
                OnFailure::TurnsBack if is_before_line(def.step) => {
                    add(format!("{from:?} --> Aborting"));
                }
                OnFailure::TurnsBack => add(format!("{from:?} --> RollingBack")),
                OnFailure::Stalls => add(format!("{from:?} --> RollingBack: on request")),
            }
        }
    }
    for way in [
        "Succeeded --> RollingBack: on request",
        "Aborting --> Aborted",
        "RollingBack --> RolledBack",
    ] {
        add(way.into());
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    direction LR\n");
    for way in ways {
        text.push_str(&format!("    {way}\n"));
    }
    text.push_str("```\n");
    text
}

/// Puts a text between two marks; gives the page, and what stood there.
fn replace_block(page: &str, name: &str, fresh: impl Fn(&str) -> String) -> String {
    let begin = format!("<!-- {name}: generated from src/upgrade/steps -->\n\n");
    let end = format!("\n<!-- end of {name} -->");
    let (head, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{PAGE}: {begin:?} is missing"));
    let (block, tail) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("{PAGE}: {end:?} is missing"));
    format!("{head}{begin}{}{end}{tail}", fresh(block))
}

#[test]
fn the_phases_on_their_page() {
    let page = std::fs::read_to_string(pin::locate(PAGE)).unwrap();
    let page = replace_block(&page, "table of phases", write_table);
    let page = replace_block(&page, "diagram of phases", |_| draw());
    pin::check(PAGE, &page, MEANING);
}

#[test]
fn what_people_wrote_about_a_phase_stays() {
    let table = "| Phase | What happens |\n| Stopping | by hand | x |\n";
    let fresh = write_table(table);
    assert!(
        fresh.contains("| Stopping | by hand | `Aborted`, as before |"),
        "{fresh}"
    );
    assert!(
        fresh.contains("| BackingUp | dumping the databases |"),
        "{fresh}"
    );
    assert_eq!(write_table(&fresh), fresh);
}
