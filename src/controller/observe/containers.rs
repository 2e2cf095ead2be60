//! Inside the OMS containers: programs, the run of `docker_init.sh`, control groups, health.
use super::targets::TargetView;
use crate::api::{InitRecord, OmsUpgrade, OmsUpgradeStatus};
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::{ExecPlace, Ports};
use crate::facts::{Fact, InitState, Needs, Program, TargetFacts};
use crate::objects::names::init_attempt;
use crate::oms::container::{
    self, CgroupVersion, InitCommand, SupervisorReport, cgroup_argv, parse_cgroup_version,
    parse_init_record, parse_supervisor_status, status_argv,
};
use crate::oms::open_api::Health;
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::ResourceExt;

/// What was seen inside one target.
#[derive(Default)]
pub(super) struct Inside {
    programs: Option<Fact<Vec<Program>>>,
    init: Option<Fact<InitState>>,
    cgroup_v1: Option<Fact<bool>>,
    health: Option<Fact<Health>>,
}

impl Inside {
    /// Adds it to the facts of the target.
    pub fn fill(self, facts: &mut TargetFacts) {
        let Self {
            programs,
            init,
            cgroup_v1,
            health,
        } = self;
        facts.programs = programs.unwrap_or_default();
        facts.init = init.unwrap_or_default();
        facts.cgroup_v1 = cgroup_v1.unwrap_or_default();
        facts.health = health.unwrap_or_default();
    }
}

/// Looks into every target at once.
pub(super) async fn look_inside(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    needs: Needs,
    targets: &[TargetView],
) -> Vec<Inside> {
    let looks: Vec<BoxFuture<'_, Inside>> = targets
        .iter()
        .map(|view| look_into(ports, upgrade, needs, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn look_into(ports: &Ports, upgrade: &OmsUpgrade, needs: Needs, view: &TargetView) -> Inside {
    let Some((place, pod)) = view.find_place() else {
        return nothing_runs(&view.facts.name, needs);
    };
    let record = upgrade
        .status
        .as_ref()
        .and_then(|status: &OmsUpgradeStatus| {
            status
                .init_runs
                .iter()
                .find(|record| record.target == view.facts.name)
        })
        .filter(|record| record.pod_uid == pod.uid);
    let (programs, init, cgroup_v1, health) = futures::join!(
        when(needs.programs, read_programs(ports, &place)),
        when(
            needs.init && record.is_some(),
            read_init(ports, upgrade, &place, record)
        ),
        when(needs.cgroup, read_cgroup(ports, &place)),
        when(needs.health, super::console::read_health(ports, pod)),
    );
    Inside {
        programs,
        init,
        cgroup_v1,
        health,
    }
}

async fn when<T>(
    wanted: bool,
    look: impl Future<Output = Result<T, CallError>>,
) -> Option<Fact<T>> {
    if wanted {
        Some(Fact::from_result(look.await))
    } else {
        None
    }
}

fn nothing_runs(target: &str, needs: Needs) -> Inside {
    let reason = format!("no container of {target} runs");
    Inside {
        programs: needs.programs.then(|| Fact::Unknown(reason.clone())),
        init: needs.init.then(|| Fact::Unknown(reason.clone())),
        cgroup_v1: needs.cgroup.then(|| Fact::Unknown(reason.clone())),
        health: needs.health.then_some(Fact::Unknown(reason)),
    }
}

/// A supervisord that does not answer yet has no program that runs.
async fn read_programs(ports: &Ports, place: &ExecPlace) -> Result<Vec<Program>, CallError> {
    let answer = ports
        .exec(CallSite::ExecPrograms, place, status_argv())
        .await?;
    Ok(match parse_supervisor_status(&answer)? {
        SupervisorReport::NotAnswering => Vec::new(),
        SupervisorReport::Programs(programs) => programs
            .into_iter()
            .map(|program| Program {
                // `sshd:sshd` is supervisord's way to write a program inside a group.
                name: program
                    .name
                    .rsplit(':')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                state: program.state.word().to_owned(),
                pid: program.pid,
            })
            .collect(),
    })
}

async fn read_init(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    place: &ExecPlace,
    record: Option<&InitRecord>,
) -> Result<InitState, CallError> {
    let uid = upgrade.uid().unwrap_or_default();
    let attempt = record
        .and_then(|record| init_attempt(&uid, &record.target, record.attempt))
        .ok_or_else(|| CallError::Missing("no run of docker_init.sh is recorded".into()))?;
    let argv = InitCommand::default().read_argv(&attempt);
    let answer = ports.exec(CallSite::ExecInitRead, place, argv).await?;
    let seen = parse_init_record(&answer)?;
    Ok(match seen.state {
        container::InitState::NotStarted => InitState::NotStarted,
        container::InitState::Starting | container::InitState::Running => InitState::Running,
        // The text is the proof, also when the process was killed before it could say how it ended.
        container::InitState::Exited { .. } | container::InitState::Vanished if seen.completed => {
            InitState::Completed
        }
        container::InitState::Exited { code } => InitState::Ended {
            code,
            last_lines: seen.last_lines,
        },
        container::InitState::Vanished => InitState::Vanished,
    })
}

async fn read_cgroup(ports: &Ports, place: &ExecPlace) -> Result<bool, CallError> {
    let answer = ports
        .exec(CallSite::ExecCgroup, place, cgroup_argv())
        .await?;
    Ok(parse_cgroup_version(&answer)? == CgroupVersion::V1)
}
