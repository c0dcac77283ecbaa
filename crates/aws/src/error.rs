//! The one place where an SDK error becomes a [`Failure`] with a class.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::Failure;

/// Codes that mean "later": throttling in every service's own spelling, half-finished operations, services out of breath.
const PASSING: [&str; 29] = [
    "BandwidthLimitExceeded",
    "ConcurrentModification",
    "ConditionalRequestConflict",
    "DependencyTimeout",
    "EC2ThrottledException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "LimitExceededException.Rate",
    "OperationAborted",
    "OperationAbortedException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServerException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "TransactionInProgressException",
    "Unavailable",
];

/// Codes that mean the credentials lack a permission.
const DENIED: [&str; 5] = ["AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "UnauthorizedOperation"];

/// Codes that mean the credentials themselves are wrong.
const BAD_CREDENTIALS: [&str; 7] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The service's own code of an error, if the service answered.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    }
}

/// Whether the service answered with one of these codes.
pub fn is<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, codes: &[&str]) -> bool {
    code(error).is_some_and(|code| codes.contains(&code))
}

/// HTTP status of the answer, if there was one.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Turns an SDK error into a failure; `doing` says what *we* were doing.
pub fn failure<E>(doing: impl Into<String>, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let doing = doing.into();
    let code = code(&error).unwrap_or_default().to_owned();
    let failure = if passing(&error, &code) { Failure::transient(doing) } else { Failure::rejected(doing) };
    let failure = match hint(&error, &code) {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    failure.because(Cause(describe(&error, &code)))
}

fn passing<E>(error: &SdkError<E, HttpResponse>, code: &str) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(dispatch) => dispatch.is_io() || dispatch.is_timeout(),
        SdkError::ServiceError(_) => PASSING.contains(&code) || matches!(status(error), Some(429 | 500 | 502 | 503 | 504)),
        _ => false,
    }
}

fn hint<E>(error: &SdkError<E, HttpResponse>, code: &str) -> Option<String> {
    if DENIED.contains(&code) {
        return Some("the credentials lack this permission; `meteoctl iam-policy --for apply` prints what is needed".into());
    }
    if BAD_CREDENTIALS.contains(&code) {
        return Some("check AWS_PROFILE, AWS_ACCESS_KEY_ID and whether the session has expired".into());
    }
    match error {
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() || dispatch.is_timeout() => {
            Some("the endpoint cannot be reached; check the network and AWS_ENDPOINT_URL".into())
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            Some("no usable credentials or configuration; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into())
        }
        _ => None,
    }
}

/// The service's words where it spoke, the SDK's chain of causes otherwise.
fn describe<E>(error: &SdkError<E, HttpResponse>, code: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let message = answer.err().message().unwrap_or_default();
            match (code.is_empty(), message.is_empty()) {
                (false, false) => format!("{code}: {message}"),
                (false, true) => code.to_owned(),
                (true, false) => message.to_owned(),
                (true, true) => format!("HTTP status {}", answer.raw().status().as_u16()),
            }
        }
        SdkError::ResponseError(answer) => format!("HTTP status {}, with an answer that cannot be read", answer.raw().status().as_u16()),
        other => DisplayErrorContext(other).to_string(),
    }
}

/// A cause that is only words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub String);
