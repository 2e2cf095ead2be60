//! Preflight check: the control groups of the nodes. Pure.
//!
//! OceanBase's troubleshooting guide says that versions before 4.2.5 show an abnormal server status on hosts with
//! cgroup v2. Where the version that runs is ONLINE on such a node the guide's trouble does not show, so there it is a
//! warning.
use crate::facts::Fact;
use crate::oms::version::needs_cgroup_v1;
use crate::upgrade::context::Context;
use crate::upgrade::parts::source::find_target_version;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::Verdict;

/// The node of a target runs cgroup v1, or OMS is seen to run on it all the same.
pub(crate) fn judge_cgroup(cx: &Context<'_>, index: usize) -> Verdict {
    if find_target_version(cx).is_some_and(|version| !needs_cgroup_v1(version)) {
        return Verdict::passed("this version runs on cgroup v2 too");
    }
    let Some(facts) = cx.observed.targets.get(index) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    let name = &facts.name;
    match &facts.cgroup_v1 {
        Fact::Known(true) => return Verdict::passed("its node runs cgroup v1"),
        // It is read inside of the container.
        Fact::Unknown(_) if facts.find_running().is_none() => {
            return Verdict::not_made(&name_target(cx, index));
        }
        Fact::Unknown(reason) => {
            return Verdict::unread(format!(
                "the cgroup version of the node of {name} cannot be read: {reason}"
            ));
        }
        Fact::Known(false) => {}
    }
    let guide = "OceanBase's troubleshooting guide says that OMS before 4.2.5 shows an abnormal server status there";
    match find_host_status(cx, index) {
        Err(reason) => Verdict::unseen(
            format!(
                "the node of {name} runs cgroup v2 ({guide}), and whether OMS is ONLINE on it now cannot be seen: {reason}"
            ),
            "run OMS on a node with cgroup v1",
        ),
        Ok(status) if status == "ONLINE" => Verdict::warning(
            format!(
                "the node of {name} runs cgroup v2; {guide}, but the version that runs is ONLINE on it"
            ),
            "nothing; should the new version not be ONLINE, the upgrade is rolled back",
        ),
        Ok(status) => Verdict::skippable(
            format!("the node of {name} runs cgroup v2, and OMS is {status} on it; {guide}"),
            "run OMS on a node with cgroup v1; or, where you know that the new version runs there: \
             checks: [{name: CgroupVersion, policy: Skip, reason: \"…\"}] (Attest does not help, because this was seen)",
        ),
    }
}

/// `host_status` of the node of a target in the MetaDB.
fn find_host_status(cx: &Context<'_>, index: usize) -> Result<String, String> {
    let installation = match &cx.observed.installation {
        Fact::Known(installation) => installation,
        Fact::Unknown(reason) => return Err(reason.clone()),
    };
    let hosts = match &cx.observed.metadb.hosts {
        Fact::Known(hosts) => hosts,
        Fact::Unknown(reason) => return Err(reason.clone()),
    };
    let address = installation
        .target_addresses
        .get(index)
        .and_then(Option::as_ref)
        .ok_or("its OMS_HOST_IP cannot be told")?;
    Ok(hosts
        .iter()
        .find(|host| &host.ip == address)
        .map_or_else(|| "not registered".into(), |host| host.status.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::{Observed, PodFacts, TargetFacts};
    use crate::oms::installation::Installation;
    use crate::oms::metadb::HostRow;
    use crate::upgrade::ObjectFacts;
    use crate::upgrade::steps::preflight::verdict::Kind;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn judge(
        image: &str,
        v1: Fact<bool>,
        address: Option<&str>,
        hosts: Fact<Vec<HostRow>>,
    ) -> Verdict {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": image, "backup": {"claimName": "c"}}))
        .unwrap();
        let mut observed = Observed {
            targets: vec![TargetFacts {
                name: "oms".into(),
                cgroup_v1: v1,
                pods: Fact::Known(vec![running()]),
                ..TargetFacts::default()
            }],
            installation: Fact::Known(Installation {
                target_addresses: vec![address.map(str::to_owned)],
                ..Installation::default()
            }),
            ..Observed::default()
        };
        observed.metadb.hosts = hosts;
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &observed,
        };
        judge_cgroup(&cx, 0)
    }

    fn running() -> PodFacts {
        let mut pod = PodFacts::default();
        pod.container.running = true;
        pod
    }

    fn host(status: &str) -> Fact<Vec<HostRow>> {
        Fact::Known(vec![HostRow {
            ip: "10.0.0.1".into(),
            status: status.into(),
        }])
    }

    fn tell(verdict: &Verdict) -> &str {
        verdict.way_out.as_deref().unwrap_or_default()
    }

    const IMAGE: &str = "oms:feature_4.0.0-ce";
    const ADDRESS: Option<&str> = Some("10.0.0.1");

    #[test]
    fn cgroup_v2_is_a_warning_where_oms_is_online_on_it() {
        let verdict = judge(IMAGE, Fact::Known(false), ADDRESS, host("ONLINE"));
        assert!(
            verdict.kind == Kind::Warning && tell(&verdict).contains("rolled back"),
            "{verdict:?}"
        );
    }

    #[test]
    fn cgroup_v2_fails_with_the_way_out_where_oms_is_seen_not_to_be_online() {
        for hosts in [host("OFFLINE"), Fact::Known(vec![])] {
            let verdict = judge(IMAGE, Fact::Known(false), ADDRESS, hosts);
            assert_eq!(verdict.kind, Kind::Skippable);
            let text = tell(&verdict);
            assert!(
                text.contains("policy: Skip") && text.contains("Attest does not help"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_seen_is_neither_good_nor_bad() {
        for (v1, address, hosts) in [
            (Fact::default(), ADDRESS, host("ONLINE")),
            (Fact::Known(false), None, host("ONLINE")),
            (Fact::Known(false), ADDRESS, Fact::default()),
        ] {
            let verdict = judge(IMAGE, v1, address, hosts);
            assert!(verdict.is_unseen(), "{verdict:?}");
        }
    }

    #[test]
    fn cgroup_v1_and_newer_versions_pass() {
        let old = judge(IMAGE, Fact::Known(true), None, Fact::default());
        let new = judge(
            "oms:feature_4.2.5-ce",
            Fact::Known(false),
            None,
            Fact::default(),
        );
        assert_eq!((old.kind, new.kind), (Kind::Passed, Kind::Passed));
    }
}
