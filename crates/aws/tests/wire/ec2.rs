//! EC2 as it is.

use meteoctl_engine::kind::Standing;
use serde_json::{Value, json};

use crate::replay::{Answer, Canned, on, passing, refused};

const VPCS: &str =
    "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId><isDefault>true</isDefault></item></vpcSet></DescribeVpcsResponse>";

/// A group as DescribeSecurityGroups shows it.
fn group(id: &str, vpc: &str, ingress: &str) -> String {
    format!(
        "<item><ownerId>123456789012</ownerId><groupId>{id}</groupId><groupName>mongodb-sg</groupName>\
         <groupDescription>MongoDB</groupDescription><vpcId>{vpc}</vpcId><ipPermissions>{ingress}</ipPermissions>\
         <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges>\
         <ipv6Ranges/><prefixListIds/></item></ipPermissionsEgress><tagSet><item><key>meteoctl:stack</key><value>proof</value></item>\
         <item><key>meteoctl:document</key><value>SecurityGroup/mongodb-sg</value></item></tagSet></item>"
    )
}

fn groups(items: &str, token: &str) -> String {
    format!("<DescribeSecurityGroupsResponse><securityGroupInfo>{items}</securityGroupInfo>{token}</DescribeSecurityGroupsResponse>")
}

fn canned(spec: Value, mut answers: Vec<Answer>) -> Canned {
    answers.push(on("Action=DescribeVpcs").body(VPCS));
    Canned::new("SecurityGroup", "mongodb-sg", spec, answers)
}

#[tokio::test]
async fn groups_are_split_and_own_references_are_self() {
    // One protocol and port with three peers and a reference to itself, as AWS gathers them.
    let ingress = "<item><ipProtocol>tcp</ipProtocol><fromPort>27017</fromPort><toPort>27017</toPort><groups><item>\
        <userId>123456789012</userId><groupId>sg-1</groupId></item></groups><ipRanges><item><cidrIp>203.0.113.7/32</cidrIp>\
        <description>operator</description></item></ipRanges><ipv6Ranges><item><cidrIpv6>2001:db8::/64</cidrIpv6></item></ipv6Ranges>\
        <prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item>";
    let rule = |peer: Value| {
        let mut rule = json!({"protocol": "tcp", "port": 27017});
        rule.as_object_mut().expect("a rule").extend(peer.as_object().expect("a peer").clone());
        rule
    };
    let spec = json!({"description": "MongoDB", "ingress": [
        rule(json!({"group": "self"})), rule(json!({"prefixList": "pl-1"})), rule(json!({"cidr": "2001:DB8::/64"})),
        rule(json!({"cidr": "203.0.113.7/32", "description": "operator"})),
    ], "egress": [{"protocol": "all", "cidr": "0.0.0.0/0"}]});
    let sight = canned(spec, vec![on("Action=DescribeSecurityGroups&").body(groups(&group("sg-1", "vpc-1", ingress), ""))]).in_sync().await;
    assert_eq!(sight.outputs["id"], json!("sg-1"));
}

#[tokio::test]
async fn the_group_is_found_on_a_later_page_and_in_its_own_vpc() {
    let spec = json!({"description": "MongoDB", "ingress": []});
    let answers = vec![
        on("Action=DescribeSecurityGroups& NextToken=more").body(groups(&group("sg-1", "vpc-1", ""), "")),
        on("Action=DescribeSecurityGroups&").body(groups(&group("sg-9", "vpc-9", ""), "<nextToken>more</nextToken>")),
    ];
    assert_eq!(canned(spec, answers).in_sync().await.outputs["id"], json!("sg-1"));
}

fn creation(authorize: Answer) -> Canned {
    let spec = json!({"description": "MongoDB", "ingress": [{"protocol": "tcp", "port": 27017, "cidr": "203.0.113.7/32"}]});
    canned(
        spec,
        vec![
            on("Action=CreateSecurityGroup")
                .body("<CreateSecurityGroupResponse><return>true</return><groupId>sg-1</groupId></CreateSecurityGroupResponse>"),
            on("Action=DescribeSecurityGroupRules")
                .body("<DescribeSecurityGroupRulesResponse><securityGroupRuleSet/></DescribeSecurityGroupRulesResponse>"),
            authorize,
        ],
    )
}

#[tokio::test]
async fn a_new_group_that_ec2_does_not_know_everywhere_passes() {
    let group = creation(on("Action=AuthorizeSecurityGroupIngress").ec2_error(400, "InvalidGroup.NotFound"));
    passing(group.create().await);
    let request = &group.replay.requests("Action=CreateSecurityGroup")[0];
    assert!(request.contains("TagSpecification.1.Tag"), "the tags come with the creation: {request}");
    passing(creation(on("Action=AuthorizeSecurityGroupIngress").ec2_error(400, "InvalidPermission.Duplicate")).create().await);
}

#[tokio::test]
async fn too_many_rules_are_explained() {
    let group = creation(on("Action=AuthorizeSecurityGroupIngress").ec2_error(400, "RulesPerSecurityGroupLimitExceeded"));
    assert!(refused(group.create().await).contains("quota"));
}

#[tokio::test]
async fn the_default_egress_rule_goes_by_its_id() {
    let spec = json!({"description": "MongoDB", "egress": []});
    let rules = "<DescribeSecurityGroupRulesResponse><securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId>\
        <groupId>sg-1</groupId><isEgress>true</isEgress><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort>\
        <cidrIpv4>0.0.0.0/0</cidrIpv4></item></securityGroupRuleSet></DescribeSecurityGroupRulesResponse>";
    let group = canned(
        spec,
        vec![
            on("Action=DescribeSecurityGroups&").body(groups(&group("sg-1", "vpc-1", ""), "")),
            on("Action=DescribeSecurityGroupRules").body(rules),
            on("Action=RevokeSecurityGroupEgress")
                .body("<RevokeSecurityGroupEgressResponse><return>true</return></RevokeSecurityGroupEgressResponse>"),
        ],
    );
    group.update().await.expect("revoked");
    assert!(group.replay.requests("Action=RevokeSecurityGroupEgress")[0].contains("SecurityGroupRuleId.1=sgr-1"));
}

fn removal(interfaces: &str, others: &str) -> Canned {
    let interfaces = format!(
        "<DescribeNetworkInterfacesResponse><networkInterfaceSet>{interfaces}</networkInterfaceSet></DescribeNetworkInterfacesResponse>"
    );
    canned(
        json!({"description": "MongoDB"}),
        vec![
            on("Action=DescribeSecurityGroups& ip-permission.group-id").body(groups(others, "")),
            on("Action=DescribeSecurityGroups&").body(groups(&group("sg-1", "vpc-1", ""), "")),
            on("Action=DeleteSecurityGroup").ec2_error(400, "DependencyViolation"),
            on("Action=DescribeNetworkInterfaces").body(interfaces),
        ],
    )
}

#[tokio::test]
async fn the_interface_that_holds_a_group_is_named_and_waited_for() {
    let interface = "<item><networkInterfaceId>eni-1</networkInterfaceId><description>arn:aws:ecs:eu-west-3:1:attachment/a</description>\
        <requesterId>578734482556</requesterId></item>";
    let cause = passing(removal(interface, "").delete().await);
    assert_eq!(cause, "network interface eni-1 still uses it (arn:aws:ecs:eu-west-3:1:attachment/a; made by 578734482556)");
}

#[tokio::test]
async fn a_rule_of_another_group_is_named_and_not_waited_for() {
    let other = group("sg-7", "vpc-1", "").replace("mongodb-sg", "bastion");
    assert_eq!(refused(removal("", &other).delete().await), "remove that rule from bastion, then run again");
}

#[tokio::test]
async fn an_account_without_a_default_vpc_is_told_what_to_do() {
    let none = on("Action=DescribeVpcs").body("<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>");
    let answers = vec![none, on("Action=DescribeSecurityGroups&").body(groups("", ""))];
    let failure = Canned::new("SecurityGroup", "g", json!({"description": "x"}), answers).try_look().await.expect_err("no VPC");
    assert!(failure.hint.unwrap_or_default().contains("create-default-vpc"));
    let given = Canned::new(
        "SecurityGroup",
        "g",
        json!({"description": "x", "vpc": "vpc-1"}),
        vec![on("Action=DescribeSecurityGroups&").body(groups("", ""))],
    );
    assert!(matches!(given.look().await.standing, Standing::Absent));
}
