//! One plain GET over the SDK's own HTTP stack, for sources that are a URL.

use std::time::Duration;

use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::{Bytes, BytesMut};
use meteoctl_engine::failure::{Failure, Outcome};

use crate::error::Cause;

/// How long the server may take to begin its answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Redirects followed.
const REDIRECTS: usize = 5;

/// The body behind a URL, at most `limit` bytes; follows redirects.
///
/// # Errors
/// Transient when the server cannot be reached or says 429 or 5xx; rejected on any other status and on a larger body.
pub async fn get(url: &str, limit: usize) -> Outcome<Bytes> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS {
        match once(&url, limit).await? {
            Answer::Body(bytes) => return Ok(bytes),
            Answer::Moved(next) => url = moved(&url, &next)?,
        }
    }
    Err(Failure::rejected(format!("fetch {}", bare(&url))).because(Cause(format!("more than {REDIRECTS} redirects"))))
}

enum Answer {
    Body(Bytes),
    Moved(String),
}

/// Where a redirect leads: a whole URL, or another path of the same server. Never from TLS to plain HTTP, where a key in the URL
/// could be read by everybody on the way.
fn moved(from: &str, to: &str) -> Outcome<String> {
    let doing = || format!("fetch {}", bare(from));
    let (scheme, rest) = from.split_once("://").unwrap_or(("https", from));
    let server = rest.split(['/', '?']).next().unwrap_or_default();
    let next = match to {
        _ if to.starts_with("//") => format!("{scheme}:{to}"),
        _ if to.starts_with('/') => format!("{scheme}://{server}{to}"),
        _ => to.to_owned(),
    };
    match next.split_once("://") {
        Some(("https", _)) => Ok(next),
        Some(("http", _)) if scheme == "http" => Ok(next),
        Some(("http", _)) => Err(Failure::rejected(doing())
            .because(Cause("it redirects from https to http".into()))
            .hint("ask the vendor for an address with TLS")),
        _ => {
            Err(Failure::rejected(doing()).because(Cause(format!("it redirects to `{}`, which is no URL", bare(to)))).hint("check the URL"))
        }
    }
}

/// Without what stands behind the question mark: that is often a key.
fn bare(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

async fn once(url: &str, limit: usize) -> Outcome<Answer> {
    let doing = || format!("fetch {}", bare(url));
    let connector = aws_smithy_http_client::Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc)).build();
    let mut request = HttpRequest::get(url).map_err(|error| Failure::rejected(doing()).because(error).hint("check the URL"))?;
    request.headers_mut().insert("user-agent", concat!("meteoctl/", env!("CARGO_PKG_VERSION")));
    let answer = match tokio::time::timeout(PATIENCE, connector.call(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Failure::transient(doing()).because(error).hint("check the URL and the network")),
        Err(_) => return Err(Failure::transient(doing()).because(Cause(format!("no answer within {} s", PATIENCE.as_secs())))),
    };
    let status = answer.status().as_u16();
    match (status, answer.headers().get("location")) {
        (200, _) => read(answer.into_body(), limit, &doing()).await.map(Answer::Body),
        (301 | 302 | 303 | 307 | 308, Some(next)) => Ok(Answer::Moved(next.to_owned())),
        (429 | 500..=599, _) => Err(Failure::transient(doing()).because(Cause(format!("HTTP status {status}")))),
        _ => Err(Failure::rejected(doing())
            .because(Cause(format!("HTTP status {status}")))
            .hint("open the URL in a browser: it may need a key or have moved")),
    }
}

async fn read(body: aws_smithy_types::body::SdkBody, limit: usize, doing: &str) -> Outcome<Bytes> {
    let mut stream = aws_smithy_types::byte_stream::ByteStream::new(body);
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk.map_err(|error| Failure::transient(doing).because(error))?);
        if all.len() > limit {
            return Err(Failure::rejected(doing).because(Cause(format!("the body is larger than {limit} bytes"))));
        }
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_another_path_or_server_but_never_out_of_tls() {
        let to = |to: &str| moved("https://host:8443/a?key=hush", to).map_err(|failure| format!("{failure:?}"));
        assert_eq!(to("/b?c=d").as_deref(), Ok("https://host:8443/b?c=d"));
        assert_eq!(to("//other/b").as_deref(), Ok("https://other/b"));
        assert_eq!(to("https://other/b").as_deref(), Ok("https://other/b"));
        for bad in ["http://host/b", "ftp://host/b", "b", ""] {
            let told = to(bad).expect_err(bad);
            assert!(told.contains("redirects") && !told.contains("hush"), "{told}");
        }
        assert_eq!(moved("http://127.0.0.1/a", "http://127.0.0.1/b").expect("from plain to plain"), "http://127.0.0.1/b");
    }
}
