//! How far a piece of work is, how fast it goes, and how long it still takes.

use std::time::Duration;

/// A rate of less time than this is chance.
const SETTLED: Duration = Duration::from_secs(1);

/// Work of one name that goes on.
pub struct Amount<'a> {
    /// What is done.
    pub doing: &'a str,
    /// Units done.
    pub done: u64,
    /// Units in all, where known.
    pub total: Option<u64>,
    /// What is counted; `bytes` are told in kB, MB and GB.
    pub unit: &'a str,
    /// Units that were done when it began to be watched.
    pub before: u64,
    /// How long it has been watched.
    pub watched: Duration,
}

impl Amount<'_> {
    /// `transform: 1.2 GB of 10.0 GB (12 %), 310 MB/s, 28 s left`.
    pub fn words(&self) -> String {
        if self.done == 0 && self.total.is_none() {
            return self.doing.to_owned();
        }
        let mut text = match self.total {
            Some(total) => format!("{}: {} of {}{}", self.doing, self.part(), self.units(total), percent(self.done, total)),
            None => format!("{}: {}", self.doing, self.units(self.done)),
        };
        if let Some(rate) = self.rate() {
            text.push_str(&format!(", {}/s", self.units(rate as u64)));
            let left = self.total.map(|total| total.saturating_sub(self.done) as f64 / rate);
            if let Some(left) = left.filter(|left| *left >= 1.0) {
                text.push_str(&format!(", {} left", span(left)));
            }
        }
        text
    }

    /// Units a second.
    fn rate(&self) -> Option<f64> {
        let rate = self.done.saturating_sub(self.before) as f64 / self.watched.as_secs_f64();
        (self.watched >= SETTLED && rate >= 1.0).then_some(rate)
    }

    /// What is done, the unit left to the whole where both have the same.
    fn part(&self) -> String {
        if self.unit == "bytes" { bytes(self.done) } else { grouped(self.done) }
    }

    fn units(&self, count: u64) -> String {
        match self.unit {
            "bytes" => bytes(count),
            unit => format!("{} {unit}", grouped(count)),
        }
    }
}

fn percent(done: u64, total: u64) -> String {
    match done.saturating_mul(100).checked_div(total) {
        Some(percent) => format!(" ({} %)", percent.min(100)),
        None => String::new(),
    }
}

/// Decimal units, as disks and networks are sold.
fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_told_as_soon_as_they_mean_something() {
        let at = |done, total, unit, before, millis| {
            let watched = Duration::from_millis(millis);
            Amount { doing: "transform", done, total, unit, before, watched }.words()
        };
        let told = [
            at(0, None, "documents", 0, 0),
            at(0, Some(10_000_000_000), "bytes", 0, 0),
            at(1_240_000_000, Some(10_000_000_000), "bytes", 0, 4_000),
            at(999_999, Some(10_000_000), "bytes", 0, 900),
            at(9_999_999, Some(10_000_000), "bytes", 0, 30_000),
            at(1_500, Some(2_000_000), "documents", 1_000, 10_000),
            at(1_234_567, None, "documents", 234_567, 2_000),
            at(0, Some(0), "queries", 0, 5_000),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        transform
        transform: 0 B of 10.0 GB (0 %)
        transform: 1.2 GB of 10.0 GB (12 %), 310 MB/s, 28 s left
        transform: 999 kB of 10 MB (9 %)
        transform: 9 MB of 10 MB (99 %), 333 kB/s
        transform: 1,500 of 2,000,000 documents (0 %), 50 documents/s, 11 h 6 min left
        transform: 1,234,567 documents, 500,000 documents/s
        transform: 0 of 0 queries
        ");
    }
}
