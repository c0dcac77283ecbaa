//! The station's clock: from times of the day, in the order read, to instants.
//!
//! Rows carry a local time and mostly no day. The day begins at the start date; a time earlier than the one before
//! means the next day. One jump back is none: on the day the clock goes back, inside the hour that is lived twice.

use chrono::{Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, offset::LocalResult};
use chrono_tz::Tz;

/// Where the clock of one prefix stands. Cheap to copy; runs on over all files of the prefix.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: Tz,
    day: Option<NaiveDate>,
    last: Option<u32>,
    /// Smallest step forward seen so far, in seconds.
    cadence: Option<u32>,
    /// Whether the second pass of the repeated hour of `day` has begun.
    second_pass: bool,
    rule: DayRule,
}

/// How one local day maps to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayRule {
    Unknown,
    /// One offset (seconds east of UTC) all day.
    Plain {
        midnight_utc: i64,
    },
    /// The offset changes during the day.
    Changes,
}

impl Clock {
    /// A clock that starts on `start`; without it rows must carry their day.
    pub fn new(zone: Tz, start: Option<NaiveDate>) -> Clock {
        Clock { zone, day: start, last: None, cadence: None, second_pass: false, rule: DayRule::Unknown }
    }

    /// The instant, in seconds since the epoch, of the next row. `day` is the row's own day where it has one.
    /// `None` when neither the row nor the clock knows the day.
    pub fn instant(&mut self, day: Option<NaiveDate>, second: u32) -> Option<i64> {
        match day {
            Some(own) if self.day == Some(own) => {
                self.turns(second);
            }
            Some(own) => self.enter(own),
            None => {
                let today = self.day?;
                if !self.turns(second) && self.last.is_some_and(|last| second < last) {
                    self.enter(today.checked_add_days(Days::new(1))?);
                }
            }
        }
        let step = self.last.map_or(0, |last| second.saturating_sub(last));
        if step > 0 {
            self.cadence = Some(self.cadence.map_or(step, |cadence| cadence.min(step)));
        }
        self.last = Some(second);
        self.resolve(self.day?, second)
    }

    fn enter(&mut self, day: NaiveDate) {
        self.day = Some(day);
        self.last = None;
        self.second_pass = false;
        self.rule = DayRule::Unknown;
    }

    /// Whether this very row turns into the second pass of the repeated hour; from then on the day is in it.
    fn turns(&mut self, second: u32) -> bool {
        let (Some(last), Some(day)) = (self.last, self.day) else { return false };
        if second > last || self.second_pass || self.day_rule(day) != DayRule::Changes {
            return false;
        }
        let (Some(here), Some(before)) = (self.repeated(day, second), self.repeated(day, last)) else { return false };
        // The same time twice is a repeated row, unless the station reports as seldom as the hour is long.
        let jump = second < last || self.cadence.is_some_and(|cadence| i64::from(cadence) >= here);
        if jump && here == before {
            self.second_pass = true;
        }
        self.second_pass
    }

    /// Length in seconds of the repeated stretch that `second` lies in.
    fn repeated(&self, day: NaiveDate, second: u32) -> Option<i64> {
        match self.zone.offset_from_local_datetime(&local(day, second)?) {
            LocalResult::Ambiguous(earlier, later) => {
                Some(i64::from(earlier.fix().local_minus_utc() - later.fix().local_minus_utc()).abs())
            }
            _ => None,
        }
    }

    fn day_rule(&mut self, day: NaiveDate) -> DayRule {
        if self.rule == DayRule::Unknown {
            self.rule = rule_of(self.zone, day);
        }
        self.rule
    }

    fn resolve(&mut self, day: NaiveDate, second: u32) -> Option<i64> {
        if let DayRule::Plain { midnight_utc } = self.day_rule(day) {
            return Some(midnight_utc + i64::from(second));
        }
        let local = local(day, second)?;
        let offset = match self.zone.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) => offset.fix().local_minus_utc(),
            LocalResult::Ambiguous(first, second) => {
                // The first pass has the larger offset: summer time comes before winter time.
                let (first, second) = (first.fix().local_minus_utc(), second.fix().local_minus_utc());
                if self.second_pass { first.min(second) } else { first.max(second) }
            }
            LocalResult::None => offset_before_gap(self.zone, local)?,
        };
        Some(local.and_utc().timestamp() - i64::from(offset))
    }
}

fn local(day: NaiveDate, second: u32) -> Option<NaiveDateTime> {
    Some(day.and_time(NaiveTime::from_num_seconds_from_midnight_opt(second, 0)?))
}

fn rule_of(zone: Tz, day: NaiveDate) -> DayRule {
    let midnight = day.and_time(NaiveTime::MIN);
    let mut seen = None;
    // Every hour and both ends: no zone has changed twice within one hour.
    for hour in 0..=24 {
        let LocalResult::Single(offset) = zone.offset_from_local_datetime(&(midnight + Duration::hours(hour))) else {
            return DayRule::Changes;
        };
        let offset = offset.fix().local_minus_utc();
        if *seen.get_or_insert(offset) != offset {
            return DayRule::Changes;
        }
    }
    seen.map_or(DayRule::Changes, |offset| DayRule::Plain { midnight_utc: midnight.and_utc().timestamp() - i64::from(offset) })
}

/// A time that spring skips takes the offset that held before: 02:30 becomes 01:30Z in Paris.
fn offset_before_gap(zone: Tz, local: NaiveDateTime) -> Option<i32> {
    // The longest gap on record is a whole day (Samoa, 2011).
    (1..=100).find_map(|quarter| match zone.offset_from_local_datetime(&(local - Duration::minutes(15 * quarter))) {
        LocalResult::Single(offset) => Some(offset.fix().local_minus_utc()),
        LocalResult::Ambiguous(first, second) => Some(first.fix().local_minus_utc().min(second.fix().local_minus_utc())),
        LocalResult::None => None,
    })
}

/// Reads `HH:MM[:SS]` or `h:mm[:ss] AM/PM` as seconds since midnight.
pub fn time_of_day(text: &str) -> Option<u32> {
    let text = text.trim();
    let (clock, half) = match text.char_indices().rev().nth(1) {
        Some((at, _)) if text[at..].eq_ignore_ascii_case("am") => (text[..at].trim_end(), Some(0)),
        Some((at, _)) if text[at..].eq_ignore_ascii_case("pm") => (text[..at].trim_end(), Some(12)),
        _ => (text, None),
    };
    let mut parts = clock.split(':').map(|part| {
        let plain = matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<u32>().ok()).flatten()
    });
    let hour = parts.next()??;
    let minute = parts.next()??;
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || minute > 59 || second > 59 {
        return None;
    }
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        None if hour < 24 => hour,
        _ => return None,
    };
    Some(hour * 3_600 + minute * 60 + second)
}

/// Reads `YYYY-MM-DD` (or with `/`).
pub fn day(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes.get(4) != bytes.get(7) || !matches!(bytes.get(4), Some(b'-' | b'/')) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    NaiveDate::from_ymd_opt(i32::try_from(part(0..4)?).ok()?, part(5..7)?, part(8..10)?)
}

/// A day and time in one text, `YYYY-MM-DD[ T]HH:MM[:SS]`, with a UTC mark or an offset if it has one.
pub fn day_and_time(text: &str) -> Option<(NaiveDate, u32, Option<i64>)> {
    let text = text.trim();
    let date = day(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix([' ', 'T', 't'])?.trim_start();
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((date, time_of_day(clock)?, Some(0)));
    }
    if let Some(at) = rest.rfind(['+', '-']) {
        let (clock, offset) = rest.split_at(at);
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        return Some((date, time_of_day(clock)?, Some(sign * i64::from(time_of_day(offset.get(1..)?)?))));
    }
    Some((date, time_of_day(rest)?, None))
}

/// Seconds since the epoch of a day and time in UTC.
pub fn utc(date: NaiveDate, second: u32) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp() + i64::from(second)
}
