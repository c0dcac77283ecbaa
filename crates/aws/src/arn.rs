//! Amazon resource names that can be told before the thing exists.

/// Partition of a region, as AWS publishes them: China and GovCloud have their own.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// `arn:aws:s3:::bucket`.
pub fn bucket(region: &str, name: &str) -> String {
    format!("arn:{}:s3:::{name}", partition(region))
}

/// The account in an ARN (`arn:partition:service:region:account:resource`), if it carries one.
pub fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_partition() {
        assert_eq!(bucket("eu-west-3", "b"), "arn:aws:s3:::b");
        assert_eq!(bucket("cn-north-1", "b"), "arn:aws-cn:s3:::b");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
    }

    #[test]
    fn the_account_is_the_fifth_part() {
        assert_eq!(account("arn:aws:iam::123456789012:role/r"), Some("123456789012"));
        assert_eq!(account("arn:aws:s3:::b"), None);
        assert_eq!(account("nonsense"), None);
    }
}
