//! The words of a `docker run` line as people keep and post it: with prompts, comments between its lines, lines that
//! lack their backslash, and variables that stand above it.
use crate::import::error::ImportError;
use std::collections::BTreeMap;

/// What begins such a line, and whose it is.
const COMMANDS: [(&str, &str); 5] = [
    ("docker run", "docker"),
    ("docker container run", "docker"),
    ("docker create", "docker"),
    ("podman run", "podman"),
    ("nerdctl run", "docker"),
];
/// What ends the command within its line.
const ENDS: [&str; 8] = ["&&", "||", "|", ";", "&", ">", ">>", "2>&1"];

/// A word, with variables put in, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub line: usize,
    pub text: String,
}

/// Which program is run, and the words behind `run`.
pub(crate) fn read_words(text: &str) -> Result<(&'static str, Vec<Word>), ImportError> {
    let mut variables = BTreeMap::new();
    let mut found: Option<(&'static str, Vec<Word>)> = None;
    let mut goes_on = false;
    for (number, whole) in text.lines().enumerate() {
        let line = number + 1;
        let trimmed = whole.trim();
        let (body, continued) = match trimmed.strip_suffix('\\') {
            Some(body) => (body.trim_end(), true),
            None => (trimmed, false),
        };
        // A comment between two lines does not end the command for whoever wrote it.
        let is_comment = body.starts_with('#') && find_command(body).is_none();
        match &mut found {
            None => {
                if let Some((tool, rest)) = find_command(body) {
                    found = Some((tool, split(rest, line, &variables)?));
                    goes_on = continued;
                } else if !is_comment {
                    keep_variables(body, &mut variables);
                }
            }
            Some(_) if body.is_empty() || is_comment => {}
            Some((_, words)) if goes_on || body.starts_with('-') => {
                words.extend(split(body, line, &variables)?);
                goes_on = continued;
            }
            Some((_, words)) => {
                if let Some((_, _)) = find_command(body) {
                    let what = "a second container is run here; give one line at a time";
                    return Err(ImportError::at(line, what));
                }
                if words.is_empty() {
                    words.extend(split(body, line, &variables)?);
                }
                break;
            }
        }
    }
    let (tool, mut words) = found.ok_or(ImportError::Nothing)?;
    if let Some(end) = words.iter().position(|word| ends(&word.text)) {
        words.truncate(end);
    }
    Ok((tool, words))
}

fn ends(word: &str) -> bool {
    ENDS.contains(&word)
}

/// What stands behind the command, whatever stands before it: a prompt, `sudo`, a variable.
fn find_command(body: &str) -> Option<(&'static str, &str)> {
    COMMANDS.iter().find_map(|(command, tool)| {
        let mut all = body.match_indices(command);
        all.find_map(|(at, _)| {
            let (before, rest) = (&body[..at], &body[at + command.len()..]);
            let begins = before.is_empty() || before.ends_with([' ', '\t', ';', '/']);
            let ends = rest.is_empty() || rest.starts_with([' ', '\t']);
            (begins && ends).then_some((*tool, rest))
        })
    })
}

/// `NAME=value`, alone or in a row, also behind `export`.
fn keep_variables(body: &str, variables: &mut BTreeMap<String, String>) {
    let words = shlex::split(body).unwrap_or_default();
    for word in words {
        if let Some((name, value)) = word.trim_end_matches(';').split_once('=')
            && is_name(name)
        {
            let value = expand(value, variables);
            variables.insert(name.to_owned(), value);
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(is_of_name)
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn split(
    body: &str,
    line: usize,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Word>, ImportError> {
    let words = shlex::split(body).ok_or_else(|| {
        ImportError::at(
            line,
            "a quote is not closed, or a backslash stands at the very end",
        )
    })?;
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        // `$(hostname -i)` is one value, though the space splits it for a reader that runs nothing.
        match whole.last_mut().filter(|last| is_cut(last)) {
            Some(last) => {
                last.push(' ');
                last.push_str(&word);
            }
            None => whole.push(word),
        }
    }
    let whole = whole.iter().map(|text| Word {
        line,
        text: expand(text, variables),
    });
    Ok(whole.collect())
}

/// Whether a substitution, or a placeholder such as `{mounted disk}`, begins in a word and does not end there.
fn is_cut(word: &str) -> bool {
    let opens = |open: &str, close: char| word.matches(open).count() > word.matches(close).count();
    opens("$(", ')') || opens("{", '}') || word.matches('`').count() % 2 == 1
}

/// The text with the variables that are known; others stay as they are written.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        shown.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let braced = behind
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let (name, after) = match braced {
            Some((name, after)) => (name, after),
            None => {
                let end = behind.find(|letter| !is_of_name(letter));
                behind.split_at(end.unwrap_or(behind.len()))
            }
        };
        match variables.get(name) {
            Some(value) => shown.push_str(value),
            None => shown.push_str(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let (_, words) = read_words(text).unwrap();
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn lines_are_joined_as_they_were_meant() {
        let text = "IP=10.0.0.1; NAME='oms a'\n\n[root@box ~]# sudo docker run -dit \\\n  # certificates\n -v /a:/b\n-e X=${IP} \\  \n\n\
            --name \"$NAME\" \\\r\n  image:${TAG} --flag && docker ps\nls -l\n";
        let expected = [
            "-dit",
            "-v",
            "/a:/b",
            "-e",
            "X=10.0.0.1",
            "--name",
            "oms a",
            "image:${TAG}",
            "--flag",
        ];
        assert_eq!(read(text), expected);
        assert_eq!(read("podman run -d i # c"), ["-d", "i"]);
        assert_eq!(read_words("podman run i").unwrap().0, "podman");
    }

    #[test]
    fn each_word_knows_its_line() {
        let (_, words) = read_words("\n\ndocker run \\\n -d \\\n i").unwrap();
        let lines: Vec<usize> = words.iter().map(|word| word.line).collect();
        assert_eq!(lines, [4, 5]);
    }

    #[test]
    fn what_a_shell_would_run_is_one_word() {
        assert_eq!(
            read("docker run -e A=$(hostname -i) `id -u` i"),
            ["-e", "A=$(hostname -i)", "`id -u`", "i"]
        );
        assert_eq!(read("A=$B\ndocker run $A $"), ["$B", "$"]);
        assert_eq!(
            read("docker run -v {mounted disk}:/a ${A} i"),
            ["-v", "{mounted disk}:/a", "${A}", "i"]
        );
    }

    #[test]
    fn broken_lines_name_their_place() {
        let error = read_words("docker run \\\n -e 'x \\\n i")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("line 2: a quote is not closed"),
            "{error}"
        );
        let error = read_words("docker run i\n\ndocker run j")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("line 3: a second container"), "{error}");
        assert_eq!(
            read_words("docker ps\n# docker running").unwrap_err(),
            ImportError::Nothing
        );
    }
}
