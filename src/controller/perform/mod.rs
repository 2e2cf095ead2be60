//! Carries out one effect whose intent is recorded. Every arm may be repeated; none decides anything: an effect carries
//! what it is carried out with, and only what no fact may hold or what changes by the second is read here.
mod metadb;
mod objects;
mod oms;
mod targets;

use super::calls::{CallError, CallSite};
use super::observe::Observation;
use super::ports::Ports;
use super::subject::Subject;
use crate::api::HaDriver;
use crate::objects::originals::build_owner_patch;
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
        Effect::CreateOldPull { target, pull } => performer.create_pull(&target, &pull).await,
        Effect::CreateJob(order) => performer.create_job(&order).await,
        Effect::DeleteOwn(own) => performer.delete_own(&own).await,
        Effect::AcquireLock(claim) => performer.acquire_lock(&claim).await,
        Effect::RaiseLock(claim) => performer.raise_lock(&claim).await,
        Effect::TakeOverLock(claim) => performer.take_over_lock(&claim).await,
        Effect::AppendRecord(claim) => performer.append_record(&claim).await,
        Effect::ReleaseLock => performer.release_lock().await,
        Effect::SetHa { driver, write } => match driver {
            HaDriver::OmsApi => performer.set_ha_by_api(&write).await,
            // A person does it where the driver is Manual: the brain never asks for it.
            HaDriver::MetaDb | HaDriver::Manual => performer.set_ha_row(&write).await,
        },
        Effect::KeepKeys { keys } => performer.keep_keys(keys).await,
        Effect::RestartConsole { target, .. } => {
            let site = CallSite::ExecRestartConsole;
            performer.control_console(&target, restart_argv, site).await
        }
        Effect::StopConsole { target } => {
            let site = CallSite::ExecStopConsole;
            performer.control_console(&target, stop_argv, site).await
        }
        Effect::StartConsole { target } => {
            let site = CallSite::ExecStartConsole;
            performer.control_console(&target, start_argv, site).await
        }
        Effect::SetQueryTimeout { microseconds } => performer.set_query_timeout(microseconds).await,
        Effect::PatchTarget { target, patch, .. } => performer.patch_target(&target, *patch).await,
        Effect::CreateOriginalsCopy { records } => performer.create_originals_copy(&records).await,
        Effect::PassOriginalsCopy {
            name,
            uid,
            resource_version,
            owned,
        } => {
            let (owner, version) = (subject.owner, &resource_version);
            let patch = build_owner_patch(owner, &uid, version, owned);
            performer.pass_originals_copy(&name, patch).await
        }
        Effect::StartInit(run) => performer.start_init(&run).await,
    }
}
