//! The proof of the dump. Pure.
use crate::api::{JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::protocol::report::{CommandResult, Trial};
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::guard::{self, run_guarded};
use crate::upgrade::parts::last_look::{self, look_once_more};
use crate::upgrade::parts::originals::mend_copy;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::VerifyingBackup,
    words: "proving the backup",
    phase: Phase::VerifyingBackup,
    limit: Some(Limit::Verify),
    job: Some(JobRole::Verify),
    looks: |status| {
        let needs = Needs {
            originals: CopyNeed::Always,
            ..guard::list_needs(status)
        };
        match is_proven(status) {
            true => last_look::list_needs(needs),
            false => needs,
        }
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::StartingNew, Step::BackingUp],
    decide,
};

/// The proof of the dump. What it proved stands: at the gate before the new version the Job may go with its node. What
/// the databases hold is looked at once more, as late as it can be.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    if is_proven(draft) {
        guard::guard(cx, draft)?;
        // The last moment at which an abort is enough: what follows rests on both copies.
        mend_copy(cx)?;
        return look_once_more(cx, draft);
    }
    let report = run_guarded(cx, draft, JobRole::Verify)?;
    let Some(CommandResult::Verify(verify)) = report.result else {
        return Err(Next::fail(
            Reason::ReportIncomplete,
            "the verification Job reported success without a result; the backup is not trusted",
        ));
    };
    let Some(backup) = draft
        .backup
        .as_mut()
        .filter(|backup| Some(&backup.manifest_digest) == report.manifest_digest.as_ref())
    else {
        return Err(Next::fail(
            Reason::ManifestMismatch,
            "the verification Job looked at another manifest than the one that was recorded",
        ));
    };
    backup.verified = true;
    backup.scratch_restored = verify.scratch_restore == Trial::Works;
    Err(Next::poll())
}

fn is_proven(status: &OmsUpgradeStatus) -> bool {
    status.backup.as_ref().is_some_and(|backup| backup.verified)
}
