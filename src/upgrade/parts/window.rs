//! The maintenance window: when an upgrade may begin. Pure.
//!
//! What has begun is never interrupted, so the window counts at the beginning only, and the estimate has to fit into what
//! is left of it.
use crate::api::{PlanStatus, Reason, Waiting, Weekday, Window};
use crate::upgrade::context::Context;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// A window may be open for 30 days: the one that is open now may have begun that long ago.
const DAYS_BACK: i64 = 31;
/// By the same day of the next week it has opened again.
const DAYS_AHEAD: i64 = 8;

/// Waits until the window is open and has room for the upgrade.
pub(crate) fn hold_outside_window(cx: &Context<'_>, plan: &PlanStatus) -> Result<(), Waiting> {
    let Some(window) = &cx.spec.window else {
        return Ok(());
    };
    let needs = plan.estimates.as_ref().and_then(|all| all.downtime_seconds);
    let needs = needs.and_then(|seconds| u64::try_from(seconds).ok());
    let closed = |message: String| Waiting {
        reason: Reason::WindowClosed.into(),
        message,
    };
    let state = read_window(window, cx.now.0).map_err(|why| {
        closed(format!(
            "{why}; OMS and its databases were not changed; correct it, and the upgrade begins when the window is open"
        ))
    })?;
    let opens = state.next;
    match (state.left, needs) {
        (None, _) => Err(closed(format!(
            "the maintenance window is closed; it opens at {opens}, and the upgrade begins then by itself"
        ))),
        (Some(left), Some(needs)) if left < needs => Err(closed(format!(
            "the maintenance window is open for {} min more, and OMS would be without replication for about {} min; it opens again at {opens}; \
             where the window is shorter than that on every day, make spec.window.duration longer",
            left / 60,
            needs.div_ceil(60)
        ))),
        (Some(_), _) => Ok(()),
    }
}

/// How a window stands at a moment.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// Seconds that it stays open; `None` while it is closed.
    left: Option<u64>,
    /// When it opens next.
    next: Timestamp,
}

fn read_window(window: &Window, now: Timestamp) -> Result<State, String> {
    let zone = TimeZone::get(&window.time_zone).map_err(|_| {
        format!(
            "spec.window.timeZone: {:?} is no name of a time zone; write one like Asia/Shanghai",
            window.time_zone
        )
    })?;
    let start: Time = window.start.parse().map_err(|_| {
        format!(
            "spec.window.start: {:?} is no time of a day; write it like 22:00",
            window.start
        )
    })?;
    let length = SignedDuration::from_secs(window.duration.as_seconds().into());
    let today = now.to_zoned(zone.clone()).date();
    let mut left = None;
    let mut next = None;
    for day in -DAYS_BACK..=DAYS_AHEAD {
        let Some(opens) = open_on(window, &zone, start, today, day) else {
            continue;
        };
        if opens > now {
            next = next.or(Some(opens));
        } else {
            let rest = opens.duration_since(now) + length;
            let rest = u64::try_from(rest.as_secs()).ok().filter(|rest| *rest > 0);
            left = left.max(rest);
        }
    }
    let next = next.ok_or("spec.window: it never opens; see its days")?;
    Ok(State { left, next })
}

/// When the window opens on a day, if it does.
fn open_on(
    window: &Window,
    zone: &TimeZone,
    start: Time,
    today: Date,
    day: i64,
) -> Option<Timestamp> {
    let date = today.checked_add(Span::new().days(day)).ok()?;
    let is_listed = window
        .days
        .iter()
        .any(|one| to_weekday(*one) == date.weekday());
    if !window.days.is_empty() && !is_listed {
        return None;
    }
    // A time that the clock skips in spring means the moment after the gap.
    let opens = date.to_datetime(start).to_zoned(zone.clone()).ok()?;
    Some(opens.timestamp())
}

fn to_weekday(day: Weekday) -> jiff::civil::Weekday {
    match day {
        Weekday::Monday => jiff::civil::Weekday::Monday,
        Weekday::Tuesday => jiff::civil::Weekday::Tuesday,
        Weekday::Wednesday => jiff::civil::Weekday::Wednesday,
        Weekday::Thursday => jiff::civil::Weekday::Thursday,
        Weekday::Friday => jiff::civil::Weekday::Friday,
        Weekday::Saturday => jiff::civil::Weekday::Saturday,
        Weekday::Sunday => jiff::civil::Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(window: Value, now: &str) -> Result<(Option<u64>, String), String> {
        let window: Window = serde_json::from_value(window).unwrap();
        read_window(&window, now.parse().unwrap()).map(|state| (state.left, state.next.to_string()))
    }

    #[test]
    fn a_window_is_open_from_its_start_for_its_duration_in_its_zone() {
        let nightly = json!({"start": "22:00", "duration": "4h", "timeZone": "Asia/Shanghai"});
        // 22:00 in Shanghai is 14:00 UTC.
        for (now, left, next) in [
            ("2026-03-01T13:59:59Z", None, "2026-03-01T14:00:00Z"),
            ("2026-03-01T14:00:00Z", Some(14_400), "2026-03-02T14:00:00Z"),
            ("2026-03-01T17:59:59Z", Some(1), "2026-03-02T14:00:00Z"),
            ("2026-03-01T18:00:00Z", None, "2026-03-02T14:00:00Z"),
        ] {
            assert_eq!(
                read(nightly.clone(), now),
                Ok((left, next.to_owned())),
                "{now}"
            );
        }
    }

    #[test]
    fn days_are_those_of_the_zone_on_which_it_opens() {
        let weekly = json!({"start": "23:00", "duration": "3h", "days": ["Saturday"], "timeZone": "Asia/Shanghai"});
        // Saturday, 7 March 2026, 23:00 in Shanghai is 15:00 UTC; it lasts into Sunday.
        for (now, left, next) in [
            ("2026-03-06T15:30:00Z", None, "2026-03-07T15:00:00Z"),
            ("2026-03-07T17:00:00Z", Some(3_600), "2026-03-14T15:00:00Z"),
        ] {
            assert_eq!(
                read(weekly.clone(), now),
                Ok((left, next.to_owned())),
                "{now}"
            );
        }
        let long = json!({"start": "00:00", "duration": "720h", "days": ["Monday"]});
        let (left, _) = read(long, "2026-03-01T12:00:00Z").unwrap();
        // Of those that are open the one that began last stays open longest: Monday, 23 February.
        assert_eq!(left, Some(720 * 3600 - (6 * 24 + 12) * 3600));
    }

    #[test]
    fn a_time_that_the_clock_skips_or_repeats_opens_once() {
        let spring = json!({"start": "02:30", "duration": "1h", "timeZone": "Europe/Berlin"});
        // On 29 March 2026 the clock goes from 02:00 to 03:00, which is 01:00 UTC.
        let (left, next) = read(spring.clone(), "2026-03-29T00:59:00Z").unwrap();
        assert_eq!((left, next.as_str()), (None, "2026-03-29T01:30:00Z"));
        // On 25 October 02:30 comes twice; the first one counts.
        let (left, _) = read(spring.clone(), "2026-10-25T00:45:00Z").unwrap();
        assert_eq!(left, Some(2_700));
        assert_eq!(read(spring, "2026-10-25T01:45:00Z").unwrap().0, None);
    }

    #[test]
    fn what_cannot_be_understood_names_its_field() {
        let of =
            |start: &str, zone: &str| json!({"start": start, "duration": "1h", "timeZone": zone});
        let now = "2026-03-01T00:00:00Z";
        for (window, field) in [
            (of("22:00", "Mars/Olympus"), "spec.window.timeZone"),
            (of("22:00", "../../etc/passwd"), "spec.window.timeZone"),
            (of("25:00", "UTC"), "spec.window.start"),
        ] {
            let said = read(window, now).unwrap_err();
            assert!(said.contains(field), "{said}");
        }
    }
}
