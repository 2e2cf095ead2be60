//! A check: its name, what was seen about it, and what the user says about it. Pure.
use crate::api::{Check, CheckName, CheckOutcome, CheckPolicy, CheckResult};
use crate::protocol::sentence::join_clause;
use crate::upgrade::context::Context;
use crate::upgrade::parts::policy;

/// A check of preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckId {
    /// One that the user may speak about.
    Named(CheckName),
    /// The claim of the backup is there.
    Claim,
    /// The installation is known.
    Installation,
    /// The MetaDB answers.
    MetaDb,
    /// No other upgrade holds the lock of the MetaDB.
    OneUpgradePerMetaDb,
    /// `ha.config` can be read.
    HaReadable,
    /// The probe Job came to its end.
    BackupProbe,
    /// Not more projects than are watched.
    ManyProjects,
    /// No other upgrade has one of the targets.
    OneUpgrade,
    /// A target is as it must be, and runs.
    Targets,
    /// The record of a target fits beside its annotations, and all of them into a Secret.
    RecordsFit,
    /// The Job can write to the claim.
    ClaimWritable,
    /// The claim has room.
    ClaimSpace,
    /// The databases exist.
    Databases,
    /// The account may dump and restore.
    Privileges,
    /// A restore was tried.
    RestoreMethod,
    /// The backup carries every object.
    Objects,
    /// No setting of the server cuts the dump.
    ServerSettings,
    /// The time limit of statements can be raised.
    QueryTimeout,
    /// The table that the guide lets one shorten.
    HeartbeatSequence,
}

/// Those that the user cannot speak about, in the order in which they are made.
#[cfg(feature = "testing")]
const FIXED: [CheckId; 19] = [
    CheckId::Claim,
    CheckId::Installation,
    CheckId::MetaDb,
    CheckId::OneUpgradePerMetaDb,
    CheckId::HaReadable,
    CheckId::BackupProbe,
    CheckId::ManyProjects,
    CheckId::OneUpgrade,
    CheckId::Targets,
    CheckId::RecordsFit,
    CheckId::ClaimWritable,
    CheckId::ClaimSpace,
    CheckId::Databases,
    CheckId::Privileges,
    CheckId::RestoreMethod,
    CheckId::Objects,
    CheckId::ServerSettings,
    CheckId::QueryTimeout,
    CheckId::HeartbeatSequence,
];

/// The names of all checks.
#[cfg(feature = "testing")]
pub fn list_check_names() -> impl Iterator<Item = &'static str> {
    let named = CheckName::ALL.iter().map(|check| CheckId::Named(*check));
    FIXED.into_iter().chain(named).map(CheckId::name)
}

impl CheckId {
    /// Its name in `spec.checks`, where the user may attest or skip it.
    pub(crate) fn find_negotiable(self) -> Option<CheckName> {
        match self {
            Self::Named(check) => Some(check),
            _ => None,
        }
    }

    /// Its name in `status.plan.checks`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Named(check) => check.as_str(),
            Self::Claim => "Claim",
            Self::Installation => "Installation",
            Self::MetaDb => "MetaDb",
            Self::OneUpgradePerMetaDb => "OneUpgradePerMetaDb",
            Self::HaReadable => "HaReadable",
            Self::BackupProbe => "BackupProbe",
            Self::ManyProjects => "ManyProjects",
            Self::OneUpgrade => "OneUpgrade",
            Self::Targets => "Targets",
            Self::RecordsFit => "RecordsFit",
            Self::ClaimWritable => "ClaimWritable",
            Self::ClaimSpace => "ClaimSpace",
            Self::Databases => "Databases",
            Self::Privileges => "Privileges",
            Self::RestoreMethod => "RestoreMethod",
            Self::Objects => "Objects",
            Self::ServerSettings => "ServerSettings",
            Self::QueryTimeout => "QueryTimeout",
            Self::HeartbeatSequence => "HeartbeatSequence",
        }
    }
}

/// What was seen about a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed(String),
    Warning(String),
    Failed(String),
    /// Seen not to hold; the message says when `policy: Skip` is right.
    Skippable(String),
    /// It cannot be seen: the user may attest it.
    Unseen(String),
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Passed(_) | Self::Warning(_))
    }
}

pub(crate) type Found = (CheckId, Verdict);

/// What the user says about a check, if anything.
fn find_check<'a>(cx: &Context<'a>, id: CheckId) -> Option<&'a Check> {
    policy::find_check(cx, id.find_negotiable()?)
}

/// What the user wants of a check.
pub(crate) fn find_policy(cx: &Context<'_>, id: CheckId) -> CheckPolicy {
    find_check(cx, id).map_or(CheckPolicy::Require, |check| check.policy)
}

/// What the user says about a check weighs in: an attestation stands for what cannot be seen, never
/// against what is seen.
pub(crate) fn judge(cx: &Context<'_>, id: CheckId, verdict: Verdict) -> CheckResult {
    let reason = find_check(cx, id)
        .and_then(|check| check.reason.clone())
        .unwrap_or_default();
    let (outcome, message) = match (find_policy(cx, id), verdict) {
        (CheckPolicy::Skip, _) => (CheckOutcome::Skipped, reason),
        (_, Verdict::Passed(message)) => (CheckOutcome::Passed, message),
        (_, Verdict::Warning(message)) => (CheckOutcome::Warning, message),
        (CheckPolicy::Attest, Verdict::Failed(message)) => {
            let help =
                "this was seen, so policy: Attest does not count; policy: Skip takes it upon you";
            (CheckOutcome::Failed, join_clause(&message, help))
        }
        (_, Verdict::Failed(message) | Verdict::Skippable(message)) => {
            (CheckOutcome::Failed, message)
        }
        (CheckPolicy::Attest, Verdict::Unseen(_)) => (CheckOutcome::Attested, reason),
        (CheckPolicy::Require, Verdict::Unseen(message)) => {
            let told = match id.find_negotiable() {
                Some(name) => join_clause(
                    &message,
                    &format!(
                        "if you know that it holds: checks: [{{name: {name}, policy: Attest, reason: \"…\"}}]"
                    ),
                ),
                None => message,
            };
            (CheckOutcome::Failed, told)
        }
    };
    CheckResult {
        name: id.name().to_owned(),
        outcome,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::Observed;
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn judge_as(policy: &str, verdict: Verdict) -> CheckResult {
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
        judge(&cx, CheckId::Named(CheckName::ProjectsInSync), verdict)
    }

    #[test]
    fn an_attestation_stands_for_what_is_unseen_and_is_told_where_it_does_not_count() {
        let seen = judge_as("Attest", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(seen.outcome, CheckOutcome::Failed);
        assert!(
            seen.message
                .contains("policy: Attest does not count; policy: Skip"),
            "{}",
            seen.message
        );
        let plain = judge_as("Require", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(plain.message, "p1 lags 90 s");
        let unseen = judge_as("Attest", Verdict::Unseen("no answer".into()));
        assert_eq!(unseen.outcome, CheckOutcome::Attested);
        let skipped = judge_as("Skip", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(skipped.outcome, CheckOutcome::Skipped);
    }
}
