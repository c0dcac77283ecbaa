//! The dataset as a Parquet table: one row a document, one column a measurement.
//!
//! Columns: `source`, `station_id`, `timestamp` (milliseconds, UTC), the eighteen measurements as doubles in the units of
//! their names, `extra` and `station` as JSON text. A field the source does not carry and a field without a value are
//! both null: a table is for analysis and cannot be imported; the JSON forms can.

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::reading::{ABSENT, Field, NULL, Reading, When};
use crate::station::Station;

/// Rows of one row group: what is held in memory (some 20 MB) and what a reader can skip.
const GROUP: usize = 64 << 10;

/// Rows that become part of a table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub rows: Vec<(Arc<Station>, Reading)>,
}

/// A table under way.
pub(super) struct Table {
    writer: SerializedFileWriter<Vec<u8>>,
    waiting: Vec<(Arc<Station>, Reading)>,
}

impl Table {
    pub fn new() -> Result<Table> {
        let measurements: String = Field::ALL.iter().map(|field| format!("optional double {};\n", field.name())).collect();
        let schema = parse_message_type(&format!(
            "message weather {{
                required binary source (STRING);
                required binary station_id (STRING);
                required int64 timestamp (TIMESTAMP(MILLIS, true));
                {measurements}
                optional binary extra (STRING);
                required binary station (STRING);
            }}"
        ))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by("meteoctl".to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
        Ok(Table { writer, waiting: Vec::new() })
    }

    /// Takes rows; gives the bytes of row groups that are complete. Groups have the same size however rows arrive.
    pub fn add(&mut self, mut rows: Rows) -> Result<Vec<u8>> {
        self.waiting.append(&mut rows.rows);
        while self.waiting.len() >= GROUP {
            let behind = self.waiting.split_off(GROUP);
            let group = std::mem::replace(&mut self.waiting, behind);
            self.group(&group)?;
        }
        self.writer.flush()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// The last group and the footer.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let group = std::mem::take(&mut self.waiting);
        if !group.is_empty() {
            self.group(&group)?;
        }
        self.writer.into_inner()
    }

    fn group(&mut self, rows: &[(Arc<Station>, Reading)]) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        let mut write = |fill: &dyn Fn(&mut SerializedColumnWriter<'_>) -> Result<()>| match group.next_column()? {
            Some(mut column) => {
                fill(&mut column)?;
                column.close()
            }
            None => Ok(()),
        };
        write(&|column| texts(column, rows.iter().map(|(station, _)| Some(station.format.source().into()))))?;
        write(&|column| texts(column, rows.iter().map(|(station, _)| Some(station.id.as_str().into()))))?;
        write(&|column| instants(column, rows))?;
        for field in Field::ALL {
            write(&|column| numbers(column, rows.iter().map(|(_, reading)| reading.values.get(field))))?;
        }
        write(&|column| texts(column, rows.iter().map(|(_, reading)| reading.extra.as_deref().map(ByteArray::from))))?;
        write(&|column| stations(column, rows))?;
        group.close()?;
        Ok(())
    }
}

/// A text column; `None` only where the schema says optional.
fn texts(column: &mut SerializedColumnWriter<'_>, texts: impl Iterator<Item = Option<ByteArray>>) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for text in texts {
        levels.push(i16::from(text.is_some()));
        values.extend(text);
    }
    if let ColumnWriter::ByteArrayColumnWriter(writer) = column.untyped() {
        let optional = writer.get_descriptor().max_def_level() > 0;
        writer.write_batch(&values, optional.then_some(levels.as_slice()), None)?;
    }
    Ok(())
}

fn instants(column: &mut SerializedColumnWriter<'_>, rows: &[(Arc<Station>, Reading)]) -> Result<()> {
    let instant = |(_, reading): &(_, Reading)| match reading.when {
        When::Utc(seconds) => seconds * 1_000,
        When::Local { .. } => 0,
    };
    let values: Vec<i64> = rows.iter().map(instant).collect();
    if let ColumnWriter::Int64ColumnWriter(writer) = column.untyped() {
        writer.write_batch(&values, None, None)?;
    }
    Ok(())
}

fn numbers(column: &mut SerializedColumnWriter<'_>, slots: impl Iterator<Item = i64>) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for slot in slots {
        let known = !matches!(slot, NULL | ABSENT);
        levels.push(i16::from(known));
        if known {
            // Below 2^53, so the quotient is the double that the decimal text reads as.
            values.push(slot as f64 / 100.0);
        }
    }
    if let ColumnWriter::DoubleColumnWriter(writer) = column.untyped() {
        writer.write_batch(&values, Some(&levels), None)?;
    }
    Ok(())
}

/// The station of every row as JSON, worked out once per run of rows.
fn stations(column: &mut SerializedColumnWriter<'_>, rows: &[(Arc<Station>, Reading)]) -> Result<()> {
    let mut last: Option<(&Arc<Station>, ByteArray)> = None;
    texts(
        column,
        rows.iter().map(|(station, _)| match &last {
            Some((known, text)) if Arc::ptr_eq(known, station) => Some(text.clone()),
            _ => {
                let text: ByteArray = described(station).as_str().into();
                last = Some((station, text.clone()));
                Some(text)
            }
        }),
    )
}

/// The value of `station` in a document of this station.
fn described(station: &Station) -> String {
    let document = format!("{}\"}}", station.head);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap_or_default();
    document.get("station").map(ToString::to_string).unwrap_or_default()
}
