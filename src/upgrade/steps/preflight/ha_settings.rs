//! Preflight warnings: what HA is set not to do. Pure.
//!
//! Once HA is on again it starts what the upgrade has stopped, as far as its settings let it (OMS documents, high
//! availability): `enableStore`, `enableConnector` and `enableJdbcWriter` say what, `subtopicStoreNumberThreshold` how
//! many Stores of a subtopic there may be before a new one is made no more; the system parameter
//! `ops.store.max_count_per_subtopic` limits them as well. Whoever set them meant it; who forgot it waits for
//! components that nobody starts. How many Stores there are now is told by no table and no call that documents name.
use crate::api::HaGoal;
use crate::facts::Fact;
use crate::oms::ha::{
    ENABLE_CONNECTOR, ENABLE_JDBC_WRITER, ENABLE_STORE, HaConfig, HaPatch, HaSetting,
    SUBTOPIC_STORE_NUMBER_THRESHOLD,
};
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// What HA will leave alone, while it is to be on after the upgrade.
pub(crate) fn check_ha_settings(cx: &Context<'_>) -> Vec<Found> {
    // What cannot be parsed is told by HaReadable.
    let parsed = match cx.observed.metadb.ha.known() {
        Some(HaRow::Text(text)) => HaConfig::parse(text).ok(),
        _ => None,
    };
    let Some(config) = parsed else {
        return Vec::new();
    };
    // What the parameters will say counts, not what they replace.
    let wanted = cx.spec.ha.parameters.as_ref();
    let after = wanted.map(|wanted| config.apply_patch(&HaPatch::of_parameters(wanted)));
    let row = after.and_then(Result::ok).unwrap_or(config).read_setting();
    if cx.spec.ha.goal == HaGoal::Restore && !row.enable {
        return Vec::new();
    }
    let (limit, unread) = match &cx.observed.metadb.store_limit {
        Fact::Known(limit) => (*limit, None),
        Fact::Unknown(why) => (None, Some(format!("{STORE_LIMIT} cannot be read: {why}"))),
    };
    let mut found: Vec<Found> = list_gaps(&row, limit)
        .into_iter()
        .map(|(key, evidence)| {
            let way_out = "set it in spec.ha.parameters for after the upgrade, or in the console before it (ha.config), or start these components by hand after it; while HA does not, \
                           the upgrade ends as Succeeded with what it has not seen running";
            Found::new(CheckId::HaSettings, key, Verdict::warning(evidence, way_out))
        })
        .collect();
    if let Some(text) = unread {
        found.push(Found::new(
            CheckId::HaSettings,
            STORE_LIMIT,
            Verdict::unread(text),
        ));
    }
    if found.is_empty() {
        let verdict = Verdict::passed(describe_room(&row, limit));
        found.push(Found::new(CheckId::HaSettings, "Stores", verdict));
    }
    found
}

/// The system parameter beside `ha.config`.
const STORE_LIMIT: &str = "ops.store.max_count_per_subtopic";

/// What both limits come to.
fn describe_room(row: &HaSetting, limit: Option<u64>) -> String {
    let tell = |value: Option<u64>, default: u64| match value {
        Some(value) => value.to_string(),
        None => format!("not set, by default {default}"),
    };
    format!(
        "HA starts everything, and makes a Store while its subtopic has fewer than subtopicStoreNumberThreshold ({}) and {STORE_LIMIT} ({}) allow; \
         each stop of OMS leaves one more that counts, until clearAbnormalResourceHours have passed. How many there are now no documented table or \
         call tells: OPS & Monitoring > Component > Store in the console does",
        tell(row.subtopic_store_number_threshold, 5),
        tell(limit, 6),
    )
}

fn list_gaps(row: &HaSetting, limit: Option<u64>) -> Vec<(&'static str, String)> {
    let switches = [
        (
            ENABLE_STORE,
            row.enable_store,
            "makes no new Stores, without which no project advances",
        ),
        (
            ENABLE_CONNECTOR,
            row.enable_connector,
            "does not start Connectors",
        ),
        (
            ENABLE_JDBC_WRITER,
            row.enable_jdbc_writer,
            "does not start JDBCWriters",
        ),
    ];
    let mut gaps: Vec<_> = switches
        .into_iter()
        .filter(|(_, value, _)| *value == Some(false))
        .map(|(key, _, what)| (key, format!("{key} is false in ha.config: HA {what}")))
        .collect();
    // A subtopic has one Store now, which the upgrade stops; HA makes another one beside it.
    if let Some(most) = row
        .subtopic_store_number_threshold
        .filter(|most| *most <= 1)
    {
        gaps.push((
            SUBTOPIC_STORE_NUMBER_THRESHOLD,
            format!("subtopicStoreNumberThreshold is {most} in ha.config: HA makes no Store beside the one that the upgrade stops"),
        ));
    }
    if let Some(most) = limit.filter(|most| *most <= 1) {
        gaps.push((
            STORE_LIMIT,
            format!("the system parameter {STORE_LIMIT} is {most}: OMS starts no Store beside the one that the upgrade stops"),
        ));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<&'static str> {
        let setting = HaConfig::parse(text).unwrap().read_setting();
        list_gaps(&setting, None)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn only_what_is_set_to_be_left_alone_is_told() {
        assert_eq!(keys("{}"), Vec::<&str>::new());
        assert_eq!(
            keys(
                r#"{"enable": true, "enableStore": true, "enableConnector": true, "subtopicStoreNumberThreshold": 5}"#
            ),
            Vec::<&str>::new()
        );
        assert_eq!(
            keys(
                r#"{"enableStore": false, "enableJdbcWriter": false, "enableConnector": null, "subtopicStoreNumberThreshold": 1}"#
            ),
            [
                "enableStore",
                "enableJdbcWriter",
                "subtopicStoreNumberThreshold"
            ]
        );
    }

    #[test]
    fn both_limits_of_stores_are_looked_at_and_what_they_allow_is_told() {
        let setting = |text: &str| HaConfig::parse(text).unwrap().read_setting();
        let gaps = list_gaps(&setting("{}"), Some(1));
        assert_eq!(gaps[0].0, STORE_LIMIT);
        assert!(list_gaps(&setting("{}"), Some(2)).is_empty());
        let room = describe_room(&setting(r#"{"subtopicStoreNumberThreshold": 4}"#), None);
        for words in [
            "subtopicStoreNumberThreshold (4)",
            "(not set, by default 6)",
            "no documented table",
        ] {
            assert!(room.contains(words), "{words}: {room}");
        }
    }
}
