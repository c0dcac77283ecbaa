//! A value for every station and UTC day that was met.

use std::collections::HashMap;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// One `D` a station and day. Rows mostly stay on their day, so the last one of each station is found without a search.
#[derive(Debug, Default)]
pub(super) struct Calendar<D> {
    stations: Vec<Days<D>>,
}

#[derive(Debug, Default)]
struct Days<D> {
    index: HashMap<i64, usize>,
    days: Vec<D>,
    /// The day of the row before.
    last: Option<(i64, usize)>,
}

impl<D: Default> Calendar<D> {
    /// The day of an instant (seconds since the epoch), made when it is new. A day that is left for another one is mostly
    /// complete: `leave` may tidy it up.
    pub fn enter(&mut self, station: u32, instant: i64, leave: impl FnOnce(&mut D)) -> &mut D {
        let station = station as usize;
        if self.stations.len() <= station {
            self.stations.resize_with(station + 1, Days::default);
        }
        self.stations[station].enter(instant.div_euclid(DAY), leave)
    }

    /// The day of an instant, if it was entered.
    pub fn known(&mut self, station: u32, instant: i64) -> Option<&mut D> {
        self.stations.get_mut(station as usize)?.known(instant.div_euclid(DAY))
    }

    /// Whether no day was entered.
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }
}

impl<D: Default> Days<D> {
    fn enter(&mut self, number: i64, leave: impl FnOnce(&mut D)) -> &mut D {
        let at = match self.last {
            Some((last, at)) if last == number => at,
            before => {
                if let Some(day) = before.and_then(|(_, at)| self.days.get_mut(at)) {
                    leave(day);
                }
                let next = self.days.len();
                *self.index.entry(number).or_insert(next)
            }
        };
        if at == self.days.len() {
            self.days.push(D::default());
        }
        self.last = Some((number, at));
        &mut self.days[at]
    }

    fn known(&mut self, number: i64) -> Option<&mut D> {
        let at = match self.last {
            Some((last, at)) if last == number => at,
            _ => *self.index.get(&number)?,
        };
        self.last = Some((number, at));
        self.days.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_apart_and_found_again() {
        let (mut calendar, mut left) = (Calendar::<Vec<i64>>::default(), 0);
        assert!(calendar.is_empty());
        for instant in [-1, 0, 86_399, 86_400, 5] {
            calendar.enter(1, instant, |_| left += 1).push(instant);
        }
        assert_eq!(left, 3, "from the first to the second, to the third, and back");
        assert_eq!(calendar.known(1, 3), Some(&mut vec![0, 86_399, 5]));
        assert_eq!(calendar.known(1, -86_400), Some(&mut vec![-1]));
        for (station, instant) in [(0, 3), (1, 200_000), (7, 3)] {
            assert_eq!(calendar.known(station, instant), None);
        }
    }
}
