//! Names by which the next operator finds what this one has made, and by which others know us.
use super::{UID, pin};
use oms_operator::api::*;
use oms_operator::objects::credentials::{CREDENTIALS_MOUNT, CREDENTIALS_ROLE};
use oms_operator::objects::jobs::AGENT_CONTAINER;
use oms_operator::objects::labels::*;
use oms_operator::objects::names::*;
use oms_operator::objects::pod_settings::POD_USER;
use oms_operator::objects::prepull::PREPULL_ROLE;
use oms_operator::runtime::RunOptions;

const MEANING: &str = "A name that changes is one under which the next operator does not find what this one has made: a second dump or a \
    second docker_init.sh begins beside the first, a Secret or a fence is left behind, Flux and Argo CD no longer know our field manager. \
    An upgrade that is under way needs the old name to be looked for as well, until it is settled.";

fn write_constants(text: &mut String) {
    for (name, value) in [
        ("group", GROUP),
        ("version", VERSION),
        ("finalizer", FINALIZER),
        ("annotation on a target: originals", ORIGINALS_ANNOTATION),
        ("annotation on a target: fence", FENCE_ANNOTATION),
        ("annotation that releases", RELEASE_ANNOTATION),
        ("its value", RELEASE_VALUE),
        ("field manager", FIELD_MANAGER),
        ("label: upgrade", UPGRADE_UID_LABEL),
        ("label: role", ROLE_LABEL),
        ("label: attempt", ATTEMPT_LABEL),
        ("label: managed by", MANAGED_BY_LABEL),
        ("annotation: upgrade", UPGRADE_ANNOTATION),
        ("role of a pre-pull pod", PREPULL_ROLE),
        ("role of the Secret", CREDENTIALS_ROLE),
        ("container of the agent", AGENT_CONTAINER),
        ("mount of the claim", BACKUP_MOUNT),
        ("mount of the account", CREDENTIALS_MOUNT),
    ] {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("user of our pods: {POD_USER}\n"));
    text.push_str(&format!("selector: {}\n", build_selector(UID)));
    text.push_str(&format!("default Lease: {}\n", read_default_lease()));
}

/// The Lease is made under this name where nobody names another.
fn read_default_lease() -> String {
    use clap::Args;
    let command = RunOptions::augment_args(clap::Command::new("run"));
    let lease = command
        .get_arguments()
        .find(|argument| argument.get_id() == "lease")
        .unwrap();
    lease.get_default_values()[0].to_str().unwrap().to_owned()
}

fn write_names(text: &mut String, target: &str, upgrade: &str) {
    for role in [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
        JobRole::DropCopies,
    ] {
        text.push_str(&format!("Job {role:?}, 2: {}\n", job_name(UID, role, 2)));
    }
    let image = "registry.example.com/oms:feature_4.0.0-ce";
    text.push_str(&format!(
        "pre-pull pod: {}\n",
        prepull_name(UID, target, image)
    ));
    text.push_str(&format!(
        "pod that holds the old image: {}\n",
        old_pull_name(UID, target, image, 0)
    ));
    text.push_str(&format!(
        "pod that pulls the old image, third round: {}\n",
        old_pull_name(UID, target, image, 3)
    ));
    text.push_str(&format!("Secret: {}\n", credentials_name(UID)));
    text.push_str(&format!(
        "event: {}\n",
        event_name(UID, "12345", "StoppingOld")
    ));
    let attempt = init_attempt(UID, target, 2).unwrap();
    text.push_str(&format!("run of docker_init.sh, 2: {attempt}\n"));
    text.push_str(&format!(
        "directory on the claim: {}\n",
        backup_directory(UID, upgrade)
    ));
}

#[test]
fn names_of_everything_that_is_made() {
    let mut text = String::from("# Words\n");
    write_constants(&mut text);
    text.push_str(&format!("\n# Upgrade to-4-0-0 ({UID}), target oms-1\n"));
    write_names(&mut text, "oms-1", "to-4-0-0");
    text.push_str("\n# The same with the longest names\n");
    write_names(&mut text, &"t".repeat(253), &"n.".repeat(126));
    pin::check("tests/golden/files/names.txt", &text, MEANING);
}
