//! Names of the objects that we make. Pure.
//!
//! A name follows from the uid of the `OmsUpgrade`, so a crash between "made" and "remembered" finds
//! it again, and an upgrade of the same name that was deleted before can never be mistaken for this
//! one. The name of the `OmsUpgrade` itself may have 253 characters and stands in an annotation.
use crate::api::JobRole;
use crate::oms::container::AttemptId;
use crate::protocol::hex::hash_text;

/// Where the claim is mounted in the Jobs.
pub const BACKUP_MOUNT: &str = "/backup";
/// Characters of an upgrade's name in the name of its backup directory.
const NAME_IN_DIRECTORY: usize = 60;

/// Hexadecimal digits of a hash over some text.
fn shorten(text: &str, digits: usize) -> String {
    let mut hex = hash_text(text);
    hex.truncate(digits);
    hex
}

/// Short form of an upgrade's uid: ten hexadecimal digits.
pub fn shorten_uid(uid: &str) -> String {
    shorten(uid, 10)
}

/// The word of a role: the agent's subcommand, also part of names and labels.
pub fn role_word(role: JobRole) -> &'static str {
    match role {
        JobRole::Probe => "probe",
        JobRole::Dump => "dump",
        JobRole::Verify => "verify",
        JobRole::Compare => "compare",
        JobRole::Restore => "restore",
        JobRole::DropCopies => "drop-safety-copies",
    }
}

/// Each attempt has a name of its own: a Job is never found in the place of another.
pub fn job_name(uid: &str, role: JobRole, attempt: i32) -> String {
    format!("oms-{}-{}-{attempt}", shorten_uid(uid), role_word(role))
}

/// Name of the pod that pulls an image on a target's node: another image is another pod.
pub fn prepull_name(uid: &str, target: &str, image: &str) -> String {
    let what = format!("{target} {image}");
    format!("oms-{}-prepull-{}", shorten_uid(uid), shorten(&what, 10))
}

/// Name of the pod that pulls the image of before the upgrade on a target's node: another round is another pod, so that
/// what was there before proves nothing.
pub fn old_pull_name(uid: &str, target: &str, image: &str, round: i32) -> String {
    let what = format!("{target} {image} {round}");
    format!("oms-{}-prepull-{}", shorten_uid(uid), shorten(&what, 10))
}

/// Name of the Secret with the account that was read from a container.
pub fn credentials_name(uid: &str) -> String {
    format!("oms-{}-credentials", shorten_uid(uid))
}

/// Name of the Secret with the second copy of the originals.
pub fn originals_name(uid: &str) -> String {
    format!("oms-{}-originals", shorten_uid(uid))
}

/// Name of the event about one transition: the same transition never gives two events.
pub fn event_name(uid: &str, resource_version: &str, reason: &str) -> String {
    format!(
        "oms-{}-{}",
        shorten_uid(uid),
        shorten(&format!("{resource_version} {reason}"), 16)
    )
}

/// Name of a run of `docker_init.sh`; `None` cannot happen for names made here.
pub fn init_attempt(uid: &str, target: &str, attempt: i32) -> Option<AttemptId> {
    AttemptId::new(&format!(
        "{}-{}-{attempt}",
        shorten_uid(uid),
        shorten(target, 8)
    ))
}

/// Directory of an upgrade's backups as its Jobs see it.
pub fn backup_directory(uid: &str, upgrade: &str) -> String {
    let readable: String = upgrade.chars().take(NAME_IN_DIRECTORY).collect();
    format!(
        "{BACKUP_MOUNT}/{}-{}",
        readable.trim_end_matches(['.', '-']),
        shorten_uid(uid)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A Job's pods get eleven characters more, and a name may have 63.
    const LONGEST_NAME: usize = 52;

    const ROLES: [JobRole; 6] = [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
        JobRole::DropCopies,
    ];

    fn is_dns_label(name: &str) -> bool {
        name.len() <= LONGEST_NAME
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.ends_with('-')
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    proptest! {
        #[test]
        fn every_name_is_a_short_dns_label(uid in ".{0,253}", target in "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", attempt in 1..100_000i32) {
            for role in ROLES {
                prop_assert!(is_dns_label(&job_name(&uid, role, attempt)));
            }
            prop_assert!(is_dns_label(&prepull_name(&uid, &target, &uid)));
            prop_assert!(is_dns_label(&credentials_name(&uid)));
            prop_assert!(is_dns_label(&originals_name(&uid)));
            prop_assert!(is_dns_label(&event_name(&uid, "12345", &target)));
            prop_assert!(init_attempt(&uid, &target, attempt).is_some());
            let directory = backup_directory(&uid, &target);
            let last = directory.rsplit('/').next().unwrap_or_default();
            prop_assert!(last.len() <= 80 && directory == format!("/backup/{last}") && last != "..", "{directory}");
        }
    }

    #[test]
    fn names_of_different_things_differ() {
        let mut seen = BTreeSet::new();
        for uid in ["a", "b"] {
            for role in ROLES {
                for attempt in 1..20 {
                    assert!(seen.insert(job_name(uid, role, attempt)));
                }
            }
            for target in ["oms-a", "oms-b"] {
                for image in ["oms:4.0.0-ce", "oms:4.0.1-ce"] {
                    assert!(seen.insert(prepull_name(uid, target, image)));
                }
            }
            assert!(seen.insert(credentials_name(uid)));
            assert!(seen.insert(originals_name(uid)));
        }
    }

    #[test]
    fn names_stay_as_they_are_across_versions() {
        // A new version of the operator must find what an older one made.
        let uid = "0f7c2a1e-6a55-4c1e-9a5e-000000000001";
        assert_eq!(job_name(uid, JobRole::Dump, 2), "oms-f86381adde-dump-2");
    }
}
