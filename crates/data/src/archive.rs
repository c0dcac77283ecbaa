//! The archive format of `mongodump --archive`, written and read natively. The grammar is in `archive/spec.md`.
//!
//! Plain `std::io`: no network, no database, no compression except in [`gzip`].

pub mod gzip;
mod reader;
mod writer;

use bson::{Bson, Document, doc};

pub use reader::{Piece, Reader};
pub use writer::Writer;

/// First four bytes, little endian.
pub const MAGIC: u32 = 0x8199_e26d;
/// Closes the prelude and every block.
pub const TERMINATOR: [u8; 4] = [0xff; 4];
/// Largest document accepted: 16 MiB and the 16 KiB the server allows on top for its own.
pub const MAX_DOCUMENT: usize = (16 << 20) + (16 << 10);
/// Version of the format the tools write.
pub const FORMAT_VERSION: &str = "0.1";

/// Why bytes are not an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The source of the bytes failed.
    #[error("the archive cannot be read")]
    Io(#[from] std::io::Error),
    /// The first bytes are not those of an archive.
    #[error("not a mongodump archive: it starts with {0:#010x} instead of 0x8199e26d")]
    Magic(u32),
    /// The archive ends in the middle.
    #[error("the archive ends early, {0}")]
    Truncated(&'static str),
    /// The bytes do not follow the grammar.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// The encryption cannot be opened.
    #[error("the archive cannot be opened with this key: {0}")]
    Sealed(String),
    /// A namespace's checksum is not that of its documents.
    #[error("checksum of {namespace} is {computed:#018x}, the archive says {stated:#018x}")]
    Checksum {
        /// `db.collection`.
        namespace: String,
        /// What its documents give.
        computed: u64,
        /// What the archive says.
        stated: u64,
    },
}

/// What stands before the documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Prelude {
    /// How many namespaces may be interleaved.
    pub concurrent_collections: i32,
    /// Version of the format, [`FORMAT_VERSION`].
    pub format_version: String,
    /// Version of the server that was dumped.
    pub server_version: String,
    /// Version of the tool that wrote the archive.
    pub tool_version: String,
    /// The namespaces, in the order of their metadata.
    pub namespaces: Vec<Namespace>,
}

/// One namespace of the prelude.
#[derive(Debug, Clone, PartialEq)]
pub struct Namespace {
    /// Database.
    pub database: String,
    /// Collection, view or time series.
    pub collection: String,
    /// Options, indexes, uuid, name and type as extended JSON text; empty when unknown.
    pub metadata: String,
    /// Size as the tool stated it; the tools themselves write 0.
    pub size: i64,
    /// `collection`, `view`, `timeseries`, or empty in archives of older tools.
    pub kind: String,
}

impl Namespace {
    /// `db.collection`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }

    /// A namespace with its metadata laid out as the tools do.
    pub fn describe(database: &str, collection: &str, kind: &str, options: &Document, indexes: &[Document], uuid: Option<&str>) -> Self {
        let mut metadata = doc! {"indexes": indexes.to_vec()};
        if let Some(uuid) = uuid {
            metadata.insert("uuid", uuid);
        }
        metadata.insert("collectionName", collection);
        metadata.insert("type", kind);
        if !options.is_empty() {
            metadata.insert("options", options.clone());
        }
        Namespace {
            database: database.to_owned(),
            collection: collection.to_owned(),
            metadata: Bson::Document(metadata).into_canonical_extjson().to_string(),
            size: 0,
            kind: kind.to_owned(),
        }
    }

    /// Options and indexes out of the metadata text.
    ///
    /// # Errors
    /// Text that is not extended JSON.
    pub fn details(&self) -> Result<Details, ArchiveError> {
        if self.metadata.is_empty() {
            return Ok(Details::default());
        }
        let damaged = |why: String| ArchiveError::Damaged(format!("metadata of {}: {why}", self.name()));
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.metadata).map_err(|error| damaged(error.to_string()))?;
        let read = Bson::try_from(value).map_err(|error| damaged(error.to_string()))?;
        let metadata = read.as_document().cloned().unwrap_or_default();
        let indexes = metadata.get_array("indexes").into_iter().flatten().filter_map(Bson::as_document).cloned().collect();
        let options = metadata.get_document("options").cloned().unwrap_or_default();
        let kind = metadata.get_str("type").unwrap_or(&self.kind).to_owned();
        Ok(Details { options, indexes, kind })
    }
}

/// What the metadata of a namespace says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// Options for the `create` command.
    pub options: Document,
    /// Index specifications, the one on `_id` included.
    pub indexes: Vec<Document>,
    /// `collection`, `view`, `timeseries` or empty.
    pub kind: String,
}

/// CRC-64 as Go's `crc64.MakeTable(crc64.ECMA)` computes it (CRC-64/XZ; check value 0x995dc9bbdf1939fa).
pub(crate) fn crc64() -> crc_fast::Digest {
    crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Xz)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_the_tools() {
        let mut crc = super::crc64();
        crc.update(b"123456789");
        assert_eq!(crc.finalize(), 0x995d_c9bb_df19_39fa);
    }
}
