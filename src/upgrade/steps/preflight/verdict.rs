//! What was seen about a check, and what it comes to with what the user says about it. Pure.
use crate::api::{Check, CheckOutcome, CheckPolicy, CheckResult};
use crate::protocol::sentence::join_clause;
use crate::upgrade::context::Context;
use crate::upgrade::parts::policy;
use crate::upgrade::steps::preflight::check::CheckId;

/// What was seen about one subject of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    /// What was seen.
    pub(crate) evidence: String,
    /// What to do.
    pub(crate) way_out: Option<String>,
}

/// How much it weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Passed,
    Warning,
    Failed,
    /// Seen not to hold; the way out says when `policy: Skip` is right.
    Skippable,
    /// Seen not to hold; the user may attest that it does no harm.
    Excusable,
    /// It cannot be seen: the user may attest it.
    Unseen,
    /// The same, because who was asked did not answer: another look may see it.
    Unread,
    /// Not looked at, because something else is missing.
    NotMade,
}

impl Verdict {
    pub(crate) fn passed(evidence: impl Into<String>) -> Self {
        Self::new(Kind::Passed, evidence, None)
    }

    pub(crate) fn warning(evidence: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::new(Kind::Warning, evidence, Some(way_out.into()))
    }

    pub(crate) fn failed(evidence: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::new(Kind::Failed, evidence, Some(way_out.into()))
    }

    pub(crate) fn skippable(evidence: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::new(Kind::Skippable, evidence, Some(way_out.into()))
    }

    pub(crate) fn excusable(evidence: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::new(Kind::Excusable, evidence, Some(way_out.into()))
    }

    pub(crate) fn unseen(evidence: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::new(Kind::Unseen, evidence, Some(way_out.into()))
    }

    /// Whoever could not be asked says why; what to do follows from that.
    pub(crate) fn unread(evidence: impl Into<String>) -> Self {
        let way_out = "see to it that the operator can read it";
        Self::new(Kind::Unread, evidence, Some(way_out.into()))
    }

    /// Not looked at before something else is mended.
    pub(crate) fn not_made(needs: &str) -> Self {
        let evidence = format!("not made: needs {needs}");
        let way_out = format!("fix {needs} first");
        Self::new(Kind::NotMade, evidence, Some(way_out))
    }

    fn new(kind: Kind, evidence: impl Into<String>, way_out: Option<String>) -> Self {
        Self {
            kind,
            evidence: evidence.into(),
            way_out,
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        matches!(self.kind, Kind::Passed | Kind::Warning)
    }

    pub(crate) fn is_unseen(&self) -> bool {
        matches!(self.kind, Kind::Unseen | Kind::Unread)
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.kind == Kind::Unread
    }

    /// Not seen because of something else: what was met is told with it.
    pub(crate) fn after(self, needs: Option<&str>) -> Self {
        match needs {
            Some(needs) if self.is_unseen() => {
                let met = self.evidence;
                let mut verdict = Self::not_made(needs);
                verdict.evidence = format!("{} ({met})", verdict.evidence);
                verdict
            }
            _ => self,
        }
    }
}

/// A check of one subject, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: CheckId,
    pub(crate) subject: String,
    pub(crate) verdict: Verdict,
}

impl Found {
    pub(crate) fn new(id: CheckId, subject: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            id,
            subject: subject.into(),
            verdict,
        }
    }
}

/// What the user says about a check, if anything.
fn find_check<'a>(cx: &Context<'a>, id: CheckId) -> Option<&'a Check> {
    policy::find_check(cx, id.find_negotiable()?)
}

/// What the user wants of a check.
pub(crate) fn find_policy(cx: &Context<'_>, id: CheckId) -> CheckPolicy {
    find_check(cx, id).map_or(CheckPolicy::Require, |check| check.policy)
}

/// Judges all that was found: in the order in which it was looked at, each subject of a check once, and what is
/// skipped once for all subjects.
pub(crate) fn judge_all(cx: &Context<'_>, found: Vec<Found>) -> Vec<CheckResult> {
    let mut results: Vec<CheckResult> = Vec::new();
    for one in found {
        let mut result = judge(cx, one);
        let stands = |result: &CheckResult, subject: &str| {
            let same = |known: &&CheckResult| known.name == result.name;
            results
                .iter()
                .filter(same)
                .any(|known| known.subject == subject)
        };
        if result.outcome == CheckOutcome::Skipped && stands(&result, &result.subject) {
            continue;
        }
        let plain = result.subject.clone();
        let mut count = 1;
        while stands(&result, &result.subject) {
            count += 1;
            result.subject = format!("{plain} ({count})");
        }
        results.push(result);
    }
    results
}

/// What the user says about a check weighs in: an attestation stands for what cannot be seen, never
/// against what is seen.
pub(crate) fn judge(cx: &Context<'_>, found: Found) -> CheckResult {
    let Found {
        id,
        mut subject,
        verdict,
    } = found;
    let reason = find_check(cx, id)
        .and_then(|check| check.reason.clone())
        .unwrap_or_default();
    let Verdict {
        kind,
        mut evidence,
        mut way_out,
    } = verdict;
    let outcome = match (find_policy(cx, id), kind) {
        (CheckPolicy::Skip, _) => {
            (subject, evidence, way_out) = ("all".into(), reason, None);
            CheckOutcome::Skipped
        }
        (_, Kind::Passed) => CheckOutcome::Passed,
        (_, Kind::Warning) => CheckOutcome::Warning,
        (CheckPolicy::Attest, Kind::Failed) => {
            let help =
                "this was seen, so policy: Attest does not count; policy: Skip takes it upon you";
            way_out = Some(add_help(way_out, help));
            CheckOutcome::Failed
        }
        (_, Kind::Failed | Kind::Skippable) => CheckOutcome::Failed,
        (CheckPolicy::Attest, Kind::Excusable | Kind::Unseen | Kind::Unread | Kind::NotMade) => {
            (evidence, way_out) = (reason, None);
            CheckOutcome::Attested
        }
        (_, Kind::Unseen | Kind::Unread) if id.is_advice() => CheckOutcome::Warning,
        (CheckPolicy::Require, Kind::Unseen | Kind::Unread) => {
            if let Some(name) = id.find_negotiable() {
                let help = format!(
                    "if you know that it holds: checks: [{{name: {name}, policy: Attest, reason: \"…\"}}]"
                );
                way_out = Some(add_help(way_out, &help));
            }
            CheckOutcome::Failed
        }
        (CheckPolicy::Require, Kind::Excusable) => {
            let help = format!(
                "if it was so all along and does no harm, which then is not asked of the new version either: checks: [{{name: {}, policy: Attest, reason: \"…\"}}]",
                id.name()
            );
            way_out = Some(add_help(way_out, &help));
            CheckOutcome::Failed
        }
        (CheckPolicy::Require, Kind::NotMade) => CheckOutcome::Unknown,
    };
    CheckResult {
        name: id.name().to_owned(),
        subject: if subject.is_empty() {
            "all".into()
        } else {
            subject
        },
        outcome,
        evidence,
        way_out,
    }
}

fn add_help(way_out: Option<String>, help: &str) -> String {
    way_out.map_or_else(|| help.to_owned(), |way_out| join_clause(&way_out, help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CheckName, OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::Observed;
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    const SYNC: CheckId = CheckId::Named(CheckName::ProjectsInSync);

    fn judge_as(policy: &str, found: Vec<Found>) -> Vec<CheckResult> {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"},
            "checks": [{"name": "ProjectsInSync", "policy": policy, "reason": "known"}]}))
        .unwrap();
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &Observed::default(),
        };
        judge_all(&cx, found)
    }

    fn judge_one(policy: &str, verdict: Verdict) -> CheckResult {
        judge_as(policy, vec![Found::new(SYNC, "p_1", verdict)]).remove(0)
    }

    #[test]
    fn an_attestation_stands_for_what_is_unseen_and_is_told_where_it_does_not_count() {
        let late = || Verdict::failed("p_1 lags 90 s", "wait");
        let seen = judge_one("Attest", late());
        assert_eq!(seen.outcome, CheckOutcome::Failed);
        let way_out = seen.way_out.unwrap();
        assert!(
            way_out.contains("policy: Attest does not count; policy: Skip"),
            "{way_out}"
        );
        let plain = judge_one("Require", late());
        assert_eq!(plain.way_out.as_deref(), Some("wait"));
        let unseen = judge_one("Attest", Verdict::unread("no answer"));
        assert_eq!(unseen.outcome, CheckOutcome::Attested);
        assert_eq!((unseen.evidence.as_str(), unseen.way_out), ("known", None));
        assert_eq!(judge_one("Skip", late()).outcome, CheckOutcome::Skipped);
    }

    #[test]
    fn what_advice_cannot_see_is_a_warning_and_never_passed() {
        for unseen in [Verdict::unread("no answer"), Verdict::unseen("a", "b")] {
            let found = Found::new(CheckId::TimeZones, "oms", unseen);
            let result = judge_as("Require", vec![found]).remove(0);
            assert_eq!(result.outcome, CheckOutcome::Warning);
        }
    }

    #[test]
    fn what_was_not_made_is_unknown_and_never_good() {
        let result = judge_one("Require", Verdict::not_made("MetaDb m:1"));
        assert_eq!(result.outcome, CheckOutcome::Unknown);
        assert!(!result.is_good());
        let met = Verdict::unread("refused").after(Some("MetaDb m:1"));
        assert_eq!(met.evidence, "not made: needs MetaDb m:1 (refused)");
        let seen = Verdict::failed("seen", "do").after(Some("MetaDb m:1"));
        assert_eq!(seen.kind, Kind::Failed);
    }

    #[test]
    fn each_subject_stands_once() {
        let late = |subject: &str| Found::new(SYNC, subject, Verdict::failed("late", "wait"));
        let subjects = |policy: &str| -> Vec<String> {
            let all = vec![late("p_1"), late("p_1"), late(""), late("p_2")];
            let results = judge_as(policy, all);
            results.into_iter().map(|result| result.subject).collect()
        };
        assert_eq!(subjects("Require"), ["p_1", "p_1 (2)", "all", "p_2"]);
        assert_eq!(subjects("Skip"), ["all"]);
    }
}
