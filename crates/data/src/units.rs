//! What a cell says: a number, its unit, a wind word, and the exact way to the canonical unit.
//!
//! Factors are the exact definitions: Fahrenheit (F−32)·5/9; the statute mile 1.609344 km, the nautical mile
//! 1.852 km and the inch 25.4 mm by international agreement; the conventional inch of mercury 33.8638866667 hPa (BIPM/NIST SP 811).

use crate::decimal::{Decimal, Linear};
use crate::reading::NULL;

/// What is being measured, and with it which units may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// °C.
    Temperature,
    /// %.
    Percent,
    /// hPa.
    Pressure,
    /// km/h.
    Speed,
    /// mm of rain.
    Rain,
    /// mm/h of rain.
    RainRate,
    /// cm of snow.
    Snow,
    /// m.
    Distance,
    /// Degrees clockwise from north, or one of the wind words.
    Direction,
    /// W/m².
    Irradiance,
    /// A code or an index without a unit.
    Plain,
}

/// Whose habits apply where no unit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// °C, hPa, km/h, mm.
    Metric,
    /// °F, inHg, mph, in.
    Imperial,
}

/// Why a cell became null although something stood in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellFault {
    /// No number (or no known word) can be read.
    Value,
    /// The number is followed by a unit that this quantity does not have.
    Unit,
}

/// A cell that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Canonical value in hundredths, or [`NULL`].
    pub hundredths: i64,
    /// The exact canonical value, for rain counters.
    pub exact: Option<Decimal>,
}

/// Reads the trimmed, non-empty text of a cell.
pub fn text(quantity: Quantity, habit: Habit, text: &str) -> Result<Read, CellFault> {
    if quantity == Quantity::Direction && !text.starts_with(['-', '+', '−']) && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return wind_word(text).map(|hundredths| Read { hundredths, exact: None }).ok_or(CellFault::Value);
    }
    let (number, rest) = Decimal::leading(text).ok_or(CellFault::Value)?;
    let unit = rest.trim();
    // `1.2.3` or `5-6` is no number with an odd unit.
    if unit.starts_with(|c: char| c.is_ascii_digit() || "+-.,:".contains(c)) {
        return Err(CellFault::Value);
    }
    let linear = linear(quantity, habit, unit).ok_or(CellFault::Unit)?;
    finish(quantity, number, linear)
}

/// Reads a JSON number, which never carries a unit.
pub fn number(quantity: Quantity, habit: Habit, text: &str) -> Result<Read, CellFault> {
    let number = Decimal::from_json(text).ok_or(CellFault::Value)?;
    let linear = linear(quantity, habit, "").ok_or(CellFault::Unit)?;
    finish(quantity, number, linear)
}

fn finish(quantity: Quantity, number: Decimal, linear: Linear) -> Result<Read, CellFault> {
    let hundredths = number.hundredths(linear).ok_or(CellFault::Value)?;
    let exact = match quantity {
        Quantity::Rain if linear.den == 10 => number.times(linear.num, 1),
        Quantity::Rain => Some(number),
        _ => None,
    };
    Ok(Read { hundredths, exact })
}

/// The conversion from a written unit; `None` when the quantity has no such unit.
pub fn linear(quantity: Quantity, habit: Habit, unit: &str) -> Option<Linear> {
    let unit = unit.to_lowercase();
    let unit = match (unit.as_str(), habit) {
        ("", habit) => usual(quantity, habit),
        (unit, _) => unit,
    };
    Some(match (quantity, unit) {
        (Quantity::Temperature, "°c" | "c" | "degc" | "º c" | "ºc" | "° c" | "℃") => Linear::SAME,
        (Quantity::Temperature, "°f" | "f" | "degf" | "º f" | "ºf" | "° f" | "℉") => Linear { add: -32, num: 5, den: 9 },
        (Quantity::Percent, "%") => Linear::SAME,
        (Quantity::Pressure, "hpa" | "mbar" | "mb") => Linear::SAME,
        (Quantity::Pressure, "in" | "inhg" | "in hg" | "\"") => Linear::factor(338_638_866_667, 10_000_000_000),
        (Quantity::Speed, "km/h" | "kmh" | "kph") => Linear::SAME,
        (Quantity::Speed, "mph" | "mi/h") => Linear::factor(1_609_344, 1_000_000),
        (Quantity::Speed, "m/s" | "ms") => Linear::factor(36, 10),
        (Quantity::Speed, "kn" | "kt" | "kts" | "knots") => Linear::factor(1_852, 1_000),
        (Quantity::Rain, "mm") | (Quantity::RainRate, "mm" | "mm/h" | "mm/hr") => Linear::SAME,
        (Quantity::Rain, "in" | "\"") | (Quantity::RainRate, "in" | "in/h" | "in/hr" | "\"") => Linear::factor(254, 10),
        (Quantity::Snow, "cm") | (Quantity::Distance, "m") => Linear::SAME,
        (Quantity::Snow, "mm") => Linear::factor(1, 10),
        (Quantity::Snow, "in" | "\"") => Linear::factor(254, 100),
        (Quantity::Distance, "km") => Linear::factor(1_000, 1),
        (Quantity::Direction, "°" | "deg" | "º") => Linear::SAME,
        (Quantity::Irradiance, "w/m²" | "w/m2" | "w/m^2") => Linear::SAME,
        (Quantity::Plain, "") => Linear::SAME,
        _ => return None,
    })
}

fn usual(quantity: Quantity, habit: Habit) -> &'static str {
    match (quantity, habit) {
        (Quantity::Temperature, Habit::Metric) => "°c",
        (Quantity::Temperature, Habit::Imperial) => "°f",
        (Quantity::Percent, _) => "%",
        (Quantity::Pressure, Habit::Metric) => "hpa",
        (Quantity::Pressure | Quantity::Rain | Quantity::RainRate, Habit::Imperial) => "in",
        (Quantity::Speed, Habit::Metric) => "km/h",
        (Quantity::Speed, Habit::Imperial) => "mph",
        (Quantity::Rain | Quantity::RainRate, Habit::Metric) => "mm",
        (Quantity::Snow, Habit::Metric) => "cm",
        (Quantity::Snow, Habit::Imperial) => "in",
        (Quantity::Distance, _) => "m",
        (Quantity::Direction, _) => "°",
        (Quantity::Irradiance, _) => "w/m²",
        (Quantity::Plain, _) => "",
    }
}

/// Degrees (in hundredths) of a wind word, [`NULL`] for calm and variable winds, `None` for an unknown word.
pub fn wind_word(word: &str) -> Option<i64> {
    const POINTS: [&str; 16] = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"];
    let upper = word.to_ascii_uppercase();
    let point = match upper.as_str() {
        "CALM" | "VARIABLE" | "VAR" => return Some(NULL),
        "NORTH" => "N",
        "EAST" => "E",
        "SOUTH" => "S",
        "WEST" => "W",
        other => other,
    };
    let sixteenth = POINTS.iter().position(|name| *name == point)?;
    i64::try_from(sixteenth).ok().map(|sixteenth| sixteenth * 2_250)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(quantity: Quantity, habit: Habit, cell: &str) -> Result<i64, CellFault> {
        text(quantity, habit, cell).map(|read| read.hundredths)
    }

    #[test]
    fn units_are_converted_by_what_is_written() {
        use Habit::{Imperial, Metric};
        let table = [
            (Quantity::Temperature, Imperial, "56.8\u{a0}°F", 1378),
            (Quantity::Temperature, Imperial, "-4", -2000),
            (Quantity::Temperature, Imperial, "-4 °C", -400),
            (Quantity::Temperature, Metric, "31.5 F", -28),
            (Quantity::Percent, Imperial, "87\u{202f}%", 8700),
            (Quantity::Pressure, Imperial, "29.48\u{a0}in", 99_831),
            (Quantity::Pressure, Imperial, "30.01 inHg", 101_626),
            (Quantity::Pressure, Imperial, "1013.25 mbar", 101_325),
            (Quantity::Pressure, Metric, "1019.1", 101_910),
            (Quantity::Speed, Imperial, "8.2 mph", 1_320),
            (Quantity::Speed, Imperial, "10 m/s", 3_600),
            (Quantity::Speed, Metric, "10 kn", 1_852),
            (Quantity::Speed, Metric, "7.2", 720),
            (Quantity::Rain, Imperial, "0.19\u{a0}in", 483),
            (Quantity::RainRate, Imperial, "0.10 in/hr", 254),
            (Quantity::Irradiance, Imperial, "345.7\u{a0}w/m²", 34_570),
            (Quantity::Direction, Metric, "134", 13_400),
            (Quantity::Direction, Imperial, "WSW", 24_750),
            (Quantity::Direction, Imperial, "North", 0),
            (Quantity::Direction, Imperial, "CALM", NULL),
        ];
        for (quantity, habit, cell, hundredths) in table {
            assert_eq!(value(quantity, habit, cell), Ok(hundredths), "{quantity:?} {cell}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_whether_value_or_unit_is_at_fault() {
        let faults = [
            (Quantity::Temperature, "warm", CellFault::Value),
            (Quantity::Temperature, "12,5", CellFault::Value),
            (Quantity::Temperature, "1.2.3", CellFault::Value),
            (Quantity::Temperature, "12 hPa", CellFault::Unit),
            (Quantity::Pressure, "29 psi", CellFault::Unit),
            (Quantity::Direction, "NNNE", CellFault::Value),
            (Quantity::Plain, "3 x", CellFault::Unit),
        ];
        for (quantity, cell, fault) in faults {
            assert_eq!(value(quantity, Habit::Imperial, cell), Err(fault), "{cell}");
        }
    }

    #[test]
    fn sixteen_points_lie_on_the_compass() {
        assert_eq!(wind_word("nnw"), Some(33_750));
        assert_eq!(wind_word("East"), Some(9_000));
        assert_eq!(wind_word("Var"), Some(NULL));
        assert_eq!(wind_word("up"), None);
    }

    /// Units with what they mean, written down once more as exact fractions: (value + add) · num / den.
    const MEANINGS: [(Quantity, &str, i128, i128, i128); 14] = [
        (Quantity::Temperature, "°F", -32, 5, 9),
        (Quantity::Temperature, "°C", 0, 1, 1),
        (Quantity::Pressure, "inHg", 0, 338_638_866_667, 10_000_000_000),
        (Quantity::Pressure, "hPa", 0, 1, 1),
        (Quantity::Speed, "mph", 0, 1_609_344, 1_000_000),
        (Quantity::Speed, "m/s", 0, 36, 10),
        (Quantity::Speed, "kn", 0, 1_852, 1_000),
        (Quantity::Speed, "km/h", 0, 1, 1),
        (Quantity::Rain, "in", 0, 254, 10),
        (Quantity::Rain, "mm", 0, 1, 1),
        (Quantity::RainRate, "in/hr", 0, 254, 10),
        (Quantity::Snow, "in", 0, 254, 100),
        (Quantity::Snow, "mm", 0, 1, 10),
        (Quantity::Distance, "km", 0, 1_000, 1),
    ];

    proptest::proptest! {
        /// Exact rational arithmetic is the reference: rounded to hundredths, ties to even, whatever stands between number and unit.
        #[test]
        fn every_unit_is_converted_exactly(
            mantissa in -99_999_999i128..99_999_999,
            scale in 0u32..5,
            which in 0usize..14,
            space in proptest::sample::select(vec!["", " ", "\u{a0}", "\u{202f}"]),
            habit in proptest::sample::select(vec![Habit::Metric, Habit::Imperial]),
        ) {
            let (quantity, unit, add, num, den) = MEANINGS[which];
            let power = 10i128.pow(scale);
            let (whole, part) = (mantissa.abs() / power, mantissa.abs() % power);
            let sign = if mantissa < 0 { "-" } else { "" };
            let fraction = if scale > 0 { format!(".{part:0width$}", width = scale as usize) } else { String::new() };
            let (num, den) = ((mantissa + add * power) * num * 100, power * den);
            let (floor, rest) = (num.div_euclid(den), num.rem_euclid(den));
            let up = rest * 2 > den || rest * 2 == den && floor % 2 != 0;
            let found = value(quantity, habit, &format!("{sign}{whole}{fraction}{space}{unit}"));
            proptest::prop_assert_eq!(found.map(i128::from), Ok(floor + i128::from(up)));
        }
    }
}
