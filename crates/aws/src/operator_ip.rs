//! The address the operator calls from, for rules whose peer is `operator-ip`.
//!
//! Where the address comes from (a flag, the environment, a service that tells it) is no business of this crate: the
//! application gives a resolver, and it is asked at most once a run.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::BoxFuture;
use tokio::sync::OnceCell;

/// What stands for the address in a document.
pub const WORD: &str = "operator-ip";

/// Tells the address.
pub type Resolver = Arc<dyn Fn() -> BoxFuture<'static, Outcome<IpAddr>> + Send + Sync>;

/// The address, once somebody has asked for it.
#[derive(Default)]
pub struct OperatorIp {
    resolver: OnceLock<Resolver>,
    known: OnceCell<String>,
}

impl OperatorIp {
    /// Says how to find the address. Only the first word counts.
    pub fn resolve_with(&self, resolver: Resolver) {
        drop(self.resolver.set(resolver));
    }

    /// The address as a network of one host: `203.0.113.7/32`.
    ///
    /// # Errors
    /// Rejected when nobody said how to find it, or whatever the resolver says.
    pub async fn network(&self) -> Outcome<&str> {
        let ask = async || {
            let Some(resolver) = self.resolver.get() else {
                return Err(Failure::rejected("find the operator's address")
                    .hint("a rule has the peer `operator-ip`: say which address that is, or write a CIDR into the document"));
            };
            Ok(host(resolver().await?))
        };
        self.known.get_or_try_init(ask).await.map(String::as_str)
    }

    /// The network, if it was asked for before.
    pub fn known(&self) -> Option<&str> {
        self.known.get().map(String::as_str)
    }
}

impl fmt::Debug for OperatorIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OperatorIp").field(&self.known()).finish()
    }
}

fn host(address: IpAddr) -> String {
    // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("{v4}/32"),
        IpAddr::V6(v6) => format!("{v6}/128"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn the_address_is_asked_for_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let ip = OperatorIp::default();
        assert!(ip.network().await.expect_err("nobody said").hint.is_some());
        ip.resolve_with(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(IpAddr::from([203, 0, 113, 7])) })
        }));
        assert_eq!(ip.known(), None);
        for _ in 0..3 {
            assert_eq!(ip.network().await.expect("an address"), "203.0.113.7/32");
        }
        assert_eq!((asked.load(Ordering::Relaxed), ip.known()), (1, Some("203.0.113.7/32")));
    }

    #[test]
    fn a_host_is_a_network_of_one() {
        assert_eq!(host("::ffff:203.0.113.7".parse().expect("an address")), "203.0.113.7/32");
        assert_eq!(host("2001:db8::1".parse().expect("an address")), "2001:db8::1/128");
    }
}
