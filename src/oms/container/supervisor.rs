//! `supervisorctl`: the programs of an OMS container (deployment guide, check the deployment).
use serde::{Deserialize, Serialize};

use super::{ContainerError, ExecAnswer, strings};

/// Programs that must be RUNNING on a healthy node. 3.3.x also lists `crond`, which is not required.
pub const REQUIRED_PROGRAMS: [&str; 5] = [
    "nginx",
    "oms_console",
    "oms_drc_cm",
    "oms_drc_supervisor",
    "sshd",
];

/// The console: reads system parameters when it starts.
pub const CONSOLE_PROGRAM: &str = "oms_console";

/// State word of supervisord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProgramState {
    Stopped,
    Starting,
    Running,
    /// `BACKOFF`: exited too quickly, is tried again.
    Backoff,
    Stopping,
    Exited,
    /// `FATAL`: gave up starting it.
    Fatal,
    /// Any other word.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Program {
    /// Name, with the group where it differs (`group:name`).
    pub name: String,
    pub state: ProgramState,
    /// Process id while running: another one after a restart.
    pub pid: Option<i64>,
}

/// What `supervisorctl status` tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SupervisorReport {
    /// supervisord answers; programs sorted by name.
    Programs(Vec<Program>),
    /// supervisord does not answer (yet): container just started, or it died.
    NotAnswering,
}

/// `supervisorctl status`. Exits 3 when a program is not running, which is no failure of the command.
pub fn status_argv() -> Vec<String> {
    strings(["supervisorctl", "status"])
}

/// `supervisorctl start <programs>`.
pub fn start_argv(programs: &[&str]) -> Vec<String> {
    with_programs("start", programs)
}

/// `supervisorctl stop <programs>`.
pub fn stop_argv(programs: &[&str]) -> Vec<String> {
    with_programs("stop", programs)
}

/// `supervisorctl restart <programs>`.
pub fn restart_argv(programs: &[&str]) -> Vec<String> {
    with_programs("restart", programs)
}

fn with_programs(verb: &str, programs: &[&str]) -> Vec<String> {
    let mut argv = strings(["supervisorctl", verb]);
    argv.extend(programs.iter().map(|program| (*program).to_owned()));
    argv
}

/// Reads `supervisorctl status`.
pub fn parse_supervisor_status(answer: &ExecAnswer) -> Result<SupervisorReport, ContainerError> {
    let mut programs = Vec::new();
    for line in answer.stdout.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(state)) = (words.next(), words.next()) else {
            continue;
        };
        if let Some(state) = parse_state(state) {
            programs.push(Program {
                name: name.to_owned(),
                state,
                pid: parse_pid(words),
            });
        } else if line.contains("no such file") || line.contains("refused connection") {
            return Ok(SupervisorReport::NotAnswering);
        }
    }
    if programs.is_empty() {
        return Err(ContainerError {
            command: "supervisorctl status",
            reason: format!("it lists no program (exit code {})", answer.exit_code),
        });
    }
    programs.sort();
    Ok(SupervisorReport::Programs(programs))
}

/// Reads `pid 31, uptime 0:01:02`.
fn parse_pid<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<i64> {
    if words.next()? != "pid" {
        return None;
    }
    words.next()?.trim_end_matches(',').parse().ok()
}

fn parse_state(word: &str) -> Option<ProgramState> {
    Some(match word {
        "STOPPED" => ProgramState::Stopped,
        "STARTING" => ProgramState::Starting,
        "RUNNING" => ProgramState::Running,
        "BACKOFF" => ProgramState::Backoff,
        "STOPPING" => ProgramState::Stopping,
        "EXITED" => ProgramState::Exited,
        "FATAL" => ProgramState::Fatal,
        "UNKNOWN" => ProgramState::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &str, exit_code: i32) -> ExecAnswer {
        ExecAnswer {
            stdout: stdout.to_owned(),
            exit_code,
        }
    }

    #[test]
    fn reads_states() {
        let text = "nginx                            RUNNING   pid 31, uptime 0:01:02\n\
            oms_console                      FATAL     Exited too quickly (process log may have details)\n\
            oms_drc_cm                       STARTING  \n\
            sshd:sshd                        RUNNING   pid 7, uptime 1 day, 0:01:02\n";
        let SupervisorReport::Programs(programs) =
            parse_supervisor_status(&answer(text, 3)).unwrap()
        else {
            panic!("not answering");
        };
        let pids: Vec<_> = programs.iter().map(|p| p.pid).collect();
        assert_eq!(pids, [Some(31), None, None, Some(7)]);
        let states: Vec<_> = programs.iter().map(|p| p.state).collect();
        assert_eq!(
            states,
            [
                ProgramState::Running,
                ProgramState::Fatal,
                ProgramState::Starting,
                ProgramState::Running,
            ]
        );
    }

    #[test]
    fn tells_a_silent_supervisord_from_nonsense() {
        for text in [
            "unix:///var/run/supervisor/supervisor.sock no such file\n",
            "unix:///var/run/supervisor.sock refused connection\n",
            "http://localhost:8084 refused connection\n",
        ] {
            assert_eq!(
                parse_supervisor_status(&answer(text, 4)),
                Ok(SupervisorReport::NotAnswering)
            );
        }
        for text in ["", "bash: supervisorctl: command not found\n"] {
            let error = parse_supervisor_status(&answer(text, 127)).unwrap_err();
            assert!(!error.to_string().contains("bash"));
        }
    }
}
