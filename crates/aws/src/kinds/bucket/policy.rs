//! The bucket policy: our one switch and statements in AWS's own grammar.

use meteoctl_engine::failure::Outcome;
use meteoctl_engine::kind::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::iam_document;

/// A bucket policy. What is left out here is left alone in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BucketPolicy {
    /// Refuse every request that does not come over TLS.
    pub tls_only: Option<bool>,
    /// All further statements, in the grammar of IAM (`Effect`, `Principal`, `Action`, `Resource`, `Condition`). `[]` = none.
    pub statements: Option<Vec<Value>>,
}

impl BucketPolicy {
    /// Faults that can be told from the document.
    pub fn check(&self) -> Vec<Fault> {
        let statements = self.statements.as_deref().unwrap_or_default();
        let public = statements.iter().enumerate().filter(|(_, statement)| iam_document::is_public(statement)).map(|(index, _)| {
            Fault::refused("public-bucket", format!("/policy/statements/{index}"), "this statement lets anybody in")
                .hint("name a principal, or add a condition")
        });
        iam_document::check("/policy/statements", statements).into_iter().chain(public).collect()
    }

    /// One spelling.
    pub fn canonical(&mut self) {
        if let Some(statements) = &mut self.statements {
            iam_document::canonical(statements);
        }
    }

    /// As it stands in a bucket of this ARN.
    pub fn of_statements(statements: Vec<Value>, bucket: &str) -> Self {
        let (tls, rest): (Vec<Value>, Vec<Value>) = statements.into_iter().partition(|statement| is_tls_only(statement, bucket));
        BucketPolicy { tls_only: Some(!tls.is_empty()), statements: Some(rest) }
    }

    /// The statements to write, given those that stand there.
    ///
    /// # Errors
    /// `Pending` while a referred document has not told its output.
    pub fn merged(&self, standing: BucketPolicy, bucket: &str) -> Outcome<Vec<Value>> {
        let mut statements = match &self.statements {
            Some(statements) => iam_document::resolved(statements)?,
            None => standing.statements.unwrap_or_default(),
        };
        if self.tls_only.or(standing.tls_only) == Some(true) {
            statements.insert(0, tls_only(bucket));
        }
        Ok(statements)
    }
}

/// The statement AWS publishes for this purpose (S3 user guide, "Restrict access to only HTTPS requests").
fn tls_only(bucket: &str) -> Value {
    json!({
        "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [bucket, format!("{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}
    })
}

/// Whatever its name, whatever its spelling.
fn is_tls_only(statement: &Value, bucket: &str) -> bool {
    let spelled = |statement: &Value| {
        let mut nameless = statement.clone();
        if let Some(map) = nameless.as_object_mut() {
            map.remove("Sid");
        }
        let mut list = vec![nameless];
        iam_document::canonical(&mut list);
        list
    };
    spelled(statement) == spelled(&tls_only(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:s3:::b";

    fn other() -> Value {
        json!({"Sid": "Other", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"})
    }

    #[test]
    fn the_switch_is_found_under_any_name() {
        let mut renamed = tls_only(ARN);
        renamed["Sid"] = json!("DenyHttp");
        renamed["Principal"] = json!({"AWS": "*"});
        renamed["Condition"] = json!({"Bool": {"aws:SecureTransport": false}});
        let seen = BucketPolicy::of_statements(vec![other(), renamed], ARN);
        assert_eq!((seen.tls_only, seen.statements.map(|list| list.len())), (Some(true), Some(1)));
    }

    #[test]
    fn what_is_not_declared_stays() {
        let standing = BucketPolicy { tls_only: Some(false), statements: Some(vec![other()]) };
        let wish = BucketPolicy { tls_only: Some(true), statements: None };
        let merged = wish.merged(standing.clone(), ARN).expect("statements");
        assert_eq!(merged, [tls_only(ARN), other()]);
        let none = BucketPolicy { tls_only: None, statements: Some(vec![]) };
        assert!(none.merged(standing, ARN).expect("statements").is_empty());
    }
}
