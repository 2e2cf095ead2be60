//! `docker_init.sh`: started once, detached, with its record on the mounted logs volume.
//!
//! The script takes minutes and must not be interrupted (deployment guide), while an exec connection
//! may break at any time; so the exec only starts it. Its record outlives container and operator:
//! `/home/admin/logs/oms-operator/<attempt>/` with `started` (process), `session`, `log`, `code` and `exit`.
//! Its exit status is not documented to be reliable, so the completion text counts as well. It is looked for in the
//! container, in the whole of the log: how much of it an exec brings back does not matter.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ContainerError, ExecAnswer, probe::CONFIG_YAML};

/// Texts of `docker_init.sh` when all its steps are done (V3.3.1 deployment guide, V4.0.0 scale-out): that of the
/// Chinese pages and that of their translation. Which of them an image prints is not known. Colours, width of brackets,
/// spaces and what stands before and after do not matter.
pub const COMPLETION_TEXTS: [&str; 2] = [
    "【结束】全部初始化步骤执行成功",
    "[Completed] All initialization steps are executed",
];
/// The script in the image (upgrade guide, single node, step 6).
pub const INIT_PROGRAM: &str = "/root/docker_init.sh";
/// Folder of the records; on the logs volume, so that they survive the container.
pub const RECORD_FOLDER: &str = "/home/admin/logs/oms-operator";

const START_SCRIPT: &str = include_str!("init_start.sh");
const RUN_SCRIPT: &str = include_str!("init_run.sh");
const WORK_SCRIPT: &str = include_str!("init_work.sh");
const READ_SCRIPT: &str = include_str!("init_read.sh");

/// Most lines of the end of a log that are kept, and most characters of each.
const LAST_LINES: usize = 10;
const LONGEST_LINE: usize = 300;

/// Fewest characters of a completion text, blanks aside: a shorter one would be found in any log.
const SHORTEST_TEXT: usize = 8;

/// Name of one attempt: letters, digits, `.`, `_`, `-`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId(String);

impl AttemptId {
    /// Checks a name; `None` when it could mean anything else than one plain folder.
    pub fn new(name: &str) -> Option<Self> {
        let plain = name.len() <= 100
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        plain.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AttemptId {
    type Error = &'static str;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or("an attempt is named by letters, digits, '.', '_' and '-'")
    }
}

impl From<AttemptId> for String {
    fn from(attempt: AttemptId) -> Self {
        attempt.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Command lines about `docker_init.sh`, for one place of its files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitCommand {
    program: String,
    folder: String,
    configuration: String,
    texts: Vec<String>,
}

impl Default for InitCommand {
    /// The documented places.
    fn default() -> Self {
        Self::at(INIT_PROGRAM, RECORD_FOLDER, CONFIG_YAML)
    }
}

impl InitCommand {
    /// Other places: for images that keep the script elsewhere, and for tests.
    pub fn at(program: &str, folder: &str, configuration: &str) -> Self {
        Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            configuration: configuration.to_owned(),
            texts: COMPLETION_TEXTS.map(str::to_owned).to_vec(),
        }
    }

    /// Other texts count as well. One that every log holds would say that any run is complete: it is left out.
    #[must_use]
    pub fn with_completion_texts(mut self, others: &[String]) -> Self {
        let tells = |text: &&String| {
            let seen = text.chars().filter(|c| !c.is_whitespace()).count();
            seen >= SHORTEST_TEXT && !text.chars().any(char::is_control)
        };
        self.texts.extend(others.iter().filter(tells).cloned());
        self
    }

    /// Starts the script unless this attempt was started before; returns at once.
    pub fn start_argv(&self, attempt: &AttemptId) -> Vec<String> {
        bash(
            START_SCRIPT,
            "oms-operator-start",
            [
                self.folder.clone(),
                attempt.to_string(),
                self.program.clone(),
                leave_out_comments(RUN_SCRIPT),
                leave_out_comments(WORK_SCRIPT),
            ],
        )
    }

    /// Reads the record of an attempt; changes nothing.
    pub fn read_argv(&self, attempt: &AttemptId) -> Vec<String> {
        let place = [
            self.folder.clone(),
            attempt.to_string(),
            self.configuration.clone(),
        ];
        let args = place.into_iter().chain(self.texts.iter().cloned());
        bash(READ_SCRIPT, "oms-operator-read", args)
    }
}

fn bash(script: &str, name: &str, args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut argv = vec![
        "bash".to_owned(),
        "-c".to_owned(),
        leave_out_comments(script),
        name.to_owned(),
    ];
    argv.extend(args);
    argv
}

/// A command travels in the address of a request, and some proxies take no more than 8 KiB of that.
fn leave_out_comments(script: &str) -> String {
    script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// What the start command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InitStart {
    /// Started now (or claimed and about to begin: read the record).
    Started,
    /// This attempt was started before; nothing was done.
    Already,
    /// Another attempt is still at work; nothing was done.
    Busy,
}

/// State of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InitState {
    /// No record: it was never started here.
    NotStarted,
    /// Claimed less than 30 s ago, not begun yet.
    Starting,
    /// At work.
    Running,
    /// Ended.
    Exited {
        /// Exit code of the script; not documented to be reliable.
        code: i32,
    },
    /// Begun, without end and without a process: container or process was killed.
    Vanished,
}

/// Record of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InitRecord {
    /// Where it stands.
    pub state: InitState,
    /// True when a completion text was printed.
    pub completed: bool,
    /// Lines in its log: progress to look at.
    pub log_lines: u64,
    /// Seconds since it began.
    pub age_seconds: u64,
    /// Seconds since it last printed something.
    pub quiet_seconds: u64,
    /// Number of the last step that it announced: `[Step 4]`, `【步骤四】`; `None` where it announced none.
    pub step: Option<u32>,
    /// The end of its log, for people, while there is no completion text in it. The container leaves out lines that may
    /// hold a secret.
    pub last_lines: Vec<String>,
}

/// Reads the answer of the start command.
pub fn parse_init_start(answer: &ExecAnswer) -> Result<InitStart, ContainerError> {
    match answer.stdout.trim() {
        "init=started" | "init=slow" => Ok(InitStart::Started),
        "init=already" => Ok(InitStart::Already),
        "init=busy" => Ok(InitStart::Busy),
        "init=failed" => Err(unusable(
            "the logs volume refuses a folder: full, read-only or not mounted",
        )),
        _ => Err(unusable(&format!("exit code {}", answer.exit_code))),
    }
}

/// Reads the answer of the read command.
pub fn parse_init_record(answer: &ExecAnswer) -> Result<InitRecord, ContainerError> {
    read_record(&answer.stdout)
        .ok_or_else(|| unusable(&format!("no record line, exit code {}", answer.exit_code)))
}

fn read_record(text: &str) -> Option<InitRecord> {
    let mut lines = text.trim_start().lines();
    let mut words = lines.next()?.trim_end().split(' ');
    let mut field = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
    let state = field("init")?;
    let code = field("exit")?;
    let completed = field("banner")? == "1";
    let log_lines = field("lines")?.parse().ok()?;
    // A clock that was set back gives negative ages.
    let age: i64 = field("age")?.parse().ok()?;
    let quiet: i64 = field("quiet")?.parse().ok()?;
    let step = field("step").and_then(|steps| steps.split(',').rev().find_map(read_step));
    Some(InitRecord {
        state: match state {
            "absent" => InitState::NotStarted,
            "starting" => InitState::Starting,
            "running" => InitState::Running,
            "exited" => InitState::Exited {
                code: code.parse().ok()?,
            },
            "vanished" => InitState::Vanished,
            _ => return None,
        },
        completed,
        log_lines,
        age_seconds: u64::try_from(age).unwrap_or(0),
        quiet_seconds: u64::try_from(quiet).unwrap_or(0),
        step,
        last_lines: lines
            .take(LAST_LINES)
            .map(|line| {
                line.chars()
                    .filter(|c| !c.is_control())
                    .take(LONGEST_LINE)
                    .collect()
            })
            .collect(),
    })
}

/// The number in a heading of a step, without blanks: `Step4]`, `步骤四]`, `步骤４：`. The deployment guides write the Chinese
/// ones with Chinese numerals (V3.2.2 to V3.3.1); digits of either width mean the same.
fn read_step(heading: &str) -> Option<u32> {
    let rest = heading
        .strip_prefix("Step")
        .or_else(|| heading.strip_prefix("步骤"))?;
    let number: String = rest.chars().map_while(read_digit).collect();
    let after = rest.chars().nth(number.chars().count())?;
    if !matches!(after, ']' | ':' | '：') {
        return None;
    }
    // 十 is a digit of its own in Chinese: 十 is 10, 十一 is 11.
    match number.strip_prefix('T') {
        Some("") => Some(10),
        Some(ones) => ones
            .parse()
            .ok()
            .filter(|ones| *ones < 10)
            .map(|ones: u32| 10 + ones),
        None => number.parse().ok().filter(|number| *number < 100),
    }
}

/// A digit of whatever kind as ASCII; `T` for ten.
fn read_digit(c: char) -> Option<char> {
    const NUMERALS: &str = "〇一二三四五六七八九";
    const WIDE: &str = "０１２３４５６７８９";
    let find = |digits: &str| digits.chars().position(|digit| digit == c);
    match c {
        '0'..='9' => Some(c),
        '十' => Some('T'),
        _ => {
            let value = find(NUMERALS).or_else(|| find(WIDE))?;
            char::from_digit(u32::try_from(value).ok()?, 10)
        }
    }
}

fn unusable(reason: &str) -> ContainerError {
    ContainerError {
        command: "docker_init.sh's record",
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_in_every_script() {
        for (heading, step) in [
            ("Step4]", Some(4)),
            ("Step12:", Some(12)),
            ("步骤四]", Some(4)),
            ("步骤４]", Some(4)),
            ("步骤4：", Some(4)),
            ("步骤十]", Some(10)),
            ("步骤十二]", Some(12)),
            ("步骤执行", None),
            ("步骤一览]", None),
            ("Step]", None),
            ("Step4", None),
            ("Step4000000000]", None),
        ] {
            assert_eq!(read_step(heading), step, "{heading}");
        }
    }

    /// Also with the longest texts that the resource takes: see `spec.init.completionTexts`.
    #[test]
    fn a_command_fits_into_the_address_of_a_request() {
        let attempt = AttemptId::new(&"a".repeat(100)).unwrap();
        let texts = vec!["全".repeat(40); 4];
        let command = InitCommand::default().with_completion_texts(&texts);
        for argv in [command.start_argv(&attempt), command.read_argv(&attempt)] {
            let escaped = |byte: u8| match byte.is_ascii_alphanumeric() || b"-_.~*".contains(&byte)
            {
                true => 1,
                false => 3,
            };
            let words = argv.iter();
            let size: usize = words
                .map(|word| word.bytes().map(escaped).sum::<usize>() + "command=&".len())
                .sum();
            assert!(size <= 7600, "{size}");
        }
    }

    #[test]
    fn a_text_that_any_log_holds_is_none() {
        let plain = InitCommand::default();
        for text in ["        ", "done", "a b c d e f g", "all is done\nok"] {
            let command = plain.clone().with_completion_texts(&[text.to_owned()]);
            assert_eq!(command, plain, "{text:?}");
        }
        let command = plain.with_completion_texts(&["全部初始化步骤完成".to_owned()]);
        assert_eq!(command.texts.len(), 3);
    }
}
