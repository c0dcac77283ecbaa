//! Writing an archive: one namespace after the other.

use std::io::{self, Write};

use bson::{Document, RawDocumentBuf, doc};

use super::{MAGIC, Namespace, Prelude, TERMINATOR, crc64};

/// Writes an archive into any sink. Namespaces are opened and closed one at a time.
pub struct Writer<W> {
    out: W,
    open: Option<Open>,
}

struct Open {
    database: String,
    collection: String,
    crc: crc_fast::Digest,
}

impl<W: Write> Writer<W> {
    /// Writes magic and prelude.
    pub fn new(mut out: W, prelude: &Prelude) -> io::Result<Self> {
        out.write_all(&MAGIC.to_le_bytes())?;
        let header = doc! {
            "concurrent_collections": prelude.concurrent_collections,
            "version": &prelude.format_version,
            "server_version": &prelude.server_version,
            "tool_version": &prelude.tool_version,
        };
        write_document(&mut out, &header)?;
        for namespace in &prelude.namespaces {
            write_document(&mut out, &metadata_document(namespace))?;
        }
        out.write_all(&TERMINATOR)?;
        Ok(Writer { out, open: None })
    }

    /// Opens a namespace; the one before must be closed.
    pub fn begin(&mut self, database: &str, collection: &str) -> io::Result<()> {
        if self.open.is_some() {
            return Err(io::Error::other("a namespace is still open"));
        }
        write_document(&mut self.out, &header(database, collection, None))?;
        self.open = Some(Open { database: database.to_owned(), collection: collection.to_owned(), crc: crc64() });
        Ok(())
    }

    /// Appends one or several whole BSON documents, given by their bytes.
    pub fn documents(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().ok_or_else(|| io::Error::other("no namespace is open"))?;
        open.crc.update(bytes);
        self.out.write_all(bytes)
    }

    /// Closes the namespace with its checksum, which is also returned.
    pub fn end(&mut self) -> io::Result<u64> {
        let open = self.open.take().ok_or_else(|| io::Error::other("no namespace is open"))?;
        let crc = open.crc.finalize();
        self.out.write_all(&TERMINATOR)?;
        write_document(&mut self.out, &header(&open.database, &open.collection, Some(crc)))?;
        self.out.write_all(&TERMINATOR)?;
        Ok(crc)
    }

    /// The sink, for looking at what was written so far or for taking it away.
    pub fn sink(&mut self) -> &mut W {
        &mut self.out
    }

    /// Ends the archive and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        if self.open.is_some() {
            return Err(io::Error::other("a namespace is still open"));
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

fn header(database: &str, collection: &str, end: Option<u64>) -> Document {
    // The tools keep the unsigned checksum in BSON's signed 64 bits, bit for bit.
    doc! {"db": database, "collection": collection, "EOF": end.is_some(), "CRC": end.unwrap_or(0).cast_signed()}
}

fn metadata_document(namespace: &Namespace) -> Document {
    let size = i32::try_from(namespace.size).map_or(bson::Bson::Int64(namespace.size), bson::Bson::Int32);
    doc! {
        "db": &namespace.database,
        "collection": &namespace.collection,
        "metadata": &namespace.metadata,
        "size": size,
        "type": &namespace.kind,
    }
}

fn write_document(out: &mut impl Write, document: &Document) -> io::Result<()> {
    let raw = RawDocumentBuf::try_from(document).map_err(io::Error::other)?;
    out.write_all(raw.as_bytes())
}
