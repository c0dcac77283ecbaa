//! The answer of InfoClimat for four stations and three days.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::weather::{Climate, Moment};

/// Hours from the first entry of a station to its last, 2024-10-05T00:00Z to 2024-10-07T23:00Z.
pub const HOURS: u32 = 72;

/// Id, name, latitude, longitude, elevation in m, kind of station.
const STATIONS: [(&str, &str, f64, f64, i32, &str); 4] = [
    ("07015", "Lille-Lesquin", 50.575, 3.092, 47, "synop"),
    ("00052", "Armentières", 50.689, 2.877, 16, "static"),
    ("000R5", "Bergues", 50.968, 2.441, 17, "static"),
    ("STATIC0010", "Hazebrouck", 50.734, 2.545, 31, "static"),
];

/// The whole file.
///
/// # Errors
/// When JSON cannot be written, which no content makes happen.
pub fn json() -> Result<String> {
    let mut hourly = Map::new();
    for (number, (id, ..)) in (0_u32..).zip(&STATIONS) {
        let climate = Climate { seed: u64::from(number) + 1, mean_celsius: 11.5 + 0.3 * f64::from(number) };
        hourly.insert((*id).to_owned(), (0..HOURS).map(|hour| entry(id, hour, climate.at(f64::from(hour)))).collect());
    }
    hourly.insert("_params".to_owned(), json!(["temperature", "pression", "humidite", "point_de_rosee", "vent_moyen"]));
    let stations: Vec<Value> = STATIONS.iter().map(station).collect();
    let file = json!({
        "status": "OK",
        "errors": [],
        "data": [],
        "stations": stations,
        "metadata": {"temperature": "temperature,degC", "pression": "mean sea level pressure,hPa", "vent_moyen": "mean wind speed,km/h"},
        "hourly": hourly,
    });
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}

fn station(&(id, name, latitude, longitude, elevation, kind): &(&str, &str, f64, f64, i32, &str)) -> Value {
    json!({
        "id": id, "name": name, "latitude": latitude, "longitude": longitude, "elevation": elevation, "type": kind,
        "license": {"license": "CC0", "source": "generated sample"},
    })
}

fn entry(station: &str, hour: u32, moment: Moment) -> Value {
    let (day, hour_of_day) = (5 + hour / 24, hour % 24);
    let mut entry = json!({
        "id_station": station,
        "dh_utc": format!("2024-10-{day:02} {hour_of_day:02}:00:00"),
        "temperature": format!("{:.1}", moment.temperature),
        "pression": format!("{:.1}", moment.pressure),
        "humidite": format!("{:.0}", moment.humidity),
        "point_de_rosee": format!("{:.1}", moment.dew_point),
        "vent_moyen": format!("{:.1}", moment.wind),
        "vent_rafales": format!("{:.1}", moment.gust),
        "vent_direction": format!("{:.0}", moment.direction),
        "pluie_3h": null,
        "pluie_1h": format!("{:.1}", moment.rain),
    });
    // Only the staffed station sees further than its thermometer.
    if let (true, Some(fields)) = (station == "07015", entry.as_object_mut()) {
        fields.extend([("visibilite".to_owned(), json!("12000")), ("neige_au_sol".to_owned(), Value::Null)]);
        fields.extend([("nebulosite".to_owned(), json!("")), ("temps_omm".to_owned(), Value::Null)]);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_station_has_every_hour() {
        let file: Value = serde_json::from_str(&json().expect("writes")).expect("parses");
        for station in file["stations"].as_array().expect("a list") {
            let id = station["id"].as_str().expect("an id");
            let entries = file["hourly"][id].as_array().expect("a list");
            assert_eq!(entries.len(), HOURS as usize);
            assert_eq!(entries[0]["dh_utc"], "2024-10-05 00:00:00");
            assert_eq!(entries[HOURS as usize - 1]["dh_utc"], "2024-10-07 23:00:00");
            assert!(entries.iter().all(|entry| entry["temperature"].is_string()));
        }
        assert!(file["hourly"]["_params"].is_array());
    }
}
