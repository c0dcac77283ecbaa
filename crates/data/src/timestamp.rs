//! Instants as every document writes them.

/// Writes instants one after the other; the day is worked out only when it changes.
#[derive(Debug, Default)]
pub struct Stamps {
    day: Option<i64>,
    text: [u8; 20],
}

impl Stamps {
    /// An instant, in seconds since the epoch, as [`timestamp`] writes it.
    #[inline]
    pub fn at(&mut self, seconds: i64) -> &[u8; 20] {
        let day = seconds.div_euclid(86_400);
        if self.day != Some(day) {
            self.day = Some(day);
            self.text = timestamp(day * 86_400);
        }
        let second = seconds.rem_euclid(86_400) as u32;
        for (at, value) in [(11, second / 3_600), (14, second / 60 % 60), (17, second % 60)] {
            self.text[at] = b'0' + (value / 10) as u8;
            self.text[at + 1] = b'0' + (value % 10) as u8;
        }
        &self.text
    }
}

/// Writes an instant as `YYYY-MM-DDTHH:MM:SSZ` (years 0 to 9999).
pub fn timestamp(seconds: i64) -> [u8; 20] {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let mut text = *b"0000-00-00T00:00:00Z";
    let mut two = |at: usize, value: i64| {
        text[at] = b'0' + (value / 10 % 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    two(0, year / 100);
    two(2, year % 100);
    two(5, month);
    two(8, day);
    two(11, second / 3_600);
    two(14, second / 60 % 60);
    two(17, second % 60);
    text
}

/// Year, month and day of a day number since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day_number: i64) -> (i64, i64, i64) {
    let shifted = day_number + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn instants_read_as_chrono_writes_them(seconds in -62_167_219_200i64..253_402_300_799) {
            let expected = DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let written = timestamp(seconds);
            prop_assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        }

        #[test]
        fn stamps_say_the_same_in_any_order(instants in prop::collection::vec(-62_167_219_200i64..253_402_300_799, 1..9), steps in prop::collection::vec(-90_000i64..90_000, 1..9)) {
            let mut stamps = Stamps::default();
            let near = instants[0].clamp(-62_000_000_000, 253_000_000_000);
            for instant in instants.into_iter().chain(steps.into_iter().map(|step| near + step)) {
                prop_assert_eq!(*stamps.at(instant), timestamp(instant));
            }
        }
    }
}
