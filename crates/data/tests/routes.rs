//! Two routes, one dataset: a workbook through collect, and the same rows as Airbyte leaves them, without a date.

mod common;

use std::fmt::Write as _;

use common::{memory, one_station, put, run, text};
use meteoctl_data::collect::{self, CollectSpec, Input};
use proptest::prelude::*;
use serde_json::{Value, json};

const COLUMNS: [&str; 5] = ["Time", "Temperature", "Wind", "UV", "Precip. Accum."];

/// A row: seconds since midnight, and the other cells.
type Row = (u32, [Value; 4]);

/// A workbook of the smallest kind: a sheet a day, an empty row under the header, texts inline, files stored as they are.
fn workbook(days: &[(String, Vec<Row>)]) -> Vec<u8> {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    let (mut names, mut relations, mut types, mut files) = (String::new(), String::new(), String::new(), Vec::new());
    for (number, (name, rows)) in (1..).zip(days) {
        let _ = write!(names, r#"<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>"#);
        let _ = write!(
            relations,
            r#"<Relationship Id="r{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{number}.xml"/>"#
        );
        let _ = write!(
            types,
            r#"<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#
        );
        let mut cells =
            format!("<row r=\"1\">{}</row>", (0..).zip(COLUMNS).map(|(column, name)| cell(column, 1, &json!(name))).collect::<String>());
        for (row, (second, values)) in (3..).zip(rows) {
            let time = format!("<c r=\"A{row}\" s=\"1\"><v>{}</v></c>", f64::from(*second) / 86_400.0);
            let rest: String = (1..).zip(values).map(|(column, value)| cell(column, row, value)).collect();
            let _ = write!(cells, "<row r=\"{row}\">{time}{rest}</row>");
        }
        files.push((format!("xl/worksheets/sheet{number}.xml"), format!(r#"{head}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>"#)));
    }
    files.push(("xl/workbook.xml".to_owned(), format!(r#"{head}<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>"#)));
    files.push(("xl/_rels/workbook.xml.rels".to_owned(), format!(r#"{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}<Relationship Id="s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#)));
    // Style 1 is a clock time (number format 21).
    files.push(("xl/styles.xml".to_owned(), format!(r#"{head}<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="21" applyNumberFormat="1"/></cellXfs></styleSheet>"#)));
    files.push(("_rels/.rels".to_owned(), format!(r#"{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="w" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#)));
    files.push(("[Content_Types].xml".to_owned(), format!(r#"{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{types}</Types>"#)));
    archive(&files)
}

fn cell(column: u8, row: u32, value: &Value) -> String {
    let place = format!("{}{row}", char::from(b'A' + column));
    match value {
        Value::Null => String::new(),
        Value::String(text) => format!("<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>"),
        number => format!("<c r=\"{place}\"><v>{number}</v></c>"),
    }
}

/// A ZIP archive whose files are stored, not compressed (APPNOTE.TXT 4.3).
fn archive(files: &[(String, String)]) -> Vec<u8> {
    let (mut body, mut index) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut sum = flate2::Crc::new();
        sum.update(content.as_bytes());
        // Version 20, no flags, stored, 1980-01-01 00:00, checksum, both sizes, lengths of name and extra field.
        let mut common = [20u16, 0, 0, 0, 33].into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        [sum.sum(), content.len() as u32, content.len() as u32].into_iter().for_each(|field| common.extend(field.to_le_bytes()));
        [name.len() as u16, 0].into_iter().for_each(|field| common.extend(field.to_le_bytes()));
        let at = body.len() as u32;
        body.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), content.as_bytes()].concat());
        index.extend([&b"PK\x01\x02\x14\x00"[..], &common, &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (at, size, count) = (body.len() as u32, index.len() as u32, files.len() as u16);
    body.extend(index);
    body.extend(
        [&b"PK\x05\x06\0\0\0\0"[..], &count.to_le_bytes(), &count.to_le_bytes(), &size.to_le_bytes(), &at.to_le_bytes(), &[0, 0]].concat(),
    );
    body
}

/// The rows as Airbyte leaves them: no date, the sheet's empty row with every value null.
fn lines(days: &[(String, Vec<Row>)]) -> String {
    let line = |time: Value, values: &[Value; 4]| {
        let mut row = json!({"Time": time});
        for (name, value) in COLUMNS[1..].iter().zip(values) {
            row[*name] = value.clone();
        }
        json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1, "_airbyte_meta": {"sync_id": 1, "changes": []}, "_airbyte_generation_id": 0, "_airbyte_data": row}).to_string() + "\n"
    };
    let clock = |second: u32| json!(format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60));
    let nothing = [Value::Null, Value::Null, Value::Null, Value::Null];
    let day = |(_, rows): &(String, Vec<Row>)| {
        let rows: String = rows.iter().map(|(second, values)| line(clock(*second), values)).collect();
        line(Value::Null, &nothing) + &rows
    };
    days.iter().map(day).collect()
}

fn values() -> impl Strategy<Value = [Value; 4]> {
    let text = |unit: &'static str, most: i32| prop_oneof![1 => Just(Value::Null), 8 => (0..most).prop_map(move |tenths| json!(format!("{}.{}\u{a0}{unit}", tenths / 10, tenths % 10)))];
    let wind = prop::sample::select(vec![Value::Null, json!("North"), json!("WSW"), json!("CALM"), json!("sideways")]);
    (text("°F", 1_000), wind, (0..12).prop_map(Value::from), text("in", 30))
        .prop_map(|(temperature, wind, uv, rain)| [temperature, wind, uv, rain])
}

/// Days from 2024-10-01 on, each beginning early enough and ending late enough for the next to be told from it.
fn days() -> impl Strategy<Value = Vec<(String, Vec<Row>)>> {
    let day = prop::collection::btree_map(3_600u32..86_400, values(), 1..12).prop_flat_map(|rows| (Just(rows), values(), 0u32..3_600));
    prop::collection::vec(day, 1..4).prop_map(|days| {
        (1..)
            .zip(days)
            .map(|(number, (rows, first, second))| (format!("{number:02}1024"), std::iter::once((second, first)).chain(rows).collect()))
            .collect()
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_workbook_and_its_lines_say_the_same(days in days()) {
        let (excel, airbyte, spec) = (memory(), memory(), one_station());
        let wanted: CollectSpec = serde_json::from_value(json!({"format": "weather-underground", "raw": "raw/"})).unwrap();
        let (left, right) = block_on(async {
            let bytes = workbook(&days);
            let first = collect::collect(&wanted, Input::Bytes(bytes.clone().into()), excel.as_ref()).await.unwrap();
            // The same input again: the same object, no second one, nothing written.
            let again = collect::collect(&wanted, Input::Bytes(bytes.into()), excel.as_ref()).await.unwrap();
            assert_eq!((&first.key, first.written, again.written), (&again.key, true, false));
            assert_eq!(excel.list("raw/").await.unwrap().len(), 1);
            put(&airbyte, "raw/1.jsonl", lines(&days)).await;
            (run(&excel, &spec).await, run(&airbyte, &spec).await)
        });
        prop_assert_eq!(block_on(text(&excel, &spec.output)), block_on(text(&airbyte, &spec.output)));
        prop_assert_eq!(left.ledger, right.ledger);
        prop_assert_eq!(left.station_days, right.station_days);
        let rows = days.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>();
        prop_assert_eq!(left.documents, rows);
    }
}

/// The place of a bad value is the sheet and the row people see in their workbook.
#[tokio::test]
async fn rejects_of_a_workbook_name_sheet_and_row() {
    let store = memory();
    let row = |second: u32, temperature: &str| (second, [json!(temperature), Value::Null, json!(0), Value::Null]);
    let days = [("011024".to_owned(), vec![row(240, "50 °F"), row(540, "5O °F")]), ("021024".to_owned(), vec![row(240, "fog")])];
    let wanted: CollectSpec = serde_json::from_value(json!({"format": "weather-underground", "raw": "raw/"})).unwrap();
    collect::collect(&wanted, Input::Bytes(workbook(&days).into()), store.as_ref()).await.unwrap();
    run(&store, &one_station()).await;
    let places: Vec<String> = common::rejects(&store, &one_station())
        .await
        .iter()
        .map(|reject| format!("{} {} {} {}", reject["sheet"], reject["row"], reject["field"], reject["raw"]))
        .collect();
    assert_eq!(places, [r#""011024" 4 "Temperature" "5O °F""#, r#""021024" 3 "Temperature" "fog""#]);
}
