//! Cron schedules in a time zone: when should something have happened last, when next?
//!
//! Five fields, Vixie style. On the day the clocks go forward an instant that does not exist is skipped;
//! on the day they go back the first of two equal clock times counts. That is what EventBridge Scheduler does.

use std::str::FromStr;

use chrono::{DateTime, Duration, LocalResult, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A cron expression with its time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    text: String,
}

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression is not a five-field cron expression.
    #[error("`{0}` is not a cron expression (minute hour day month weekday): {1}")]
    Cron(String, String),
    /// The zone is unknown.
    #[error("`{0}` is not a time zone of the IANA database, such as Europe/Paris")]
    Zone(String),
}

/// Instants that a change of the clocks swallows are skipped; this many in a row would be a fault of the expression.
const ATTEMPTS: usize = 400;

impl Schedule {
    /// Reads expression and IANA zone name.
    pub fn parse(cron: &str, timezone: &str) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let read = parser.parse(cron).map_err(|error| ScheduleError::Cron(cron.to_owned(), error.to_string()))?;
        let zone = Tz::from_str(timezone).map_err(|_| ScheduleError::Zone(timezone.to_owned()))?;
        Ok(Schedule { cron: read, zone, text: format!("{cron} {timezone}") })
    }

    /// The last scheduled instant that is not after `now`; `None` for an expression that never matches.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A clock time may come twice, up to two hours apart: start a little later and walk back.
        let mut wall = self.wall(now + Duration::hours(3));
        for _ in 0..ATTEMPTS {
            wall = self.cron.find_previous_occurrence(&wall, true).ok()?;
            if let Some(found) = self.instant(wall).filter(|found| *found <= now) {
                return Some(found);
            }
            wall -= Duration::minutes(1);
        }
        None
    }

    /// The first scheduled instant after `now`.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut wall = self.wall(now - Duration::hours(3));
        for _ in 0..ATTEMPTS {
            wall = self.cron.find_next_occurrence(&wall, true).ok()?;
            if let Some(found) = self.instant(wall).filter(|found| *found > now) {
                return Some(found);
            }
            wall += Duration::minutes(1);
        }
        None
    }

    /// The clock on the wall at `at`, carried as if it were UTC so that cron arithmetic knows no gaps.
    fn wall(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.with_timezone(&self.zone).naive_local().and_utc()
    }

    fn instant(&self, wall: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall.naive_utc()) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
            LocalResult::None => None,
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn last_and_next_enclose_now() {
        let nightly = Schedule::parse("0 3 * * *", "Europe/Paris").unwrap();
        assert_eq!(nightly.last(at("2026-01-05T14:06:15Z")), Some(at("2026-01-05T02:00:00Z")));
        assert_eq!(nightly.next(at("2026-01-05T14:06:15Z")), Some(at("2026-01-06T02:00:00Z")));
        assert_eq!(nightly.last(at("2026-01-05T02:00:00Z")), Some(at("2026-01-05T02:00:00Z")));
        assert_eq!(nightly.last(at("2026-01-05T01:59:59Z")), Some(at("2026-01-04T02:00:00Z")));
    }

    #[test]
    fn the_gap_is_skipped_and_the_overlap_counts_once() {
        let half_past_two = Schedule::parse("30 2 * * *", "Europe/Paris").unwrap();
        // 2026-03-29: 02:30 does not exist.
        assert_eq!(half_past_two.last(at("2026-03-29T12:00:00Z")), Some(at("2026-03-28T01:30:00Z")));
        assert_eq!(half_past_two.next(at("2026-03-28T12:00:00Z")), Some(at("2026-03-30T00:30:00Z")));
        // 2026-10-25: 02:30 comes twice; the first is 00:30Z.
        assert_eq!(half_past_two.last(at("2026-10-25T12:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(half_past_two.next(at("2026-10-25T00:30:00Z")), Some(at("2026-10-26T01:30:00Z")));
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!(Schedule::parse("every day", "UTC"), Err(ScheduleError::Cron(..))));
        assert!(matches!(Schedule::parse("0 0 3 * * *", "UTC"), Err(ScheduleError::Cron(..))));
        assert!(matches!(Schedule::parse("0 3 * * *", "Europe/Atlantis"), Err(ScheduleError::Zone(_))));
        assert_eq!(Schedule::parse("0 0 30 2 *", "UTC").unwrap().last(at("2026-01-05T00:00:00Z")), None);
    }
}
