//! Where the documents go: the dataset file, its rejects, and the figures of the manifest.

use std::collections::BTreeMap;

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::body::{Body, Form};
use super::resolve::Written;
use super::spec::TransformSpec;
use super::standing::{INPUTS_KEY, Listing};
use crate::document::StationDays;
use crate::fault::Fault;
use crate::manifest::{self, DatasetManifest, Ledger};
use crate::read::Block;
use crate::store::{SharedStore, Upload};
use crate::timestamp::timestamp;

type Counts = BTreeMap<String, u64>;

/// What a finished pass made.
pub(super) struct Made {
    bytes: u64,
    digest: String,
    etag: String,
    ledger: Ledger,
    sources: Counts,
    unknown_fields: Counts,
    station_days: StationDays,
}

impl Made {
    pub fn manifest(self, spec: &TransformSpec, listing: &Listing, inputs_digest: String) -> DatasetManifest {
        DatasetManifest {
            version: manifest::VERSION,
            inputs_digest,
            inputs: listing.etags(),
            output: spec.output.clone(),
            bytes: self.bytes,
            digest: self.digest,
            etag: self.etag,
            documents: self.ledger.documents,
            sources: self.sources,
            ledger: self.ledger,
            unknown_fields: self.unknown_fields,
            station_days: self.station_days,
        }
    }
}

/// The open outputs of one pass.
pub(super) struct Sink {
    output: String,
    body: Body,
    dataset: Box<dyn Upload>,
    rejects: Box<dyn Upload>,
    hash: Xxh3,
    made: Made,
}

impl Sink {
    pub async fn open(store: &SharedStore, spec: &TransformSpec, inputs_digest: &str) -> Result<Sink, Fault> {
        let metadata = BTreeMap::from([(INPUTS_KEY.to_owned(), inputs_digest.to_owned())]);
        let dataset = store.upload(&spec.output, metadata.clone()).await?;
        let rejects = store.upload(&spec.rejects_key(), metadata).await?;
        Ok(Sink {
            output: spec.output.clone(),
            body: Body::open(&spec.output)?,
            dataset,
            rejects,
            hash: Xxh3::new(),
            made: Made {
                bytes: 0,
                digest: String::new(),
                etag: String::new(),
                ledger: Ledger::default(),
                sources: Counts::new(),
                unknown_fields: Counts::new(),
                station_days: StationDays::new(),
            },
        })
    }

    /// What stands between the documents.
    pub fn form(&self) -> Form {
        self.body.form()
    }

    pub fn documents(&self) -> u64 {
        self.made.ledger.documents
    }

    pub fn superseded(&mut self, identical: u64, differing: u64) {
        self.made.ledger.superseded_identical += identical;
        self.made.ledger.superseded_differing += differing;
    }

    /// Takes a block's counts and rejects.
    pub async fn note(&mut self, key: &str, block: Block) -> Result<(), Fault> {
        let ledger = &mut self.made.ledger;
        ledger.rows_read += block.rows_read;
        ledger.rejected_rows += block.rejected_rows;
        ledger.null_rows += block.null_rows;
        ledger.blank_lines += block.blank_lines;
        ledger.rejected_values += block.rejects.len() as u64 - block.rejected_rows;
        for (name, count) in block.unknown_fields {
            *self.made.unknown_fields.entry(name).or_default() += count;
        }
        if block.rejects.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for mut reject in block.rejects {
            reject.file = key.to_owned();
            reject.check = format!("{:016x}", xxh3_64(reject.raw.as_bytes()));
            serde_json::to_writer(&mut text, &reject).map_err(|error| Fault::new("write rejects").because(error))?;
            text.push(b'\n');
        }
        Ok(self.rejects.write(text.into()).await?)
    }

    /// Appends a block of documents.
    pub async fn append(&mut self, written: Written) -> Result<(), Fault> {
        self.made.ledger.documents += written.documents;
        for (station, day, digest) in written.digests {
            *self.made.sources.entry(station.format.source().to_owned()).or_default() += digest.count;
            let day = String::from_utf8_lossy(timestamp(day * 86_400).get(..10).unwrap_or_default()).into_owned();
            match self.made.station_days.get_mut(&station.id) {
                Some(days) => days.entry(day).or_default().merge(digest),
                None => self.made.station_days.entry(station.id.clone()).or_default().entry(day).or_default().merge(digest),
            }
        }
        if written.documents == 0 {
            return Ok(());
        }
        let bytes = self.body.add(written.text, written.rows).await?;
        self.store(bytes).await
    }

    async fn store(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.hash.update(&bytes);
        self.made.bytes += bytes.len() as u64;
        Ok(self.dataset.write(bytes).await?)
    }

    pub async fn abort(self) -> Result<(), Fault> {
        self.dataset.abort().await?;
        Ok(self.rejects.abort().await?)
    }

    /// Closes both files. Rejects appear even when there is no document: they say why.
    pub async fn finish(mut self, allow_empty: bool) -> Result<Made, Fault> {
        if !self.made.ledger.balances() {
            let ledger = self.made.ledger;
            self.abort().await?;
            return Err(Fault::new(format!("account for every row: the ledger does not balance ({ledger:?})"))
                .hint("this is a fault of meteoctl: please report it"));
        }
        if self.made.ledger.documents == 0 && !allow_empty {
            self.rejects.finish().await?;
            self.dataset.abort().await?;
            return Err(Fault::new(format!(
                "make the dataset {}: not one document came out of {} rows",
                self.output, self.made.ledger.rows_read
            ))
            .hint("see the rejects beside the output; allowEmpty: true accepts an empty dataset"));
        }
        for bytes in self.body.finish().await? {
            self.store(bytes).await?;
        }
        self.made.digest = format!("xxh3-128:{:032x}", self.hash.digest128());
        // The manifest, which comes later, is what makes the two count.
        let (_, dataset) = tokio::try_join!(self.rejects.finish(), self.dataset.finish())?;
        self.made.etag = dataset.etag;
        Ok(self.made)
    }
}
