//! What the operator takes to be true of OMS although no document says it, or documents disagree. No I/O.
//!
//! Each is looked at on the living installation where that is possible, and says what happens where it does not hold:
//! a guess is never among it. `docs/assumptions.md` is written from this list.
use crate::protocol::names::name_variants;

/// How well something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Concluded from documents; none says it.
    Inferred,
    /// Documents disagree.
    Contradicted,
    /// One public note of somebody who has seen it.
    Seen,
    /// Looked for and found nowhere.
    Unknown,
}

impl Ground {
    /// The word in the list.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::Contradicted => "documents disagree",
            Self::Seen => "one public note",
            Self::Unknown => "unknown",
        }
    }
}

/// The assumptions, by name. The names are stable, for whoever writes about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "each stands in the list below with its statement"
)]
pub enum AssumptionName {
    InitText,
    InitRepeats,
    PlainStartMayMigrate,
    IsUpgrade,
    RestsBeforeInit,
    OldOnNewSchema,
    ConsoleCachesHa,
    HaRow,
    OnlyHaStarts,
    HostRows,
    HealthPage,
    Account,
    Programs,
    Mounts,
    ConfigFile,
    ProjectStates,
    Checkpoint,
    Lag,
    DbType,
    RollbackPullBack,
    SilentWhenStopped,
    TagsTellVersions,
    TimeZones,
    StoreLimits,
}

name_variants!(
    AssumptionName:
    InitText, InitRepeats, PlainStartMayMigrate, IsUpgrade, RestsBeforeInit, OldOnNewSchema, ConsoleCachesHa,
    HaRow, OnlyHaStarts, HostRows, HealthPage, Account, Programs, Mounts, ConfigFile, ProjectStates,
    Checkpoint, Lag, DbType, RollbackPullBack, SilentWhenStopped, TagsTellVersions, TimeZones, StoreLimits,
);

/// One thing that is taken to be true.
pub struct Assumption {
    pub name: AssumptionName,
    pub ground: Ground,
    /// What is taken to be true.
    pub statement: &'static str,
    /// From where.
    pub source: &'static str,
    /// How it is looked at on the installation before anything is stopped, or why it cannot be.
    pub looked_at: &'static str,
    /// What happens where it does not hold.
    pub otherwise: &'static str,
}

/// All of them.
pub const ASSUMPTIONS: &[Assumption] = &[
    Assumption {
        name: AssumptionName::InitText,
        ground: Ground::Contradicted,
        statement: "docker_init.sh says that it is through by the Chinese or by the English text of the guide, dressed in brackets or not",
        source: "scale-out page, zh-CN against en-US of V4.0.0; V3.2.2 exists in Chinese only",
        looked_at: "Not before: only the new image prints it. Both texts count, and those in spec.init.completionTexts",
        otherwise: "The step stalls as InitUnconfirmed with the end of the log, and a person decides: nothing is rolled back or started by a guess",
    },
    Assumption {
        name: AssumptionName::InitRepeats,
        ground: Ground::Inferred,
        statement: "docker_init.sh may run again after it was complete",
        source: "error code CM-RESONF000002 tells users to run it again",
        looked_at: "Not before. It runs again only where programs do not come up, or where a person asks for it",
        otherwise: "The second run fails, which is told with its log; the way back is open",
    },
    Assumption {
        name: AssumptionName::PlainStartMayMigrate,
        ground: Ground::Seen,
        statement: "Starting the new image may change the schema even before docker_init.sh",
        source: "entry script of a 3.3.0 image: it runs the config check and --init-db by itself",
        looked_at: "Not needed: the point of no return lies before the first start of the new image",
        otherwise: "A comparison finds the databases unchanged, and a rollback restores nothing",
    },
    Assumption {
        name: AssumptionName::IsUpgrade,
        ground: Ground::Unknown,
        statement: "IS_UPGRADE=true belongs to the start before docker_init.sh, and the starts after it do without",
        source: "the guide demands it for upgrades; the scale-out page starts further nodes without it",
        looked_at: "OldImageRestarts: that the present version comes up by a normal start",
        otherwise: "Programs do not come up in StartingFinal: docker_init.sh runs once more, then the upgrade is rolled back or asks",
    },
    Assumption {
        name: AssumptionName::RestsBeforeInit,
        ground: Ground::Inferred,
        statement: "Started with IS_UPGRADE=true the container stays, supervisord answers in it, and its programs come to rest without docker_init.sh",
        source: "the guide enters the container and runs the script there; V4.2.2 looks at the programs first",
        looked_at: "Not before: only the new image can show it",
        otherwise: "StartingNew waits until its limit, then the upgrade is rolled back; the databases were not initialised",
    },
    Assumption {
        name: AssumptionName::OldOnNewSchema,
        ground: Ground::Inferred,
        statement: "The old version cannot work on the schema of the new one, and may spoil it",
        source: "the guide goes back by loading the dumps only",
        looked_at: "Not needed: where the schema is not its own the old image is never started, and is stopped where others start it",
        otherwise: "A rollback loads dumps that it could have done without",
    },
    Assumption {
        name: AssumptionName::ConsoleCachesHa,
        ground: Ground::Inferred,
        statement: "The console keeps ha.config in memory and may write it back: it is stopped for a write and restarted after it",
        source: "system parameters are changed in the console only",
        looked_at: "The row is read back after each write, and looked at until the step is through",
        otherwise: "The step says that the row changed (HaChanged); the driver Manual or OmsApi leaves the writing to the console",
    },
    Assumption {
        name: AssumptionName::HaRow,
        ground: Ground::Inferred,
        statement: "High availability is the row ha.config of oms_normal_config in the rm database, as one JSON text",
        source: "OceanBase's deploy tool reads it there",
        looked_at: "HaReadable: the row is read and parsed, and every byte that is not ours stays",
        otherwise: "The check fails before anything is stopped",
    },
    Assumption {
        name: AssumptionName::OnlyHaStarts,
        ground: Ground::Inferred,
        statement: "After the upgrade nobody but HA, or a person, starts the components of projects again",
        source: "table of effects in the upgrade guide",
        looked_at: "HaSettings: what HA is set to leave alone",
        otherwise: "ReplicationRecovered stays False or Unknown, with the projects that are down",
    },
    Assumption {
        name: AssumptionName::HostRows,
        ground: Ground::Inferred,
        statement: "Table host of the cm database has a row per node with host_status ONLINE, and heart_beat one with the time of its last beat",
        source: "console page Server, and OceanBase's deploy tool",
        looked_at: "OmsHealthy: each node is asked for twice, 20 s apart, before anything is stopped",
        otherwise: "What cannot be read before is not demanded after; what was ill before has to be attested",
    },
    Assumption {
        name: AssumptionName::HealthPage,
        ground: Ground::Inferred,
        statement: "GET /oms/health on the console's port says data.healthy, without an account",
        source: "OceanBase's deploy tool asks it of later versions",
        looked_at: "OmsHealthy: it is asked for later only where it answers now",
        otherwise: "Programs, hosts and heart beats have to do without it",
    },
    Assumption {
        name: AssumptionName::Account,
        ground: Ground::Inferred,
        statement: "OMS connects to the MetaDB by the account of config.yaml, or has one of its databases as default",
        source: "config.yaml names no other account",
        looked_at: "Sessions of that account and of those databases are looked for before the dump",
        otherwise: "A node that is still connected is not seen; heart beats that are younger than the stop, and BackupStale, still tell",
    },
    Assumption {
        name: AssumptionName::Programs,
        ground: Ground::Seen,
        statement: "OMS's programs run below supervisord, which answers in the container, and FATAL is final",
        source: "guides use supervisorctl; startretries 0 in a 3.3.0 image",
        looked_at: "OmsHealthy: the programs that run now are the ones that are asked for later",
        otherwise: "Programs that did not run before may be FATAL",
    },
    Assumption {
        name: AssumptionName::Mounts,
        ground: Ground::Inferred,
        statement: "What has to outlive a container lies below the three mounts of the guide",
        source: "docker run of the guide; component configuration lies on no mount in a 3.3.0 image",
        looked_at: "MountsKept",
        otherwise: "The check fails before anything is stopped",
    },
    Assumption {
        name: AssumptionName::ConfigFile,
        ground: Ground::Inferred,
        statement: "config.yaml lies at /home/admin/conf/config.yaml and names the MetaDB, its databases, the region and its nodes",
        source: "deployment guide",
        looked_at: "Installation, Databases, AllNodesListed",
        otherwise: "The checks fail and name the key; spec.metadb says it in its place",
    },
    Assumption {
        name: AssumptionName::ProjectStates,
        ground: Ground::Inferred,
        statement: "Projects are rows of oms_project and oms_sync_project, with the states of the API pages",
        source: "API pages of later versions; EE's precheck statements",
        looked_at: "ProjectsInSync: a state that is not known fails, with its word",
        otherwise: "The check fails before anything is stopped",
    },
    Assumption {
        name: AssumptionName::Checkpoint,
        ground: Ground::Contradicted,
        statement: "The checkpoint of a project's progress is Unix time in seconds",
        source: "API pages, but for some kinds of sources",
        looked_at: "ProjectsInSync: a lag that is no lag (ahead, or years) counts as unseen",
        otherwise: "ProjectsInSync asks for an attestation, and ReplicationRecovered stays Unknown",
    },
    Assumption {
        name: AssumptionName::Lag,
        ground: Ground::Unknown,
        statement: "Quasi-real-time is a lag of at most 30 s",
        source: "default of the alert of highest protection level",
        looked_at: "ProjectsInSync, by spec.projects.maxLagSeconds",
        otherwise: "The field says another number",
    },
    Assumption {
        name: AssumptionName::DbType,
        ground: Ground::Inferred,
        statement: "A Connector has dbType where config_job holds sourceFile.dbType or sourceFile.db_type for it",
        source: "EE's precheck statement on that table",
        looked_at: "ConnectorDbType: where the table or its columns are not there the check is unseen",
        otherwise: "It asks for an attestation; nothing is written to connectors",
    },
    Assumption {
        name: AssumptionName::RollbackPullBack,
        ground: Ground::Inferred,
        statement: "After a rollback refetchStoreIntervalMin has to reach back to the first stop",
        source: "the guide records T3 and gives no formula",
        looked_at: "Not needed: reaching back too far costs time only",
        otherwise: "Stores begin earlier than they had to",
    },
    Assumption {
        name: AssumptionName::SilentWhenStopped,
        ground: Ground::Inferred,
        statement: "An OMS of which no container runs writes nothing to the MetaDB",
        source: "common sense; a node that was cut off does write",
        looked_at: "Sessions, and heart beats that are younger than the stop",
        otherwise: "BackupStale: the databases are dumped again, at most three times, then the upgrade is aborted",
    },
    Assumption {
        name: AssumptionName::TagsTellVersions,
        ground: Ground::Seen,
        statement: "The tag of an image says its version",
        source: "tags of releases; feature_3.3.0-bp1 was seen",
        looked_at: "SourceVersion: what the tag does not say, spec.sourceVersion and spec.targetVersion do; a tag that says otherwise fails",
        otherwise: "SourceVersion asks for the field that is missing",
    },
    Assumption {
        name: AssumptionName::TimeZones,
        ground: Ground::Inferred,
        statement: "What OMS writes as local time it writes by the time zone that date shows in its container, and that one is the MetaDB's",
        source: "the deployment guide wants the MetaDB and all machines in one time zone, and its docker run passes none into the container",
        looked_at: "TimeZones: the offset that date prints in each container, against now() of the MetaDB",
        otherwise: "A warning: ages of heart beats by the clock of the MetaDB say nothing; a change of zone is no part of an upgrade",
    },
    Assumption {
        name: AssumptionName::StoreLimits,
        ground: Ground::Inferred,
        statement: "The row ops.store.max_count_per_subtopic of oms_normal_config is the second limit of Stores beside subtopicStoreNumberThreshold",
        source: "system parameters of the console; how many Stores a subtopic has is in no documented table or call",
        looked_at: "HaSettings: both limits are read, and one that admits a single Store is warned of",
        otherwise: "HA makes no Store although HaSettings found room: ReplicationRecovered stays False, with the projects that are down",
    },
];

/// The list as a page.
pub fn write_assumptions() -> String {
    let mut page = String::from(
        "# What is taken to be true of OMS\n\n\
         OMS's image is in no public registry, and its documents leave things out. What the operator rests on without a document that \
         says it stands here, with how it is looked at on your installation and what happens where it does not hold. Written by \
         `oms-operator assumptions`; the list is in `src/oms/assumptions.rs`. Whoever has the image can tell which of them hold.\n",
    );
    for one in ASSUMPTIONS {
        page.push_str(&format!(
            "\n## {}\n\n{}.\n\n| | |\n|---|---|\n| Ground | {}: {} |\n| Looked at | {} |\n| Otherwise | {} |\n",
            one.name,
            one.statement,
            one.ground.as_str(),
            one.source,
            one.looked_at,
            one.otherwise
        ));
    }
    page
}
