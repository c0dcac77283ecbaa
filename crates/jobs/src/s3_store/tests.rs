//! Canned answers of S3, down to the wire where a body breaks off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadOutput;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::types::{ChecksumType, MultipartUpload, Object};
use aws_smithy_mocks::{MockResponse, MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use futures_util::TryStreamExt;
use meteoctl_aws::client::StackIdentity;
use meteoctl_data::store::read_all;
use meteoctl_engine::tally::Tally;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn config() -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new("id", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
}

fn canned(rules: &[&Rule]) -> S3Store {
    let answers = rules.iter().fold(MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny), |all, rule| all.with_rule(rule));
    let config = config().http_client(create_mock_http_client()).build();
    let mut aws = Aws::new(&config, StackIdentity::default(), Tally::default());
    aws.s3 = Client::from_conf(aws_sdk_s3::config::Builder::from(&config).interceptor(answers).build());
    S3Store::new(Arc::new(aws), "p8")
}

fn answer(status: u16, code: &str) -> HttpResponse {
    let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code><Message>said so</Message></Error>") };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn object(key: &str, size: i64) -> Object {
    Object::builder().key(key).size(size).e_tag("\"abc\"").last_modified(SdkTime::from_secs(1_700_000_000)).build()
}

fn no_metadata() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[tokio::test]
async fn a_listing_takes_every_page_and_sorts() {
    let first = mock!(Client::list_objects_v2)
        .match_requests(|ask| ask.prefix() == Some("raw/") && ask.continuation_token().is_none())
        .then_output(|| {
            let page = ListObjectsV2Output::builder().contents(object("raw/b", 2)).is_truncated(true);
            page.next_continuation_token("more").build()
        });
    let second = mock!(Client::list_objects_v2)
        .match_requests(|ask| ask.continuation_token() == Some("more"))
        .then_output(|| ListObjectsV2Output::builder().contents(object("raw/a", 1)).is_truncated(false).build());
    let all = canned(&[&first, &second]).list("raw/").await.unwrap();
    let seen: Vec<_> = all.iter().map(|info| (info.key.as_str(), info.size, info.etag.as_str(), info.modified.timestamp())).collect();
    assert_eq!(seen, [("raw/a", 1, "abc", 1_700_000_000), ("raw/b", 2, "abc", 1_700_000_000)]);
}

#[tokio::test]
async fn a_listing_that_loses_its_thread_is_an_error() {
    let lost = mock!(Client::list_objects_v2).then_output(|| ListObjectsV2Output::builder().is_truncated(true).build());
    let error = canned(&[&lost]).list("").await.unwrap_err();
    assert!(!error.not_found && !error.transient);
}

#[tokio::test]
async fn errors_keep_their_class() {
    for (status, code, transient, not_found) in [
        (404, "NoSuchBucket", false, true),
        (403, "AccessDenied", false, false),
        (503, "SlowDown", true, false),
        (500, "InternalError", true, false),
        (409, "OperationAborted", true, false),
    ] {
        let rule = mock!(Client::list_objects_v2).then_http_response(move || answer(status, code));
        let error = canned(&[&rule]).list("raw/").await.unwrap_err();
        assert_eq!((error.transient, error.not_found), (transient, not_found), "{code}");
        assert_eq!(error.doing, "list s3://p8/raw/");
        let why = error.source.unwrap().to_string();
        assert!(why.starts_with(&format!("{code}: said so")), "{why}");
    }
}

#[tokio::test]
async fn only_a_404_means_absent() {
    let absent = mock!(Client::head_object).then_http_response(|| answer(404, ""));
    assert_eq!(canned(&[&absent]).head("x").await.unwrap(), None);
    for status in [403, 500] {
        let other = mock!(Client::head_object).then_http_response(move || answer(status, ""));
        let error = canned(&[&other]).head("x").await.unwrap_err();
        assert_eq!((error.transient, error.not_found), (status == 500, false));
    }
}

#[tokio::test]
async fn reading_what_is_absent_is_not_found_and_past_the_end_is_empty() {
    let absent = mock!(Client::get_object).then_http_response(|| answer(404, "NoSuchKey"));
    assert!(canned(&[&absent]).get("x", 0).await.err().unwrap().not_found);
    let past = mock!(Client::get_object).match_requests(|ask| ask.range() == Some("bytes=9-"));
    let past = past.then_http_response(|| answer(416, "InvalidRange"));
    let chunks: Vec<Bytes> = canned(&[&past]).get("x", 9).await.unwrap().try_collect().await.unwrap();
    assert!(chunks.is_empty());
}

/// Serves one answer a connection and hands back the requests; an answer shorter than it promises is a broken connection.
async fn wire(answers: Vec<String>) -> (S3Store, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap().to_lowercase());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config = config().endpoint_url(endpoint).build();
    (S3Store::new(Arc::new(Aws::new(&config, StackIdentity::default(), Tally::default())), "p8"), requests)
}

fn body(status: &str, range: &str, promised: usize, sent: &str) -> String {
    format!("HTTP/1.1 {status}\r\nETag: \"v1\"\r\nContent-Length: {promised}\r\nConnection: close\r\n{range}\r\n{sent}")
}

async fn read(store: &S3Store, offset: u64) -> Result<String, StoreError> {
    let chunks: Vec<Bytes> = store.get("k", offset).await?.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

#[tokio::test]
async fn a_broken_body_is_resumed_where_it_stopped() {
    let rest = "Content-Range: bytes 6-9/10\r\n";
    let answers = vec![
        body("206 Partial Content", "Content-Range: bytes 2-9/10\r\n", 8, "2345"),
        body("206 Partial Content", rest, 4, "67"),
        body("206 Partial Content", "Content-Range: bytes 8-9/10\r\n", 2, "89"),
    ];
    let (store, requests) = wire(answers).await;
    assert_eq!(read(&store, 2).await.unwrap(), "23456789");
    let requests = requests.lock().unwrap();
    let ranges = ["range: bytes=2-\r\n", "range: bytes=6-\r\n", "range: bytes=8-\r\n"];
    assert!(requests.iter().zip(ranges).all(|(request, range)| request.contains(range)), "{requests:?}");
    let conditions: Vec<bool> = requests.iter().map(|request| request.contains("if-match: \"v1\"")).collect();
    assert_eq!(conditions, [false, true, true]);
}

#[tokio::test]
async fn an_object_replaced_midway_is_not_glued_together() {
    let replaced = "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
    let (store, _) = wire(vec![body("200 OK", "", 10, "0123"), replaced]).await;
    let error = read(&store, 0).await.unwrap_err();
    assert!(error.transient && error.source.unwrap().to_string().contains("replaced"));
}

#[tokio::test]
async fn a_service_without_ranges_is_found_out() {
    let (store, _) = wire(vec![body("200 OK", "", 10, "0123456789")]).await;
    assert!(!read(&store, 4).await.unwrap_err().transient);
}

#[tokio::test]
async fn resuming_ends() {
    let broken = |from: u64| body("206 Partial Content", &format!("Content-Range: bytes {from}-99/100\r\n"), 100, "x");
    let answers = std::iter::once(body("200 OK", "", 100, "x")).chain((1..9).map(broken)).collect();
    let (store, requests) = wire(answers).await;
    assert!(read(&store, 0).await.unwrap_err().transient);
    assert_eq!(requests.lock().unwrap().len(), 1 + read::RESUMES as usize);
}

#[tokio::test]
async fn a_wrong_checksum_is_an_error_and_not_a_break() {
    let (store, requests) = wire(vec![body("200 OK", "x-amz-checksum-crc32: AAAAAA==\r\n", 4, "0123")]).await;
    assert!(read(&store, 0).await.unwrap_err().transient);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

/// The checksum that a reader of the whole object can verify.
fn of_the_whole(kind: Option<&ChecksumType>) -> bool {
    kind == Some(&ChecksumType::FullObject)
}

fn begins() -> Rule {
    mock!(Client::create_multipart_upload)
        .match_requests(|ask| {
            ask.metadata().and_then(|all| all.get("rows")).is_some_and(|rows| rows == "7") && of_the_whole(ask.checksum_type())
        })
        .then_output(|| CreateMultipartUploadOutput::builder().upload_id("u1").build())
}

fn aborts() -> Rule {
    mock!(Client::abort_multipart_upload)
        .match_requests(|ask| ask.upload_id() == Some("u1"))
        .then_output(|| AbortMultipartUploadOutput::builder().build())
}

fn rows() -> BTreeMap<String, String> {
    BTreeMap::from([("rows".to_owned(), "7".to_owned())])
}

/// Bytes that fill `parts` parts and a half.
fn bytes_of(parts: usize) -> Bytes {
    vec![7; parts * parts::FIRST + parts::FIRST / 2].into()
}

#[tokio::test]
async fn a_large_object_travels_in_ordered_parts() {
    let part = mock!(Client::upload_part).then_compute_output(|ask| {
        UploadPartOutput::builder().e_tag(format!("\"{}\"", ask.part_number().unwrap_or_default())).checksum_crc32("crc").build()
    });
    let complete = mock!(Client::complete_multipart_upload)
        .match_requests(|ask| {
            let sent = ask.multipart_upload().map(|list| list.parts()).unwrap_or_default();
            let sent: Vec<_> = sent.iter().map(|part| (part.part_number(), part.e_tag(), part.checksum_crc32())).collect();
            let all = [(Some(1), Some("\"1\""), Some("crc")), (Some(2), Some("\"2\""), Some("crc")), (Some(3), Some("\"3\""), Some("crc"))];
            sent == all && of_the_whole(ask.checksum_type())
        })
        .then_output(|| CompleteMultipartUploadOutput::builder().e_tag("\"whole-3\"").build());
    let (begin, abort) = (begins(), aborts());
    let store = canned(&[&begin, &part, &complete, &abort]);
    let mut upload = store.upload("k", rows()).await.unwrap();
    upload.write(bytes_of(2)).await.unwrap();
    let info = upload.finish().await.unwrap();
    assert_eq!((info.size, info.etag.as_str(), info.metadata), (bytes_of(2).len() as u64, "whole-3", rows()));
    assert_eq!((part.num_calls(), complete.num_calls(), abort.num_calls()), (3, 1, 0));
}

#[tokio::test]
async fn a_small_object_is_put_at_once() {
    let put = mock!(Client::put_object)
        .match_requests(|ask| ask.metadata().is_some_and(|all| all.get("rows").is_some_and(|rows| rows == "7")))
        .match_requests(|ask| ask.content_type() == Some("text/html; charset=utf-8"))
        .then_output(|| PutObjectOutput::builder().e_tag("\"e\"").build());
    let mut upload = canned(&[&put]).upload("k.html", rows()).await.unwrap();
    upload.write(Bytes::from_static(b"small")).await.unwrap();
    assert_eq!(upload.finish().await.unwrap().size, 5);
    assert_eq!(put.num_calls(), 1);
}

#[tokio::test]
async fn a_lost_part_aborts_the_upload_once() {
    let part = mock!(Client::upload_part).then_compute_response(|ask| match ask.part_number() {
        Some(2) => MockResponse::Http(answer(403, "AccessDenied")),
        _ => MockResponse::Output(UploadPartOutput::builder().e_tag("\"1\"").build()),
    });
    let (begin, abort) = (begins(), aborts());
    let mut upload = canned(&[&begin, &part, &abort]).upload("k", rows()).await.unwrap();
    upload.write(bytes_of(2)).await.unwrap();
    let error = upload.finish().await.unwrap_err();
    assert_eq!((error.doing.as_str(), error.transient), ("write s3://p8/k, part 2", false));
    assert_eq!(abort.num_calls(), 1);
}

#[tokio::test]
async fn an_upload_that_failed_takes_no_more() {
    let part = mock!(Client::upload_part).then_http_response(|| answer(403, "AccessDenied"));
    let (begin, abort) = (begins(), aborts());
    let mut upload = canned(&[&begin, &part, &abort]).upload("k", rows()).await.unwrap();
    assert!(upload.write(bytes_of(6)).await.is_err());
    assert!(upload.write(Bytes::from_static(b"more")).await.is_err());
    assert!(upload.finish().await.is_err());
    assert_eq!(abort.num_calls(), 1);
}

#[tokio::test]
async fn a_completion_refused_inside_a_200_is_an_error() {
    let part = mock!(Client::upload_part).then_output(|| UploadPartOutput::builder().e_tag("\"1\"").build());
    let complete = mock!(Client::complete_multipart_upload).then_http_response(|| answer(200, "InternalError"));
    let (begin, abort) = (begins(), aborts());
    let mut upload = canned(&[&begin, &part, &complete, &abort]).upload("k", rows()).await.unwrap();
    upload.write(bytes_of(1)).await.unwrap();
    assert!(upload.finish().await.unwrap_err().transient);
    assert_eq!(abort.num_calls(), 1);
}

#[tokio::test]
async fn a_dropped_upload_is_aborted() {
    let part = mock!(Client::upload_part).then_output(|| UploadPartOutput::builder().e_tag("\"1\"").build());
    let (begin, abort) = (begins(), aborts());
    let mut upload = canned(&[&begin, &part, &abort]).upload("k", rows()).await.unwrap();
    upload.write(bytes_of(1)).await.unwrap();
    drop(upload);
    for _ in 0..500 {
        if abort.num_calls() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the upload was never aborted");
}

#[tokio::test]
async fn stale_uploads_go_and_young_ones_stay() {
    let upload = |id: &str, begun: i64| MultipartUpload::builder().key("k").upload_id(id).initiated(SdkTime::from_secs(begun)).build();
    let first = mock!(Client::list_multipart_uploads).match_requests(|ask| ask.key_marker().is_none()).then_output(move || {
        let page = ListMultipartUploadsOutput::builder().uploads(upload("young", 2_000)).is_truncated(true);
        page.next_key_marker("k").next_upload_id_marker("young").build()
    });
    let second = mock!(Client::list_multipart_uploads)
        .match_requests(|ask| ask.upload_id_marker() == Some("young"))
        .then_output(move || ListMultipartUploadsOutput::builder().uploads(upload("u1", 1_000)).build());
    let abort = aborts();
    let store = canned(&[&first, &second, &abort]);
    assert_eq!(store.abort_stale("", DateTime::from_timestamp(1_500, 0).unwrap()).await.unwrap(), 1);
    assert_eq!(abort.num_calls(), 1);
}

/// Against an emulator: `cargo xtask test --only test -- an_emulator_keeps`.
#[allow(clippy::print_stderr, reason = "a skipped test must say so")]
#[tokio::test]
async fn an_emulator_keeps_what_was_written() {
    let Ok(url) = std::env::var("METEOCTL_TEST_MOTO_URL") else {
        eprintln!("skipped: METEOCTL_TEST_MOTO_URL is not set");
        return;
    };
    let aws = Arc::new(Aws::new(&config().endpoint_url(url).build(), StackIdentity::default(), Tally::default()));
    let bucket = format!("s3-store-{}", Utc::now().timestamp_micros());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint("eu-west-3".into()).build();
    let store = S3Store::new(aws.clone(), &bucket);
    assert!(store.list("").await.unwrap_err().not_found);
    aws.s3.create_bucket().bucket(&bucket).create_bucket_configuration(place).send().await.unwrap();

    let whole: Bytes = (0..20u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into();
    let mut upload = store.upload("big", rows()).await.unwrap();
    for piece in whole.chunks(1_000_003) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let info = upload.finish().await.unwrap();
    let seen = store.head("big").await.unwrap().unwrap();
    assert_eq!((seen.size, &seen.etag, &seen.metadata), (20 << 20, &info.etag, &rows()));
    assert!(seen.etag.ends_with("-3"), "{}", seen.etag);
    assert!(read_all(&store, "big", 20 << 20).await.unwrap() == whole, "other bytes came back");
    let tail: Vec<Bytes> = store.get("big", 15 << 20).await.unwrap().try_collect().await.unwrap();
    assert!(tail.concat() == whole[15 << 20..], "other bytes from the middle on");
    assert!(store.get("big", 20 << 20).await.unwrap().try_next().await.unwrap().is_none());

    for n in 0..1_100 {
        store.put(&format!("many/{n:04}"), Bytes::from_static(b"x"), no_metadata()).await.unwrap();
    }
    let keys: Vec<String> = store.list("many/").await.unwrap().into_iter().map(|info| info.key).collect();
    assert_eq!(keys, (0..1_100).map(|n| format!("many/{n:04}")).collect::<Vec<_>>());

    let mut left = store.upload("left", no_metadata()).await.unwrap();
    left.write(bytes_of(1)).await.unwrap();
    let long_ago = Utc::now() - chrono::TimeDelta::days(1);
    assert_eq!(store.head("left").await.unwrap(), None);
    assert_eq!(store.abort_stale("", long_ago).await.unwrap(), 0);
    left.abort().await.unwrap();
    let begun = aws.s3.create_multipart_upload().bucket(&bucket).key("stale").send().await.unwrap();
    assert!(begun.upload_id().is_some());
    assert_eq!(store.abort_stale("", Utc::now() + chrono::TimeDelta::days(1)).await.unwrap(), 1);

    store.delete("big").await.unwrap();
    store.delete("big").await.unwrap();
    assert_eq!(store.head("big").await.unwrap(), None);
}
