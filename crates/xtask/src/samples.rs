//! Small vendor files, the same bytes at every call: what the demo and the tests collect when no real files are given.
//!
//! They have the shape of the real ones, their traps included: InfoClimat numbers as strings, `""` and null for missing, a key
//! `_params` among the stations; workbooks with a sheet per day named DDMMYY, an empty row under the header, clock times as
//! fractions of a day, units behind a no-break space, wind as words.

mod infoclimat;
mod weather;
mod workbook;
mod xlsx;
mod zip;

use std::path::Path;

use anyhow::{Context, Result};

use self::weather::Climate;
use crate::workspace::make_folder;

/// Documents that the three samples lead to: four stations of 72 hours, two of seven days at every half hour.
pub const DOCUMENTS: usize = 4 * infoclimat::HOURS as usize + 2 * (workbook::DAYS * workbook::ROWS_A_DAY) as usize;

/// Writes `infoclimat.json`, `ichtegem.xlsx` and `la_madeleine.xlsx` into a folder.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write(folder: &Path) -> Result<()> {
    make_folder(folder)?;
    let files = [
        ("infoclimat.json", infoclimat::json()?.into_bytes()),
        ("ichtegem.xlsx", workbook::xlsx(Climate { seed: 11, mean_celsius: 12.0 })?),
        ("la_madeleine.xlsx", workbook::xlsx(Climate { seed: 12, mean_celsius: 13.0 })?),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_call_gives_the_same_bytes() {
        let (one, two) = (tempfile::tempdir().expect("makes a folder"), tempfile::tempdir().expect("makes a folder"));
        write(one.path()).expect("writes");
        write(two.path()).expect("writes");
        for name in ["infoclimat.json", "ichtegem.xlsx", "la_madeleine.xlsx"] {
            let read = |folder: &Path| std::fs::read(folder.join(name)).expect("reads");
            assert_eq!(read(one.path()), read(two.path()), "{name}");
        }
        let read = |name: &str| std::fs::read(one.path().join(name)).expect("reads");
        assert_ne!(read("ichtegem.xlsx"), read("la_madeleine.xlsx"), "two stations do not measure the same");
    }
}
