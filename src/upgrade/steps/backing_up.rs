//! The dump, of databases that nobody uses. Pure.
use crate::api::{BackupStatus, DatabaseSummary, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::Needs;
use crate::protocol::report::CommandResult;
use crate::upgrade::context::{Context, to_i64};
use crate::upgrade::next::Next;
use crate::upgrade::parts::guard::{self, run_guarded};
use crate::upgrade::parts::last_look::{note_heart_beat, tell_repetition};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::BackingUp,
    words: "dumping the databases",
    phase: Phase::BackingUp,
    limit: Some(Limit::Backup),
    job: Some(JobRole::Dump),
    looks: |status| {
        let needs = guard::list_needs(status);
        match status.internal.last_heart_beat {
            None => Needs {
                health: true,
                ..needs
            },
            Some(_) => needs,
        }
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::VerifyingBackup],
    decide,
};

/// The dump, of databases that nobody uses.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    note_heart_beat(cx, draft)?;
    let report = run_guarded(cx, draft, JobRole::Dump).map_err(|next| tell_repetition(cx, next))?;
    let (Some(CommandResult::Dump(dump)), Some(digest)) = (report.result, report.manifest_digest)
    else {
        return Err(Next::fail(
            Reason::ReportIncomplete,
            "the backup Job reported success without a manifest; the backup is not used",
        ));
    };
    // The moment stays the same while a pause holds what comes next.
    let known = cx.status.backup.as_ref();
    let known = known.filter(|known| known.manifest_digest == digest);
    let finished_time = known.and_then(|known| known.finished_time.clone());
    draft.backup = Some(BackupStatus {
        directory: dump.directory,
        manifest_digest: digest,
        finished_time: finished_time.or_else(|| Some(cx.now.clone())),
        verified: false,
        scratch_restored: false,
        databases: dump
            .databases
            .into_iter()
            .map(|database| DatabaseSummary {
                name: database.name,
                objects: to_i64(database.tables + database.views),
                rows: to_i64(database.rows),
                raw_bytes: to_i64(database.raw_bytes),
                stored_bytes: to_i64(database.stored_bytes),
            })
            .collect(),
    });
    Ok(Step::VerifyingBackup)
}
