//! The clients of one run: one HTTP pool, one retry policy, every call counted.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::tally::Tally;
use tokio::sync::Mutex;

use crate::error;
use crate::operator_ip::OperatorIp;

/// Attempts per call, the first included. Standard mode: adaptive mode slows later calls of the same service.
const ATTEMPTS: u32 = 5;
/// Bound of the first pause between attempts; it doubles, with full jitter. All four together stay below the time that a look
/// still gets when a run's deadline has passed (`Pace::last_word`), so that it can tell what it fails of.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Identity of a stack: whose tags mark what is ours.
#[derive(Debug, Clone, Default)]
pub struct StackIdentity {
    /// `metadata.name` of the Stack document.
    pub name: String,
    /// Region of everything in it; `None` = whatever the environment says.
    pub region: Option<String>,
    /// Tags that everything of the stack carries besides ownership.
    pub tags: BTreeMap<String, String>,
}

/// The account behind the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// 12 digits.
    pub id: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// ARN of the caller.
    pub caller: String,
}

/// Everything a kind needs to talk to AWS.
#[derive(Debug)]
pub struct Aws {
    /// The stack this run is about.
    pub stack: StackIdentity,
    /// Counts every call.
    pub tally: Tally,
    region: String,
    /// CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// ECR.
    pub ecr: aws_sdk_ecr::Client,
    /// ECS.
    pub ecs: aws_sdk_ecs::Client,
    /// EFS.
    pub efs: aws_sdk_efs::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// EventBridge Scheduler.
    pub scheduler: aws_sdk_scheduler::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// STS.
    pub sts: aws_sdk_sts::Client,
    /// Resource Groups Tagging API.
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    /// The address the operator calls from.
    pub operator_ip: OperatorIp,
    account: OnceLock<Account>,
    /// Whose turn it is to ask for the account, and what the last one who asked was told instead.
    asking: Mutex<Option<Failure>>,
    /// How often nobody was told.
    refusals: AtomicU64,
}

macro_rules! counted {
    ($service:ident, $config:expr, $tally:expr) => {
        $service::Client::from_conf($service::config::Builder::from($config).interceptor(Counter { tally: $tally.clone() }).build())
    };
}

impl Aws {
    /// Reads the SDK's own configuration (environment, profile) and prepares the clients. Makes no call.
    pub async fn load(stack: StackIdentity, tally: Tally) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(Duration::from_secs(120))
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(30)).build());
        if let Some(region) = &stack.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Aws::new(&loader.load().await, stack, tally)
    }

    /// Clients over a given configuration (tests: canned responses).
    pub fn new(config: &SdkConfig, stack: StackIdentity, tally: Tally) -> Self {
        let region = config.region().map_or("us-east-1", Region::as_ref).to_owned();
        // Emulators answer on an address, not on one host name a bucket.
        let s3 = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(has_own_endpoint(config))
            .interceptor(Counter { tally: tally.clone() })
            .build();
        Aws {
            region,
            cloudwatch: counted!(aws_sdk_cloudwatch, config, tally),
            ec2: counted!(aws_sdk_ec2, config, tally),
            ecr: counted!(aws_sdk_ecr, config, tally),
            ecs: counted!(aws_sdk_ecs, config, tally),
            efs: counted!(aws_sdk_efs, config, tally),
            iam: counted!(aws_sdk_iam, config, tally),
            logs: counted!(aws_sdk_cloudwatchlogs, config, tally),
            s3: aws_sdk_s3::Client::from_conf(s3),
            scheduler: counted!(aws_sdk_scheduler, config, tally),
            secrets: counted!(aws_sdk_secretsmanager, config, tally),
            sts: counted!(aws_sdk_sts, config, tally),
            tagging: counted!(aws_sdk_resourcegroupstagging, config, tally),
            stack,
            tally,
            operator_ip: OperatorIp::default(),
            account: OnceLock::new(),
            asking: Mutex::default(),
            refusals: AtomicU64::new(0),
        }
    }

    /// The region of this run.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account behind the credentials; asked once per run. Whoever asks while somebody is asking shares the answer, also when
    /// that is a failure: where nothing answers, several waits are not made one after the other.
    pub async fn account(&self) -> Outcome<&Account> {
        let began = self.refusals.load(Ordering::SeqCst);
        let mut told = self.asking.lock().await;
        if let Some(known) = self.account.get() {
            return Ok(known);
        }
        if let Some(failure) = told.as_ref().filter(|_| self.refusals.load(Ordering::SeqCst) != began) {
            return Err(failure.again());
        }
        match self.ask_account().await {
            Ok(account) => Ok(self.account.get_or_init(|| account)),
            Err(failure) => {
                self.refusals.fetch_add(1, Ordering::SeqCst);
                *told = Some(failure.again());
                Err(failure)
            }
        }
    }

    /// The account, if it was asked for before.
    pub fn known_account(&self) -> Option<&Account> {
        self.account.get()
    }

    async fn ask_account(&self) -> Outcome<Account> {
        let doing = "ask AWS which account the credentials belong to";
        let answer = self.sts.get_caller_identity().send().await.map_err(|error| error::failure(doing, error))?;
        let caller = answer.arn().unwrap_or_default().to_owned();
        let partition = caller.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws").to_owned();
        Ok(Account { id: answer.account().unwrap_or_default().to_owned(), partition, caller })
    }
}

/// `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_S3` is set: not the real S3.
fn has_own_endpoint(config: &SdkConfig) -> bool {
    let key =
        aws_types::service_config::ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let for_s3 = key.ok().and_then(|key| config.service_config().and_then(|service| service.load_config(key)));
    config.endpoint_url().is_some() || for_s3.is_some()
}

/// Counts every request that goes out, retries included.
#[derive(Debug, Clone)]
struct Counter {
    tally: Tally,
}

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = bag.load::<Metadata>() {
            self.tally.count(&format!("{}:{}", call.service(), call.name()), writes(call.name()));
        }
        Ok(())
    }
}

/// Whether an operation changes something, by the verb AWS puts in front of its name.
fn writes(operation: &str) -> bool {
    const LOOKING: [&str; 10] = ["Assume", "BatchGet", "Describe", "Filter", "Get", "Head", "List", "Lookup", "Simulate", "Search"];
    !LOOKING.iter().any(|verb| operation.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::writes;

    #[test]
    fn looking_is_told_from_changing() {
        assert!(["PutObject", "CreateBucket", "RunTask", "TagResource", "AuthorizeSecurityGroupIngress"].iter().all(|name| writes(name)));
        assert!(["GetObject", "ListTasks", "DescribeTasks", "HeadBucket", "FilterLogEvents"].iter().all(|name| !writes(name)));
    }
}
