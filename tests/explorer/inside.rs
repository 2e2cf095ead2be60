//! Consoles and commands in containers under the operator's ports.
use super::gate::{Fault, Gate};
use super::metadb::build_key;
use super::world::World;
use futures::future::BoxFuture;
use oms_operator::controller::{CallSite, Clock, ContainerExec, ExecError, ExecPlace};
use oms_operator::metadb::secret::Credentials;
use oms_operator::oms::container::{
    AttemptId, ExecAnswer, InitCommand, cgroup_argv, config_yaml_argv, restart_argv, start_argv,
    status_argv, stop_argv, utc_offset_argv,
};
use oms_operator::oms::ha::HaConfig;
use oms_operator::oms::open_api::*;
use oms_operator::oms::project::{ProjectKey, ProjectProgress, ProjectStatus};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct ConsoleDouble(pub Gate);

impl OpenApiOpener for ConsoleDouble {
    fn open(
        &self,
        _endpoint: Endpoint,
        _credentials: Option<&Credentials>,
        _limit: Duration,
    ) -> Arc<dyn OpenApi> {
        Arc::new(self.clone())
    }
}

impl ConsoleDouble {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        site: CallSite,
        act: impl FnOnce(&mut World) -> T + Send + 'a,
    ) -> OpenApiResult<'a, T> {
        let act = move |world: &mut World| {
            if world.oms.values().any(|oms| oms.up) {
                Ok(act(world))
            } else {
                Err(describe_fault(site, Fault::LostBefore))
            }
        };
        Box::pin(
            self.0
                .pass(site, act, move |fault| Err(describe_fault(site, fault))),
        )
    }
}

fn describe_fault(site: CallSite, fault: Fault) -> OpenApiError {
    let call = format!("{site:?}");
    match fault {
        Fault::LostBefore => OpenApiError::Unreachable {
            call,
            address: ([10, 0, 0, 1], 8089).into(),
            reason: "refused".into(),
        },
        Fault::LostAfter => OpenApiError::ConnectionLost { call },
        Fault::TimeoutAfter => OpenApiError::TimedOut { call, seconds: 10 },
        Fault::Forbidden => OpenApiError::LoginRefused { call, status: 401 },
        Fault::Garbage => OpenApiError::Unreadable {
            call,
            reason: "no JSON".into(),
        },
        _ => OpenApiError::Refused { call, status: 500 },
    }
}

impl OpenApi for ConsoleDouble {
    fn read_progress<'a>(&'a self, project: &'a ProjectKey) -> OpenApiResult<'a, ProjectProgress> {
        if self.0.lock().world.unwatched {
            let call = "read the progress".to_owned();
            return Box::pin(async { Err(OpenApiError::Refused { call, status: 404 }) });
        }
        self.ask(CallSite::ConsoleProgress, move |world| {
            if *project != build_key() {
                world.break_rule(format!("{project} is asked for, which does not exist"));
            }
            ProjectProgress {
                key: project.clone(),
                status: ProjectStatus::Running,
                current_step: Some("CONNECTOR_INCR_SYNC".into()),
                incremental: true,
                reverse_incremental: false,
                checkpoint: Some(world.read_checkpoint()),
                reverse_checkpoint: None,
            }
        })
    }

    fn read_health(&self) -> OpenApiResult<'_, Health> {
        self.ask(CallSite::ConsoleHealth, |_| Health::NotOffered)
    }

    fn write_ha<'a>(&'a self, _call: &'a HaCall, config: &'a HaConfig) -> OpenApiResult<'a, ()> {
        self.ask(CallSite::ConsoleWriteHa, move |world| {
            world.check_intent(&["SetHa"], None);
            world.db.ha = Some(config.as_str().into());
            world.check_ha_on();
            for oms in world.oms.values_mut().filter(|oms| oms.up) {
                oms.console_text = Some(config.as_str().into());
            }
            world.touched = true;
        })
    }
}

#[derive(Clone)]
pub struct ExecDouble(pub Gate);

/// What a command line asks for.
enum Command {
    Programs,
    Cgroup,
    UtcOffset,
    Config,
    RestartConsole,
    StopConsole,
    StartConsole,
    StartInit(String),
    ReadInit(String),
}

/// Compares with the very command lines that the product builds.
fn parse(argv: &[String]) -> Option<Command> {
    let init = InitCommand::default();
    let attempt = argv.get(5).and_then(|word| AttemptId::new(word));
    if argv == status_argv() {
        Some(Command::Programs)
    } else if argv == cgroup_argv() {
        Some(Command::Cgroup)
    } else if argv == utc_offset_argv() {
        Some(Command::UtcOffset)
    } else if argv == config_yaml_argv() {
        Some(Command::Config)
    } else if argv == restart_argv(&["oms_console"]) {
        Some(Command::RestartConsole)
    } else if argv == stop_argv(&["oms_console"]) {
        Some(Command::StopConsole)
    } else if argv == start_argv(&["oms_console"]) {
        Some(Command::StartConsole)
    } else if attempt
        .as_ref()
        .is_some_and(|attempt| argv == init.start_argv(attempt))
    {
        attempt.map(|attempt| Command::StartInit(attempt.as_str().into()))
    } else if attempt
        .as_ref()
        .is_some_and(|attempt| argv == init.read_argv(attempt))
    {
        attempt.map(|attempt| Command::ReadInit(attempt.as_str().into()))
    } else {
        None
    }
}

impl ContainerExec for ExecDouble {
    fn run<'a>(
        &'a self,
        place: &'a ExecPlace,
        argv: Vec<String>,
    ) -> BoxFuture<'a, Result<ExecAnswer, ExecError>> {
        Box::pin(async move {
            let Some(command) = parse(&argv) else {
                self.0
                    .lock()
                    .world
                    .break_rule(format!("a command that nobody knows: {argv:?}"));
                return Err(ExecError("unknown command".into()));
            };
            let site = match command {
                Command::Programs => CallSite::ExecPrograms,
                Command::Cgroup => CallSite::ExecCgroup,
                Command::UtcOffset => CallSite::ExecUtcOffset,
                Command::Config => CallSite::ExecConfig,
                Command::RestartConsole => CallSite::ExecRestartConsole,
                Command::StopConsole => CallSite::ExecStopConsole,
                Command::StartConsole => CallSite::ExecStartConsole,
                Command::StartInit(_) => CallSite::ExecInitStart,
                Command::ReadInit(_) => CallSite::ExecInitRead,
            };
            let act = |world: &mut World| {
                if world.oms.contains_key(&place.pod) {
                    Ok(answer(world, &place.pod, &command))
                } else {
                    Err(ExecError("container not found".into()))
                }
            };
            self.0
                .pass(site, act, |fault| match fault {
                    Fault::Garbage => Ok(ExecAnswer::default()),
                    fault => Err(ExecError(format!("{fault:?}"))),
                })
                .await
        })
    }
}

fn answer(world: &mut World, pod: &str, command: &Command) -> ExecAnswer {
    let stdout = match command {
        Command::Programs => world.describe_programs(pod),
        Command::Cgroup => "tmpfs\n".into(),
        Command::UtcOffset => "+0000\n".into(),
        Command::Config => super::manifests::build_config(world.list("deployments").len()),
        Command::RestartConsole => {
            world.check_intent(&["RestartConsole"], None);
            world.stop_console(pod);
            world.start_console(pod);
            "oms_console: stopped\noms_console: started\n".into()
        }
        Command::StopConsole => {
            world.check_intent(&["StopConsole"], None);
            world.stop_console(pod);
            "oms_console: stopped\n".into()
        }
        Command::StartConsole => {
            world.check_intent(&["StartConsole"], None);
            world.start_console(pod);
            "oms_console: started\n".into()
        }
        Command::StartInit(attempt) => {
            world.check_intent(&["StartInit"], None);
            world.start_init(pod, attempt).into()
        }
        Command::ReadInit(attempt) => {
            let target = pod
                .rsplit_once('-')
                .map_or(pod, |(target, _)| target)
                .to_owned();
            world.describe_init(&target, attempt)
        }
    };
    ExecAnswer {
        stdout,
        exit_code: 0,
    }
}

/// The world's clock.
#[derive(Clone)]
pub struct ClockDouble(pub Gate);

impl Clock for ClockDouble {
    fn now(&self) -> k8s_openapi::jiff::Timestamp {
        k8s_openapi::jiff::Timestamp::from_second(self.0.lock().world.clock).unwrap()
    }
}
