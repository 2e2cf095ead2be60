//! Lines that run OMS in docker, as OceanBase's documents have them; and the sample, which is what one of them becomes.
use super::{pin, read_stored};
use oms_operator::import::{Choices, import_container};
use serde_json::Value;
use std::collections::BTreeMap;

const MEANING: &str = "It is what `oms-operator import` prints of deploy/samples/oms/docker-run.sh. People who imported before keep what they \
    have; look whether the difference is one that they want.";

fn choose() -> Choices {
    Choices {
        namespace: "oms".into(),
        node: Some("node1".into()),
        image: Some("registry.example.com/oms:feature_3.3.1-ce".into()),
        new_image: Some("registry.example.com/oms:feature_4.0.0-ce".into()),
        ..Choices::default()
    }
}

/// Where a block stands, and the block.
fn list_blocks(text: &str) -> Vec<(Vec<&str>, String)> {
    let mut blocks: Vec<(Vec<&str>, String)> = Vec::new();
    let mut in_block = true;
    for line in text.lines() {
        if let Some(place) = line.strip_prefix("=== ") {
            if in_block {
                blocks.push((Vec::new(), String::new()));
            }
            in_block = false;
            blocks.last_mut().unwrap().0.push(place);
        } else if let Some((_, block)) = blocks.last_mut() {
            in_block = true;
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

fn cut_notes(text: &str) -> &str {
    text.split_once("---\n").unwrap().1
}

#[test]
fn every_line_of_the_vendors_pages_is_read() {
    let text = read_stored("tests/golden/import/pages.txt");
    let blocks = list_blocks(&text);
    let places: usize = blocks.iter().map(|(places, _)| places.len()).sum();
    assert_eq!(places, text.matches("\n=== ").count());
    let (mut of_oms, mut of_others) = (0, 0);
    // The same manifests, whatever stands in the comments and behind the lines.
    let mut written: BTreeMap<(bool, &str), String> = BTreeMap::new();
    for (places, block) in &blocks {
        let place = places[0];
        let imported = import_container(
            block,
            &Choices {
                image: None,
                node: None,
                ..choose()
            },
        );
        if !block.contains("/home/ds/store") {
            let told = imported.unwrap_err().to_string();
            let known = told.contains("oms-influxdb is not OMS")
                || told.contains("oms-config-tool is not OMS");
            assert!(known, "{place}: {told}");
            of_others += places.len();
            continue;
        }
        of_oms += places.len();
        let manifests = imported.unwrap_or_else(|error| panic!("{place}: {error}"));
        let joined = manifests.replace("\n#     ", " ");
        for words in [
            "hostNetwork: true",
            "privileged: true",
            "path: /data/oms/oms_logs\n",
            "path: /data/oms/oms_store\n",
            "path: /data/oms/oms_run\n",
            "value: xxx # CHANGE ME: the address of the host",
            "image: registry.example.com/oms:change-me # CHANGE ME",
            "--pids-limit -1: ",
            "--ulimit nproc=65535:65535: ",
            "docker update --restart=no NAME ",
            "--from-file=config.yaml=/data/config.yaml\n",
        ] {
            assert!(joined.contains(words), "{place}: {words}\n{manifests}");
        }
        assert_eq!(
            joined.contains("-e IS_UPGRADE: "),
            block.contains("IS_UPGRADE"),
            "{place}"
        );
        let https = block.contains("/data/oms/https_crt");
        assert_eq!(manifests.contains("scheme: Https\n"), https, "{place}");
        let first = written
            .entry((https, "oms"))
            .or_insert_with(|| cut_notes(&manifests).to_owned());
        assert_eq!(first, cut_notes(&manifests), "{place}");
    }
    assert_eq!((of_oms, of_others), (64, 119));
    assert_eq!(written.len(), 2);
}

/// As people post them: a backslash that sticks to its word, signs that stand for an address.
#[test]
fn lines_are_read_as_they_are_posted() {
    let line = "docker run -dit -m 8G --net host\\\n-v /opt/oms/config.yaml:/home/admin/conf/config.yaml \\\n-v /opt/oms/oms_logs:/home/admin/logs \\\n\
        -v /opt/oms/oms_store:/home/ds/store \\\n-v /opt/oms/oms_run:/home/ds/run \\\n-e OMS_HOST_IP=<HOST_IP> \\\n--privileged=true \\\n--name oms \\\n\
        reg.docker.alibaba-inc.com/oceanbase/oms:feature_3.3.0-bp1   \n";
    let text = import_container(line, &choose()).unwrap();
    for words in [
        "hostNetwork: true",
        "memory: 8Gi",
        "<HOST_IP>",
        "# CHANGE ME: the address of the host",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_sample_is_what_its_line_becomes() {
    let line = read_stored("deploy/samples/oms/docker-run.sh");
    let text = import_container(&line, &choose()).unwrap();
    pin::check("deploy/samples/oms/oms.yaml", &text, MEANING);
}

#[test]
fn the_sample_s_config_yaml_is_one() {
    let secret: Value =
        serde_saphyr::from_str(&read_stored("deploy/samples/oms/config-secret.yaml")).unwrap();
    assert_eq!(secret["metadata"]["name"], "oms-config");
    let text = secret["stringData"]["config.yaml"].as_str().unwrap();
    let (config, account) = oms_operator::oms::config_yaml::parse_config(text).unwrap();
    assert_eq!(config.nodes, ["10.0.0.11"]);
    assert!(!account.password.is_empty());
}
