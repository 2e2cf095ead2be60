//! Names and labels of the metrics, which alert rules and dashboards know.
use super::objects::spec;
use super::{pin, samples};
use oms_operator::api::OmsUpgrade;
use oms_operator::metrics::Metrics;
use std::collections::BTreeSet;
use std::time::Duration;

const MEANING: &str = "A metric or a label that went or was renamed silences the alerts that are built on it, without a word: name it in \
    CHANGELOG.md, and mend charts/oms-operator/files/alerts.yaml. Those that come are free.";

#[test]
fn names_and_labels_of_metrics() {
    let metrics = Metrics::new();
    metrics.count_reconcile(Duration::from_millis(3), "ok");
    metrics.set_leading(true);
    metrics.set_lacking_fields(1, 0);
    metrics.add_source(Box::new(|show| {
        let mut upgrade = OmsUpgrade::new("to-4-0-0", spec());
        upgrade.metadata.namespace = Some("oms".into());
        let mut status = samples::read_status();
        for left in &mut status.leftovers {
            left.dropped_time = None;
        }
        upgrade.status = Some(status);
        show(Ok(&upgrade));
        upgrade.metadata.name = Some("newer".into());
        show(Err(&upgrade.metadata));
    }));
    let text = metrics.render();
    // Values depend on the clock.
    let lines: BTreeSet<&str> = text
        .lines()
        .map(|line| match line.starts_with('#') {
            true => line,
            false => line.rsplit_once(' ').map_or(line, |(name, _)| name),
        })
        .collect();
    let lines: Vec<&str> = lines.into_iter().collect();
    let path = "tests/golden/files/metrics.txt";
    pin::check(path, &format!("{}\n", lines.join("\n")), MEANING);
}
