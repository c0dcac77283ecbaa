//! The careful path: any line, any envelope, through a general JSON parser.

use super::envelope::{Fields, payload, sheet_and_row};
use super::{Block, Contract, Place, infoclimat, weather_underground};
use crate::rejects::Reason;
use crate::station::Format;

/// Reads one line into the block.
pub(super) fn line(contract: &Contract, line: &[u8], number: u64, block: &mut Block) {
    let place = Place { line: number, ..Place::default() };
    let text = match std::str::from_utf8(line) {
        Ok(text) => text.trim(),
        Err(_) => return block.reject_row(&place, None, Reason::InvalidJson, &String::from_utf8_lossy(line)),
    };
    if text.is_empty() {
        block.rows_read += 1;
        block.blank_lines += 1;
        return;
    }
    let Some(record) = Fields::parse(text) else {
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        return block.reject_row(&place, None, if valid { Reason::NotAnObject } else { Reason::InvalidJson }, text);
    };
    let payload = match payload(&record) {
        Ok(payload) => payload,
        Err(reason) => return block.reject_row(&place, None, reason, text),
    };
    let nested = match &payload {
        Some(nested) => match Fields::parse(nested) {
            Some(fields) => fields,
            None => return block.reject_row(&place, None, Reason::NotAnObject, text),
        },
        None => Fields(record.0.clone()),
    };
    let sheet = sheet_and_row(&record);
    let place = Place { sheet: sheet.as_ref().map(|(sheet, row)| (sheet.as_str(), *row)), ..place };
    let shows = if nested.get("hourly").is_some() { Format::Infoclimat } else { Format::WeatherUnderground };
    match (contract.format.unwrap_or(shows), &contract.station) {
        (Format::Infoclimat, _) => infoclimat::record(contract, &nested, &place, text, block),
        (Format::WeatherUnderground, Some(station)) if shows == Format::WeatherUnderground => {
            weather_underground::row(contract, station, &nested, &place, text, block);
        }
        (Format::WeatherUnderground, _) => block.reject_row(&place, None, Reason::UnknownFormat, text),
    }
}
