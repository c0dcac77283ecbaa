//! A service made of canned answers. An answer belongs to every request whose line contains its words; the line is
//! `METHOD URI TARGET BODY`. Several answers of the same words come one after the other, the last one for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use chrono::NaiveDate;
use meteoctl_aws::client::{Aws, StackIdentity};
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{AnyKind, Change, Meta, Sight, Standing};
use meteoctl_engine::tally::Tally;
use serde_json::Value;

use crate::cbor;

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    words: Vec<&'static str>,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

/// To requests that contain all these words (separated by blanks).
pub fn on(words: &'static str) -> Answer {
    Answer { words: words.split(' ').collect(), status: 200, headers: Vec::new(), body: Vec::new() }
}

impl Answer {
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn body(mut self, body: impl ToString) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    /// An answer of the protocol RPC v2 CBOR (CloudWatch).
    pub fn cbor(mut self, body: &Value) -> Self {
        self.body = Vec::new();
        cbor::encode(body, &mut self.body);
        self.header("smithy-protocol", "rpc-v2-cbor")
    }

    /// Error of the JSON protocol over REST (Scheduler): the code is in a header.
    pub fn rest_error(self, status: u16, code: &'static str, message: &str) -> Self {
        self.status(status).header("x-amzn-errortype", code).body(serde_json::json!({"Message": message, "message": message}))
    }

    /// Error of ECS: the message tells what the code does not.
    pub fn ecs_error(self, code: &str, message: &str) -> Self {
        self.status(400).body(serde_json::json!({"__type": code, "message": message}))
    }

    /// S3's error document.
    pub fn s3_error(self, status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>said by S3</Message><RequestId>R</RequestId></Error>"
        );
        self.status(status).body(body)
    }

    /// EC2's error document.
    pub fn ec2_error(self, status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>said by EC2</Message></Error></Errors><RequestID>r</RequestID></Response>"
        );
        self.status(status).body(body)
    }

    /// Error document of the query protocol (IAM, STS).
    pub fn query_error(self, status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        );
        self.status(status).body(body)
    }

    /// Error of the JSON protocols.
    pub fn json_error(self, status: u16, code: &str) -> Self {
        self.status(status).body(format!("{{\"__type\":\"com.amazonaws.service#{code}\",\"message\":\"said by AWS\"}}"))
    }
}

/// The canned service; keeps the lines of all requests.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    answers: Arc<Vec<Answer>>,
    used: Arc<Mutex<BTreeMap<usize, usize>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Replay {
    /// Lines of the requests that contain `word`.
    pub fn requests(&self, word: &str) -> Vec<String> {
        self.lines.lock().expect("a lock").iter().filter(|line| line.contains(word)).cloned().collect()
    }

    fn answer(&self, line: &str) -> HttpResponse {
        let fits: Vec<usize> =
            (0..self.answers.len()).filter(|index| self.answers[*index].words.iter().all(|word| line.contains(word))).collect();
        let Some(first) = fits.first() else { panic!("no answer to: {line}") };
        // Answers with the same words follow each other.
        let same: Vec<usize> = fits.iter().copied().filter(|index| self.answers[*index].words == self.answers[*first].words).collect();
        let mut used = self.used.lock().expect("a lock");
        let turn = used.entry(*first).or_default();
        let answer = &self.answers[same[(*turn).min(same.len() - 1)]];
        *turn += 1;
        let mut response = HttpResponse::new(answer.status.try_into().expect("a status"), SdkBody::from(answer.body.clone()));
        for (name, value) in &answer.headers {
            response.headers_mut().insert(*name, *value);
        }
        response
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let target = request.headers().get("x-amz-target").unwrap_or("-");
        let line = format!("{} {} {target} {body}", request.method(), request.uri());
        self.lines.lock().expect("a lock").push(line.clone());
        let answer = self.answer(&line);
        HttpConnectorFuture::new(async move {
            // As over a network, others get their turn before the answer is there.
            tokio::task::yield_now().await;
            Ok(answer)
        })
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// One document against canned answers.
pub struct Canned {
    pub replay: Replay,

    kind: Arc<dyn AnyKind>,
    meta: Meta,
    spec: Value,
}

/// Clients that get these answers.
pub fn aws_in(region: &str, answers: Vec<Answer>) -> (Arc<Aws>, Replay) {
    let replay = Replay { answers: Arc::new(answers), ..Replay::default() };
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "test", None, None, "test")))
        .retry_config(RetryConfig::disabled())
        .http_client(replay.clone())
        .build();
    let stack = StackIdentity { name: "proof".into(), ..StackIdentity::default() };
    (Arc::new(Aws::new(&config, stack, Tally::new())), replay)
}

impl Canned {
    pub fn new(kind: &str, name: &str, spec: Value, answers: Vec<Answer>) -> Self {
        Canned::in_region("eu-west-3", kind, name, spec, answers)
    }

    pub fn in_region(region: &str, kind: &str, name: &str, spec: Value, answers: Vec<Answer>) -> Self {
        let (aws, replay) = aws_in(region, answers);
        let kind = meteoctl_aws::kinds::all(&aws).into_iter().find(|found| found.name() == kind).expect("a registered kind");
        kind.decode(&spec).expect("a spec that decodes");
        Canned { replay, kind, meta: Meta::named(name), spec }
    }

    pub async fn try_look(&self) -> Outcome<Sight> {
        let today = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
        self.kind.look(&self.meta, &self.spec, today).await
    }

    pub async fn look(&self) -> Sight {
        self.try_look().await.unwrap_or_else(|failure| panic!("{failure}: {:?}", failure.causes()))
    }

    pub async fn in_sync(&self) -> Sight {
        let sight = self.look().await;
        assert!(matches!(sight.standing, Standing::InSync), "{:?}", sight.standing);
        sight
    }

    pub async fn create(&self) -> Outcome<()> {
        self.kind.apply(&self.meta, &self.spec, &Change::Create).await
    }

    pub async fn update(&self) -> Outcome<()> {
        match self.look().await.standing {
            Standing::Drifted(diff) => self.kind.apply(&self.meta, &self.spec, &Change::Update(diff)).await,
            other => panic!("should differ, but is {other:?}"),
        }
    }

    pub async fn delete(&self) -> Outcome<()> {
        self.kind.delete(&self.meta, &self.spec).await
    }
}

/// A failure that passes, and the words of its cause.
pub fn passing(outcome: Outcome<()>) -> String {
    let failure = outcome.expect_err("a failure");
    assert!(failure.is_transient(), "{failure}: {:?}", failure.causes());
    failure.causes().join("; ")
}

/// A failure that stays, with its hint.
pub fn refused(outcome: Outcome<()>) -> String {
    hint(outcome.expect_err("a failure"))
}

/// The hint of a failure that stays.
pub fn hint(failure: Failure) -> String {
    assert!(!failure.is_transient(), "{failure}: {:?}", failure.causes());
    failure.hint.unwrap_or_default()
}
