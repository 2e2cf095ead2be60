//! Commands for the inside of an OMS container, and the reading of their answers. No I/O: the
//! controller does the exec.
//!
//! Command lines are constant; what varies is a positional argument of a checked form, so nothing
//! can be interpreted by a shell. No command line ever holds a secret.
mod init;
mod probe;
mod supervisor;

use thiserror::Error;

#[cfg(feature = "testing")]
pub use init::InitRecord;
pub use init::{AttemptId, InitCommand, InitStart, InitState, parse_init_record, parse_init_start};
pub use probe::{
    CgroupVersion, cgroup_argv, config_yaml_argv, parse_cgroup_version, parse_utc_offset,
    utc_offset_argv,
};
pub use supervisor::{
    CONSOLE_PROGRAM, ProgramState, REQUIRED_PROGRAMS, SupervisorReport, parse_supervisor_status,
    restart_argv, start_argv, status_argv, stop_argv,
};

/// What a command in the container gave back. There is none of a command whose end was not told: what it printed may be
/// cut, and half a list or half a name reads like a whole one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ExecAnswer {
    /// Standard output, decoded leniently.
    pub stdout: String,
    /// What the command ended with; 0 where it says that it did what it was asked for.
    pub exit_code: i32,
}

/// A command's answer that cannot be understood. Does not quote the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "{command} in the OMS container gave no usable answer: {reason}; nothing is concluded from it; it is asked again"
)]
pub struct ContainerError {
    /// Command in words.
    pub command: &'static str,
    /// What is wrong.
    pub reason: String,
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
