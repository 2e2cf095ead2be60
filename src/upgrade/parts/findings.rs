//! What a plan is told to lack, and whether an upgrade may begin on it. Pure.
use crate::api::{
    Action, CheckOutcome, CheckResult, OmsUpgradeStatus, PlanStatus, Reason, Stall, Step, Waiting,
};
use crate::upgrade::context::{Context, ObjectFacts};
use crate::upgrade::parts::gates::hold_at_start;

/// The check that tells that preflight itself, or the taking of the lock, did not come to its end.
pub(crate) const PREPARATION: &str = "Preparation";

/// Findings that a message holds; the others stand in the plan.
const TOLD: usize = 4;
/// Characters that a message has for one of them.
const LONGEST: usize = 320;
/// Characters that what was seen has at the least, whatever its way out takes.
const LEAST: usize = 120;

/// Whether every check lets the upgrade start.
pub(crate) fn is_passed(plan: &PlanStatus) -> bool {
    plan.checks.iter().all(CheckResult::is_good)
}

/// Whether an upgrade may go on from its plan to `Locking`. Whatever else has to open before it begins is asked here.
///
/// # Errors
/// What a plan without findings waits for although it shall be run; `None` where it shall not, or has findings.
pub(crate) fn may_begin(cx: &Context<'_>, plan: &PlanStatus) -> Result<(), Option<Waiting>> {
    if cx.spec.action != Action::Run || !is_passed(plan) {
        return Err(None);
    }
    hold_at_start(cx, plan).map_err(Some)
}

/// What a person has to do about a plan that waits; `None` where it has no findings.
pub(crate) fn describe_findings(object: &ObjectFacts, status: &OmsUpgradeStatus) -> Option<Stall> {
    if status.step != Some(Step::Planned) {
        return None;
    }
    let plan = status.plan.as_ref().filter(|plan| !is_passed(plan))?;
    let of = |outcome: CheckOutcome| -> Vec<&CheckResult> {
        let checks = plan.checks.iter();
        checks.filter(|check| check.outcome == outcome).collect()
    };
    // What was not made follows from a finding, and is none of its own.
    let findings = of(CheckOutcome::Failed);
    let open = of(CheckOutcome::Unknown);
    let told: Vec<String> = findings
        .iter()
        .take(TOLD)
        .map(|one| describe(one))
        .collect();
    let mut text = match findings.len() {
        0 => "the plan is not complete".to_owned(),
        1 => format!("1 finding: {}", told.join("")),
        count => {
            let numbered = told.iter().enumerate();
            let numbered: Vec<String> = numbered
                .map(|(index, one)| format!("({}) {one}", index + 1))
                .collect();
            format!("{count} findings: {}", numbered.join(" "))
        }
    };
    if findings.len() > TOLD {
        text += " and so on, see status.plan.checks";
    }
    if !open.is_empty() {
        text += &format!("; {} further check(s) could not be made before", open.len());
    }
    let ObjectFacts {
        namespace, name, ..
    } = object;
    let word = status.internal.requests.name_plan();
    text += &format!(
        "; OMS and its databases were not changed; fix that, then write a new text into spec.planRequest, for instance: \
         kubectl patch omsup -n {namespace} {name} --type=merge -p '{{\"spec\":{{\"planRequest\":\"{word}\"}}}}'"
    );
    Some(Stall {
        reason: find_reason(&findings).into(),
        message: text,
        accept: Vec::new(),
    })
}

/// What the findings come to: what stopped preflight itself tells most.
fn find_reason(findings: &[&CheckResult]) -> Reason {
    let own = findings.iter().find(|check| check.name == PREPARATION);
    own.and_then(|check| Reason::parse(&check.subject))
        .unwrap_or(Reason::CheckFailed)
}

fn describe(check: &CheckResult) -> String {
    let CheckResult {
        name,
        subject,
        evidence,
        ..
    } = check;
    let way_out = check.way_out.as_deref();
    let way_out = way_out.map_or_else(String::new, |way_out| format!("; {way_out}"));
    // What to do is told whole, where there is room for a word about what was seen.
    let room = LONGEST.saturating_sub(way_out.chars().count());
    let seen = shorten(format!("{name} {subject}: {evidence}"), room.max(LEAST));
    seen + &shorten(way_out, LONGEST)
}

fn shorten(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
