//! What people are told of the log of `docker_init.sh`. Pure.
use crate::api::{OmsUpgradeStatus, Step};
use crate::facts::{InitLog, InitState, TargetFacts};
use crate::upgrade::context::Context;

/// Where the logs are.
const PLACE: &str = "/home/admin/logs/oms-operator";

/// Bytes of the end of a log that a message quotes. It stands in several conditions, and a status has little room.
const QUOTED: usize = 160;

/// The end of a log as far as a message has room for it: its last lines, whole where they fit.
pub(crate) fn shorten(last_lines: &[String]) -> Vec<String> {
    let mut room = QUOTED;
    let mut kept: Vec<String> = Vec::new();
    for line in last_lines.iter().rev().map(|line| line.trim()) {
        if line.is_empty() {
            continue;
        }
        if line.len() <= room {
            room -= line.len();
            kept.push(line.to_owned());
            continue;
        }
        if kept.is_empty() {
            let cut = line.char_indices().map(|(at, _)| at);
            let end = cut.take_while(|at| *at < room).last().unwrap_or(0);
            kept.push(format!("{}…", line.get(..end).unwrap_or_default()));
        }
        break;
    }
    kept.reverse();
    kept
}

/// The end of a log in one line.
pub(crate) fn quote(last_lines: &[String]) -> String {
    if last_lines.is_empty() {
        return "(nothing of it can be shown)".into();
    }
    shorten(last_lines).join(" | ")
}

/// Where the log is, how far it got and how it ends: the end of a message.
pub(crate) fn describe_log(log: &InitLog) -> String {
    let step = log
        .step
        .map_or_else(String::new, |step| format!("; it got to step {step}"));
    let end = match log.last_lines.is_empty() {
        true => String::new(),
        false => format!("; it ends: {}", quote(&log.last_lines)),
    };
    format!("its log is under {PLACE}{step}{end}")
}

/// Remembers which of its steps the script has announced last.
pub(crate) fn note_step(draft: &mut OmsUpgradeStatus, facts: &TargetFacts) {
    let mut runs = draft.internal.init_runs.iter_mut();
    let run = runs.find(|run| run.target == facts.name);
    if let (Some(run), Some(step)) = (run, facts.init_log.step) {
        run.step = Some(step);
    }
}

/// Where the script is, for the line about the step: `, oms-1 at step 4`.
pub(crate) fn describe_place(status: &OmsUpgradeStatus) -> String {
    let mut runs = status.internal.init_runs.iter();
    let open = runs.find(|run| !run.completed && run.unconfirmed.is_none());
    let place = open.filter(|_| status.step == Some(Step::Initializing));
    place
        .and_then(|run| Some(format!(", {} at step {}", run.target, run.step?)))
        .unwrap_or_default()
}

/// The log of a script that is at work when the time of a step is over: what it says is what held the step up.
pub(crate) fn describe_running(cx: &Context<'_>) -> Option<String> {
    let works = |facts: &&TargetFacts| facts.init.known() == Some(&InitState::Running);
    let facts = cx.observed.targets.iter().find(works)?;
    let log = describe_log(&facts.init_log);
    Some(format!(
        "docker_init.sh still runs in {}; {log}",
        facts.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let lines = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(quote(&lines(&["one", " ", "two "])), "one | two");
        assert_eq!(quote(&[]), "(nothing of it can be shown)");
        let long = "步".repeat(QUOTED / 3);
        assert_eq!(shorten(&lines(&[&long, "bb", "c"])), ["bb", "c"]);
        let many = vec![long.clone(); 10];
        assert_eq!(shorten(&many), [long]);
        let longer = "步".repeat(QUOTED / 3 + 1);
        let shown = shorten(&lines(&["a", &longer]));
        assert_eq!(shown.len(), 1);
        assert!(
            shown[0].ends_with("步…") && shown[0].len() <= QUOTED + 3,
            "{shown:?}"
        );
    }
}
