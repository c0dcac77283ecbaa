//! Small words between the SDK's answers and ours.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime as SdkTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use chrono::{DateTime, Utc};
use meteoctl_engine::failure::{Failure, Outcome};

use crate::error;

/// A point in time as everybody else here has it; `None` where the service tells none, or one out of this world.
pub fn time(told: Option<&SdkTime>) -> Option<DateTime<Utc>> {
    told.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
}

/// `None` when the service says one of the `absent` codes; every other error is a failure.
///
/// # Errors
/// Whatever else went wrong, with its class.
pub fn found<T, E>(doing: impl Into<String>, answer: Result<T, SdkError<E, HttpResponse>>, absent: &[&str]) -> Outcome<Option<T>>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error::is(&error, absent) => Ok(None),
        Err(error) => Err(error::failure(doing, error)),
    }
}

/// A success, or a failure that says what we were doing.
///
/// # Errors
/// Whatever went wrong, with its class.
pub fn done<T, E>(doing: impl Into<String>, answer: Result<T, SdkError<E, HttpResponse>>) -> Outcome<T>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    answer.map_err(|error| error::failure(doing, error))
}

/// Success also when the service says one of the `fine` codes (the thing is already gone, the rule already there).
///
/// # Errors
/// Whatever else went wrong, with its class.
pub fn done_or<T, E>(doing: impl Into<String>, answer: Result<T, SdkError<E, HttpResponse>>, fine: &[&str]) -> Outcome<()>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    found(doing, answer, fine).map(drop)
}

/// A request that lacks a part it must have is a fault of ours, not of the reader: still no panic.
///
/// # Errors
/// A rejected failure that names the missing part.
pub fn built<T>(doing: &str, part: Result<T, BuildError>) -> Outcome<T> {
    part.map_err(|error| Failure::rejected(doing).because(error))
}

/// A field that AWS fixes at creation must stand as wished; what differs is refused rather than replaced.
///
/// # Errors
/// Rejected, with what to do.
pub fn fixed<T: PartialEq + std::fmt::Display>(thing: &str, field: &str, want: Option<&T>, seen: &T) -> Outcome<()> {
    match want {
        Some(want) if want != seen => Err(Failure::rejected(format!("change {field} of {thing}"))
            .because(error::Cause(format!("it is `{seen}`, the document wants `{want}`, and AWS fixes it at creation")))
            .hint(format!("write `{seen}` into the document, or give the thing another name: meteoctl never replaces anything by itself"))),
        _ => Ok(()),
    }
}
