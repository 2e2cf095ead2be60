//! The health of OMS before the upgrade: what will be asked after it is asked now, and what does not hold now is not
//! found out when a healthy migration is taken back for it. Pure.
use crate::api::{CheckName, HealthBaseline, HealthSubject, OmsUpgradeStatus};
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::parts::health::{
    Answer, Question, State, ask_nodes, ask_target, find_node_online, was_well,
};
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::installation::find_metadb_needs;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// Seconds between two looks that must show the same.
const APART: i64 = 20;

/// Remembers what is well. Whether it was so at two looks.
pub(crate) fn note_health(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    let now = list_well(ask_all(cx));
    let started = cx.status.step_started_time.as_ref();
    let is_of_this = |known: &&mut HealthBaseline| {
        started.is_none_or(|since| seconds_between(since, &known.since_time) >= 0)
    };
    let known = draft.internal.health_baseline.as_mut().filter(is_of_this);
    let Some(known) = known else {
        draft.internal.health_baseline = Some(HealthBaseline {
            since_time: cx.now.clone(),
            subjects: now,
        });
        return false;
    };
    // What comes and goes, or could not be read for a moment, is looked at anew, for as long as preflight may last.
    if known.subjects != now {
        known.subjects = now;
        known.since_time = cx.now.clone();
    }
    seconds_between(&known.since_time, &cx.now) >= APART
}

fn ask_all(cx: &Context<'_>) -> Vec<Answer> {
    let targets = cx.observed.targets.iter().flat_map(ask_target);
    targets.chain(ask_nodes(cx)).collect()
}

fn list_well(answers: Vec<Answer>) -> Vec<HealthSubject> {
    let mut subjects: Vec<HealthSubject> = Vec::new();
    for answer in answers.into_iter().filter(Answer::is_well) {
        let word = answer.question.word().to_owned();
        match subjects.iter_mut().find(|one| one.name == answer.subject) {
            Some(subject) => subject.well.push(word),
            None => subjects.push(HealthSubject {
                name: answer.subject,
                well: vec![word],
            }),
        }
    }
    subjects
}

/// One verdict for each thing that is not well, one for all that is.
pub(crate) fn check_health(cx: &Context<'_>) -> Vec<Found> {
    let id = CheckId::Named(CheckName::OmsHealthy);
    let mut found = Vec::new();
    let mut well = 0;
    let mut judge_each = |answers: Vec<Answer>, found: &mut Vec<Found>| {
        for answer in answers {
            match judge(cx, &answer) {
                Some(verdict) => {
                    let subject = format!("{} {}", answer.question.word(), answer.subject);
                    found.push(Found::new(id, subject, verdict));
                }
                None => well += 1,
            }
        }
    };
    for (index, facts) in cx.observed.targets.iter().enumerate() {
        if facts.find_running().is_none() {
            let verdict = Verdict::not_made(&name_target(cx, index));
            found.push(Found::new(id, &facts.name, verdict));
            continue;
        }
        // One word where nothing can be read, not one for each program.
        match facts.programs.as_result() {
            Ok(_) => judge_each(ask_target(facts), &mut found),
            Err(why) => found.push(Found::new(
                id,
                &facts.name,
                warn_of_unread("its programs", why),
            )),
        }
    }
    if let Some(needs) = find_metadb_needs(cx) {
        found.push(Found::new(id, "nodes", Verdict::not_made(&needs)));
        return found;
    }
    let metadb = &cx.observed.metadb;
    match (metadb.hosts.as_result(), metadb.heart_beats.as_result()) {
        (Err(why), _) => found.push(Found::new(id, "nodes", warn_of_unread("the nodes", why))),
        (Ok(_), Err(why)) => {
            let hosts = ask_nodes(cx).into_iter();
            let hosts = hosts.filter(|answer| answer.question == Question::Host);
            judge_each(hosts.collect(), &mut found);
            let verdict = warn_of_unread("the heart beats", why);
            found.push(Found::new(id, "heart beats", verdict));
        }
        (Ok(_), Ok(_)) => judge_each(ask_nodes(cx), &mut found),
    }
    if find_node_online(cx) == Some(false) {
        let verdict = Verdict::failed(
            "no node is ONLINE in the host table of the MetaDB",
            "bring OMS up on a node first: OPS & Monitoring > Server in its console",
        );
        found.push(Found::new(id, "every node", verdict));
    }
    if found.is_empty() {
        let text =
            format!("{well} of {well} things that will be asked of the new version are well");
        found.push(Found::new(id, "OMS", Verdict::passed(text)));
    }
    found
}

fn warn_of_unread(what: &str, why: &str) -> Verdict {
    Verdict::warning(
        format!(
            "{what} cannot be read: {why}; what cannot be told of the old version is not asked of it on a way back"
        ),
        "see to it that the operator can read it",
    )
}

/// `None` where it is well, and where there is nothing that anybody would ask for.
fn judge(cx: &Context<'_>, answer: &Answer) -> Option<Verdict> {
    let mend = "bring OMS into order first, then write a new spec.planRequest";
    let vital = answer.question.is_vital();
    let known = cx.status.internal.health_baseline.as_ref();
    match &answer.state {
        State::Well if known.is_none_or(|known| was_well(known, answer)) => None,
        State::Absent(_) if answer.question == Question::Page => None,
        State::Absent(words) | State::Unwell(words) if vital => {
            Some(Verdict::failed(words.as_str(), mend))
        }
        State::Well => Some(Verdict::excusable(
            format!(
                "{} of {} was not well at each look",
                answer.question.word(),
                answer.subject
            ),
            mend,
        )),
        State::Unwell(words) => Some(Verdict::excusable(words.as_str(), mend)),
        State::Absent(words) => Some(Verdict::warning(
            format!("{words}; so it is not asked of the new version either"),
            "nothing, where it was so all along",
        )),
        State::Unread(why) => Some(warn_of_unread(answer.question.word(), why)),
    }
}
