//! Variables, flags, tests and their thresholds. The table of them, with sources, is in `table.rs`.

/// Variables that are judged, with the unit their thresholds are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Variable {
    /// °C.
    Temperature,
    /// °C.
    DewPoint,
    /// %.
    Humidity,
    /// hPa.
    Pressure,
    /// Mean wind, m/s.
    Wind,
    /// Gust, m/s.
    Gust,
    /// Degrees.
    Direction,
    /// mm since the reading before.
    Rain,
    /// Sunlight, W/m².
    Solar,
}

impl Variable {
    /// How many there are.
    pub const COUNT: usize = 9;
    /// All of them.
    pub const ALL: [Variable; Variable::COUNT] = [
        Variable::Temperature,
        Variable::DewPoint,
        Variable::Humidity,
        Variable::Pressure,
        Variable::Wind,
        Variable::Gust,
        Variable::Direction,
        Variable::Rain,
        Variable::Solar,
    ];

    /// The document's field.
    pub fn field(self) -> &'static str {
        match self {
            Variable::Temperature => "temperature_c",
            Variable::DewPoint => "dew_point_c",
            Variable::Humidity => "humidity_pct",
            Variable::Pressure => "pressure_hpa",
            Variable::Wind => "wind_speed",
            Variable::Gust => "wind_gust",
            Variable::Direction => "wind_direction_deg",
            Variable::Rain => "precip_mm",
            Variable::Solar => "solar_w_m2",
        }
    }
}

/// A judgement, on the scale of the QARTOD manuals (US IOOS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flag {
    /// The test did not run: never to be read as good.
    NotEvaluated = 2,
    /// Passed.
    Good = 1,
    /// Worth a look.
    Suspect = 3,
    /// Wrong.
    Fail = 4,
    /// There is no value.
    Missing = 9,
}

impl Flag {
    /// Position in [`FLAGS`].
    pub fn slot(self) -> usize {
        match self {
            Flag::Good => 0,
            Flag::NotEvaluated => 1,
            Flag::Suspect => 2,
            Flag::Fail => 3,
            Flag::Missing => 4,
        }
    }

    /// The worse of two judgements; one that did not run gives way to any that did.
    #[must_use]
    pub fn worse(self, other: Flag) -> Flag {
        let rank = |flag: Flag| match flag {
            Flag::NotEvaluated => 0,
            Flag::Good => 1,
            Flag::Suspect => 2,
            Flag::Fail => 3,
            Flag::Missing => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// The scale, in the order of the report's counts.
pub const FLAGS: [Flag; 5] = [Flag::Good, Flag::NotEvaluated, Flag::Suspect, Flag::Fail, Flag::Missing];

/// The tests of single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Test {
    /// Plausible range: outside is wrong.
    RangePhysical,
    /// Regional range: outside is suspect.
    RangeRegional,
    /// Change since the reading before.
    Step,
    /// Hardly any change for an hour.
    Persistence,
    /// Agreement with the other variables of the reading.
    Consistency,
    /// The reading's instant: ahead of the clock, or in an hour that is lived twice.
    Time,
}

impl Test {
    /// All of them.
    pub const ALL: [Test; 6] = [Test::RangePhysical, Test::RangeRegional, Test::Step, Test::Persistence, Test::Consistency, Test::Time];

    /// Its id in reports.
    pub fn id(self) -> &'static str {
        match self {
            Test::RangePhysical => "range.physical",
            Test::RangeRegional => "range.regional",
            Test::Step => "step.max",
            Test::Persistence => "persist.flat",
            Test::Consistency => "internal.consistency",
            Test::Time => "time.instant",
        }
    }
}

/// Plausible range, both ends included. `None`: no such test.
pub fn physical(variable: Variable) -> Option<(f64, f64)> {
    Some(match variable {
        Variable::Temperature => (-80.0, 60.0),
        Variable::DewPoint => (-80.0, 35.0),
        Variable::Humidity => (0.0, 100.0),
        Variable::Pressure => (500.0, 1100.0),
        Variable::Wind | Variable::Gust => (0.0, 75.0),
        Variable::Direction => (0.0, 360.0),
        Variable::Solar => (0.0, 1600.0),
        // Rain is judged by its rate, see RAIN_MM_PER_MINUTE.
        Variable::Rain => return None,
    })
}

/// Regional range for the lowlands of northern France and Belgium.
pub fn regional(variable: Variable) -> Option<(f64, f64)> {
    Some(match variable {
        Variable::Temperature => (-30.0, 46.0),
        Variable::DewPoint => (-35.0, 30.0),
        Variable::Pressure => (930.0, 1060.0),
        Variable::Wind => (0.0, 40.0),
        Variable::Gust => (0.0, 60.0),
        Variable::Humidity | Variable::Direction | Variable::Rain | Variable::Solar => return None,
    })
}

/// Most rain that can fall, mm per minute.
pub const RAIN_MM_PER_MINUTE: f64 = 40.0;

/// Interval in minutes, largest change before it is suspect, largest before it fails.
pub type Step = (f64, f64, f64);

/// Largest changes by interval.
pub const STEPS: [(Variable, [Step; 5]); 5] = [
    (Variable::Temperature, [(5.0, 3.0, 6.0), (10.0, 4.0, 8.0), (15.0, 5.0, 10.0), (30.0, 7.0, 12.0), (60.0, 10.0, 15.0)]),
    (Variable::DewPoint, [(5.0, 3.0, 6.0), (10.0, 4.0, 8.0), (15.0, 5.0, 9.0), (30.0, 6.0, 11.0), (60.0, 8.0, 13.0)]),
    (Variable::Humidity, [(5.0, 10.0, 20.0), (10.0, 15.0, 30.0), (15.0, 20.0, 40.0), (30.0, 35.0, 60.0), (60.0, 60.0, 80.0)]),
    (Variable::Pressure, [(5.0, 1.0, 2.0), (10.0, 1.5, 3.0), (15.0, 2.0, 4.0), (30.0, 2.5, 6.0), (60.0, 3.0, 10.0)]),
    (Variable::Wind, [(5.0, 10.0, 20.0), (10.0, 12.0, 22.0), (15.0, 15.0, 25.0), (30.0, 20.0, 30.0), (60.0, 25.0, 40.0)]),
];

/// Smallest change within [`FLAT_SECONDS`] over at least [`FLAT_SAMPLES`] readings.
pub fn least_change(variable: Variable) -> Option<f64> {
    match variable {
        Variable::Temperature | Variable::Pressure => Some(0.1),
        Variable::Humidity => Some(1.0),
        _ => None,
    }
}

/// Humidity from which fog excuses a flat line, %.
pub const FOG_PERCENT: f64 = 95.0;
/// Span of a flat line, seconds.
pub const FLAT_SECONDS: i64 = 3_600;
/// Readings of a flat line.
pub const FLAT_SAMPLES: usize = 6;
/// Largest distance of the dew point from the one that temperature and humidity give, °C.
pub const MAGNUS_TOLERANCE: f64 = 0.5;
/// Magnus coefficients over water, Alduchov and Eskridge 1996: dimensionless, and °C.
pub const MAGNUS: (f64, f64) = (17.625, 243.04);
/// Sunlight from which it counts as light, W/m²: above what a sensor shows in the dark.
pub const LIGHT_W_M2: f64 = 5.0;
/// Sunlight that cannot fall in the dark, W/m², and how deep the sun must stand for it to be dark, degrees.
pub const DARK_W_M2: f64 = 10.0;
/// See [`DARK_W_M2`].
pub const DARK_DEGREES: f64 = -3.0;
/// Half a unit in the last place of a vendor's rounding, in the variable's unit: equality tests allow it.
pub const ROUNDING: f64 = 0.1;
