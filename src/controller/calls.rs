//! Calls to the outside: each has a name, a time limit, and an error that says what it means.
use super::ports::Ports;
use crate::oms::container::ContainerError;
use crate::oms::metadb::MetaDbError;
use crate::oms::open_api::OpenApiError;
use std::future::Future;
use std::time::Duration;
use thiserror::Error;

/// Every place in the controller that calls something outside. The names are stable: logs, metrics
/// and fault tests use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each name says what is called")]
pub enum CallSite {
    GetUpgrade,
    ReplaceStatus,
    PatchFinalizer,
    CreateEvent,
    GetNamespace,
    GetDeployment,
    PatchDeployment,
    GetReplicaSet,
    ListTargetPods,
    GetClaim,
    GetJob,
    CreateJob,
    ListJobPods,
    ReadJobLog,
    ListOwnJobs,
    ListOwnPods,
    GetOwnSecret,
    GetPrePullPod,
    CreatePrePullPod,
    GetSecret,
    GetConfigMap,
    CreateSecret,
    DeleteJob,
    DeletePod,
    DeleteSecret,
    ExecConfig,
    ExecPrograms,
    ExecCgroup,
    ExecInitRead,
    ExecInitStart,
    ExecRestartConsole,
    ExecStopConsole,
    ExecStartConsole,
    MetaDbIdentify,
    MetaDbSessions,
    MetaDbReadHa,
    MetaDbWriteHa,
    MetaDbReadKeptKeys,
    MetaDbWriteKeptKeys,
    MetaDbProjects,
    MetaDbConnectors,
    MetaDbHosts,
    MetaDbHeartBeats,
    MetaDbReadQueryTimeout,
    MetaDbSetQueryTimeout,
    MetaDbReadLock,
    MetaDbAcquireLock,
    MetaDbRaiseLock,
    MetaDbReleaseLock,
    ConsoleProgress,
    ConsoleHealth,
    ConsoleWriteHa,
}

impl CallSite {
    /// Whether the call changes something outside.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::ReplaceStatus
                | Self::PatchFinalizer
                | Self::CreateEvent
                | Self::PatchDeployment
                | Self::CreateJob
                | Self::CreatePrePullPod
                | Self::CreateSecret
                | Self::DeleteJob
                | Self::DeletePod
                | Self::DeleteSecret
                | Self::ExecInitStart
                | Self::ExecRestartConsole
                | Self::ExecStopConsole
                | Self::ExecStartConsole
                | Self::MetaDbWriteHa
                | Self::MetaDbWriteKeptKeys
                | Self::MetaDbSetQueryTimeout
                | Self::MetaDbAcquireLock
                | Self::MetaDbRaiseLock
                | Self::MetaDbReleaseLock
                | Self::ConsoleWriteHa
        )
    }

    /// Time limit. A restart waits until supervisord calls the program RUNNING (`startsecs`).
    pub fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::ExecRestartConsole | Self::ExecStopConsole | Self::ExecStartConsole => 90,
            Self::ExecInitStart
            | Self::ExecInitRead
            | Self::ExecPrograms
            | Self::MetaDbSessions
            | Self::MetaDbAcquireLock
            | Self::MetaDbReleaseLock => 15,
            _ => 10,
        })
    }
}

/// A call that did not succeed. Holds no secret.
#[derive(Debug, Error)]
pub enum CallError {
    /// No answer in time.
    #[error("{site:?}: no answer within {seconds} s; whether it was done is looked at again")]
    TimedOut {
        /// Where.
        site: CallSite,
        /// Limit.
        seconds: u64,
    },
    /// This process may not write: it does not hold the lease.
    #[error("{site:?}: not sent, because another operator may hold the lease")]
    NotLeading {
        /// Where.
        site: CallSite,
    },
    /// The API server.
    #[error("{site:?}: {}", describe_kube(source))]
    Kube {
        /// Where.
        site: CallSite,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A command in a container.
    #[error("{site:?}: {reason}")]
    Exec {
        /// Where.
        site: CallSite,
        /// What went wrong.
        reason: String,
    },
    /// A command's answer.
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    MetaDb(#[from] MetaDbError),
    #[error(transparent)]
    Console(#[from] OpenApiError),
    /// Something needed is not there or cannot be used.
    #[error("{0}")]
    Missing(String),
    /// A fault of the operator itself.
    #[error("the pass panicked; the words stand above in the log")]
    Panicked,
}

impl CallError {
    /// What the API server answered, when it did.
    pub fn kube_status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        self.kube_status()
            .is_some_and(|status| status.is_not_found())
    }

    /// Somebody said no, in words that a person can act on: not a hiccup, and no race that was lost.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::TimedOut { .. }
            | Self::NotLeading { .. }
            | Self::Exec { .. }
            | Self::Panicked => false,
            Self::Kube { .. } => self
                .kube_status()
                .is_some_and(|status| !matches!(status.code, 404 | 409 | 429 | 503 | 504)),
            Self::MetaDb(error) => !error.is_transient(),
            Self::Console(error) => !matches!(
                error,
                OpenApiError::Unreachable { .. }
                    | OpenApiError::TimedOut { .. }
                    | OpenApiError::ConnectionLost { .. }
            ),
            Self::Container(_) | Self::Missing(_) => true,
        }
    }

    /// A condition of the write did not hold: somebody else was faster.
    pub fn is_conflict(&self) -> bool {
        self.kube_status()
            .is_some_and(|status| status.is_conflict())
    }

    /// An object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.kube_status()
            .is_some_and(|status| status.is_already_exists())
    }
}

fn describe_kube(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.reason),
        other => other.to_string(),
    }
}

impl Ports {
    /// Calls the API server.
    pub(super) async fn kube<T>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        self.bound(site, async {
            call.await.map_err(|source| CallError::Kube {
                site,
                source: Box::new(source),
            })
        })
        .await
    }

    /// Calls anything else. The adapters bound themselves; this bound is the second line.
    pub(super) async fn call<T, E: Into<CallError>>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError> {
        self.bound(site, async { call.await.map_err(Into::into) })
            .await
    }

    async fn bound<T>(
        &self,
        site: CallSite,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if site.is_write() && !self.permit.may_write() {
            return Err(CallError::NotLeading { site });
        }
        let limit = site.limit();
        let result = match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => Err(CallError::TimedOut {
                site,
                seconds: limit.as_secs(),
            }),
        };
        match &result {
            Ok(_) => tracing::trace!(call = ?site, "done"),
            Err(error) if error.is_not_found() => tracing::trace!(call = ?site, "not found"),
            Err(error) => tracing::debug!(call = ?site, %error, "failed"),
        }
        result
    }
}
