//! Whether `docker_init.sh` has done its work: what its end says, what a person says. Pure.
//!
//! A documented completion text is sufficient: the guide names it as the sign that all steps were done, and no page
//! says anything about the exit status, so one that is not 0 does not count against it. It is not necessary either, for
//! no page says which of the texts an image prints: an exit status of 0 without one is a question. The new version is
//! started on it, which changes nothing that a rollback does not bring back; HA, which does, waits for an answer.
use crate::api::{
    AcceptReason, Acceptance, InitRecord, OmsUpgradeStatus, Reason, Step, UnconfirmedInit, Waiting,
};
use crate::facts::{Fact, InitLog, InitState, TargetFacts};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};
use crate::upgrade::parts::init_log::{describe_log, describe_running, note_step, quote, shorten};
use crate::upgrade::parts::targets::Target;

/// Remembers what the end of a run says. One of which no end is seen says nothing.
///
/// # Errors
/// `InitFailed`: it ended badly.
pub(crate) fn record_end(
    draft: &mut OmsUpgradeStatus,
    facts: &TargetFacts,
    init: &InitState,
) -> Result<(), Failure> {
    let target = &facts.name;
    note_step(draft, facts);
    match init {
        InitState::Completed => mark_completed(draft, target),
        InitState::Ended { code: 0 } => {
            mark_unconfirmed(draft, target, &facts.init_log.last_lines);
        }
        InitState::Ended { code } => return Err(describe_failed_init(facts, *code)),
        InitState::NotStarted | InitState::Running | InitState::Vanished => {}
    }
    Ok(())
}

/// Remembers that a completion text was seen.
fn mark_completed(draft: &mut OmsUpgradeStatus, target: &str) {
    if let Some(record) = find_record(draft, target) {
        record.completed = true;
        record.unconfirmed = None;
    }
}

/// Remembers a run that ended with exit status 0 and without a completion text. Whatever a person accepted before was
/// another run; what a run has said before stands.
fn mark_unconfirmed(draft: &mut OmsUpgradeStatus, target: &str, last_lines: &[String]) {
    if let Some(record) = find_record(draft, target).filter(|record| !record.completed) {
        let known = record.unconfirmed.as_ref();
        if known.is_none_or(|known| known.attempt != record.attempt) {
            record.unconfirmed = Some(UnconfirmedInit {
                attempt: record.attempt,
                last_lines: shorten(last_lines),
                accepted_time: None,
            });
        }
    }
}

fn find_record<'a>(draft: &'a mut OmsUpgradeStatus, target: &str) -> Option<&'a mut InitRecord> {
    draft
        .internal
        .init_runs
        .iter_mut()
        .find(|record| record.target == target)
}

/// A person may take a run for complete, by its name.
fn accept_unconfirmed_init(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let runs = draft.internal.init_runs.iter_mut();
    let named = |run: &InitRecord| is_accepted(cx, AcceptReason::InitUnconfirmed, &name_run(run));
    for record in runs.filter(|run| is_open(cx, run) && named(run)) {
        let attempt = record.attempt;
        let unconfirmed = record.unconfirmed.get_or_insert_with(|| UnconfirmedInit {
            attempt,
            ..UnconfirmedInit::default()
        });
        unconfirmed.accepted_time = Some(cx.now.clone());
    }
}

/// A run by the name under which it is accepted: another run, and one in another container, has another one.
fn name_run(run: &InitRecord) -> String {
    const SHOWN: usize = 12;
    let unconfirmed = run.unconfirmed.as_ref();
    let attempt = unconfirmed.map_or(run.attempt, |unconfirmed| unconfirmed.attempt);
    let id = run.container_id.rsplit('/').next().unwrap_or_default();
    let short: String = id.chars().take(SHOWN).collect();
    format!("{}/{attempt}/{short}", run.target)
}

/// `docker_init.sh` ended badly, or without saying how.
fn describe_failed_init(facts: &TargetFacts, code: i32) -> Failure {
    Failure::new(
        Reason::InitFailed,
        format!(
            "docker_init.sh in {} ended (exit status {code}) without its completion banner; {}",
            facts.name,
            describe_log(&facts.init_log)
        ),
    )
}

/// The new version is up, and `docker_init.sh` is known to be complete wherever it had to run: it said so, or a person
/// did. What is only not known to be incomplete does not count.
pub(crate) fn await_confirmation(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    targets: &[Target<'_>],
) -> Result<(), Next> {
    for target in targets {
        await_end(draft, target)?;
    }
    accept_unconfirmed_init(cx, draft);
    let open: Vec<&InitRecord> = list_open_runs(cx, draft).collect();
    match open.first() {
        Some(first) => Err(ask_about_unconfirmed(cx, first, &open)),
        None => Ok(()),
    }
}

/// No run is left in a pod of now of which the end is still to be seen.
fn await_end(draft: &mut OmsUpgradeStatus, target: &Target<'_>) -> Result<(), Next> {
    let name = &target.original.name;
    let run = draft
        .internal
        .init_runs
        .iter()
        .find(|run| &run.target == name);
    // Only of a run in the pod of now is there still something to see.
    let Some(run) = run.filter(|run| target.pods.iter().any(|pod| pod.uid == run.pod_uid)) else {
        return Ok(());
    };
    match &target.facts.init {
        Fact::Known(InitState::Running) => Err(Next::trouble(
            1,
            Reason::InitStillRuns,
            format!("{name} is up; docker_init.sh still runs in it once more"),
        )),
        Fact::Unknown(reason) if !is_end_known(run) => Err(Next::trouble(
            1,
            Reason::InitUnseen,
            format!("{name} is up; the record of docker_init.sh in it cannot be read: {reason}"),
        )),
        // It said so before, and the programs are up.
        _ if run.completed => Ok(()),
        Fact::Known(init) => Ok(record_end(draft, target.facts, init)?),
        Fact::Unknown(_) => Ok(()),
    }
}

fn ask_about_unconfirmed(cx: &Context<'_>, first: &InitRecord, open: &[&InitRecord]) -> Next {
    let names: Vec<&str> = open.iter().map(|run| run.target.as_str()).collect();
    let accept: Vec<Acceptance> = open
        .iter()
        .map(|run| Acceptance {
            reason: AcceptReason::InitUnconfirmed,
            value: name_run(run),
        })
        .collect();
    let values: Vec<String> = accept.iter().map(describe_acceptance).collect();
    let (attempt, end) = match &first.unconfirmed {
        Some(unconfirmed) => (unconfirmed.attempt, quote(&unconfirmed.last_lines)),
        None => (first.attempt, quote(&[])),
    };
    let failure = Failure::with_advice(
        Reason::InitUnconfirmed,
        format!(
            "docker_init.sh in {} ended well without a completion text, so whether the databases are migrated to the end is not known; the new \
             version is up on them, and HA stays off; if its log (attempt {attempt}, /home/admin/logs/oms-operator) says that all steps were done, \
             take it upon you: {}; if not, action: RollBack brings back the old version and its data, from claim {}; the log of {} ends: {end}",
            names.join(", "),
            values.join(", "),
            cx.spec.backup.claim_name,
            first.target,
        ),
    );
    Next::Stall(failure.with_acceptance(accept))
}

/// Runs of which neither they nor a person said that they are complete.
fn list_open_runs<'a>(
    cx: &'a Context<'_>,
    status: &'a OmsUpgradeStatus,
) -> impl Iterator<Item = &'a InitRecord> {
    let runs = status.internal.init_runs.iter();
    runs.filter(|run| is_open(cx, run))
}

fn is_open(cx: &Context<'_>, run: &InitRecord) -> bool {
    !run.completed && !run.is_accepted() && !is_unbegun(cx, run)
}

/// A first run that was recorded and, in the very container, never began: the programs came up before.
fn is_unbegun(cx: &Context<'_>, run: &InitRecord) -> bool {
    let mut targets = cx.observed.targets.iter();
    run.attempt == 1
        && run.unconfirmed.is_none()
        && targets.any(|facts| {
            let pods = facts.pods.known().into_iter().flatten();
            let mut containers = pods
                .filter(|pod| pod.uid == run.pod_uid)
                .map(|pod| &pod.container);
            facts.name == run.target
                && facts.init == Fact::Known(InitState::NotStarted)
                && containers
                    .any(|one| one.id == run.container_id && one.restart_count == run.restart_count)
        })
}

/// Whether the last run was seen to end. Of a complete one it is not known whether it was the last one that said so.
fn is_end_known(run: &InitRecord) -> bool {
    let unconfirmed = run.unconfirmed.as_ref();
    unconfirmed.is_some_and(|unconfirmed| unconfirmed.attempt == run.attempt)
}

/// Whether the new version is up and only the end of `docker_init.sh` is waited for.
pub(crate) fn is_end_awaited(waiting: &Waiting) -> bool {
    matches!(
        Reason::parse(&waiting.reason),
        Some(Reason::InitStillRuns | Reason::InitUnseen)
    )
}

/// Whether the time of the step went into a script that has ended now: what it started anew has time to come up.
pub(crate) fn is_end_met(cx: &Context<'_>, problem: Option<&Waiting>) -> bool {
    let awaits = |waiting: &Waiting| {
        matches!(
            Reason::parse(&waiting.reason),
            Some(Reason::InitStillRuns | Reason::InitOnceMore)
        )
    };
    let ended = |init: &InitState| matches!(init, InitState::Completed | InitState::Ended { .. });
    cx.status.waiting.as_ref().is_some_and(awaits)
        && !problem.is_some_and(awaits)
        && list_inits(cx).any(ended)
        && !list_inits(cx).any(|init| matches!(init, InitState::Running | InitState::Vanished))
}

/// Whether `docker_init.sh` is seen to run on this target, or on any.
pub(crate) fn is_init_running(cx: &Context<'_>, target: Option<&str>) -> bool {
    let mut targets = cx.observed.targets.iter();
    targets.any(|facts| {
        target.is_none_or(|name| name == facts.name)
            && facts.init == Fact::Known(InitState::Running)
    })
}

fn list_inits<'a>(cx: &Context<'a>) -> impl Iterator<Item = &'a InitState> {
    let targets = cx.observed.targets.iter();
    targets.filter_map(|facts| facts.init.known())
}

/// Nothing that is up is turned back because a script takes long, or cannot be seen: a person is asked.
pub(crate) fn ask_about_the_end(cx: &Context<'_>, waiting: &Waiting, limit: i64) -> Next {
    Next::Stall(Failure::with_advice(
        Reason::parse(&waiting.reason).unwrap_or(Reason::InitUnseen),
        format!(
            "{}, after {limit} s{}; the programs and hosts of the new version are up, and HA stays off. When docker_init.sh has ended and said that it \
             is complete, the upgrade goes on by itself. If it ends otherwise, or hangs and you have ended it, write a new spec.retryRequest: that \
             accepts nothing, the upgrade looks anew and says what is left. action: RollBack brings back the old version and its data, from the \
             verified backup on claim {}",
            waiting.message,
            describe_running(cx).map_or_else(String::new, |text| format!("; {text}")),
            cx.spec.backup.claim_name,
        ),
    ))
}

/// Whether something that is waited for was seen to be down; what could not be seen is nobody's fault.
pub(crate) fn is_seen_down(waiting: &Waiting) -> bool {
    matches!(
        Reason::parse(&waiting.reason),
        Some(
            Reason::ProgramNotRunning
                | Reason::ProgramFatal
                | Reason::Unhealthy
                | Reason::HostNotOnline
                | Reason::HeartBeatStale
        )
    )
}

/// A new version that does not come up where `docker_init.sh` did not say that it was complete: then it was not.
pub(crate) fn blame_unconfirmed_init(cx: &Context<'_>, failure: Failure) -> Failure {
    match list_open_runs(cx, cx.status).next() {
        Some(run) if cx.status.step == Some(Step::StartingFinal) => Failure::new(
            Reason::InitFailed,
            format!(
                "docker_init.sh in {} ended without an error and without its completion banner, and the new version does not come up: {}; {}",
                run.target,
                failure.message,
                describe_log(&InitLog {
                    step: run.step,
                    last_lines: run
                        .unconfirmed
                        .as_ref()
                        .map_or_else(Vec::new, |end| end.last_lines.clone()),
                }),
            ),
        ),
        _ => failure,
    }
}

/// Remembers in which container `docker_init.sh` is about to be started. What earlier runs said stands until this one
/// says more.
pub(crate) fn record_init(
    draft: &mut OmsUpgradeStatus,
    target: &str,
    pod: &crate::facts::PodFacts,
    attempt: i32,
) -> InitRecord {
    let former = draft
        .internal
        .init_runs
        .iter()
        .find(|record| record.target == target)
        .cloned();
    draft
        .internal
        .init_runs
        .retain(|record| record.target != target);
    let run = InitRecord {
        target: target.into(),
        pod_uid: pod.uid.clone(),
        container_id: pod.container.id.clone(),
        restart_count: pod.container.restart_count,
        attempt,
        completed: former.as_ref().is_some_and(|former| former.completed),
        step: None,
        unconfirmed: former.and_then(|former| former.unconfirmed),
    };
    draft.internal.init_runs.push(run.clone());
    run
}
