//! Inside the OMS containers: programs, the run of `docker_init.sh`, control groups, time zone, health.
use super::console::{ConsoleAccess, read_health};
use super::on_demand::look_if;
use super::targets::TargetView;
use crate::api::InitRecord;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::{ExecPlace, Ports};
use crate::controller::subject::Subject;
use crate::facts::{Fact, InitLog, InitState, Needs, Program};
use crate::objects::names::init_attempt;
use crate::oms::container::{
    self, CgroupVersion, InitCommand, SupervisorReport, cgroup_argv, parse_cgroup_version,
    parse_init_record, parse_supervisor_status, parse_utc_offset, status_argv, utc_offset_argv,
};
use crate::oms::open_api::Health;
use futures::FutureExt;
use futures::future::BoxFuture;

/// What was read inside one target.
#[derive(Default)]
pub(super) struct ContainerReading {
    pub programs: Fact<Vec<Program>>,
    pub init: Fact<InitState>,
    pub init_log: InitLog,
    pub cgroup_v1: Fact<bool>,
    pub utc_offset_seconds: Fact<i32>,
    pub health: Fact<Health>,
}

/// Looks into every target at once.
pub(super) async fn read_containers(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    access: &Fact<ConsoleAccess>,
    targets: &[TargetView],
) -> Vec<ContainerReading> {
    let looks: Vec<BoxFuture<'_, ContainerReading>> = targets
        .iter()
        .map(|view| read_container(ports, subject, needs, access, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn read_container(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    access: &Fact<ConsoleAccess>,
    view: &TargetView,
) -> ContainerReading {
    let Some((place, pod)) = view.find_place() else {
        return say_nothing_runs(&view.facts.name, needs);
    };
    let record = subject
        .status
        .internal
        .init_runs
        .iter()
        .find(|record| record.target == view.facts.name && record.pod_uid == pod.uid);
    let (programs, init, cgroup_v1, utc_offset_seconds, health) = futures::join!(
        look_if(needs.programs, read_programs(ports, &place)),
        look_if(
            needs.init && record.is_some(),
            read_init(ports, subject, &place, record)
        ),
        look_if(needs.cgroup, read_cgroup(ports, &place)),
        look_if(needs.time_zones, read_utc_offset(ports, &place)),
        look_if(needs.health, read_health(ports, access, pod)),
    );
    let (init, init_log) = match init {
        Fact::Known((state, log)) => (Fact::Known(state), log),
        Fact::Unknown(reason) => (Fact::Unknown(reason), InitLog::default()),
    };
    ContainerReading {
        programs,
        init,
        init_log,
        cgroup_v1,
        utc_offset_seconds,
        health,
    }
}

fn say_nothing_runs(target: &str, needs: Needs) -> ContainerReading {
    fn say<T>(wanted: bool, reason: &str) -> Fact<T> {
        if wanted {
            Fact::Unknown(reason.to_owned())
        } else {
            Fact::default()
        }
    }
    let reason = format!("no container of {target} runs");
    ContainerReading {
        programs: say(needs.programs, &reason),
        init: say(needs.init, &reason),
        init_log: InitLog::default(),
        cgroup_v1: say(needs.cgroup, &reason),
        utc_offset_seconds: say(needs.time_zones, &reason),
        health: say(needs.health, &reason),
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
                state: program.state,
                pid: program.pid,
            })
            .collect(),
    })
}

async fn read_init(
    ports: &Ports,
    subject: &Subject<'_>,
    place: &ExecPlace,
    record: Option<&InitRecord>,
) -> Result<(InitState, InitLog), CallError> {
    let attempt = record
        .and_then(|record| init_attempt(subject.marks.uid, &record.target, record.attempt))
        .ok_or_else(|| CallError::Bug("no run of docker_init.sh is recorded".into()))?;
    let texts = &subject.upgrade.spec.init.completion_texts;
    let command = InitCommand::default().with_completion_texts(texts);
    let argv = command.read_argv(&attempt);
    let answer = ports.exec(CallSite::ExecInitRead, place, argv).await?;
    let seen = parse_init_record(&answer)?;
    let state = match seen.state {
        container::InitState::NotStarted => InitState::NotStarted,
        container::InitState::Starting | container::InitState::Running => InitState::Running,
        // The text is the proof, also when the process was killed before it could say how it ended.
        container::InitState::Exited { .. } | container::InitState::Vanished if seen.completed => {
            InitState::Completed
        }
        container::InitState::Exited { code } => InitState::Ended { code },
        container::InitState::Vanished => InitState::Vanished,
    };
    let log = InitLog {
        step: seen.step.and_then(|step| i32::try_from(step).ok()),
        last_lines: seen.last_lines,
    };
    Ok((state, log))
}

async fn read_cgroup(ports: &Ports, place: &ExecPlace) -> Result<bool, CallError> {
    let answer = ports
        .exec(CallSite::ExecCgroup, place, cgroup_argv())
        .await?;
    Ok(parse_cgroup_version(&answer)? == CgroupVersion::V1)
}

async fn read_utc_offset(ports: &Ports, place: &ExecPlace) -> Result<i32, CallError> {
    let answer = ports
        .exec(CallSite::ExecUtcOffset, place, utc_offset_argv())
        .await?;
    Ok(parse_utc_offset(&answer)?)
}
