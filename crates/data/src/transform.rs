//! Transform: raw objects in, one dataset file, its rejects and its manifest out.
//!
//! Reading and writing run in blocks on several threads; what needs memory of earlier rows (the station's clock, the
//! rain counter, repeated instants) happens between them, in order. Peak memory does not depend on the amount of rows,
//! only on the number of station-days and of repeated readings.

mod body;
mod calendar;
pub(crate) mod input;
mod local;
mod order;
mod output;
mod pad;
mod pass;
mod repeats;
mod replay;
mod resolve;
pub(crate) mod seen;
mod spec;
pub(crate) mod standing;
mod table;
mod turns;

pub use input::Progress;
pub use order::natural;
pub use replay::replay;
pub use spec::{Duplicates, Fill, MissingFill, SourceSpec, TransformSpec};
pub use standing::{Standing, look, manifest_key, read_manifest};

use crate::fault::Fault;
use crate::manifest::DatasetManifest;
use crate::store::SharedStore;

/// Version of the transform's rules: part of every inputs digest, so that a change of rules makes datasets stale.
pub const VERSION: u32 = 1;

/// Transforms everything the sources hold now and writes dataset, rejects and, last, the manifest.
///
/// # Errors
/// A [`Fault`] when the store fails, a source holds no objects, a row needs a start date or time zone the source does
/// not declare, or no document came out (unless allowed). The manifest is written only after everything else.
pub async fn run(store: &SharedStore, spec: &TransformSpec, progress: &(dyn Fn(Progress) + Sync)) -> Result<DatasetManifest, Fault> {
    let plan = spec.plan()?;
    let listing = standing::list(store.as_ref(), spec).await?;
    let inputs_digest = standing::inputs_digest(spec, &listing);
    listing.require_objects(spec)?;
    let corrections = replay::read_corrections(store.as_ref(), spec).await?;
    let work =
        pass::Work { store, spec, plan: &plan, listing: &listing, corrections: &corrections, inputs_digest: &inputs_digest, progress };
    let made = work.run().await?;
    let manifest = made.manifest(spec, &listing, inputs_digest);
    standing::write_manifest(store.as_ref(), spec, &manifest).await?;
    Ok(manifest)
}
