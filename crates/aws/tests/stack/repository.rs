//! The Repository kind.

use aws_sdk_ecr::types::ImageTagMutability;
use serde_json::json;

use crate::support::{Backend, Subject, aws};

#[tokio::test]
async fn converges() {
    let Some(aws) = aws(Backend::Moto).await else { return };
    let name = "p8/meteoctl";
    let rule = json!({"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 14}, "action": {"type": "expire"}});
    let pull = json!({"Sid": "pull", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "ecr:BatchGetImage"});
    let spec = json!({"tagMutability": "IMMUTABLE", "scanOnPush": true, "encryption": "AES256", "lifecyclePolicy": [rule],
        "statements": [pull], "tags": {"owner": "data"}});
    let repository = Subject::new(&aws, "Repository", name, spec);
    let outputs = repository.converge().await.outputs;
    assert!(outputs["uri"].as_str().is_some_and(|uri| uri.ends_with("/p8/meteoctl")), "{outputs:?}");
    repository.rests().await;

    let mutable = aws.ecr.put_image_tag_mutability().repository_name(name).image_tag_mutability(ImageTagMutability::Mutable);
    mutable.send().await.expect("mutable");
    repository.repairs(&["/tagMutability"], &["ECR:PutImageTagMutability"]).await;
    // Scanning cannot be switched off in Moto: the SDK leaves `false` out, and Moto takes that for no answer.
    aws.ecr.delete_lifecycle_policy().repository_name(name).send().await.expect("lifecycle");
    repository.repairs(&["/lifecyclePolicy"], &["ECR:PutLifecyclePolicy"]).await;
    aws.ecr.delete_repository_policy().repository_name(name).send().await.expect("policy");
    repository.repairs(&["/statements"], &["ECR:SetRepositoryPolicy"]).await;
    let arn = outputs["arn"].as_str().unwrap_or_default();
    aws.ecr.untag_resource().resource_arn(arn).tag_keys("owner").send().await.expect("untagged");
    repository.repairs(&["/tags/owner"], &["ECR:TagResource"]).await;
    repository.rests().await;
    repository.remove().await;
}
