//! A `docker run` line, read without running it.
mod options;
pub(crate) mod values;
mod words;

use self::options::{Known, find_letter, find_long};
use self::values::{read_mount, read_port, read_size, read_thousandths, read_volume};
use self::words::{Word, read_words};
use crate::import::container::{Container, UPGRADE, Variable};
use crate::import::error::ImportError;
use crate::import::why;

/// Reads the line and what stands above it.
///
/// # Errors
/// No such line; an option that is none; a value that cannot be read; a container that is not OMS.
pub(crate) fn read_run_line(text: &str) -> Result<Container, ImportError> {
    let (tool, words) = read_words(text)?;
    let mut container = Container {
        tool,
        source: "a run line",
        ..Container::default()
    };
    let last = words.last().map_or(1, |word| word.line);
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.next_if(|word| word.text.starts_with('-') && word.text.len() > 1) {
        for (known, inline) in read_options(&word)? {
            let value = match inline {
                Some(value) => value,
                None if known.has_value => {
                    let what = format!("--{} has no value", known.name);
                    let next = rest.next();
                    next.ok_or_else(|| ImportError::at(word.line, what))?.text
                }
                None => "true".to_owned(),
            };
            take(&mut container, known, &value)
                .map_err(|what| ImportError::at(word.line, format!("--{}: {what}", known.name)))?;
        }
    }
    let image = rest
        .next()
        .ok_or_else(|| ImportError::at(last, "no image stands at the end of the line"))?;
    container.image = Some(image.text);
    if rest.peek().is_some() {
        container.drop_it("the words behind the image", why::ARGUMENTS);
    }
    container.require_oms()
}

/// The options of one word: a long one, or letters in a row, of which the last may have a value. With each, the value
/// that stands in the same word.
fn read_options(word: &Word) -> Result<Vec<(Known, Option<String>)>, ImportError> {
    let unknown = |name: &str| {
        let what = format!(
            "{name} is no option of docker run or podman run that is known here, and whether a value follows it neither; take it \
             out of the line, and look by hand whether OMS needs it"
        );
        ImportError::at(word.line, what)
    };
    if let Some(long) = word.text.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let known = find_long(name).ok_or_else(|| unknown(&format!("--{name}")))?;
        return Ok(vec![(known, value)]);
    }
    let mut found = Vec::new();
    let letters = &word.text[1..];
    for (at, letter) in letters.char_indices() {
        let known = find_letter(letter).ok_or_else(|| unknown(&format!("-{letter}")))?;
        let behind = &letters[at + letter.len_utf8()..];
        if known.has_value {
            let value = behind.strip_prefix('=').unwrap_or(behind);
            found.push((known, (!behind.is_empty()).then(|| value.to_owned())));
            break;
        }
        found.push((known, None));
    }
    Ok(found)
}

/// Takes one option up; what is wrong with its value, without the value.
fn take(container: &mut Container, option: Known, value: &str) -> Result<(), String> {
    let yes = value != "false";
    match option.name {
        "name" => container.name = Some(value.to_owned()),
        "network" => container.network = Some(value.to_owned()),
        "privileged" => container.privileged = yes,
        "interactive" => container.stdin = yes,
        "tty" => container.tty = yes,
        "detach" => {}
        "env" => take_variable(container, value),
        "env-file" => container.drop_it(format!("--env-file {value}"), why::ENV_FILE),
        "volume" => container.mounts.push(read_volume(value)?),
        "mount" => container.mounts.push(read_mount(value)?),
        "publish" => match read_port(value) {
            Ok(port) => container.ports.push(port),
            Err(_) => container.drop_it(format!("--publish {value}"), why::PORT),
        },
        "cpus" => container.cpu_limit = Some(read_thousandths(value).ok_or("is no number")?),
        "memory" => container.memory_limit = Some(read_size(value).ok_or("is no size")?),
        "memory-reservation" => {
            container.memory_request = Some(read_size(value).ok_or("is no size")?);
        }
        "stop-timeout" => {
            container.stop_timeout = Some(value.parse().map_err(|_| "is no number of seconds")?);
        }
        "restart" => container.restart = Some(value.to_owned()),
        "add-host" => {
            let pair = value.split_once([':', '=']).ok_or("is not NAME:ADDRESS")?;
            container.add_host(pair.0, pair.1);
        }
        "cap-add" => container.add_capability(value),
        name => {
            let shown = if why::is_shown(name) {
                format!("--{name} {value}")
            } else {
                format!("--{name}")
            };
            container.drop_it(shown, why::explain(name));
        }
    }
    Ok(())
}

fn take_variable(container: &mut Container, value: &str) {
    let (name, value) = match value.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (value, None),
    };
    if name == UPGRADE {
        container.drop_it(format!("-e {UPGRADE}"), why::UPGRADE);
        return;
    }
    let name = name.to_owned();
    container.variables.push(Variable { name, value });
}
