//! What Weather Underground's daily tables look like when they were put into a workbook.

use anyhow::Result;

use super::weather::{Climate, Moment};
use super::xlsx::{self, Cell, Sheet};

/// Sheets of a workbook, 2024-10-01 to 2024-10-07.
pub const DAYS: u32 = 7;

/// Rows of a sheet: one every half hour, at four minutes past.
pub const ROWS_A_DAY: u32 = 48;

const COLUMNS: [&str; 12] =
    ["Time", "Temperature", "Dew Point", "Humidity", "Wind", "Speed", "Gust", "Pressure", "Precip. Rate.", "Precip. Accum.", "UV", "Solar"];

const POINTS: [&str; 16] =
    ["North", "NNE", "NE", "ENE", "East", "ESE", "SE", "SSE", "South", "SSW", "SW", "WSW", "West", "WNW", "NW", "NNW"];

const KM_H_IN_A_MPH: f64 = 1.609_344;
const HPA_IN_AN_INCH: f64 = 33.863_886_666_7;

/// The workbook of one station.
///
/// # Errors
/// When it grows beyond what a workbook can hold.
pub fn xlsx(climate: Climate) -> Result<Vec<u8>> {
    let sheets: Vec<Sheet> = (0..DAYS).map(|day| Sheet { name: format!("{:02}1024", day + 1), rows: rows(climate, day) }).collect();
    xlsx::write(&sheets)
}

fn rows(climate: Climate, day: u32) -> Vec<Vec<Cell>> {
    let mut rows = vec![COLUMNS.map(|name| Cell::Text(name.to_owned())).into(), Vec::new()];
    let mut fallen = 0.0;
    for row in 0..ROWS_A_DAY {
        let minutes = 4 + row * 24 * 60 / ROWS_A_DAY;
        let moment = climate.at(f64::from(day * 24) + f64::from(minutes) / 60.0);
        // The counter of rain starts anew at midnight.
        fallen += moment.rain * 24.0 / f64::from(ROWS_A_DAY);
        rows.push(cells(minutes, moment, fallen));
    }
    rows
}

fn cells(minutes: u32, moment: Moment, fallen: f64) -> Vec<Cell> {
    let fahrenheit = |celsius: f64| celsius * 1.8 + 32.0;
    let sector = (moment.direction / 22.5).round() as usize % POINTS.len();
    let measured = |value: f64, decimals: usize, unit: &str| Cell::Text(format!("{value:.decimals$}\u{a0}{unit}"));
    vec![
        Cell::Time { minutes },
        measured(fahrenheit(moment.temperature), 1, "°F"),
        measured(fahrenheit(moment.dew_point), 1, "°F"),
        measured(moment.humidity, 0, "%"),
        Cell::Text(POINTS.get(sector).copied().unwrap_or("Variable").to_owned()),
        measured(moment.wind / KM_H_IN_A_MPH, 1, "mph"),
        measured(moment.gust / KM_H_IN_A_MPH, 1, "mph"),
        measured(moment.pressure / HPA_IN_AN_INCH, 2, "in"),
        measured(moment.rain / 25.4, 2, "in"),
        measured(fallen / 25.4, 2, "in"),
        Cell::Number((moment.solar / 100.0).floor()),
        measured(moment.solar, 0, "w/m²"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_header_an_empty_row_and_its_readings() {
        let rows = rows(Climate { seed: 1, mean_celsius: 12.0 }, 1);
        assert_eq!(rows.len(), 2 + ROWS_A_DAY as usize);
        assert!(rows[1].is_empty());
        assert!(matches!(rows[2][0], Cell::Time { minutes: 4 }));
        assert!(matches!(&rows[2][1], Cell::Text(text) if text.ends_with("\u{a0}°F")), "{:?}", rows[2][1]);
        assert!(matches!(&rows[49][9], Cell::Text(text) if text == "0.14\u{a0}in"), "3.6 mm fell: {:?}", rows[49][9]);
    }
}
