//! What is asked about the health of OMS, before the upgrade and after it, in the same words. Pure.
//!
//! What an image of OMS does is not the same everywhere: so only what the running old version was seen to do is asked
//! of it later (`status.internal.healthBaseline`), and of the new version nginx, the console and one node that is
//! ONLINE besides.
use crate::api::{HealthBaseline, Reason};
use crate::facts::{Fact, TargetFacts};
use crate::oms::container::{CONSOLE_PROGRAM, ProgramState, REQUIRED_PROGRAMS};
use crate::oms::open_api::Health;
use crate::upgrade::context::Context;
use crate::upgrade::parts::targets::goes_forward;
use std::collections::BTreeSet;

/// Heart beats older than this are stale, seconds.
const STALE_HEART_BEAT: i64 = 60;

/// The program that a node cannot be without, beside the console.
const NGINX: &str = "nginx";

/// One question about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A program of a Deployment is RUNNING.
    Program(&'static str),
    /// `/oms/health` of a Deployment says healthy.
    Page,
    /// A node is ONLINE.
    Host,
    /// The heart beat of a node is fresh.
    HeartBeat,
}

impl Question {
    /// As it stands in the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Program(name) => name,
            Self::Page => "page",
            Self::Host => "host",
            Self::HeartBeat => "heartBeat",
        }
    }

    /// Without it no version of OMS works: nobody can excuse it.
    pub(crate) fn is_vital(self) -> bool {
        matches!(self, Self::Program(NGINX | CONSOLE_PROGRAM))
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Well,
    /// It is not there, in these words.
    Absent(String),
    /// It could not be read, for this reason.
    Unread(String),
    /// It is there and not well, in these words.
    Unwell(String),
}

/// A question, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// A Deployment or a node.
    pub(crate) subject: String,
    pub(crate) question: Question,
    pub(crate) state: State,
}

impl Answer {
    fn new(subject: &str, question: Question, state: State) -> Self {
        Self {
            subject: subject.to_owned(),
            question,
            state,
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.state == State::Well
    }

    /// What a step says that waits for it.
    pub(crate) fn describe_trouble(&self) -> (Reason, String) {
        let subject = &self.subject;
        let reason = match (self.question, &self.state) {
            (Question::Program(_), State::Unread(_)) => Reason::ProgramsUnseen,
            (Question::Program(_), _) => Reason::ProgramNotRunning,
            (Question::Page, State::Unread(_)) => Reason::ConsoleUnseen,
            (Question::Page, _) => Reason::Unhealthy,
            (Question::Host | Question::HeartBeat, State::Unread(_)) => Reason::HostsUnseen,
            (Question::Host, _) => Reason::HostNotOnline,
            (Question::HeartBeat, _) => Reason::HeartBeatStale,
        };
        let message = match (&self.state, self.question) {
            (State::Unread(why), Question::Program(_)) => {
                format!("the programs of {subject} cannot be read: {why}")
            }
            (State::Unread(why), Question::Page) => {
                format!("/oms/health of {subject} cannot be read: {why}")
            }
            (State::Absent(words) | State::Unread(words) | State::Unwell(words), _) => {
                words.clone()
            }
            (State::Well, _) => format!("{} of {subject} is well", self.question.word()),
        };
        (reason, message)
    }
}

/// The programs and the page of one target.
pub(crate) fn ask_target(facts: &TargetFacts) -> Vec<Answer> {
    let name = &facts.name;
    let ask = |program| {
        Answer::new(
            name,
            Question::Program(program),
            see_program(facts, program),
        )
    };
    let mut answers: Vec<Answer> = REQUIRED_PROGRAMS.into_iter().map(ask).collect();
    let page = match &facts.health {
        Fact::Known(Health::Healthy) => State::Well,
        Fact::Known(Health::NotOffered) => State::Absent(format!("{name} has no /oms/health")),
        Fact::Known(Health::Unhealthy) => {
            State::Unwell(format!("/oms/health of {name} does not say healthy"))
        }
        Fact::Unknown(why) => State::Unread(why.clone()),
    };
    answers.push(Answer::new(name, Question::Page, page));
    answers
}

fn see_program(facts: &TargetFacts, wanted: &str) -> State {
    let name = &facts.name;
    let programs = match &facts.programs {
        Fact::Known(programs) => programs,
        Fact::Unknown(why) => return State::Unread(why.clone()),
    };
    let mut same = programs.iter().filter(|one| one.name == wanted).peekable();
    if same.peek().is_none() {
        return State::Absent(format!(
            "{wanted} is not RUNNING on {name}: supervisord does not list it"
        ));
    }
    if same.any(|one| one.state == ProgramState::Running) {
        State::Well
    } else {
        State::Unwell(format!("{wanted} is not RUNNING on {name}"))
    }
}

/// Host row and heart beat of each node.
pub(crate) fn ask_nodes(cx: &Context<'_>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for node in list_nodes(cx) {
        answers.push(Answer::new(&node, Question::Host, see_host(cx, &node)));
        let beat = see_heart_beat(cx, &node);
        answers.push(Answer::new(&node, Question::HeartBeat, beat));
    }
    answers
}

/// The nodes that `cm_nodes` lists. Where it lists none: those that the MetaDB has, now and before the upgrade. Never
/// one that is gone for good.
fn list_nodes(cx: &Context<'_>) -> BTreeSet<String> {
    let mut nodes = list_all_nodes(cx);
    nodes.retain(|node| !cx.spec.retired_nodes.contains(node));
    nodes
}

fn list_all_nodes(cx: &Context<'_>) -> BTreeSet<String> {
    let listed = match (
        cx.observed.installation.known(),
        cx.status.installation.as_ref(),
    ) {
        (_, Some(recorded)) if cx.status.started_time.is_some() => recorded.nodes.as_slice(),
        (Some(seen), _) => seen.nodes.as_slice(),
        (None, _) => &[],
    };
    if !listed.is_empty() {
        return listed.iter().cloned().collect();
    }
    let baseline = cx.status.internal.health_baseline.as_ref();
    let of_node = [Question::Host.word(), Question::HeartBeat.word()];
    let before = baseline.into_iter().flat_map(|known| &known.subjects);
    let before = before.filter(|one| one.well.iter().any(|word| of_node.contains(&word.as_str())));
    let hosts = cx.observed.metadb.hosts.known();
    let now = hosts.into_iter().flatten().map(|host| host.ip.clone());
    // Without a baseline it stays as it was when such an upgrade began.
    let now = now.filter(|_| baseline.is_some() || cx.status.started_time.is_none());
    before.map(|one| one.name.clone()).chain(now).collect()
}

fn see_host(cx: &Context<'_>, node: &str) -> State {
    match &cx.observed.metadb.hosts {
        Fact::Unknown(why) => State::Unread(why.clone()),
        Fact::Known(hosts) => match hosts.iter().find(|host| host.ip == node) {
            Some(host) if host.is_online() => State::Well,
            Some(host) => State::Unwell(format!("node {node} is {}, not ONLINE", host.status)),
            None => State::Absent(format!("node {node} is not in the host table")),
        },
    }
}

fn see_heart_beat(cx: &Context<'_>, node: &str) -> State {
    let beats = match &cx.observed.metadb.heart_beats {
        Fact::Unknown(why) => return State::Unread(why.clone()),
        Fact::Known(beats) => beats,
    };
    let of_node = beats.iter().filter(|beat| beat.host_ip == node);
    match of_node.map(|beat| beat.age_seconds).min() {
        None => State::Absent(format!("node {node} has no heart beat")),
        Some(age) if age < -STALE_HEART_BEAT => State::Unread(format!(
            "the newest heart beat of node {node} is {} s ahead of the clock of the MetaDB, so its age says nothing: OMS and the MetaDB are in different time zones",
            age.unsigned_abs()
        )),
        Some(age) if age <= STALE_HEART_BEAT => State::Well,
        Some(age) => State::Unwell(format!(
            "node {node} has no fresh heart beat: the newest is {age} s old by the clock of the MetaDB"
        )),
    }
}

/// Whether some node is ONLINE; `None` where the table cannot be read.
pub(crate) fn find_node_online(cx: &Context<'_>) -> Option<bool> {
    let hosts = cx.observed.metadb.hosts.known()?;
    Some(hosts.iter().any(|host| host.is_online()))
}

/// Whether it is asked of OMS now: what was well before, and of the new version what no version is without. Where
/// nobody looked before, everything is, as far as it can be told.
pub(crate) fn is_demanded(cx: &Context<'_>, answer: &Answer) -> bool {
    let question = answer.question;
    // A version that has no such page is not sick.
    if question == Question::Page && matches!(answer.state, State::Absent(_)) {
        return false;
    }
    let Some(baseline) = &cx.status.internal.health_baseline else {
        return question != Question::Page || matches!(answer.state, State::Unwell(_));
    };
    was_well(baseline, answer) || (goes_forward(cx) && question.is_vital())
}

/// Whether it was well at the looks before the upgrade.
pub(crate) fn was_well(baseline: &HealthBaseline, answer: &Answer) -> bool {
    let mut subjects = baseline.subjects.iter();
    subjects.any(|one| {
        one.name == answer.subject && one.well.iter().any(|word| word == answer.question.word())
    })
}
