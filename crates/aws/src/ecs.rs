//! What the ECS kinds share: tags, names inside ARNs, `failures[]` in answers that look like success, codes that pass.

use aws_sdk_ecs::types::{Failure as EcsFailure, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use meteoctl_engine::failure::{Class, Failure};

use crate::error::{self, Cause};
use crate::tags::Tags;

/// Codes of ECS that mean "something else is still going on here".
const PASSING: [&str; 4] = ["ClusterContainsTasksException", "ConflictException", "ResourceInUseException", "UpdateInProgressException"];

/// Beginnings and middles of messages that pass by themselves: a role or a service-linked role that has just been
/// made, a service of the same name that is still draining, no room on Fargate at the moment.
const PASSING_WORDS: [&str; 5] = [
    "unable to assume the role",
    "Unable to assume the service linked role",
    "service that is still Draining",
    "Capacity is unavailable at this time",
    "Creation of service was not idempotent",
];

/// Turns an ECS error into a failure; knows which of ECS's vague codes pass by themselves.
pub fn failure<E>(doing: impl Into<String>, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let passes = match &error {
        SdkError::ServiceError(answer) => {
            let said = answer.err().message().unwrap_or_default();
            answer.err().code().is_some_and(|code| PASSING.contains(&code)) || PASSING_WORDS.iter().any(|words| said.contains(words))
        }
        _ => false,
    };
    let failure = error::failure(doing, error);
    if passes { Failure { class: Class::Transient, ..failure } } else { failure }
}

/// The failure behind `failures[]`, which ECS sends with status 200. `None` when the list is empty.
pub fn refused(doing: impl Into<String>, failures: &[EcsFailure]) -> Option<Failure> {
    if failures.is_empty() {
        return None;
    }
    let text: Vec<String> = failures.iter().map(in_words).collect();
    let text = text.join("; ");
    let passes = PASSING_WORDS.iter().any(|words| text.contains(words));
    let failure = if passes { Failure::transient(doing) } else { Failure::rejected(doing) };
    Some(failure.because(Cause(text)))
}

/// Whether a failure says that the thing does not exist.
pub fn missing(failure: &EcsFailure) -> bool {
    failure.reason() == Some("MISSING")
}

fn in_words(failure: &EcsFailure) -> String {
    let parts = [failure.arn(), failure.reason(), failure.detail()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// ECS's tags as a map.
pub fn tags(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// A map as ECS's tags.
pub fn tag_list(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The part of an ARN after its last slash; a plain name stays as it is.
pub fn short(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_success_are_failures() {
        assert!(refused("run", &[]).is_none());
        let memory = EcsFailure::builder().arn("arn:x").reason("RESOURCE:MEMORY").build();
        let failure = refused("run", &[memory]).expect("a failure");
        assert_eq!((failure.class, failure.causes()), (Class::Rejected, vec!["arn:x: RESOURCE:MEMORY".to_owned()]));
        let room = EcsFailure::builder().reason("Capacity is unavailable at this time. Please try again later").build();
        assert!(refused("run", &[room]).expect("a failure").is_transient());
    }

    #[test]
    fn names_come_out_of_arns() {
        assert_eq!(short("arn:aws:ecs:eu-west-3:123456789012:task-definition/p8:3"), "p8:3");
        assert_eq!(short("p8"), "p8");
    }
}
