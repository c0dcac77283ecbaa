//! The Stack document: a guard.

use serde_json::json;

use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn the_identity_is_told_and_guarded() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let account = aws.account().await.expect("an account").id.clone();
    let right = Subject::new(&aws, "Stack", "p8", json!({"region": "eu-west-3", "accountId": account}));
    let sight = right.converge().await;
    assert_eq!(sight.outputs["account"], json!(account));
    right.rests().await;

    for wrong in [json!({"accountId": "000000000001"}), json!({"region": "us-east-1"})] {
        let failure = Subject::new(&aws, "Stack", "p8", wrong).try_look().await.expect_err("a refusal");
        assert_eq!((failure.exit, failure.is_transient()), (Some(3), false), "{failure}");
    }
    // One question to STS serves the whole run.
    assert_eq!(aws.tally.calls().reads.values().sum::<u64>(), 1);
}
