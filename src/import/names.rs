//! How the objects are called.
use crate::import::choices::Choices;
use crate::import::container::{Container, KEPT, is_open};

/// Longest name of a Deployment from which names of pods still follow.
const LONGEST: usize = 50;
const USUAL: &str = "oms";

/// Names of one node's objects.
pub(crate) struct Names {
    pub namespace: String,
    /// The Deployment; the others begin with it.
    pub deployment: String,
}

impl Names {
    /// The name that was chosen, else docker's where it may be one, else `oms`.
    pub(crate) fn find(choices: &Choices, container: &Container) -> Self {
        let docker = container.name.as_deref().filter(|name| !is_open(name));
        let chosen = choices.name.clone().or_else(|| docker.map(make_name));
        Self {
            namespace: choices.namespace.clone(),
            deployment: chosen
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| USUAL.to_owned()),
        }
    }

    pub(crate) fn of(&self, what: &str) -> String {
        format!("{}-{what}", self.deployment)
    }

    /// A volume belongs to no namespace, so its name holds it.
    pub(crate) fn volume(&self, what: &str) -> String {
        format!("{}-{}-{what}", self.namespace, self.deployment)
    }
}

/// A word for what is mounted at a path.
pub(crate) fn name_mount(target: &str) -> String {
    let known = KEPT.iter().find(|(_, path)| *path == target);
    known.map_or_else(|| make_name(target), |(name, _)| (*name).to_owned())
}

/// The volume of something else of the host; `number` tells it from others where its path does not.
pub(crate) fn name_host_volume(
    target: &str,
    is_taken: impl Fn(&str) -> bool,
    number: usize,
) -> String {
    let name = format!("host-{}", make_name(target));
    if name.ends_with('-') || is_taken(&name) {
        return format!("host-{number}");
    }
    name
}

/// A DNS label of a text: what it may not hold becomes a hyphen.
fn make_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let hyphened: String = lower
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = hyphened
        .split('-')
        .filter(|part| !part.is_empty())
        .collect();
    let name = parts.join("-");
    let cut = &name[..name.len().min(LONGEST)];
    cut.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_that_kubernetes_takes_them() {
        for (text, name) in [
            ("oms_test", "oms-test"),
            ("OMS.1", "oms-1"),
            ("/etc/localtime", "etc-localtime"),
            ("__", ""),
        ] {
            assert_eq!(make_name(text), name);
        }
        assert_eq!(make_name(&"a_".repeat(60)).len(), LONGEST - 1);
        assert_eq!(name_mount("/home/ds/run"), "run");
        assert_eq!(name_mount("/home/ds"), "home-ds");
        assert_eq!(name_host_volume("/a/b", |_| false, 3), "host-a-b");
        assert_eq!(
            name_host_volume("/a_b", |name| name == "host-a-b", 3),
            "host-3"
        );
        assert_eq!(name_host_volume("/数据", |_| false, 3), "host-3");
    }
}
