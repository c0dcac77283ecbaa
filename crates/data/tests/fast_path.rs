//! The fast path means what the careful path means: the same rows, mutated in every way, read by both.

use std::sync::Arc;

use meteoctl_data::read::{Block, Contract, UnknownFields};
use meteoctl_data::station::{Format, Station};
use proptest::prelude::*;

fn contract() -> Contract {
    let station = Arc::new(Station::new(Format::WeatherUnderground, "A", &serde_json::Map::new()));
    Contract { format: None, station: Some(station), unknown_fields: UnknownFields::Keep }
}

/// Reads the line as it is, and with a space in front, which only the careful path takes.
fn both(line: &[u8]) -> (Block, Block) {
    let slow = [b" ".as_slice(), line].concat();
    (Block::read(&contract(), None, line, 1), Block::read(&contract(), None, &slow, 1))
}

fn same(line: &[u8]) -> Result<(), TestCaseError> {
    // A line break would make two lines of it, and only the first would get the space.
    if line.contains(&b'\n') {
        return Ok(());
    }
    let (fast, slow) = both(line);
    prop_assert_eq!(&fast.readings, &slow.readings, "{}", String::from_utf8_lossy(line));
    prop_assert_eq!(&fast.unknown_fields, &slow.unknown_fields);
    let counts = |block: &Block| (block.rows_read, block.rejected_rows, block.null_rows, block.blank_lines, block.stations.len());
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    prop_assert_eq!(counts(&fast), counts(&slow));
    let places = |block: &Block| {
        block.rejects.iter().map(|reject| (reject.field.clone(), reject.reason, reject.raw.trim().to_owned())).collect::<Vec<_>>()
    };
    prop_assert_eq!(places(&fast), places(&slow));
    Ok(())
}

/// A value as the real rows have it, or nearly.
fn value() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (-200i32..2000, 0u32..3).prop_map(|(n, places)| format!("{:.*}", places as usize, f64::from(n) / 10f64.powi(places as i32))),
        "[-+]?[0-9]{0,9}(\\.[0-9]{0,4})?",
    ];
    let unit =
        prop::sample::select(vec!["\u{a0}°F", "\u{a0}%", "\u{a0}mph", "\u{a0}in", "\u{a0}w/m²", " °F", "°C", "\u{a0}hPa", "", "\u{202f}%"]);
    prop_oneof![
        6 => (number, unit).prop_map(|(number, unit)| format!("\"{number}{unit}\"")),
        1 => Just("null".to_owned()),
        1 => prop::sample::select(vec!["\"WSW\"", "\"North\"", "\"calm\"", "\"\"", "\"up\"", "true", "[]", "\"\\u0057\"", "\"VAR\""]).prop_map(str::to_owned),
        1 => "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,3})?(e[0-9])?",
        1 => "0[0-9]",
        1 => prop::sample::select(vec!["\"00:04:00\"", "\"24:00:00\"", "\"1:02 PM\"", "\"2024-10-05\"", "\"2024/10/05\"", "\"2024-13-05\""]).prop_map(str::to_owned),
    ]
}

const COLUMNS: [&str; 14] = [
    "Gust",
    "UV",
    "Precip. Rate.",
    "Temperature",
    "Speed",
    "Dew Point",
    "Humidity",
    "Solar",
    "Pressure",
    "Precip. Accum.",
    "Wind",
    "Time",
    "Date",
    "PM2.5",
];

const GOOD: [&str; 12] = [
    "\"Gust\":\"10.4\u{a0}mph\"",
    "\"UV\":0",
    "\"Precip. Rate.\":\"0.00\u{a0}in\"",
    "\"Temperature\":\"56.8\u{a0}°F\"",
    "\"Speed\":\"8.2\u{a0}mph\"",
    "\"Dew Point\":\"53.1\u{a0}°F\"",
    "\"Humidity\":\"87\u{a0}%\"",
    "\"Solar\":\"0\u{a0}w/m²\"",
    "\"Pressure\":\"29.48\u{a0}in\"",
    "\"Precip. Accum.\":\"0.20\u{a0}in\"",
    "\"Wind\":\"WSW\"",
    "\"Time\":\"00:04:00\"",
];

fn record(fields: &[String], meta: &str) -> String {
    format!(
        "{{\"_airbyte_raw_id\":\"019a1839-a420-7813-bae0-9580a65e0cba\",\"_airbyte_extracted_at\":1761343020000,\"_airbyte_meta\":{meta},\"_airbyte_generation_id\":1,\"_airbyte_data\":{{{}}}}}",
        fields.join(",")
    )
}

#[test]
fn a_real_shaped_row_takes_the_fast_path() {
    let fields: Vec<String> = GOOD.iter().map(|field| (*field).to_owned()).collect();
    let line = record(&fields, "{\"sync_id\":10,\"changes\":[]}");
    let (fast, slow) = both(line.as_bytes());
    assert_eq!((fast.readings.len(), fast.rejects.len()), (1, 0));
    assert_eq!(fast.readings, slow.readings);
    assert!(meteoctl_data::read::takes_fast_path(&contract(), line.as_bytes()));
    assert!(!meteoctl_data::read::takes_fast_path(&contract(), format!(" {line}").as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Some columns of a good row take other values, some go, some come twice, in any order.
    #[test]
    fn rows_of_any_values(
        changes in prop::collection::vec((prop::sample::select(COLUMNS.to_vec()), value()), 0..5),
        dropped in prop::collection::vec(0usize..12, 0..4),
        rotate in 0usize..12,
        sheet in any::<bool>(),
    ) {
        let mut fields: Vec<String> = GOOD.iter().enumerate().filter(|(index, _)| !dropped.contains(index)).map(|(_, field)| (*field).to_owned()).collect();
        for (column, value) in changes {
            let field = format!("\"{column}\":{value}");
            match fields.iter().position(|known| known.starts_with(&format!("\"{column}\""))) {
                Some(at) if rotate % 3 != 0 => fields[at] = field,
                _ => fields.push(field),
            }
        }
        if !fields.is_empty() {
            let by = rotate % fields.len();
            fields.rotate_left(by);
        }
        let meta = if sheet { "{\"sync_id\":0,\"changes\":[],\"sheet\":\"011024\",\"row\":3}" } else { "{\"sync_id\":10,\"changes\":[]}" };
        same(record(&fields, meta).as_bytes())?;
    }

    /// Bytes of a good line are changed, removed, doubled.
    #[test]
    fn damaged_lines(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..4)) {
        let fields: Vec<String> = GOOD.iter().map(|field| (*field).to_owned()).collect();
        let mut line = record(&fields, "{\"sync_id\":10,\"changes\":[]}").into_bytes();
        for (place, kind, byte) in edits {
            if line.len() < 2 {
                break;
            }
            let at = place.index(line.len());
            match kind {
                0 => line[at] = byte,
                1 => { line.remove(at); }
                2 => line.insert(at, b"0123456789.-\" ,:{}[]eE\\\xc2\xa0"[byte as usize % 25]),
                _ => line.truncate(at.max(1)),
            }
        }
        same(&line)?;
    }
}
