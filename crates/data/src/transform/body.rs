//! The form of the dataset file, told by its name: an array, lines or a table, plain or packed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::spawn_blocking;

use super::pad::Leaf;
use super::table::{Rows, Table};
use crate::fault::Fault;

/// Zstandard's own default: several times as fast as gzip and smaller.
const ZSTD_LEVEL: i32 = 3;

/// What stands between the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON array, a document a line.
    Array,
    /// A document a line, nothing else.
    Lines,
    /// No text at all: columns.
    Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What a file name asks for.
fn told_by(output: &str) -> (Form, Packing) {
    let (name, packing) = match output {
        _ if output.ends_with(".gz") => (output.trim_end_matches(".gz"), Packing::Gzip),
        _ if output.ends_with(".zst") => (output.trim_end_matches(".zst"), Packing::Zstd),
        _ => (output, Packing::Plain),
    };
    let form = match name {
        _ if name.ends_with(".jsonl") => Form::Lines,
        _ if name.ends_with(".parquet") => Form::Table,
        _ => Form::Array,
    };
    (form, packing)
}

/// Checks the name of a dataset file.
///
/// # Errors
/// A packed Parquet file, which no reader expects.
pub(super) fn check(output: &str) -> Result<(), Fault> {
    match told_by(output) {
        (Form::Table, Packing::Gzip | Packing::Zstd) => {
            Err(Fault::new(format!("make the dataset {output}: a Parquet file is never packed"))
                .hint("let the name end in .parquet; its columns are compressed inside"))
        }
        _ => Ok(()),
    }
}

enum Packer {
    Plain,
    // No name and no time in the header: the same documents give the same bytes.
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Table(Box<Table>),
    /// At work, or lost by a failure.
    Away,
}

/// The dataset file's content under way.
pub(super) struct Body {
    output: String,
    form: Form,
    begun: bool,
    packer: Packer,
}

impl Body {
    pub fn open(output: &str) -> Result<Body, Fault> {
        let (form, packing) = told_by(output);
        let packer = match (form, packing) {
            (Form::Table, _) => Packer::Table(Box::new(Table::new().map_err(|error| fault(output, error))?)),
            (_, Packing::Plain) => Packer::Plain,
            (_, Packing::Gzip) => Packer::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            (_, Packing::Zstd) => {
                Packer::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(|error| fault(output, error))?)
            }
        };
        Ok(Body { output: output.to_owned(), form, begun: false, packer })
    }

    pub fn form(&self) -> Form {
        self.form
    }

    /// Takes a block of documents, as text or as rows; gives the bytes that are ready to be stored, often none.
    pub async fn add(&mut self, mut text: Leaf, rows: Rows) -> Result<Bytes, Fault> {
        if self.form == Form::Array && !self.begun {
            // The comma before the first document becomes the bracket.
            if let Some(comma) = text.page().first_mut() {
                *comma = b'[';
            }
        }
        self.begun = true;
        self.pack(text.into_bytes(), rows).await
    }

    async fn pack(&mut self, text: Bytes, rows: Rows) -> Result<Bytes, Fault> {
        if matches!(self.packer, Packer::Plain) {
            return Ok(text);
        }
        let packer = std::mem::replace(&mut self.packer, Packer::Away);
        // Packing takes longer than anything else: it must not keep the other stages waiting.
        let work = spawn_blocking(move || packer.take(&text, rows));
        let (packer, bytes) = work.await.map_err(|error| fault(&self.output, error))?.map_err(|error| fault(&self.output, error))?;
        self.packer = packer;
        Ok(bytes)
    }

    /// The end of the file.
    pub async fn finish(&mut self) -> Result<[Bytes; 2], Fault> {
        let end: &'static [u8] = match (self.form, self.begun) {
            (Form::Lines | Form::Table, _) => b"",
            (Form::Array, true) => b"\n]\n",
            (Form::Array, false) => b"[\n]\n",
        };
        let last = self.pack(Bytes::from_static(end), Rows::default()).await?;
        let packer = std::mem::replace(&mut self.packer, Packer::Away);
        let work = spawn_blocking(move || packer.finish());
        let rest = work.await.map_err(|error| fault(&self.output, error))?.map_err(|error| fault(&self.output, error))?;
        Ok([last, rest.into()])
    }
}

impl Packer {
    fn take(mut self, text: &[u8], rows: Rows) -> std::io::Result<(Packer, Bytes)> {
        let ready = match &mut self {
            Packer::Plain | Packer::Away => text.to_vec(),
            Packer::Gzip(encoder) => {
                encoder.write_all(text)?;
                std::mem::take(encoder.get_mut())
            }
            Packer::Zstd(encoder) => {
                encoder.write_all(text)?;
                std::mem::take(encoder.get_mut())
            }
            Packer::Table(table) => table.add(rows).map_err(std::io::Error::other)?,
        };
        Ok((self, ready.into()))
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Packer::Plain | Packer::Away => Ok(Vec::new()),
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
            Packer::Table(table) => table.finish().map_err(std::io::Error::other),
        }
    }
}

fn fault(output: &str, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::new(format!("write the content of {output}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_form() {
        let table = [
            ("p/weather.json", Form::Array, Packing::Plain),
            ("p/weather.json.gz", Form::Array, Packing::Gzip),
            ("p/weather.jsonl", Form::Lines, Packing::Plain),
            ("p/weather.jsonl.gz", Form::Lines, Packing::Gzip),
            ("p/weather.jsonl.zst", Form::Lines, Packing::Zstd),
            ("p/weather.parquet", Form::Table, Packing::Plain),
            ("p/weather", Form::Array, Packing::Plain),
        ];
        for (name, form, packing) in table {
            assert_eq!(told_by(name), (form, packing), "{name}");
            assert!(check(name).is_ok());
        }
        assert!(check("p/weather.parquet.gz").is_err());
    }
}
