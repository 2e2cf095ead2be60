//! Carries out one effect whose intent is recorded. Every arm may be repeated.
mod metadb;
mod objects;
mod oms;
mod targets;

use super::calls::{CallError, CallSite};
use super::observe::Located;
use super::observe::{Sight, TargetView, namespace_of};
use super::ports::Ports;
use crate::api::{HaDriver, OmsUpgrade, OmsUpgradeStatus};
use crate::objects::labels::Owner;
use crate::oms::container::{restart_argv, start_argv, stop_argv};
use crate::upgrade::Effect;
use kube::ResourceExt;

/// One effect with everything it is carried out through.
pub(super) struct Work<'a> {
    pub ports: &'a Ports,
    pub upgrade: &'a OmsUpgrade,
    pub status: &'a OmsUpgradeStatus,
    pub sight: &'a Sight,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl Work<'_> {
    pub fn owner(&self) -> Owner<'_> {
        Owner {
            namespace: &self.namespace,
            name: &self.name,
            uid: &self.uid,
        }
    }

    /// A target as seen in this pass.
    pub fn find_target(&self, name: &str) -> Option<&TargetView> {
        self.sight
            .targets
            .iter()
            .find(|view| view.facts.name == name)
    }

    /// The installation; an error when it could not be found.
    pub fn located(&self) -> Result<&Located, CallError> {
        match &self.sight.located {
            Some(Ok(located)) => Ok(located),
            Some(Err(error)) => Err(CallError::Missing(error.to_string())),
            None => Err(CallError::Missing(
                "the installation was not looked for in this step".into(),
            )),
        }
    }
}

/// Carries out an effect.
pub(super) async fn perform(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    sight: &Sight,
    effect: Effect,
) -> Result<(), CallError> {
    let blank = OmsUpgradeStatus::default();
    let work = Work {
        ports,
        upgrade,
        status: upgrade.status.as_ref().unwrap_or(&blank),
        sight,
        namespace: namespace_of(upgrade),
        name: upgrade.name_any(),
        uid: upgrade.uid().unwrap_or_default(),
    };
    match effect {
        Effect::AddFinalizer => work.add_finalizer().await,
        Effect::RemoveFinalizer => work.remove_finalizer().await,
        Effect::CreateCredentialsSecret => work.create_credentials_secret().await,
        Effect::CreatePrePull { target } => work.create_prepull(&target).await,
        Effect::CreateJob { role, attempt } => work.create_job(role, attempt).await,
        Effect::DeleteOwn(own) => work.delete_own(&own).await,
        Effect::AcquireLock => work.acquire_lock().await,
        Effect::RaiseLock => work.raise_lock().await,
        Effect::ReleaseLock => work.release_lock().await,
        Effect::SetHa {
            driver: HaDriver::OmsApi,
            patch,
            ..
        } => work.set_ha_by_api(&patch).await,
        // A person does it where the driver is Manual: the brain never asks for it.
        Effect::SetHa { patch, insert, .. } => work.set_ha_row(patch, insert).await,
        Effect::KeepKeys { keys } => work.keep_keys(keys).await,
        Effect::RestartConsole { target, .. } => {
            work.control_console(&target, restart_argv, CallSite::ExecRestartConsole)
                .await
        }
        Effect::StopConsole { target } => {
            work.control_console(&target, stop_argv, CallSite::ExecStopConsole)
                .await
        }
        Effect::StartConsole { target } => {
            work.control_console(&target, start_argv, CallSite::ExecStartConsole)
                .await
        }
        Effect::SetQueryTimeout { microseconds } => work.set_query_timeout(microseconds).await,
        Effect::PatchTarget { target, change, .. } => work.patch_target(&target, &change).await,
        Effect::StartInit { target, attempt } => work.start_init(&target, attempt).await,
    }
}
