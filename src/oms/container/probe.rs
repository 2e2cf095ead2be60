//! Read-only questions to a container: cgroup version, time zone, configuration file.
use serde::{Deserialize, Serialize};

use super::{ContainerError, ExecAnswer, strings};

/// Which control groups the node gives the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CgroupVersion {
    /// Version 1, which OMS ≤ 4.2.4 needs.
    V1,
    /// Version 2: the server status of OMS ≤ 4.2.4 is abnormal there (troubleshooting guide).
    V2,
}

/// Asks for the file system type of the control groups.
pub fn cgroup_argv() -> Vec<String> {
    strings(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"])
}

/// Reads the answer to [`cgroup_argv`].
pub fn parse_cgroup_version(answer: &ExecAnswer) -> Result<CgroupVersion, ContainerError> {
    match answer.stdout.trim() {
        // Older coreutils do not know the name and print the magic number.
        "cgroup2fs" | "UNKNOWN (0x63677270)" => Ok(CgroupVersion::V2),
        "tmpfs" | "cgroupfs" => Ok(CgroupVersion::V1),
        _ => Err(ContainerError {
            command: "stat -f /sys/fs/cgroup",
            reason: format!("unknown file system (exit code {})", answer.exit_code),
        }),
    }
}

/// Asks for the container's offset from UTC: it must equal the meta database's (deployment guide).
pub fn utc_offset_argv() -> Vec<String> {
    strings(["date", "+%z"])
}

/// Reads the answer to [`utc_offset_argv`]: seconds east of UTC.
pub fn parse_utc_offset(answer: &ExecAnswer) -> Result<i32, ContainerError> {
    read_offset(answer.stdout.trim()).ok_or_else(|| ContainerError {
        command: "date +%z",
        reason: format!("no offset such as +0800 (exit code {})", answer.exit_code),
    })
}

fn read_offset(text: &str) -> Option<i32> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits = text.get(1..)?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.parse().ok()?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// OMS's configuration (deployment guide).
pub(super) const CONFIG_YAML: &str = "/home/admin/conf/config.yaml";

/// Prints the container's `config.yaml`. Its output holds passwords: keep it out of every log.
pub fn config_yaml_argv() -> Vec<String> {
    strings(["cat", CONFIG_YAML])
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
    fn reads_cgroups() {
        assert_eq!(
            parse_cgroup_version(&answer("cgroup2fs\n", 0)),
            Ok(CgroupVersion::V2)
        );
        assert_eq!(
            parse_cgroup_version(&answer("tmpfs\n", 0)),
            Ok(CgroupVersion::V1)
        );
        assert!(parse_cgroup_version(&answer("", 1)).is_err());
    }

    #[test]
    fn reads_offsets() {
        for (text, seconds) in [("+0000", 0), ("+0800\n", 28800), ("-0330", -12600)] {
            assert_eq!(parse_utc_offset(&answer(text, 0)), Ok(seconds));
        }
        for text in ["", "CST", "+08", "0800", "+9900", "+08:00", "+0é0"] {
            assert!(parse_utc_offset(&answer(text, 0)).is_err(), "{text}");
        }
    }
}
