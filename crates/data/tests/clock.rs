//! The clock rules, over every day of two years, in zones that change by an hour and by half an hour.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveTime, Offset, TimeZone, Timelike, offset::LocalResult};
use chrono_tz::Tz;
use meteoctl_data::clock::{Clock, day_and_time, time_of_day};
use proptest::prelude::*;

const ZONES: [&str; 3] = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"];

/// The station's wall clock at an instant: its day and its seconds since midnight.
fn wall(zone: Tz, instant: i64) -> (NaiveDate, u32) {
    let local = zone.timestamp_opt(instant, 0).unwrap();
    (local.date_naive(), local.num_seconds_from_midnight())
}

fn midnight(zone: Tz, day: NaiveDate) -> i64 {
    zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest().unwrap().timestamp()
}

/// Every reading of 2024 and 2025, every `minutes`, comes back as the instant it was taken at.
#[test]
fn two_years_come_back_whole() {
    for name in ZONES {
        let zone: Tz = name.parse().unwrap();
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
        let end = midnight(zone, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap());
        for minutes in [5, 10, 60] {
            let (mut rolling, mut dated) = (Clock::new(zone, Some(start)), Clock::new(zone, None));
            let mut instant = midnight(zone, start);
            while instant < end {
                let (day, second) = wall(zone, instant);
                // Once an hour, Lord Howe's clock shows 01:30 once more after 01:00 without ever having shown 01:30
                // before: no rule can tell that from the first time, see the test below.
                let blind = minutes == 60 && name == "Australia/Lord_Howe" && !plain(zone, day);
                if !blind {
                    assert_eq!(rolling.instant(None, second), Some(instant), "{name}, every {minutes} min, {day} {second}");
                } else {
                    rolling.instant(None, second);
                }
                if !blind {
                    assert_eq!(dated.instant(Some(day), second), Some(instant), "{name} dated, every {minutes} min, {day} {second}");
                } else {
                    dated.instant(Some(day), second);
                }
                instant += minutes * 60;
            }
        }
    }
}

/// Whether a day has one offset throughout.
fn plain(zone: Tz, day: NaiveDate) -> bool {
    let at = |hour: i64| zone.offset_from_utc_datetime(&(day.and_time(NaiveTime::MIN) + Duration::hours(hour))).fix();
    (-14..=38).all(|hour| at(hour) == at(-14))
}

#[test]
fn the_examples_of_the_rule() {
    let paris: Tz = "Europe/Paris".parse().unwrap();
    let at = |start: &str, rows: &[&str]| {
        let mut clock = Clock::new(paris, Some(start.parse().unwrap()));
        let instants = rows.iter().map(|row| clock.instant(None, time_of_day(row).unwrap()).unwrap());
        instants.map(|instant| DateTime::from_timestamp(instant, 0).unwrap().format("%d %H:%M").to_string()).collect::<Vec<_>>()
    };
    // A time that spring skips takes the offset before the change.
    assert_eq!(at("2024-03-31", &["01:55", "02:30", "03:00"]), ["31 00:55", "31 01:30", "31 01:00"]);
    // Autumn: the jump back inside the hour that is lived twice is no new day, and only once.
    assert_eq!(at("2024-10-27", &["02:50", "02:10", "02:50", "02:10"]), ["27 00:50", "27 01:10", "27 01:50", "28 01:10"]);
    // A jump from behind that hour, or to before it, is a new day.
    assert_eq!(at("2024-10-27", &["03:10", "02:10"]), ["27 02:10", "28 01:10"]);
    assert_eq!(at("2024-10-27", &["02:50", "01:50"]), ["27 00:50", "28 00:50"]);
    // The same time again is a repeated row, unless rows are as seldom as the hour is long.
    assert_eq!(at("2024-10-27", &["02:00", "02:05", "02:05", "02:10"]), ["27 00:00", "27 00:05", "27 00:05", "27 00:10"]);
    assert_eq!(at("2024-10-27", &["01:00", "02:00", "02:00", "03:00"]), ["26 23:00", "27 00:00", "27 01:00", "27 02:00"]);
    // Elsewhere an earlier time is the next day, an equal one is not.
    assert_eq!(at("2024-06-01", &["23:55", "23:55", "00:00"]), ["01 21:55", "01 21:55", "01 22:00"]);
}

#[test]
fn times_are_read_in_both_spellings() {
    let read =
        [("00:04:00", 240), ("7:05", 25_500), ("12:00 AM", 0), ("12:30 pm", 45_000), ("1:02:03\u{a0}PM", 46_923), ("23:59:59", 86_399)];
    for (text, second) in read {
        assert_eq!(time_of_day(text), Some(second), "{text}");
    }
    for bad in ["", "24:00", "12:60", "13:00 PM", "0:30 AM", "1", "1:2:3:4", "-1:00", "12:00:60", "12h30", "AM", "é"] {
        assert_eq!(time_of_day(bad), None, "{bad}");
    }
    let parsed = day_and_time("2024-10-05T00:30:00+02:00").unwrap();
    assert_eq!((parsed.0.day(), parsed.1, parsed.2), (5, 1_800, Some(7_200)));
}

proptest! {
    /// Rows go missing, never for a day: every instant is right as long as the clock's order shows the truth.
    #[test]
    fn missing_rows_do_not_lose_the_day(
        zone in prop::sample::select(ZONES.to_vec()),
        day in 0i64..731,
        minutes in prop::sample::select(vec![5i64, 10, 60]),
        gaps in prop::collection::vec(1i64..60, 400),
    ) {
        let name = zone;
        let zone: Tz = zone.parse().unwrap();
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Duration::days(day);
        let mut clock = Clock::new(zone, Some(start));
        let mut instant = midnight(zone, start);
        let (mut told, mut last) = (false, None);
        for gap in gaps {
            let (day, second) = wall(zone, instant);
            // In the second pass without having seen the clock jump back, a row looks like the first pass.
            let local = day.and_time(NaiveTime::from_num_seconds_from_midnight_opt(second, 0).unwrap());
            let truth = zone.timestamp_opt(instant, 0).unwrap().offset().fix();
            let ambiguous = match zone.offset_from_local_datetime(&local) {
                LocalResult::Ambiguous(first, _) => Some(first.fix() != truth),
                _ => None,
            };
            if let (Some(true), Some((last_day, last_second))) = (ambiguous, last) {
                told |= last_day == day && second < last_second;
            }
            if ambiguous != Some(true) {
                told = false;
            }
            let found = clock.instant(None, second).unwrap();
            if ambiguous != Some(true) || told {
                prop_assert_eq!(found, instant, "{} {} {}", name, day, second);
            } else {
                prop_assert!((found - instant).abs() <= 3_600);
            }
            last = Some((day, second));
            // Mostly the next row, sometimes up to ten hours without any.
            instant += minutes * 60 * if gap > 50 { gap.min(600 / minutes) } else { 1 + gap / 25 };
        }
    }

    #[test]
    fn any_text_may_stand_in_a_time(text in "\\PC{0,12}") {
        let _ = time_of_day(&text);
        let _ = day_and_time(&text);
    }
}
