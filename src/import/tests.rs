//! Whole texts in, whole manifests out.
mod broken;

use super::*;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PersistentVolume, PersistentVolumeClaim};
use serde_json::{Value, json};

const LINE: &str = "docker run -dit --net host \\\n -v /data/config.yaml:/home/admin/conf/config.yaml \\\n\
    -v /data/oms/oms_logs:/home/admin/logs -v /data/oms/oms_store:/home/ds/store -v /data/oms/oms_run:/home/ds/run \\\n\
    -e OMS_HOST_IP=10.0.0.11 --privileged=true --pids-limit -1 --ulimit nproc=65535:65535 --name oms_test \\\n\
    registry.example.com/oms:feature_3.3.1-ce\n";

fn choose() -> Choices {
    Choices {
        namespace: "oms".into(),
        node: Some("node1".into()),
        ..Choices::default()
    }
}

fn import(text: &str) -> String {
    import_container(text, &choose()).unwrap_or_else(|error| panic!("{error}"))
}

fn refuse(text: &str) -> String {
    import_container(text, &choose()).unwrap_err().to_string()
}

/// The documents of a text, by kind.
fn list(text: &str, kind: &str) -> Vec<Value> {
    let all = text.split("---\n").skip(1);
    let all = all.map(|document| serde_saphyr::from_str::<Value>(document).unwrap());
    all.filter(|document| document["kind"] == kind).collect()
}

fn find_deployment(text: &str) -> Deployment {
    let [one] = list(text, "Deployment").try_into().unwrap();
    serde_json::from_value(one).unwrap()
}

fn find_oms(text: &str) -> Container {
    let pod = find_deployment(text).spec.unwrap().template.spec.unwrap();
    let [oms] = pod.containers.try_into().unwrap();
    oms
}

/// What docker prints of the same container, cut to what it says of it.
fn inspect() -> Value {
    json!([{
        "Id": "4fa6e0f0c678", "Name": "/oms_test", "Image": "sha256:5d0d",
        "Config": {"Hostname": "Node1", "Image": "registry.example.com/oms:feature_3.3.1-ce", "Tty": true, "OpenStdin": true,
            "Env": ["OMS_HOST_IP=10.0.0.11", "PATH=/usr/bin", "DB_PASSWORD=canary"], "Cmd": ["bash"], "Labels": {}},
        "HostConfig": {"NetworkMode": "host", "Privileged": true, "PidsLimit": -1, "Binds": [
                "/data/config.yaml:/home/admin/conf/config.yaml", "/data/oms/oms_logs:/home/admin/logs",
                "/data/oms/oms_store:/home/ds/store", "/data/oms/oms_run:/home/ds/run"],
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "Ulimits": [{"Name": "nproc", "Hard": 65535, "Soft": 65535}],
            "PortBindings": {}, "NanoCpus": 0, "Memory": 0, "CpuQuota": 0, "ShmSize": 67108864, "Dns": [], "Tmpfs": null},
        "Mounts": [
            {"Type": "bind", "Source": "/data/config.yaml", "Destination": "/home/admin/conf/config.yaml", "RW": true},
            {"Type": "bind", "Source": "/data/oms/oms_logs", "Destination": "/home/admin/logs", "RW": true},
            {"Type": "bind", "Source": "/data/oms/oms_store", "Destination": "/home/ds/store", "RW": true},
            {"Type": "bind", "Source": "/data/oms/oms_run", "Destination": "/home/ds/run", "RW": true}]
    }])
}

/// The manifests without the notes above them.
fn cut_notes(text: &str) -> &str {
    text.split_once("---\n").unwrap().1
}

#[test]
fn a_line_and_what_docker_says_of_it_become_the_same_objects() {
    let line = import(LINE);
    let told = import(&inspect().to_string());
    assert_eq!(cut_notes(&line), cut_notes(&told));
    assert_eq!(
        cut_notes(&told),
        cut_notes(&import(&inspect()[0].to_string()))
    );
    assert!(
        !told.contains("canary") && told.contains("DB_PASSWORD"),
        "{told}"
    );
    let kinds =
        |text: &str| text.matches("\nkind: ").count() + usize::from(text.starts_with("kind: "));
    assert_eq!(kinds(&line), 8, "{line}");
}

#[test]
fn podman_spells_some_of_it_otherwise() {
    let mut podman = inspect();
    let one = &mut podman[0];
    one["Name"] = json!("oms_test");
    one["ImageName"] = one["Config"]["Image"].take();
    one["Config"]["StopSignal"] = json!(15);
    one["HostConfig"]["Ulimits"] = json!([{"Name": "RLIMIT_NPROC", "Hard": 65535, "Soft": 65535}]);
    one["HostConfig"]["SecurityOpt"] = json!(["label=disable"]);
    let text = import(&podman.to_string());
    assert_eq!(cut_notes(&text), cut_notes(&import(LINE)));
    assert!(
        text.contains("podman stop oms_test") && text.contains("--ulimit nproc=65535:65535"),
        "{text}"
    );
}

#[test]
fn the_deployment_is_the_container_on_the_same_directories() {
    let text = import(LINE);
    let deployment = find_deployment(&text);
    assert_eq!(deployment.metadata.name.as_deref(), Some("oms-test"));
    let spec = deployment.spec.unwrap();
    assert_eq!(spec.replicas, Some(1));
    assert_eq!(spec.strategy.unwrap().type_.as_deref(), Some("Recreate"));
    let pod = spec.template.spec.unwrap();
    assert_eq!(pod.host_network, Some(true));
    assert_eq!(
        pod.node_selector.unwrap()["kubernetes.io/hostname"],
        "node1"
    );
    let oms = find_oms(&text);
    assert_eq!(oms.security_context.unwrap().privileged, Some(true));
    assert!(oms.stdin == Some(true) && oms.tty == Some(true));
    let [address] = oms.env.unwrap().try_into().unwrap();
    assert_eq!(
        (address.name.as_str(), address.value.as_deref()),
        ("OMS_HOST_IP", Some("10.0.0.11"))
    );
    let volumes: Vec<PersistentVolume> = list(&text, "PersistentVolume")
        .into_iter()
        .map(|one| serde_json::from_value(one).unwrap())
        .collect();
    let claims: Vec<PersistentVolumeClaim> = list(&text, "PersistentVolumeClaim")
        .into_iter()
        .map(|one| serde_json::from_value(one).unwrap())
        .collect();
    let mounts = oms.volume_mounts.unwrap();
    for (number, (name, path, directory)) in [
        ("logs", "/home/admin/logs", "/data/oms/oms_logs"),
        ("store", "/home/ds/store", "/data/oms/oms_store"),
        ("run", "/home/ds/run", "/data/oms/oms_run"),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = volumes[number].spec.as_ref().unwrap();
        assert_eq!(spec.local.as_ref().unwrap().path, directory);
        assert_eq!(
            spec.persistent_volume_reclaim_policy.as_deref(),
            Some("Retain")
        );
        let claim = claims[number].metadata.name.as_deref().unwrap();
        assert_eq!(
            spec.claim_ref.as_ref().unwrap().name.as_deref(),
            Some(claim)
        );
        assert_eq!(
            claims[number].spec.as_ref().unwrap().volume_name,
            volumes[number].metadata.name
        );
        let mount = mounts
            .iter()
            .find(|mount| mount.mount_path == path)
            .unwrap();
        assert_eq!(mount.name, name);
        let volume = pod
            .volumes
            .as_ref()
            .unwrap()
            .iter()
            .find(|volume| volume.name == name)
            .unwrap();
        assert_eq!(
            volume.persistent_volume_claim.as_ref().unwrap().claim_name,
            claim
        );
    }
    let config = mounts
        .iter()
        .find(|mount| mount.mount_path.ends_with("config.yaml"))
        .unwrap();
    assert_eq!(config.sub_path.as_deref(), Some("config.yaml"));
    assert!(
        text.contains(
            "create secret generic oms-test-config -n oms --from-file=config.yaml=/data/config.yaml"
        ),
        "{text}"
    );
}

#[test]
fn the_upgrade_is_a_plan_that_the_definition_takes() {
    let [upgrade] = list(&import(LINE), "OmsUpgrade").try_into().unwrap();
    let read: crate::api::OmsUpgrade = serde_json::from_value(upgrade.clone()).unwrap();
    assert_eq!(upgrade["spec"]["action"], "Plan");
    assert_eq!(read.spec.targets[0].name, "oms-test");
    let newer = import(&LINE.replace("3.3.1-ce", "4.2.7_ce"));
    assert!(
        list(&newer, "OmsUpgrade").is_empty() && newer.contains("the image is of 4.2.7-CE"),
        "{newer}"
    );
    // What cannot be told is left to the plan.
    let unknown = import(&LINE.replace("feature_3.3.1-ce", "latest"));
    assert_eq!(list(&unknown, "OmsUpgrade").len(), 1);
}

#[test]
fn resources_are_those_of_docker_and_marked_where_it_had_none() {
    let with = |options: &str| {
        find_oms(&import(&LINE.replace("-dit", &format!("-dit {options}"))))
            .resources
            .unwrap()
    };
    let both = with("--cpus 8 -m32g");
    let limits = both.limits.unwrap();
    assert_eq!(
        (limits["cpu"].0.as_str(), limits["memory"].0.as_str()),
        ("8", "32Gi")
    );
    let requests = both.requests.unwrap();
    assert_eq!(
        (requests["cpu"].0.as_str(), requests["memory"].0.as_str()),
        ("8", "32Gi")
    );
    let one = with("--cpus=1.5 --memory 16384m --memory-reservation 8g");
    assert_eq!(one.requests.unwrap()["memory"].0, "8Gi");
    assert_eq!(one.limits.unwrap()["cpu"].0, "1500m");
    let none = import(LINE);
    assert!(none.contains("cpu: \"5\" # CHANGE ME: "), "{none}");
    let mut told = inspect();
    told[0]["HostConfig"]["NanoCpus"] = json!(2_500_000_000_u64);
    told[0]["HostConfig"]["Memory"] = json!(1_u64 << 34);
    let limits = find_oms(&import(&told.to_string()))
        .resources
        .unwrap()
        .limits
        .unwrap();
    assert_eq!(
        (limits["cpu"].0.as_str(), limits["memory"].0.as_str()),
        ("2500m", "16Gi")
    );
    told[0]["HostConfig"]["NanoCpus"] = json!(0);
    told[0]["HostConfig"]["CpuQuota"] = json!(150_000);
    let limits = find_oms(&import(&told.to_string()))
        .resources
        .unwrap()
        .limits
        .unwrap();
    assert_eq!(limits["cpu"].0, "1500m");
}

#[test]
fn nothing_secret_is_printed() {
    let text = import(&LINE.replace("-dit", "-dit -e TOKEN=canary1 --env DB_URL=mysql://u:canary2@h -e TZ=Asia/Shanghai -l a=canary3 --log-opt x=canary4")
        .replace("3.3.1-ce\n", "3.3.1-ce --password canary5\n"));
    assert!(!text.contains("canary"), "{text}");
    let environment = find_oms(&text).env.unwrap();
    let token = environment.iter().find(|one| one.name == "TOKEN").unwrap();
    let key = token
        .value_from
        .as_ref()
        .unwrap()
        .secret_key_ref
        .as_ref()
        .unwrap();
    assert_eq!(
        (key.name.as_str(), key.key.as_str()),
        ("oms-test-env", "TOKEN")
    );
    assert!(
        text.contains("TOKEN, DB_URL, whose values are not printed"),
        "{text}"
    );
    assert!(text.contains("value: Asia/Shanghai\n"), "{text}");
    for told in ["--label: ", "--log-opt: ", "the words behind the image: "] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn what_is_dropped_is_told_with_the_reason() {
    let text = import(&LINE.replace("-dit", "-dit --restart always -e IS_UPGRADE=true --env-file oms.env --init --dns=10.0.0.1 --add-host gate:host-gateway --add-host db:10.0.0.9 --cap-add=CAP_SYS_PTRACE --volumes-from other"));
    let joined = text.replace("\n#     ", " ");
    for told in [
        "--restart always: a Deployment always",
        "-e IS_UPGRADE: it makes",
        "--env-file oms.env: what is in the file",
        "--init: OMS brings",
        "--dns: write it",
        "--add-host gate: its address is no IP",
        "--volumes-from: which",
        "--pids-limit -1: a limit of the kubelet",
        "--ulimit nproc=65535:65535: limits come",
    ] {
        assert!(joined.contains(told), "{told}: {text}");
    }
    assert!(!cut_notes(&text).contains("IS_UPGRADE"));
    let pod = find_deployment(&text).spec.unwrap().template.spec.unwrap();
    let [alias] = pod.host_aliases.unwrap().try_into().unwrap();
    assert_eq!(
        (alias.ip.as_str(), alias.hostnames.unwrap()),
        ("10.0.0.9", vec!["db".to_owned()])
    );
    let rights = find_oms(&text)
        .security_context
        .unwrap()
        .capabilities
        .unwrap();
    assert_eq!(rights.add.unwrap(), ["SYS_PTRACE"]);
    assert!(
        text.contains("docker update --restart=no oms_test\n#        docker stop oms_test\n"),
        "{text}"
    );
    assert!(
        text.contains("docker start oms_test\n#        docker update --restart=always oms_test\n"),
        "{text}"
    );
}

#[test]
fn volumes_of_docker_and_other_mounts_keep_their_place() {
    let text = import(&LINE.replace("/data/oms/oms_logs:", "oms_logs:").replace(
        "-dit",
        "-dit -v /etc/localtime:/etc/localtime:ro --mount type=bind,src=$PWD/x,dst=/x",
    ));
    assert!(text.contains("path: /var/lib/docker/volumes/oms_logs/_data # CHANGE ME: what this prints: docker volume inspect -f '{{.Mountpoint}}' oms_logs\n"), "{text}");
    assert!(text.contains("`docker volume prune`"), "{text}");
    assert!(
        text.contains(
            "path: /change-me # CHANGE ME: the whole path on the host; the line says $PWD/x\n"
        ),
        "{text}"
    );
    let deployment = find_deployment(&text);
    let volumes = deployment
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .volumes
        .unwrap();
    let clock = volumes
        .iter()
        .find(|volume| volume.name == "host-etc-localtime")
        .unwrap();
    assert_eq!(clock.host_path.as_ref().unwrap().path, "/etc/localtime");
    let mut told = inspect();
    told[0]["HostConfig"]["Binds"] = json!(null);
    told[0]["Mounts"][1] = json!({"Type": "volume", "Name": "l", "Source": "/var/lib/docker/volumes/l/_data", "Destination": "/home/admin/logs", "RW": true});
    let text = import(&told.to_string());
    assert!(
        text.contains("    path: /var/lib/docker/volumes/l/_data\n")
            && text.contains("`docker volume prune`"),
        "{text}"
    );
}

#[test]
fn what_is_missing_is_said_where_it_is_missed() {
    let text = import(
        &LINE
            .replace("-v /data/oms/oms_store:/home/ds/store", "")
            .replace("-v /data/config.yaml:/home/admin/conf/config.yaml", "")
            .replace("-e OMS_HOST_IP=10.0.0.11", "")
            .replace("--net host", "-p 8089:8089 -p 53:53/udp -p 1-2:1-2"),
    );
    let joined = text.replace("\n#     ", " ");
    assert!(
        joined.contains("/home/ds/store, which OMS keeps data in, is not mounted: CHANGE ME"),
        "{text}"
    );
    assert!(
        joined.contains("config.yaml is not mounted: CHANGE ME"),
        "{text}"
    );
    assert!(
        text.contains("docker cp oms_test:/home/admin/conf/config.yaml config.yaml"),
        "{text}"
    );
    assert!(joined.contains("the network bridge: CHANGE ME"), "{text}");
    assert!(joined.contains("--publish 1-2:1-2: ranges"), "{text}");
    assert!(
        text.contains("value: \"\" # CHANGE ME: the address of the host"),
        "{text}"
    );
    let ports = find_oms(&text).ports.unwrap();
    assert_eq!(
        (ports[0].container_port, ports[0].host_port),
        (8089, Some(8089))
    );
    assert_eq!(ports[1].protocol.as_deref(), Some("UDP"));
    assert_eq!(
        find_deployment(&text)
            .spec
            .unwrap()
            .template
            .spec
            .unwrap()
            .host_network,
        None
    );
}

#[test]
fn certificates_become_a_secret_and_the_plan_knows_them() {
    let text = import(&LINE.replace("-dit", "-dit -v /data/crt:/etc/pki/nginx/oms_server.crt -v /data/key:/etc/pki/nginx/oms_server.key"));
    assert!(text.contains("secret generic oms-test-https -n oms --from-file=oms_server.crt=/data/crt --from-file=oms_server.key=/data/key"), "{text}");
    let [upgrade] = list(&text, "OmsUpgrade").try_into().unwrap();
    assert_eq!(upgrade["spec"]["console"]["scheme"], "Https");
    assert_eq!(
        upgrade["spec"]["console"]["tls"]["ca"]["secretKeyRef"]["name"],
        "oms-test-https"
    );
}

#[test]
fn the_node_is_asked_for_or_taken_from_the_host() {
    let choices = Choices {
        node: None,
        ..choose()
    };
    let text = import_container(&inspect().to_string(), &choices).unwrap();
    assert_eq!(
        text.matches("node1 # CHANGE ME: what docker's host calls itself")
            .count(),
        4,
        "{text}"
    );
    let text = import_container(LINE, &choices).unwrap();
    assert_eq!(
        text.matches("change-me # CHANGE ME: the label kubernetes.io/hostname")
            .count(),
        4,
        "{text}"
    );
    assert!(
        text.contains("1. Put in what is marked `CHANGE ME` below: 7 place(s)\n"),
        "{text}"
    );
    let whole = Choices {
        image: Some("r.example.com/oms:3.3.1-ce".into()),
        new_image: Some("r.example.com/oms:4.0.0-ce".into()),
        name: Some("oms-2".into()),
        ..choose()
    };
    let text = import_container(
        &LINE
            .replace("-dit", "-dit --cpus 1 -m 1g")
            .replace("registry.example.com/", ""),
        &whole,
    )
    .unwrap();
    assert_eq!(cut_notes(&text).matches("CHANGE ME").count(), 0, "{text}");
    assert!(
        text.contains("Nothing is marked") && text.contains("claimName: oms-2-logs"),
        "{text}"
    );
}
