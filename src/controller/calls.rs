//! Calls to the outside: each has a name, a time limit, and an error that says what it means. Makes none itself.
use crate::oms::container::ContainerError;
use crate::oms::metadb::MetaDbError;
use crate::oms::open_api::OpenApiError;
use crate::protocol::names::name_variants;
use std::time::Duration;
use thiserror::Error;

/// Every place in the controller that calls something outside. The names are stable: logs, metrics
/// and fault tests use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each name says what is called")]
pub enum CallSite {
    GetUpgrade,
    GetForerunner,
    TryStatus,
    ReplaceStatus,
    PatchFinalizer,
    CreateEvent,
    GetNamespace,
    GetDeployment,
    PatchDeployment,
    RehearseDeployment,
    RehearsePod,
    GetReplicaSet,
    GetApplication,
    ListTargetPods,
    GetClaim,
    GetJob,
    CreateJob,
    ListJobPods,
    ReadJobLog,
    ListEvents,
    ListOwnJobs,
    ListOwnPods,
    GetOwnSecret,
    GetOriginalsCopy,
    GetPrePullPod,
    CreatePrePullPod,
    GetSecret,
    GetConfigMap,
    CreateSecret,
    DeleteJob,
    DeletePod,
    DeleteSecret,
    PatchSecret,
    ExecConfig,
    ExecPrograms,
    ExecCgroup,
    ExecUtcOffset,
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
    MetaDbReadStoreLimit,
    MetaDbProjects,
    MetaDbConnectors,
    MetaDbHosts,
    MetaDbHeartBeats,
    MetaDbReadQueryTimeout,
    MetaDbSetQueryTimeout,
    MetaDbReadLock,
    MetaDbAcquireLock,
    MetaDbRaiseLock,
    MetaDbTakeOverLock,
    MetaDbReleaseLock,
    MetaDbReadRecord,
    MetaDbAppendRecord,
    MetaDbInstallationId,
    MetaDbFingerprint,
    ConsoleProgress,
    ConsoleHealth,
    ConsoleWriteHa,
}

name_variants!(
    CallSite:
    GetUpgrade, GetForerunner, TryStatus, ReplaceStatus, PatchFinalizer, CreateEvent, GetNamespace, GetDeployment,
    PatchDeployment, RehearseDeployment, RehearsePod, GetReplicaSet, GetApplication, ListTargetPods, GetClaim,
    GetJob, CreateJob, ListJobPods, ReadJobLog, ListEvents, ListOwnJobs, ListOwnPods, GetOwnSecret,
    GetOriginalsCopy, GetPrePullPod, CreatePrePullPod, GetSecret,
    GetConfigMap, CreateSecret, DeleteJob, DeletePod, DeleteSecret, PatchSecret, ExecConfig, ExecPrograms,
    ExecCgroup, ExecUtcOffset, ExecInitRead, ExecInitStart, ExecRestartConsole, ExecStopConsole, ExecStartConsole,
    MetaDbIdentify, MetaDbSessions, MetaDbReadHa, MetaDbWriteHa, MetaDbReadKeptKeys,
    MetaDbWriteKeptKeys, MetaDbReadStoreLimit, MetaDbProjects, MetaDbConnectors, MetaDbHosts, MetaDbHeartBeats,
    MetaDbReadQueryTimeout, MetaDbSetQueryTimeout, MetaDbReadLock, MetaDbAcquireLock,
    MetaDbRaiseLock, MetaDbTakeOverLock, MetaDbReleaseLock, MetaDbReadRecord, MetaDbAppendRecord,
    MetaDbInstallationId, MetaDbFingerprint, ConsoleProgress, ConsoleHealth, ConsoleWriteHa,
);

/// What a call may do outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only looks.
    Read,
    /// It changes something, so it is sent only while this process holds the lease.
    Write,
}

impl CallSite {
    /// What each call may do, and its time limit in seconds. One line per call and no default: whoever adds a call
    /// has to say both, and none is taken for a read because nobody thought of it.
    fn rules(self) -> (Access, u64) {
        use Access::{Read, Write};
        match self {
            Self::GetUpgrade => (Read, 10),
            Self::GetForerunner => (Read, 10),
            // A dry run: nothing is stored.
            Self::TryStatus => (Read, 10),
            Self::ReplaceStatus => (Write, 10),
            Self::PatchFinalizer => (Write, 10),
            Self::CreateEvent => (Write, 10),
            Self::GetNamespace => (Read, 10),
            Self::GetDeployment => (Read, 10),
            Self::PatchDeployment => (Write, 10),
            // Dry runs: nothing is stored.
            Self::RehearseDeployment => (Read, 10),
            Self::RehearsePod => (Read, 10),
            Self::GetReplicaSet => (Read, 10),
            Self::GetApplication => (Read, 10),
            Self::ListTargetPods => (Read, 10),
            Self::GetClaim => (Read, 10),
            Self::GetJob => (Read, 10),
            Self::CreateJob => (Write, 10),
            Self::ListJobPods => (Read, 10),
            Self::ReadJobLog => (Read, 10),
            Self::ListEvents => (Read, 10),
            Self::ListOwnJobs => (Read, 10),
            Self::ListOwnPods => (Read, 10),
            Self::GetOwnSecret => (Read, 10),
            Self::GetOriginalsCopy => (Read, 10),
            Self::GetPrePullPod => (Read, 10),
            Self::CreatePrePullPod => (Write, 10),
            Self::GetSecret => (Read, 10),
            Self::GetConfigMap => (Read, 10),
            Self::CreateSecret => (Write, 10),
            Self::DeleteJob => (Write, 10),
            Self::DeletePod => (Write, 10),
            Self::DeleteSecret => (Write, 10),
            Self::PatchSecret => (Write, 10),
            Self::ExecConfig => (Read, 10),
            Self::ExecPrograms => (Read, 15),
            Self::ExecCgroup => (Read, 10),
            Self::ExecUtcOffset => (Read, 10),
            Self::ExecInitRead => (Read, 15),
            Self::ExecInitStart => (Write, 15),
            Self::ExecRestartConsole => (Write, 90),
            Self::ExecStopConsole => (Write, 90),
            Self::ExecStartConsole => (Write, 90),
            Self::MetaDbIdentify => (Read, 10),
            Self::MetaDbSessions => (Read, 15),
            Self::MetaDbReadHa => (Read, 10),
            Self::MetaDbWriteHa => (Write, 10),
            Self::MetaDbReadKeptKeys => (Read, 10),
            Self::MetaDbWriteKeptKeys => (Write, 10),
            Self::MetaDbReadStoreLimit => (Read, 10),
            Self::MetaDbProjects => (Read, 10),
            Self::MetaDbConnectors => (Read, 10),
            Self::MetaDbHosts => (Read, 10),
            Self::MetaDbHeartBeats => (Read, 10),
            Self::MetaDbReadQueryTimeout => (Read, 10),
            Self::MetaDbSetQueryTimeout => (Write, 10),
            Self::MetaDbReadLock => (Read, 10),
            Self::MetaDbAcquireLock => (Write, 15),
            Self::MetaDbRaiseLock => (Write, 10),
            Self::MetaDbTakeOverLock => (Write, 10),
            Self::MetaDbReleaseLock => (Write, 15),
            Self::MetaDbReadRecord => (Read, 10),
            Self::MetaDbAppendRecord => (Write, 10),
            Self::MetaDbInstallationId => (Read, 10),
            Self::MetaDbFingerprint => (Read, 15),
            Self::ConsoleProgress => (Read, 10),
            Self::ConsoleHealth => (Read, 10),
            Self::ConsoleWriteHa => (Write, 10),
        }
    }

    /// Whether the call changes something outside.
    pub fn access(self) -> Access {
        self.rules().0
    }

    /// Time limit. Those of the console wait until supervisord calls the program RUNNING (`startsecs`).
    pub fn limit(self) -> Duration {
        Duration::from_secs(self.rules().1)
    }
}

/// A call that did not succeed. Holds no secret.
#[derive(Debug, Error)]
pub enum CallError {
    /// No answer in time.
    #[error("{site}: no answer within {seconds} s; whether it was done is looked at again")]
    TimedOut {
        /// Where.
        site: CallSite,
        /// Limit.
        seconds: u64,
    },
    /// This process may not write: it does not hold the lease.
    #[error("{site}: not sent, because another operator may hold the lease")]
    NotLeading {
        /// Where.
        site: CallSite,
    },
    /// The API server.
    #[error("{site}: {}", describe_kube(source))]
    Kube {
        /// Where.
        site: CallSite,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A command in a container.
    #[error("{site}: {reason}")]
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
    /// Something that is needed is not there now: a person or time brings it.
    #[error("{0}")]
    Missing(String),
    /// Nothing can be built from what is there: it does not read as what it should be, or it stands where something of
    /// ours has to stand.
    #[error("{0}")]
    Unbuildable(String),
    /// The API server stored less of the status than was written.
    #[error(
        "{} cannot be stored: the definition of OmsUpgrade in this cluster does not fit this operator; nothing was begun",
        fields.join(", ")
    )]
    StatusCut {
        /// Paths of what is missing, the first ones.
        fields: Vec<String>,
    },
    /// A fault of the operator itself: something that an earlier look or decision has excluded.
    #[error("{0}; nothing was done; this is a fault of the operator")]
    Bug(String),
    /// A fault of the operator itself that ended the reconcile where it stood.
    #[error("the reconcile panicked; the words stand above in the log")]
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
            | Self::StatusCut { .. }
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
            Self::Container(_) | Self::Missing(_) | Self::Unbuildable(_) | Self::Bug(_) => true,
        }
    }

    /// A condition of the write did not hold: somebody else was faster.
    pub fn is_conflict(&self) -> bool {
        self.kube_status()
            .is_some_and(|status| status.is_conflict())
    }

    /// The request is none that the API server, or a webhook, takes.
    pub fn is_bad_request(&self) -> bool {
        self.kube_status().is_some_and(|status| status.code == 400)
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
