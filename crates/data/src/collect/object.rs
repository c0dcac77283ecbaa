//! The raw object: Airbyte's present S3 layout (`YYYY_MM_DD_<epoch ms>_<part>.jsonl`) and envelope.

use bytes::Bytes;
use chrono::{DateTime, Datelike};
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::fault::Fault;

/// Namespace of record ids: UUIDv5 of `https://github.com/meteoctl/raw-record` under the URL namespace.
const NAMESPACE: &[u8] = b"https://github.com/meteoctl/raw-record";

/// One record on its way into the object.
pub(super) struct Record {
    /// The payload as compact JSON.
    pub payload: String,
    /// Sheet name and row (from 1), where the input is a workbook.
    pub place: Option<(String, u64)>,
}

/// A raw object, complete.
#[derive(Debug)]
pub(super) struct RawObject {
    pub name: String,
    pub bytes: Bytes,
    pub sha256: String,
    pub records: u64,
}

impl RawObject {
    /// Wraps records. `latest` (epoch milliseconds of the last reading) stands for the extraction time, because a wall
    /// clock would make another object of the same input each time.
    pub fn new(records: &[Record], latest: i64) -> Result<RawObject, Fault> {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE);
        let mut text = String::new();
        for (index, record) in records.iter().enumerate() {
            let meta = match &record.place {
                Some((sheet, row)) => json!({"sync_id": 0, "changes": [], "sheet": sheet, "row": row}),
                None => json!({"sync_id": 0, "changes": []}),
            };
            let id = Uuid::new_v5(&namespace, format!("{index}\n{meta}\n{}", record.payload).as_bytes());
            text.push_str(&format!(
                "{{\"_airbyte_raw_id\":\"{id}\",\"_airbyte_extracted_at\":{latest},\"_airbyte_meta\":{meta},\"_airbyte_generation_id\":0,\"_airbyte_data\":{}}}\n",
                record.payload
            ));
        }
        let digest = Sha256::digest(text.as_bytes());
        // The part number tells inputs with the same last reading apart.
        let part = digest.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let day =
            DateTime::from_timestamp_millis(latest).ok_or_else(|| Fault::new(format!("name the raw object: {latest} ms is no date")))?;
        Ok(RawObject {
            name: format!("{:04}_{:02}_{:02}_{latest}_{part}.jsonl", day.year(), day.month(), day.day()),
            records: records.len() as u64,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: text.into(),
        })
    }
}

impl RawObject {
    /// MD5 of the bytes, hex, as S3 gives it for an ETag. Tells equal from different; withstands no malice.
    pub fn md5(&self) -> String {
        <Md5 as md5::Digest>::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Compact JSON of a payload.
pub(super) fn compact(payload: &Value) -> String {
    payload.to_string()
}
