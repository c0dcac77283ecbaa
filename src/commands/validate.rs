//! `validate`: every fault at once, without credentials.

use meteoctl_engine::failure::Outcome;
use serde_json::json;

use super::{DONE, Desk};

/// Tells every fault, or how many documents are right.
pub async fn run(desk: &Desk<'_>) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let count = checked.documents.len();
    desk.view.result(&json!({"valid": true, "documents": count, "faults": []}), || {
        format!("{count} {}, no fault.\n", if count == 1 { "document" } else { "documents" })
    });
    Ok(DONE)
}
