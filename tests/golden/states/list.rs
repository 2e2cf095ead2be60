//! The steps for the programs in Python, which see the operator from outside.
use super::{MEANING, is_before_line, list_back, list_forward};
use crate::{pin, to_text};
use oms_operator::upgrade::{OnFailure, list_defs};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn the_list_for_the_end_to_end_tests() {
    let back: BTreeSet<_> = list_back().iter().map(|def| def.step).collect();
    let forward: BTreeSet<_> = list_forward().iter().map(|def| def.step).collect();
    let steps: Vec<_> = list_defs()
        .map(|def| {
            let is_forward = forward.contains(&def.step);
            json!({
                "step": format!("{:?}", def.step),
                "phase": is_forward.then(|| format!("{:?}", def.phase)),
                "forward": is_forward,
                "back": back.contains(&def.step),
                "beforeTheLine": is_forward && is_before_line(def.step),
                "turnsBack": def.failure == OnFailure::TurnsBack,
            })
        })
        .collect();
    pin::check("tests/e2e/steps.json", &to_text(&json!(steps)), MEANING);
}

/// Words behind `wait_step(` and the like are steps: a step that is renamed is waited for in vain.
#[test]
fn the_python_programs_wait_for_steps_that_exist() {
    let known: BTreeSet<String> = list_defs().map(|def| format!("{:?}", def.step)).collect();
    let mut paths = Vec::new();
    super::super::source::list_files(&pin::locate("tests/e2e"), &mut paths);
    let mut seen = 0;
    for path in paths {
        if path.extension().is_none_or(|ending| ending != "py") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for behind in text.split("wait_step(\"").skip(1) {
            let word = behind.split('"').next().unwrap_or_default();
            assert!(
                known.contains(word),
                "{}: {word} is no step",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} waits were read");
}
