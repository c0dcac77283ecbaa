//! Reading an archive piece by piece, in memory bounded by the size of a batch.

use std::io::{ErrorKind, Read};

use bson::{Document, RawDocument};

use super::{ArchiveError, MAGIC, MAX_DOCUMENT, Namespace, Prelude, TERMINATOR, crc64};
use crate::digest::elements::Elements;

/// Reads an archive from any source, checking grammar, lengths and checksums on the way.
pub struct Reader<R> {
    input: R,
    names: Vec<(String, String)>,
    states: Vec<State>,
    required: usize,
    current: Option<usize>,
    document: Vec<u8>,
}

enum State {
    Waiting,
    Open(Box<crc_fast::Digest>),
    Closed,
}

/// What [`Reader::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Documents of the namespace with this index were appended to the buffer.
    Documents(usize),
    /// The namespace ended and its checksum is right.
    End(usize),
}

enum Frame {
    Document,
    Terminator,
    End,
}

impl<R: Read> Reader<R> {
    /// Reads magic and prelude.
    pub fn open(mut input: R) -> Result<(Prelude, Self), ArchiveError> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic).map_err(|error| early(error, "before its magic number"))?;
        let magic = u32::from_le_bytes(magic);
        if magic != MAGIC {
            return Err(ArchiveError::Magic(magic));
        }
        let mut reader = Reader { input, names: Vec::new(), states: Vec::new(), required: 0, current: None, document: Vec::new() };
        let prelude = reader.prelude()?;
        for namespace in &prelude.namespaces {
            // The documents of a time series lie in its buckets collection.
            let (database, collection) = (namespace.database.clone(), namespace.collection.clone());
            reader.names.push((database, collection));
            reader.states.push(if namespace.kind == "timeseries" { State::Closed } else { State::Waiting });
        }
        reader.required = reader.names.len();
        Ok((prelude, reader))
    }

    fn prelude(&mut self) -> Result<Prelude, ArchiveError> {
        let Frame::Document = self.frame()? else { return Err(ArchiveError::Damaged("the header is missing".into())) };
        let header = self.decoded()?;
        let mut prelude = Prelude {
            concurrent_collections: header.get_i32("concurrent_collections").unwrap_or(1),
            format_version: text(&header, "version"),
            server_version: text(&header, "server_version"),
            tool_version: text(&header, "tool_version"),
            namespaces: Vec::new(),
        };
        loop {
            match self.frame()? {
                Frame::Document => prelude.namespaces.push(namespace(&self.decoded()?)?),
                Frame::Terminator => return Ok(prelude),
                Frame::End => return Err(ArchiveError::Truncated("inside its prelude")),
            }
        }
    }

    /// Names of the namespaces by index: those of the prelude, then those that only turned up in the body.
    pub fn namespace(&self, index: usize) -> Option<(&str, &str)> {
        self.names.get(index).map(|(database, collection)| (database.as_str(), collection.as_str()))
    }

    /// Reads on until a namespace ends or about `enough` bytes of documents of one namespace are appended to `batch`.
    ///
    /// `None` is the proper end of the archive: every namespace of the prelude was seen whole.
    pub fn next(&mut self, batch: &mut Vec<u8>, enough: usize) -> Result<Option<Piece>, ArchiveError> {
        let mut read = 0;
        loop {
            match (self.frame()?, self.current) {
                (Frame::Document, Some(index)) => {
                    Elements::of(&self.document).map_err(|_| ArchiveError::Damaged("a document has a wrong frame".into()))?;
                    batch.extend_from_slice(&self.document);
                    read += self.document.len();
                    if let Some(State::Open(crc)) = self.states.get_mut(index) {
                        crc.update(&self.document);
                    }
                    if read >= enough {
                        return Ok(Some(Piece::Documents(index)));
                    }
                }
                (Frame::Document, None) => {
                    if let Some(ended) = self.header()? {
                        return Ok(Some(Piece::End(ended)));
                    }
                }
                (Frame::Terminator, Some(index)) => {
                    self.current = None;
                    if read > 0 {
                        return Ok(Some(Piece::Documents(index)));
                    }
                }
                (Frame::Terminator, None) => return Err(ArchiveError::Damaged("a block without a header".into())),
                (Frame::End, Some(_)) => return Err(ArchiveError::Truncated("inside a block")),
                (Frame::End, None) => return self.finish(),
            }
        }
    }

    /// Takes a namespace header: opens the namespace, or checks and closes it. Says which one was closed.
    fn header(&mut self) -> Result<Option<usize>, ArchiveError> {
        let header = self.decoded()?;
        let name = (text(&header, "db"), text(&header, "collection"));
        if name.1.is_empty() {
            return Err(ArchiveError::Damaged("a block header names no collection".into()));
        }
        let index = match self.names.iter().position(|known| *known == name) {
            Some(index) => index,
            None => {
                self.names.push(name.clone());
                self.states.push(State::Waiting);
                self.names.len() - 1
            }
        };
        let namespace = format!("{}.{}", name.0, name.1);
        let Some(state) = self.states.get_mut(index) else { return Ok(None) };
        match state {
            State::Closed => return Err(ArchiveError::Damaged(format!("{namespace} goes on after its end"))),
            State::Waiting => *state = State::Open(Box::new(crc64())),
            State::Open(_) => {}
        }
        if !header.get_bool("EOF").unwrap_or(false) {
            self.current = Some(index);
            return Ok(None);
        }
        let stated = header.get_i64("CRC").unwrap_or_default().cast_unsigned();
        if let State::Open(crc) = std::mem::replace(state, State::Closed) {
            let computed = crc.finalize();
            if computed != stated {
                return Err(ArchiveError::Checksum { namespace, computed, stated });
            }
        }
        match self.frame()? {
            Frame::Terminator => Ok(Some(index)),
            Frame::Document => Err(ArchiveError::Damaged(format!("documents after the end of {namespace}"))),
            Frame::End => Err(ArchiveError::Truncated("behind the end of a namespace")),
        }
    }

    fn finish(&self) -> Result<Option<Piece>, ArchiveError> {
        let unfinished = self.states.iter().zip(&self.names).enumerate().find(|(index, (state, _))| match state {
            State::Open(_) => true,
            State::Waiting => *index < self.required,
            State::Closed => false,
        });
        match unfinished {
            Some((_, (_, (database, collection)))) => {
                Err(ArchiveError::Damaged(format!("it ends before {database}.{collection} is complete")))
            }
            None => Ok(None),
        }
    }

    /// Reads a length and, unless it is the terminator, the document behind it.
    fn frame(&mut self) -> Result<Frame, ArchiveError> {
        let mut head = [0u8; 4];
        let (first, rest) = head.split_at_mut(1);
        loop {
            match self.input.read(first) {
                Ok(0) => return Ok(Frame::End),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.input.read_exact(rest).map_err(|error| early(error, "inside a length"))?;
        if head == TERMINATOR {
            return Ok(Frame::Terminator);
        }
        let size = u32::from_le_bytes(head) as usize;
        if !(5..=MAX_DOCUMENT).contains(&size) {
            return Err(ArchiveError::Damaged(format!("a document of {size} bytes")));
        }
        self.document.clear();
        self.document.extend_from_slice(&head);
        self.document.resize(size, 0);
        let body = self.document.get_mut(4..).unwrap_or_default();
        self.input.read_exact(body).map_err(|error| early(error, "inside a document"))?;
        if self.document.last() != Some(&0) {
            return Err(ArchiveError::Damaged("a document without its closing zero".into()));
        }
        Ok(Frame::Document)
    }

    fn decoded(&self) -> Result<Document, ArchiveError> {
        let document = RawDocument::from_bytes(&self.document).and_then(Document::try_from);
        document.map_err(|error| ArchiveError::Damaged(error.to_string()))
    }

    /// The source, after the end.
    pub fn into_inner(self) -> R {
        self.input
    }
}

fn early(error: std::io::Error, place: &'static str) -> ArchiveError {
    if error.kind() == ErrorKind::UnexpectedEof { ArchiveError::Truncated(place) } else { ArchiveError::Io(error) }
}

fn text(document: &Document, name: &str) -> String {
    document.get_str(name).unwrap_or_default().to_owned()
}

fn namespace(document: &Document) -> Result<Namespace, ArchiveError> {
    let collection = text(document, "collection");
    if collection.is_empty() {
        return Err(ArchiveError::Damaged("the prelude names a namespace without collection".into()));
    }
    let size = document.get_i64("size").or_else(|_| document.get_i32("size").map(i64::from)).unwrap_or(0);
    Ok(Namespace { database: text(document, "db"), collection, metadata: text(document, "metadata"), size, kind: text(document, "type") })
}
