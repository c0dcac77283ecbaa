//! IAM and STS as they are.

use meteoctl_aws::owned::owned;
use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Answer, Canned, aws_in, on, passing, refused};

/// A role as GetRole shows it: the trust policy is URL-encoded.
fn role(trust: &str) -> String {
    format!(
        "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role><Path>/</Path><RoleName>r</RoleName>\
         <RoleId>AROA1</RoleId><Arn>arn:aws:iam::123456789012:role/r</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument><MaxSessionDuration>3600</MaxSessionDuration><Tags><member>\
         <Key>meteoctl:stack</Key><Value>proof</Value></member><member><Key>meteoctl:document</Key><Value>Role/r</Value></member></Tags>\
         <RoleLastUsed/></Role></GetRoleResult></GetRoleResponse>"
    )
}

const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Sid%22%3A%22%22%2C%22Effect%22%3A%22Allow%22%2C\
    %22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

fn attached(name: &str, marker: &str) -> String {
    format!(
        "<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies><member><PolicyName>{name}</PolicyName>\
         <PolicyArn>arn:aws:iam::aws:policy/{name}</PolicyArn></member></AttachedPolicies>{marker}</ListAttachedRolePoliciesResult>\
         </ListAttachedRolePoliciesResponse>"
    )
}

#[tokio::test]
async fn policies_of_all_pages_count_and_documents_are_decoded() {
    let inline = |names: &str, marker: &str| {
        format!(
            "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames>{names}</PolicyNames>{marker}</ListRolePoliciesResult></ListRolePoliciesResponse>"
        )
    };
    let more = "<IsTruncated>true</IsTruncated><Marker>more</Marker>";
    let last = "<IsTruncated>false</IsTruncated>";
    let document = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B%22s3%3AGetObject%22%5D\
        %2C%22Resource%22%3A%22%2A%22%7D%7D";
    let policy = |name: &str| {
        format!(
            "<GetRolePolicyResponse><GetRolePolicyResult><RoleName>r</RoleName><PolicyName>{name}</PolicyName><PolicyDocument>{document}</PolicyDocument></GetRolePolicyResult></GetRolePolicyResponse>"
        )
    };
    let statement = json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["*"]}]);
    let spec = json!({
        "assumedBy": "ecs-tasks.amazonaws.com", "maxSessionSeconds": 3600, "permissionsBoundary": "none",
        "managedPolicies": ["First", "Second"],
        "inlinePolicies": [{"name": "one", "statements": statement}, {"name": "two", "statements": statement}],
    });
    let role = Canned::new(
        "Role",
        "r",
        spec,
        vec![
            on("Action=GetRole&").body(role(TRUST)),
            on("Action=ListAttachedRolePolicies Marker=more").body(attached("Second", last)),
            on("Action=ListAttachedRolePolicies").body(attached("First", more)),
            on("Action=ListRolePolicies Marker=more").body(inline("<member>two</member>", last)),
            on("Action=ListRolePolicies").body(inline("<member>one</member>", more)),
            on("Action=GetRolePolicy PolicyName=one").body(policy("one")),
            on("Action=GetRolePolicy PolicyName=two").body(policy("two")),
        ],
    );
    role.in_sync().await;
}

fn creation(spec: Value, answers: Vec<Answer>) -> Canned {
    Canned::new("Role", "r", spec, answers)
}

#[tokio::test]
async fn a_role_that_iam_does_not_know_everywhere_yet_passes() {
    let made = on("Action=CreateRole").body(role(TRUST).replace("GetRole", "CreateRole"));
    let attach = on("Action=AttachRolePolicy").query_error(404, "NoSuchEntity", "The role with name r cannot be found.");
    let spec = json!({"assumedBy": "ecs-tasks.amazonaws.com", "managedPolicies": ["First"]});
    passing(creation(spec.clone(), vec![made.clone(), attach]).create().await);
    // A policy that does not exist never will.
    let attach = on("Action=AttachRolePolicy").query_error(
        404,
        "NoSuchEntity",
        "Policy arn:aws:iam::aws:policy/First does not exist or is not attachable.",
    );
    refused(creation(spec, vec![made, attach]).create().await);
}

#[tokio::test]
async fn a_principal_that_was_just_made_passes() {
    let error = |message: &str| on("Action=CreateRole").query_error(400, "MalformedPolicyDocument", message);
    let spec = json!({"assumedBy": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::123456789012:role/just-made"}}]}});
    passing(
        creation(spec.clone(), vec![error("Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:role/just-made\"")])
            .create()
            .await,
    );
    refused(creation(spec, vec![error("Syntax errors in policy.")]).create().await);
}

#[tokio::test]
async fn two_changes_at_once_pass() {
    let busy = on("Action=CreateRole").query_error(
        409,
        "ConcurrentModification",
        "The request was rejected because multiple requests to change this object were submitted simultaneously.",
    );
    passing(creation(json!({"assumedBy": "ecs-tasks.amazonaws.com"}), vec![busy]).create().await);
}

#[tokio::test]
async fn policies_that_are_still_attached_for_a_moment_pass() {
    let empty = |what: &str| format!("<{what}Response><{what}Result><IsTruncated>false</IsTruncated></{what}Result></{what}Response>");
    let role = creation(
        json!({"assumedBy": "ecs-tasks.amazonaws.com"}),
        vec![
            on("Action=ListInstanceProfilesForRole").body(empty("ListInstanceProfilesForRole")),
            on("Action=ListAttachedRolePolicies").body(empty("ListAttachedRolePolicies")),
            on("Action=ListRolePolicies").body(empty("ListRolePolicies")),
            on("Action=DeleteRole&").query_error(409, "DeleteConflict", "Cannot delete entity, must detach all policies first."),
        ],
    );
    passing(role.delete().await);
}

#[tokio::test]
async fn expired_credentials_are_named() {
    let expired = on("Action=GetCallerIdentity").query_error(403, "ExpiredToken", "The security token included in the request is expired");
    let failure = Canned::new("Stack", "p8", json!({}), vec![expired]).try_look().await.expect_err("expired");
    assert!(!failure.is_transient() && failure.hint.as_deref().unwrap_or_default().contains("expired"), "{failure:?}");
}

#[tokio::test]
async fn the_list_of_what_is_ours_goes_over_all_pages_and_ends_at_an_empty_token() {
    let mapping = |arn: &str, document: &str| json!({"ResourceARN": arn, "Tags": [{"Key": "meteoctl:stack", "Value": "proof"}, {"Key": "meteoctl:document", "Value": document}]});
    let roles = "<ListRolesResponse><ListRolesResult><IsTruncated>false</IsTruncated><Roles><member><Path>/aws-service-role/x/</Path>\
        <RoleName>linked</RoleName><RoleId>A</RoleId><Arn>arn:aws:iam::1:role/aws-service-role/x/linked</Arn>\
        <CreateDate>2026-01-01T00:00:00Z</CreateDate></member></Roles></ListRolesResult></ListRolesResponse>";
    let group =
        |name: &str| json!({"Name": name, "Arn": format!("arn:aws:scheduler:eu-west-3:1:schedule-group/{name}"), "State": "ACTIVE"});
    let schedule =
        |name: &str| json!({"Name": name, "GroupName": "ours", "Arn": format!("arn:aws:scheduler:eu-west-3:1:schedule/ours/{name}")});
    let (aws, _) = aws_in(
        "eu-west-3",
        vec![
            on("GetResources \"PaginationToken\":\"more\"")
                .body(json!({"PaginationToken": "", "ResourceTagMappingList": [mapping("arn:aws:s3:::b", "Bucket/b")]})),
            on("GetResources")
                .body(json!({"PaginationToken": "more", "ResourceTagMappingList": [mapping("arn:aws:logs:x", "LogGroup//ecs/x")]})),
            on("Action=ListRoles").body(roles),
            on("GET /schedule-groups NextToken=more").body(json!({"ScheduleGroups": [group("ours")]})),
            on("GET /schedule-groups").body(json!({"NextToken": "more", "ScheduleGroups": [group("default"), group("theirs")]})),
            on("GET /tags schedule-group%2Ftheirs").body(json!({"Tags": []})),
            on("GET /tags schedule-group%2Fours").body(json!({"Tags": [{"Key": "meteoctl:stack", "Value": "proof"}]})),
            on("GET /schedules NextToken=more").body(json!({"Schedules": [schedule("b")]})),
            on("GET /schedules").body(json!({"NextToken": "more", "Schedules": [schedule("a")]})),
        ],
    );
    let found: Vec<String> = owned(&aws).await.expect("a list").iter().map(|thing| thing.document.to_string()).collect();
    assert_eq!(found, ["Bucket/b", "LogGroup//ecs/x", "Schedule/a", "Schedule/b"]);
}

#[tokio::test]
async fn a_role_that_is_not_there_is_absent() {
    let spec = json!({"assumedBy": "ecs-tasks.amazonaws.com", "managedPolicies": [], "inlinePolicies": []});
    let role = creation(spec, vec![on("Action=").query_error(404, "NoSuchEntity", "The role with name r cannot be found.")]);
    assert!(matches!(role.look().await.standing, Standing::Absent));
}

#[tokio::test]
async fn who_asks_for_the_account_meanwhile_shares_the_refusal() {
    let refusal = on("Action=GetCallerIdentity").query_error(403, "ExpiredToken", "The security token included in the request is expired");
    let (aws, replay) = aws_in("eu-west-3", vec![refusal]);
    let told = tokio::join!(aws.account(), aws.account(), aws.account());
    let words = [told.0, told.1, told.2].map(|refused| refused.expect_err("nobody is told").causes());
    assert!(words.iter().all(|word| word == &words[0] && word[0].contains("ExpiredToken")), "{words:?}");
    assert_eq!(replay.requests("GetCallerIdentity").len(), 1);
    aws.account().await.expect_err("who asks later asks anew");
    assert_eq!(replay.requests("GetCallerIdentity").len(), 2);
}
