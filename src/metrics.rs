//! Metrics, in the OpenMetrics text format. What concerns an upgrade is read off its object at each
//! scrape, so that it survives a restart and vanishes with the object.
use crate::api::{
    OmsUpgrade, OmsUpgradeStatus, Reason, condition_is_true, condition_types, find_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Hours for which a paused project can still be resumed (OMS guide, start and pause a project).
const RESUMABLE_HOURS: f64 = 12.0;

/// An object as it is known: only its metadata where it cannot be read.
pub type Known<'a> = Result<&'a OmsUpgrade, &'a ObjectMeta>;

/// Hands all known objects to a function.
pub type Source = Box<dyn Fn(&mut dyn FnMut(Known<'_>)) + Send + Sync>;

type Labels = Vec<(&'static str, String)>;
type Numbers = Family<Labels, Gauge<f64, AtomicU64>>;

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    passes: Family<Labels, Counter>,
    pass_seconds: Histogram,
    leading: Gauge,
    lacking_fields: Family<Labels, Gauge>,
    sources: Mutex<Vec<Source>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("oms_operator");
        let passes = Family::<Labels, Counter>::default();
        let pass_seconds = Histogram::new([
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
        ]);
        let leading = Gauge::default();
        let lacking_fields = Family::<Labels, Gauge>::default();
        registry.register(
            "passes",
            "Passes over an OmsUpgrade, by outcome",
            passes.clone(),
        );
        registry.register(
            "pass_seconds",
            "Time of one pass in seconds",
            pass_seconds.clone(),
        );
        registry.register(
            "leading",
            "1 while this process holds the lease",
            leading.clone(),
        );
        registry.register(
            "definition_lacking_fields",
            "Fields of this operator that the definition of OmsUpgrade in the cluster does not have, by part; absent where nobody may look",
            lacking_fields.clone(),
        );
        // Alerts wait for an increase, and a series that comes with its first pass has none.
        for outcome in ["panic", "unreadable", "status_cut"] {
            drop(passes.get_or_create(&label_outcome(outcome)));
        }
        Self {
            registry,
            passes,
            pass_seconds,
            leading,
            lacking_fields,
            sources: Mutex::default(),
        }
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds objects to read at each scrape.
    pub fn add_source(&self, source: Source) {
        self.sources().push(source);
    }

    /// Counts a reconcile. Its metrics have been called `passes` since they were first read by alerts.
    pub fn count_reconcile(&self, time: Duration, outcome: &'static str) {
        self.passes.get_or_create(&label_outcome(outcome)).inc();
        self.pass_seconds.observe(time.as_secs_f64());
    }

    /// Says whether this process holds the lease.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// Says how many fields the definition lacks.
    pub fn set_lacking_fields(&self, status: usize, spec: usize) {
        for (part, count) in [("status", status), ("spec", spec)] {
            let labels = vec![("part", part.to_owned())];
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.lacking_fields.get_or_create(&labels).set(count);
        }
    }

    /// Nobody can say it any more.
    pub fn forget_lacking_fields(&self) {
        self.lacking_fields.clear();
    }

    /// The text of a scrape.
    pub fn render(&self) -> String {
        let objects = ObjectMetrics::new();
        let now = Timestamp::now();
        for source in self.sources().iter() {
            source(&mut |known| match known {
                Ok(upgrade) => objects.read(upgrade, now),
                Err(metadata) => objects.name_unreadable(metadata),
            });
        }
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &objects.registry);
        let _ = encode_eof(&mut text);
        text
    }
}

fn label_outcome(outcome: &'static str) -> Labels {
    vec![("outcome", outcome.to_owned())]
}

/// What is read off the objects.
struct ObjectMetrics {
    registry: Registry,
    info: Numbers,
    condition: Numbers,
    step_seconds: Numbers,
    step_duration: Numbers,
    duration: Numbers,
    progress: Numbers,
    ha_restored: Numbers,
    ha_disabled_since: Numbers,
    resumable_hours: Numbers,
    backup_bytes: Numbers,
    backup_verified: Numbers,
    copy_bytes: Numbers,
    copies_kept_until_time: Numbers,
    contended: Numbers,
    open_projects: Numbers,
    unreadable: Numbers,
    status_cut: Numbers,
}

impl ObjectMetrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("oms");
        let mut add = |name: &str, help: &str| {
            let family = Numbers::default();
            registry.register(name, help, family.clone());
            family
        };
        Self {
            info: add(
                "upgrade_info",
                "1 for each OmsUpgrade, with versions and phase",
            ),
            condition: add(
                "upgrade_condition",
                "1 for each condition, with its status and reason",
            ),
            step_seconds: add(
                "upgrade_step_seconds",
                "Seconds since the present step began",
            ),
            step_duration: add(
                "upgrade_step_duration_seconds",
                "Seconds that a passed step took",
            ),
            duration: add(
                "upgrade_duration_seconds",
                "Seconds from the start to the verdict",
            ),
            progress: add(
                "upgrade_progress_ratio",
                "Share done of the data operation under way",
            ),
            ha_restored: add(
                "upgrade_ha_restored",
                "1 when HA is at its goal, 0 while it is not",
            ),
            ha_disabled_since: add(
                "upgrade_ha_disabled_since_timestamp_seconds",
                "When HA was switched off for the upgrade",
            ),
            resumable_hours: add(
                "upgrade_resumable_hours_left",
                "Hours left in which paused projects can be resumed, while replication has not recovered",
            ),
            backup_bytes: add(
                "backup_bytes",
                "Bytes of the backup, as SQL text (raw) and as stored",
            ),
            backup_verified: add(
                "backup_last_verified_timestamp_seconds",
                "When the backup was last proven",
            ),
            copy_bytes: add(
                "safety_copy_bytes",
                "Bytes of a database with tables that a restore replaced, where they are known",
            ),
            copies_kept_until_time: add(
                "safety_copies_kept_until_timestamp_seconds",
                "When the operator drops the tables that a restore replaced",
            ),
            contended: add(
                "upgrade_target_contended",
                "1 while somebody else writes the Deployments",
            ),
            open_projects: add(
                "upgrade_open_projects",
                "Projects that have not recovered yet",
            ),
            unreadable: add(
                "upgrade_unreadable",
                "1 for each OmsUpgrade that cannot be read, so that nobody works on it",
            ),
            status_cut: add(
                "upgrade_status_cut",
                "1 for each OmsUpgrade whose status the API server does not store whole, so that nothing is done for it",
            ),
            registry,
        }
    }

    fn read_copies(&self, status: &OmsUpgradeStatus, named: &Labels) {
        for copy in status.leftovers.iter().filter(|one| one.is_kept_copy()) {
            if let Some(bytes) = copy.bytes {
                let mut labels = named.clone();
                labels.push(("database", copy.name.clone()));
                self.copy_bytes.get_or_create(&labels).set(bytes as f64);
            }
            if let Some(end) = &copy.kept_until_time {
                let end = end.0.as_second() as f64;
                self.copies_kept_until_time.get_or_create(named).set(end);
            }
        }
    }

    fn name_unreadable(&self, metadata: &ObjectMeta) {
        let named = vec![
            ("namespace", metadata.namespace.clone().unwrap_or_default()),
            ("name", metadata.name.clone().unwrap_or_default()),
        ];
        self.unreadable.get_or_create(&named).set(1.0);
    }

    fn read(&self, upgrade: &OmsUpgrade, now: Timestamp) {
        let Some(status) = &upgrade.status else {
            return;
        };
        let named: Labels = vec![
            ("namespace", upgrade.namespace().unwrap_or_default()),
            ("name", upgrade.name_any()),
        ];
        let with = |more: Labels| {
            let mut labels = named.clone();
            labels.extend(more);
            labels
        };
        let set = |family: &Numbers, labels: Labels, value: f64| {
            family.get_or_create(&labels).set(value);
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let phase = status.phase.map_or_else(String::new, |p| format!("{p:?}"));
        set(
            &self.info,
            with(vec![
                ("from", text(&status.source_version)),
                ("to", text(&status.target_version)),
                ("phase", phase),
            ]),
            1.0,
        );
        for condition in &status.conditions {
            set(
                &self.condition,
                with(vec![
                    ("type", condition.type_.clone()),
                    ("status", condition.status.clone()),
                    ("reason", condition.reason.clone()),
                ]),
                1.0,
            );
        }
        let age = |since: Timestamp| seconds(since, now);
        if let (Some(since), Some(step), false) =
            (&status.step_started_time, status.step, status.settled)
        {
            let labels = with(vec![("step", format!("{step:?}"))]);
            set(&self.step_seconds, labels, age(since.0));
        }
        let mut before = None;
        for passed in &status.history {
            let began = passed.started_time.as_ref().or(before);
            before = Some(&passed.finished_time);
            // The first one that is kept may have begun with the end of one that is not.
            let Some(began) = began else { continue };
            let labels = with(vec![
                ("step", format!("{:?}", passed.step)),
                (
                    "direction",
                    format!("{:?}", passed.direction.unwrap_or_default()),
                ),
            ]);
            let took = seconds(began.0, passed.finished_time.0);
            set(&self.step_duration, labels, took);
        }
        if let (Some(began), Some(ended)) = (&status.started_time, &status.finished_time) {
            set(&self.duration, named.clone(), seconds(began.0, ended.0));
        }
        if let Some(percent) = status.progress.as_ref().and_then(|p| p.percent) {
            set(&self.progress, named.clone(), f64::from(percent) / 100.0);
        }
        let is_true = |type_: &str| condition_is_true(&status.conditions, type_);
        if status.internal.originals.is_some() {
            let restored = is_true(condition_types::HA_RESTORED);
            set(
                &self.ha_restored,
                named.clone(),
                f64::from(u8::from(restored)),
            );
            if let Some(off) = find_condition(&status.conditions, condition_types::HA_DISABLED)
                && !restored
            {
                let since = off.last_transition_time.0.as_second() as f64;
                set(&self.ha_disabled_since, named.clone(), since);
            }
        }
        if let Some(stopped) = &status.old_stopped_time
            && !is_true(condition_types::REPLICATION_RECOVERED)
        {
            let left = RESUMABLE_HOURS - age(stopped.0) / 3600.0;
            set(&self.resumable_hours, named.clone(), left.max(0.0));
            let open = status
                .internal
                .projects
                .iter()
                .filter(|p| !p.recovered)
                .count();
            set(&self.open_projects, named.clone(), open as f64);
        }
        if let Some(backup) = &status.backup {
            for database in &backup.databases {
                for (kind, bytes) in [
                    ("raw", database.raw_bytes),
                    ("stored", database.stored_bytes),
                ] {
                    let labels = with(vec![
                        ("database", database.name.clone()),
                        ("kind", kind.to_owned()),
                    ]);
                    set(&self.backup_bytes, labels, bytes as f64);
                }
            }
            let proven = find_condition(&status.conditions, condition_types::BACKUP_VERIFIED);
            if let Some(proven) = proven.filter(|_| backup.verified) {
                let at = proven.last_transition_time.0.as_second() as f64;
                set(&self.backup_verified, named.clone(), at);
            }
        }
        let ready = find_condition(&status.conditions, condition_types::READY);
        if ready.is_some_and(|ready| ready.reason == Reason::StatusCut) {
            set(&self.status_cut, named.clone(), 1.0);
        }
        self.read_copies(status, &named);
        let contended = is_true(condition_types::TARGET_CONTENDED);
        set(&self.contended, named, f64::from(u8::from(contended)));
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_second() - from.as_second()).max(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `increase()` over a series that comes with its first pass is 0.
    #[test]
    fn passes_that_alerts_wait_for_are_there_from_the_start() {
        let text = Metrics::new().render();
        for outcome in ["panic", "unreadable", "status_cut"] {
            let line = format!("oms_operator_passes_total{{outcome=\"{outcome}\"}} 0");
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn reads_objects_at_each_scrape() {
        let metrics = Metrics::new();
        metrics.count_reconcile(Duration::from_millis(3), "ok");
        metrics.add_source(Box::new(|take| {
            let upgrade: OmsUpgrade = serde_json::from_value(json!({
                "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
                "metadata": {"name": "up", "namespace": "oms"},
                "spec": {"targets": [{"name": "oms"}], "image": "oms:4", "backup": {"claimName": "c"}},
                "status": {"phase": "BackingUp", "step": "BackingUp", "sourceVersion": "3.3.1-CE", "targetVersion": "4.0.0-CE",
                    "stepStartedTime": "2026-01-01T00:00:00Z", "oldStoppedTime": "2026-01-01T00:00:00Z",
                    "progress": {"summary": "s", "percent": 40, "bytesDone": 4, "bytesPerSecond": 1}, "internal": {"originals": {}},
                    "conditions": [{"type": "HaDisabled", "status": "True", "reason": "Row", "message": "", "lastTransitionTime": "1970-01-01T00:01:00Z"}]},
            }))
            .unwrap();
            take(Ok(&upgrade));
            let unread = json!({"name": "newer", "namespace": "oms"});
            take(Err(&serde_json::from_value(unread).unwrap()));
        }));
        let text = metrics.render();
        for line in [
            "oms_operator_passes_total{outcome=\"ok\"} 1",
            "oms_upgrade_info{namespace=\"oms\",name=\"up\",from=\"3.3.1-CE\",to=\"4.0.0-CE\",phase=\"BackingUp\"} 1.0",
            "oms_upgrade_progress_ratio{namespace=\"oms\",name=\"up\"} 0.4",
            "oms_upgrade_ha_restored{namespace=\"oms\",name=\"up\"} 0.0",
            "oms_upgrade_ha_disabled_since_timestamp_seconds{namespace=\"oms\",name=\"up\"} 60.0",
            "oms_upgrade_resumable_hours_left{namespace=\"oms\",name=\"up\"} 0.0",
            "oms_upgrade_unreadable{namespace=\"oms\",name=\"newer\"} 1.0",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
