//! Autumn weather that a quality test believes: a daily course, slow fronts, little noise.

use std::f64::consts::TAU;

/// What sets one station apart from another.
#[derive(Debug, Clone, Copy)]
pub struct Climate {
    /// Start of the station's own noise.
    pub seed: u64,
    /// Mean temperature in °C.
    pub mean_celsius: f64,
}

/// One moment at one station.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Air temperature, °C.
    pub temperature: f64,
    /// Dew point, °C; never above the temperature.
    pub dew_point: f64,
    /// Relative humidity, whole percent.
    pub humidity: f64,
    /// Pressure at sea level, hPa.
    pub pressure: f64,
    /// Mean wind, km/h; 0 is calm.
    pub wind: f64,
    /// Gust, km/h; never below the mean wind.
    pub gust: f64,
    /// Where the wind comes from, degrees.
    pub direction: f64,
    /// Rain within this hour, mm.
    pub rain: f64,
    /// Radiation of the sun, W/m².
    pub solar: f64,
}

impl Climate {
    /// The weather `hours` after the midnight at which the samples begin.
    pub fn at(self, hours: f64) -> Moment {
        let noise = |which: u64, size: f64| size * (2.0 * self.noise(which, hours) - 1.0);
        // Coldest at three in the morning, warmest at three in the afternoon.
        let day = -((hours - 3.0) / 24.0 * TAU).cos();
        let temperature = self.mean_celsius + 4.0 * day + noise(1, 0.2);
        let humidity = (78.0 - 12.0 * day + noise(2, 1.0)).round();
        let wind = (10.0 + 6.0 * (hours / 37.0 * TAU).sin() + noise(3, 1.0)).max(0.0);
        let hour_of_day = hours.rem_euclid(24.0);
        let raining = (hours.div_euclid(24.0) as i64).rem_euclid(3) == 1 && (14.0..17.0).contains(&hour_of_day);
        Moment {
            temperature,
            dew_point: dew_point(temperature, humidity),
            humidity,
            pressure: 1016.0 + 6.0 * (hours / 80.0 * TAU).sin() + noise(4, 0.1),
            wind,
            gust: wind * 1.5 + 1.0,
            direction: (230.0 + 40.0 * (hours / 53.0 * TAU).sin() + noise(5, 5.0)).rem_euclid(360.0),
            rain: if raining { 1.2 } else { 0.0 },
            solar: (450.0 * ((hour_of_day - 7.0) / 12.0 * TAU / 2.0).sin()).max(0.0) * f64::from((7.0..19.0).contains(&hour_of_day)),
        }
    }

    /// A number from 0 to 1 that depends on nothing but station, quantity and moment (SplitMix64).
    fn noise(self, which: u64, hours: f64) -> f64 {
        let minutes = (hours * 60.0).round() as u64;
        let mut mixed = self.seed.wrapping_mul(1_000_003).wrapping_add(which).wrapping_mul(1_000_003).wrapping_add(minutes);
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

/// Magnus' formula over water (Sonntag 1990: 17.62, 243.12 °C), turned round; °C from °C and percent.
fn dew_point(temperature: f64, humidity: f64) -> f64 {
    let gamma = (humidity / 100.0).ln() + 17.62 * temperature / (243.12 + temperature);
    243.12 * gamma / (17.62 - gamma)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weather_agrees_with_itself() {
        let climate = Climate { seed: 1, mean_celsius: 12.0 };
        for quarter in 0..(7 * 24 * 4) {
            let moment = climate.at(f64::from(quarter) / 4.0);
            assert!(moment.dew_point <= moment.temperature, "{moment:?}");
            assert!(moment.gust >= moment.wind && moment.wind >= 0.0, "{moment:?}");
            assert!((0.0..=100.0).contains(&moment.humidity), "{moment:?}");
            assert!((950.0..1050.0).contains(&moment.pressure) && (0.0..360.0).contains(&moment.direction), "{moment:?}");
        }
    }

    #[test]
    fn the_dew_point_is_the_temperature_when_the_air_is_full() {
        assert!((dew_point(12.0, 100.0) - 12.0).abs() < 1e-9);
        // 20 °C at 50 %: 9.3 °C in every psychrometric table.
        assert!((dew_point(20.0, 50.0) - 9.3).abs() < 0.05);
    }
}
