//! The checks of preflight, by name. No I/O.
use crate::api::CheckName;
use crate::upgrade::parts::findings::PREPARATION;

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
    /// The first rows of every table came through dump and load.
    FirstRows,
    /// No setting of the server cuts the dump.
    ServerSettings,
    /// The time limit of statements can be raised.
    QueryTimeout,
    /// HA is set to start everything again.
    HaSettings,
    /// OMS and its MetaDB are in one time zone.
    TimeZones,
    /// The table that the guide lets one shorten.
    HeartbeatSequence,
    /// Preflight itself, or the taking of the lock, came to its end.
    Preparation,
}

/// Those that the user cannot speak about, in the order in which they are made.
#[cfg(feature = "testing")]
const FIXED: [CheckId; 23] = [
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
    CheckId::FirstRows,
    CheckId::ServerSettings,
    CheckId::QueryTimeout,
    CheckId::HaSettings,
    CheckId::TimeZones,
    CheckId::HeartbeatSequence,
    CheckId::Preparation,
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

    /// It tells what people should know and is in no upgrade's way: what it cannot see is a warning, too.
    pub(crate) fn is_advice(self) -> bool {
        matches!(self, Self::HaSettings | Self::TimeZones)
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
            Self::FirstRows => "FirstRows",
            Self::ServerSettings => "ServerSettings",
            Self::QueryTimeout => "QueryTimeout",
            Self::HaSettings => "HaSettings",
            Self::TimeZones => "TimeZones",
            Self::HeartbeatSequence => "HeartbeatSequence",
            Self::Preparation => PREPARATION,
        }
    }
}
