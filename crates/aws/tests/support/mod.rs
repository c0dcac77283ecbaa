//! What every convergence test needs: clients for the emulators, and a subject that is applied, spoiled and repaired.

mod cbor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use chrono::NaiveDate;
use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_engine::diff::Diff;
use meteoctl_engine::kind::{AnyKind, Change, Meta, Sight, Standing};
use meteoctl_engine::tally::Tally;
use serde_json::{Map, Value};

/// What has no free emulator in LocalStack comes from Moto; EC2 too, because Moto's ECS looks for subnets in its own.
const FROM_MOTO: [&str; 4] = ["ECS", "EC2", "EFS", "ECR"];

/// Rounds of look and change until a thing must be as wished.
const ROUNDS: usize = 10;

/// The emulators a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Moto alone.
    Moto,
    /// LocalStack, with what it lacks from Moto.
    LocalStack,
}

/// Endpoint of each service.
#[derive(Debug)]
struct Endpoints {
    common: String,
    moto: String,
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let url = if FROM_MOTO.contains(&key.service_id()) { &self.moto } else { &self.common };
        (key.env() == "AWS_ENDPOINT_URL").then(|| url.clone())
    }
}

/// Tells Moto which account a request is made in; LocalStack reads it from the access key. And tells LocalStack in JSON what the SDK
/// says in CBOR; our Moto understands CBOR.
#[derive(Debug, Clone)]
struct InAccount<T> {
    inner: T,
    account: String,
    backend: Backend,
}

impl HttpClient for InAccount<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(InAccount { inner, account: self.account.clone(), backend: self.backend })
    }
}

impl HttpConnector for InAccount<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        request.headers_mut().insert("x-moto-account-id", self.account.clone());
        match request.uri().split_once("/service/GraniteServiceVersion20100801/operation/") {
            Some((address, operation)) if self.backend == Backend::LocalStack => {
                let (address, operation) = (format!("{address}/"), operation.to_owned());
                in_json(&self.inner, request, address, &operation)
            }
            _ => self.inner.call(request),
        }
    }
}

/// CloudWatch takes CBOR, which the SDK speaks, and JSON; LocalStack speaks JSON alone. Says the same in JSON, both ways.
/// Points in time are left out of answers: JSON has no type for them.
fn in_json(inner: &SharedHttpConnector, mut request: HttpRequest, address: String, operation: &str) -> HttpConnectorFuture {
    let body = cbor::decode(&mut request.body().bytes().expect("a body in memory")).to_string();
    let headers = request.headers_mut();
    headers.remove("smithy-protocol");
    headers.insert("content-type", "application/x-amz-json-1.0");
    headers.insert("accept", "application/json");
    headers.insert("content-length", body.len().to_string());
    headers.insert("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"));
    *request.body_mut() = body.into();
    request.set_uri(address).expect("an address");
    let answer = inner.call(request);
    HttpConnectorFuture::new(async move {
        let mut answer = answer.await?;
        let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
        let text = ByteStream::new(body).collect().await.expect("an answer").to_vec();
        let mut value: Value = if text.is_empty() { Value::Object(Map::new()) } else { serde_json::from_slice(&text).expect("JSON") };
        without_times(&mut value);
        let mut bytes = Vec::new();
        cbor::encode(&value, &mut bytes);
        answer.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
        answer.headers_mut().insert("content-type", "application/cbor");
        answer.headers_mut().remove("content-length");
        *answer.body_mut() = bytes.into();
        Ok(answer)
    })
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, inner| !key.ends_with("Timestamp") && !inner.is_null());
            map.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Clients of a fresh, empty account on a backend; `None`, and a line that says so, when no stack is up.
pub async fn aws(backend: Backend) -> Option<Arc<Aws>> {
    aws_in(backend, "eu-west-3").await
}

/// The same in a region of choice.
pub async fn aws_in(backend: Backend, region: &str) -> Option<Arc<Aws>> {
    let moto = url("METEOCTL_TEST_MOTO_URL")?;
    let common = match backend {
        Backend::Moto => moto.clone(),
        Backend::LocalStack => url("METEOCTL_TEST_LOCALSTACK_URL")?,
    };
    let account = account();
    let loaded = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(&account, "test", None, None, "test"))
        .http_client(InAccount { inner: aws_smithy_http_client::Builder::new().build_http(), account, backend })
        .load()
        .await;
    let config = loaded.into_builder().service_config(Endpoints { common, moto }).build();
    Some(Arc::new(Aws::new(&config, stack(), Tally::new())))
}

/// The stack every test works on.
pub fn stack() -> StackIdentity {
    StackIdentity { name: "proof".into(), region: None, tags: BTreeMap::from([("project".to_owned(), "forecast-2.0".to_owned())]) }
}

#[allow(clippy::print_stderr, reason = "a skipped test must say so")]
fn url(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        eprintln!("skipped: {variable} is not set, so no stack is up; `cargo xtask test` brings one up");
    }
    url
}

/// 12 random digits: an account of its own for each test, so that they do not see each other.
pub fn account() -> String {
    format!("{:012}", rand::random_range(100_000_000_000_u64..1_000_000_000_000))
}

/// A name that nobody else uses: bucket names are the same all over an emulator.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::random::<u32>())
}

/// One document on one backend.
pub struct Subject {
    pub aws: Arc<Aws>,
    pub kind: Arc<dyn AnyKind>,
    pub meta: Meta,
    pub spec: Value,
}

impl Subject {
    /// A document of a registered kind.
    pub fn new(aws: &Arc<Aws>, kind: &str, name: &str, spec: Value) -> Self {
        let kind = meteoctl_aws::kinds::all(aws).into_iter().find(|found| found.name() == kind).expect("a registered kind");
        Subject { aws: aws.clone(), kind, meta: Meta::named(name), spec }
    }

    /// One look.
    pub async fn look(&self) -> Sight {
        self.try_look().await.unwrap_or_else(|failure| panic!("{failure}: {:?}", failure.causes()))
    }

    /// One look that may fail.
    pub async fn try_look(&self) -> Result<Sight, meteoctl_engine::failure::Failure> {
        let today = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
        self.kind.look(&self.meta, &self.spec, today).await
    }

    /// The difference as it stands.
    pub async fn drift(&self) -> Diff {
        match self.look().await.standing {
            Standing::Drifted(diff) => diff,
            other => panic!("{} should differ, but is {other:?}", self.meta.name),
        }
    }

    /// Looks and changes until the thing is as wished, as the engine would.
    pub async fn converge(&self) -> Sight {
        self.kind.decode(&self.spec).expect("a spec that decodes");
        let faults = self.kind.check(&self.meta, &self.spec);
        assert!(faults.iter().all(|fault| fault.rule.is_some()), "{faults:?}");
        let mut last = None;
        for _ in 0..ROUNDS {
            let sight = self.look().await;
            let change = match &sight.standing {
                Standing::InSync => return sight,
                Standing::Settling(_) => None,
                Standing::Absent => Some(Change::Create),
                Standing::Drifted(diff) => Some(Change::Update(diff.clone())),
            };
            match change {
                Some(change) => match self.kind.apply(&self.meta, &self.spec, &change).await {
                    Err(failure) if !failure.is_transient() => panic!("{failure}: {:?}", failure.causes()),
                    _ => {}
                },
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
            last = Some(sight.standing);
        }
        panic!("{} {} does not come to rest: {last:?}", self.kind.name(), self.meta.name)
    }

    /// After a change behind its back: exactly `paths` differ, and exactly these operations write to repair them.
    pub async fn repairs(&self, paths: &[&str], operations: &[&str]) {
        let diff = self.drift().await;
        assert_eq!(diff.paths(), paths, "{diff:?}");
        let before = self.writes();
        self.converge().await;
        let mut made = self.writes();
        for (operation, count) in before {
            *made.entry(operation).or_default() -= count;
        }
        made.retain(|_, count| *count > 0);
        let made: Vec<String> =
            made.into_iter().map(|(operation, count)| if count == 1 { operation } else { format!("{operation} × {count}") }).collect();
        assert_eq!(made, operations, "writes that repaired {paths:?}");
    }

    /// Twenty further rounds find nothing to do and write nothing.
    pub async fn rests(&self) {
        let before = self.writes();
        for _ in 0..20 {
            self.converge().await;
        }
        assert_eq!(self.writes(), before, "{} {} writes although nothing differs", self.kind.name(), self.meta.name);
    }

    /// Removes the thing and looks until it is gone.
    pub async fn remove(&self) {
        for _ in 0..ROUNDS {
            match self.kind.delete(&self.meta, &self.spec).await {
                Err(failure) if !failure.is_transient() => panic!("{failure}: {:?}", failure.causes()),
                _ => {}
            }
            if matches!(self.look().await.standing, Standing::Absent) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{} {} is still there", self.kind.name(), self.meta.name)
    }

    /// Writing calls so far.
    pub fn writes(&self) -> BTreeMap<String, u64> {
        self.aws.tally.calls().writes
    }
}
