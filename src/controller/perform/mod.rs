//! Carries out one effect whose intent is recorded. Every arm may be repeated.
mod metadb;
mod objects;
mod oms;
mod targets;

use super::calls::{CallError, CallSite};
use super::observe::Observation;
use super::ports::Ports;
use super::subject::Subject;
use crate::api::HaDriver;
use crate::oms::container::{restart_argv, start_argv, stop_argv};
use crate::upgrade::Effect;

/// Carries out one effect: for whom, and through what.
struct Performer<'a> {
    ports: &'a Ports,
    subject: &'a Subject<'a>,
    observation: &'a Observation,
}

/// Carries out an effect.
pub(super) async fn perform(
    ports: &Ports,
    subject: &Subject<'_>,
    observation: &Observation,
    effect: Effect,
) -> Result<(), CallError> {
    let performer = Performer {
        ports,
        subject,
        observation,
    };
    match effect {
        Effect::AddFinalizer => performer.add_finalizer().await,
        Effect::RemoveFinalizer => performer.remove_finalizer().await,
        Effect::CreateCredentialsSecret => performer.create_credentials_secret().await,
        Effect::CreatePrePull { target } => performer.create_prepull(&target).await,
        Effect::CreateJob { role, attempt } => performer.create_job(role, attempt).await,
        Effect::DeleteOwn(own) => performer.delete_own(&own).await,
        Effect::AcquireLock => performer.acquire_lock().await,
        Effect::RaiseLock => performer.raise_lock().await,
        Effect::ReleaseLock => performer.release_lock().await,
        Effect::SetHa {
            driver: HaDriver::OmsApi,
            patch,
            ..
        } => performer.set_ha_by_api(&patch).await,
        // A person does it where the driver is Manual: the brain never asks for it.
        Effect::SetHa { patch, insert, .. } => performer.set_ha_row(patch, insert).await,
        Effect::KeepKeys { keys } => performer.keep_keys(keys).await,
        Effect::RestartConsole { target, .. } => {
            performer
                .control_console(&target, restart_argv, CallSite::ExecRestartConsole)
                .await
        }
        Effect::StopConsole { target } => {
            performer
                .control_console(&target, stop_argv, CallSite::ExecStopConsole)
                .await
        }
        Effect::StartConsole { target } => {
            performer
                .control_console(&target, start_argv, CallSite::ExecStartConsole)
                .await
        }
        Effect::SetQueryTimeout { microseconds } => performer.set_query_timeout(microseconds).await,
        Effect::PatchTarget { target, change, .. } => {
            performer.patch_target(&target, &change).await
        }
        Effect::StartInit { target, attempt } => performer.start_init(&target, attempt).await,
    }
}
