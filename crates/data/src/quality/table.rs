//! The table of thresholds that every report prints, each with its source.

use serde::{Deserialize, Serialize};

use super::finding::StretchTest;
use super::thresholds::{
    DARK_DEGREES, DARK_W_M2, FLAT_SAMPLES, FOG_PERCENT, LIGHT_W_M2, MAGNUS_TOLERANCE, RAIN_MM_PER_MINUTE, ROUNDING, STEPS, Test, Variable,
    least_change, physical, regional,
};
use super::{clocks, scales};

/// One line of the report's table of thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Test.
    pub test: String,
    /// Variable or variables.
    pub variable: String,
    /// The numbers, readable.
    pub limits: String,
    /// Where they come from.
    pub source: String,
}

const WMO: &str = "WMO CBS/OPAG-IOS, Guidelines on quality control procedures for data from automatic weather stations (Zahumensky)";
const OWN_STRETCHES: &str = "meteoctl; how often it is right and wrong is in the score table";
const OWN: &str = "meteoctl, set for western European lowlands; between WMO 1993 and MADIS temporal limits";

/// The whole table.
pub fn table() -> Vec<Threshold> {
    let mut table = Vec::new();
    let unit = |variable: Variable| match variable {
        Variable::Temperature | Variable::DewPoint => "°C",
        Variable::Humidity => "%",
        Variable::Pressure => "hPa",
        Variable::Wind | Variable::Gust => "m/s",
        Variable::Direction => "°",
        Variable::Rain => "mm",
        Variable::Solar => "W/m²",
    };
    let mut add = |test: &'static str, variable: &'static str, limits: String, source: &'static str| {
        table.push(Threshold { test: test.to_owned(), variable: variable.to_owned(), limits, source: source.to_owned() });
    };
    for variable in Variable::ALL {
        if let Some((low, high)) = physical(variable) {
            add(Test::RangePhysical.id(), variable.field(), format!("{low} to {high} {}, else fail", unit(variable)), WMO);
        }
    }
    add(Test::RangePhysical.id(), "precip_mm", format!("at most {RAIN_MM_PER_MINUTE} mm per minute, else fail"), WMO);
    for variable in Variable::ALL {
        if let Some((low, high)) = regional(variable) {
            add(Test::RangeRegional.id(), variable.field(), format!("{low} to {high} {}, else suspect", unit(variable)), OWN);
        }
    }
    for (variable, steps) in STEPS {
        let steps: Vec<String> = steps.iter().map(|(minutes, suspect, fail)| format!("{minutes} min {suspect}/{fail}")).collect();
        add(Test::Step.id(), variable.field(), format!("suspect/fail in {}: {}", unit(variable), steps.join(", ")), OWN);
    }
    for variable in Variable::ALL {
        if let Some(least) = least_change(variable) {
            let fog = if variable == Variable::Humidity { format!(", below {FOG_PERCENT} %") } else { String::new() };
            let limits = format!("less than {least} {} in 60 min over at least {FLAT_SAMPLES} readings{fog}, suspect", unit(variable));
            add(Test::Persistence.id(), variable.field(), limits, WMO);
        }
    }
    add(Test::Consistency.id(), "dew_point_c", format!("at most temperature + {ROUNDING} °C, else fail"), WMO);
    add(
        Test::Consistency.id(),
        "dew_point_c",
        format!("within {MAGNUS_TOLERANCE} °C of the one temperature and humidity give (Magnus), else suspect"),
        "Magnus form: Alduchov and Eskridge 1996; tolerance: meteoctl",
    );
    add(Test::Consistency.id(), "wind_gust, wind_speed", "at least the mean wind, else both are suspect".to_owned(), WMO);
    add(Test::Consistency.id(), "wind_direction_deg", "calm if and only if there is no direction, else suspect".to_owned(), WMO);
    add(Test::Consistency.id(), "precip_accum_mm", "a day's counter falls only at its reset, else suspect".to_owned(), "WMO-No. 488");
    add(
        Test::Consistency.id(),
        "solar_w_m2",
        format!("at most {DARK_W_M2} W/m² while the sun is more than {}° below the horizon, else suspect", -DARK_DEGREES),
        "meteoctl; the sun's position: Spencer 1971",
    );
    add(
        Test::Consistency.id(),
        "solar_w_m2",
        "at most 1361·1.5·sin(height)^1.2 + 100 W/m², else suspect".to_owned(),
        "BSRN, physically possible limit: Long and Dutton 2002",
    );
    add(Test::Time.id(), "timestamp", "not ahead of the clock (fail); not in an hour lived twice (suspect)".to_owned(), "meteoctl");
    stretches(&mut add);
    table
}

/// The tests of stretches of time.
fn stretches(add: &mut impl FnMut(&'static str, &'static str, String, &'static str)) {
    add(
        StretchTest::ClockSun.id(),
        "solar_w_m2",
        format!(
            "first light (from {LIGHT_W_M2} W/m²) within -{bright} to +{dull} min of sunrise, last light within -{dull} to +{bright} min of sunset, their middle within {} min of solar noon",
            clocks::MIDDLE_TOLERANCE / 60,
            bright = clocks::BRIGHT_TOLERANCE / 60,
            dull = clocks::DULL_TOLERANCE / 60
        ),
        "meteoctl; the sun's position: Spencer 1971",
    );
    add(
        StretchTest::ClockLag.id(),
        "temperature_c",
        format!(
            "over {} h no shift of 1 to {} h leaves less than {} of the difference to more than half of at least {} neighbours that moved by {} °C",
            clocks::WINDOW,
            clocks::FARTHEST,
            clocks::LEFT,
            clocks::LEAST_NEIGHBOURS,
            clocks::LEAST_RANGE
        ),
        OWN_STRETCHES,
    );
    add(
        StretchTest::UnitGust.id(),
        "wind_gust, wind_speed",
        format!(
            "hourly gust over mean within a factor of {} (or {} robust standard deviations) of the station's usual, from {} m/s",
            scales::GUST_FACTOR,
            scales::WIDTHS,
            scales::LEAST_WIND
        ),
        OWN_STRETCHES,
    );
    add(
        StretchTest::UnitWind.id(),
        "wind_gust, wind_speed",
        format!(
            "over {} h wind over the neighbours' within a factor of {} (or {} robust standard deviations) of the usual, by more than half of at least {} neighbours",
            scales::WINDOW,
            scales::WIND_FACTOR,
            scales::WIND_WIDTHS,
            clocks::LEAST_NEIGHBOURS
        ),
        OWN_STRETCHES,
    );
    add(
        StretchTest::NeighbourBand.id(),
        "temperature_c, pressure_hpa",
        "hourly difference to the neighbours within its own band, see neighbours".to_owned(),
        "pair and buddy checks as in MeteoSwiss and TITAN (Båserud et al. 2020); widths: meteoctl",
    );
}
