//! One writer at a time: a lock object in the stack's bucket, taken and kept by conditional writes.
//!
//! Guarantees. Of several takers one gets it. A holder that ends without a word delays others by no more than the expiry, and not
//! at all where its end can be proved. A holder that was taken over hears of it before its next write: [`Lock::guard`] reads the
//! object each time. What it cannot do: call back a write that is already under way when the lock is lost.
//!
//! Holders compare the expiry with their own clocks, so clocks must agree to well within it.

mod process;
mod record;
mod remote;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use meteoctl_aws::client::Aws;
use meteoctl_aws::policy::Action;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::run::Guard;
use serde::Serialize;
use tokio::sync::Mutex;

pub use process::Process;
use record::{FORMAT, Verdict, judge};
pub use record::{Holder, Record, words};
use remote::{Put, Remote, S3Object, Seen, not_a_lock};

/// Exit code of a run that found the lock taken, or lost it.
const LOCKED: u8 = 4;

/// Rounds of reading and writing before we believe that somebody always comes first.
const ROUNDS: usize = 8;

const OBJECT: &str = "arn:{partition}:s3:::{name}/.meteoctl/{/stack}/*";

/// What the lock's calls need. The name is the bucket's, `/stack` the stack's. Without leave to list, S3 answers "denied" where it
/// means "not there".
pub const ACTIONS: &[Action] = &[
    Action::apply("s3:GetObject", OBJECT),
    Action::apply("s3:PutObject", OBJECT),
    Action::apply("s3:GetObject", "arn:{partition}:s3:::{name}").needs("s3:ListBucket"),
];

/// Which lock of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The one a run holds while it writes.
    Lock,
    /// The one an operator holds as long as it leads.
    Leader,
}

impl Name {
    /// Key of the object.
    pub fn key(self, stack: &str) -> String {
        match self {
            Name::Lock => format!(".meteoctl/{stack}/lock.json"),
            Name::Leader => format!(".meteoctl/{stack}/leader.json"),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `user@host`.
    pub owner: String,
    /// What for.
    pub verb: String,
    /// How long after its last sign of life a holder is respected.
    pub expiry: Duration,
}

/// The place of a lock.
#[derive(Clone)]
pub struct Place {
    remote: Arc<dyn Remote>,
}

/// What asking for the lock came to.
pub enum Taken {
    /// It is ours.
    Ours(Arc<Lock>),
    /// There is no bucket to keep it in.
    NoBucket,
}

/// What `lock status` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Where the object lies.
    pub address: String,
    /// `noBucket`, `neverTaken`, `free`, `held`, `expired` or `dead` (its process is known to have ended).
    pub state: &'static str,
    /// What the object says.
    pub record: Option<Record>,
}

/// A lock that is held.
pub struct Lock {
    remote: Arc<dyn Remote>,
    claim: Claim,
    nonce: String,
    state: Mutex<State>,
}

/// What the holder knows of its lock.
struct State {
    record: Record,
    etag: String,
    renewed: Instant,
    /// Why it is no longer ours.
    lost: Option<String>,
    /// Let go on purpose: nothing more to check.
    done: bool,
}

impl Place {
    /// A lock of this stack in this bucket. Makes no call.
    pub fn new(aws: Arc<Aws>, bucket: &str, stack: &str, name: Name) -> Self {
        Place { remote: Arc::new(S3Object { aws, bucket: bucket.to_owned(), key: name.key(stack) }) }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// Held by somebody else (exit code 4), an object that is no lock, whatever S3 says.
    pub async fn take(&self, claim: &Claim) -> Outcome<Taken> {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let own = Process::own();
        for _ in 0..ROUNDS {
            let (seen, etag) = match self.look().await? {
                Look::NoBucket => return Ok(Taken::NoBucket),
                Look::Nothing => (None, None),
                Look::There(record, etag) => (Some(record), Some(etag)),
            };
            let began = Instant::now();
            let put = match (judge(seen.as_ref(), &nonce, Utc::now(), |process| process.has_ended(own.as_ref())), seen) {
                (Verdict::Held(holder), _) => return Err(self.held(&words(&holder))),
                (Verdict::Free(fencing), _) => {
                    let record = Record { format: FORMAT, fencing, holder: Some(claim.holder(&nonce, own.clone())) };
                    self.remote.put(bytes(&record)?, etag.as_deref()).await?
                }
                (Verdict::Mine, Some(record)) => {
                    let state = State { record, etag: etag.unwrap_or_default(), renewed: began, lost: None, done: false };
                    let lock = Lock { remote: self.remote.clone(), claim: claim.clone(), nonce, state: Mutex::new(state) };
                    return Ok(Taken::Ours(Arc::new(lock)));
                }
                (Verdict::Mine, None) => continue,
            };
            // Whatever the answer was: what counts is what the next look shows.
            if put == Put::NoBucket {
                return Ok(Taken::NoBucket);
            }
        }
        Err(self.held("somebody else, again and again"))
    }

    /// Where the lock stands.
    ///
    /// # Errors
    /// An object that is no lock, whatever S3 says.
    pub async fn standing(&self) -> Outcome<Standing> {
        let own = Process::own();
        let (state, record) = match self.look().await? {
            Look::NoBucket => ("noBucket", None),
            Look::Nothing => ("neverTaken", None),
            Look::There(record, _) => {
                let state = match &record.holder {
                    None => "free",
                    Some(holder) if holder.process.as_ref().is_some_and(|process| process.has_ended(own.as_ref())) => "dead",
                    Some(holder) if holder.expires <= Utc::now() => "expired",
                    Some(_) => "held",
                };
                (state, Some(record))
            }
        };
        Ok(Standing { address: self.remote.address(), state, record })
    }

    /// Frees the lock whoever holds it, and whatever lies there. The holder hears of it before its next write.
    ///
    /// # Errors
    /// Whatever S3 says; a holder that renewed the lock in the same moment.
    pub async fn break_it(&self) -> Outcome<()> {
        let Seen::There { bytes: found, etag } = self.remote.get().await? else { return Ok(()) };
        let fencing = serde_json::from_slice::<Record>(&found).map_or(0, |record| record.fencing);
        let free = Record { format: FORMAT, fencing: fencing.saturating_add(1), holder: None };
        match self.remote.put(bytes(&free)?, Some(&etag)).await? {
            Put::Done(_) | Put::NoBucket => Ok(()),
            Put::Conflict => Err(Failure::rejected(format!("break the lock {}", self.remote.address()))
                .because("it was renewed in the same moment: its holder is alive")
                .hint("stop the holder, or try again")),
        }
    }

    async fn look(&self) -> Outcome<Look> {
        look(self.remote.as_ref()).await
    }

    fn held(&self, by: &str) -> Failure {
        Failure::rejected(format!("take the lock {}", self.remote.address()))
            .because(format!("it is held by {by}"))
            .hint("wait until that run has ended; `meteoctl lock status` shows it, `meteoctl lock break` frees it when its holder is surely dead")
            .exit(LOCKED)
    }
}

/// The object, understood.
enum Look {
    NoBucket,
    Nothing,
    There(Record, String),
}

async fn look(remote: &dyn Remote) -> Outcome<Look> {
    let (found, etag) = match remote.get().await? {
        Seen::NoBucket => return Ok(Look::NoBucket),
        Seen::Nothing => return Ok(Look::Nothing),
        Seen::There { bytes, etag } => (bytes, etag),
    };
    let doing = || format!("understand the lock {}", remote.address());
    let record: Record = serde_json::from_slice(&found).map_err(|error| not_a_lock(doing(), error.to_string()))?;
    if record.format != FORMAT {
        return Err(not_a_lock(doing(), format!("its format is {}, this version knows {FORMAT}", record.format)));
    }
    Ok(Look::There(record, etag))
}

fn bytes(record: &Record) -> Outcome<Bytes> {
    let text = serde_json::to_vec_pretty(record).map_err(|error| Failure::rejected("write the lock").because(error))?;
    Ok(text.into())
}

impl Claim {
    fn holder(&self, nonce: &str, process: Option<Process>) -> Holder {
        let since = Utc::now();
        let (owner, verb) = (self.owner.clone(), self.verb.clone());
        Holder { nonce: nonce.to_owned(), owner, verb, process, since, expires: self.until(since) }
    }

    fn until(&self, from: DateTime<Utc>) -> DateTime<Utc> {
        TimeDelta::from_std(self.expiry).ok().and_then(|expiry| from.checked_add_signed(expiry)).unwrap_or(from)
    }
}

impl Lock {
    /// Does some work and renews the lock meanwhile, three times per expiry.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.beat() => match never {},
        }
    }

    /// Asked before every write: fails with exit code 4 once the lock is lost.
    pub fn guard(self: &Arc<Self>) -> Guard {
        let lock = self.clone();
        Arc::new(move || {
            let lock = lock.clone();
            Box::pin(async move { lock.check().await })
        })
    }

    /// The number that grows with every holder.
    pub async fn fencing(&self) -> u64 {
        self.state.lock().await.record.fencing
    }

    /// Whether it is still ours, as far as is known without asking.
    pub async fn is_lost(&self) -> bool {
        self.state.lock().await.lost.is_some()
    }

    /// Makes sure that the lock is still ours.
    ///
    /// # Errors
    /// Exit code 4 when it is not; whatever S3 says.
    pub async fn check(&self) -> Outcome<()> {
        let mut state = self.state.lock().await;
        if state.done {
            return Ok(());
        }
        if state.lost.is_none() && state.renewed.elapsed() > self.claim.expiry.mul_f64(2.0 / 3.0) {
            self.renew(&mut state).await?;
        } else if state.lost.is_none() {
            self.compare(&mut state).await?;
        }
        match &state.lost {
            None => Ok(()),
            Some(why) => Err(Failure::rejected(format!("go on under the lock {}", self.remote.address()))
                .because(why.clone())
                .hint("nothing more was written; run it again when the other run has ended")
                .exit(LOCKED)),
        }
    }

    /// Gives the lock back. The object stays, so that the fencing number goes on growing.
    ///
    /// # Errors
    /// Whatever S3 says; others then wait for the expiry.
    pub async fn release(&self) -> Outcome<()> {
        let mut state = self.state.lock().await;
        if state.done || state.lost.is_some() {
            return Ok(());
        }
        let free = Record { holder: None, ..state.record.clone() };
        // A conflict means that somebody took it over: then there is nothing to give back.
        self.remote.put(bytes(&free)?, Some(&state.etag)).await?;
        state.done = true;
        Ok(())
    }

    /// Stops renewing and checking: the bucket, and the lock in it, are about to go.
    pub async fn let_go(&self) {
        self.state.lock().await.done = true;
    }

    async fn beat(&self) -> Infallible {
        let pause = self.claim.expiry / 3;
        loop {
            tokio::time::sleep(pause).await;
            let mut state = self.state.lock().await;
            if state.done || state.lost.is_some() {
                drop(state);
                return std::future::pending().await;
            }
            // A renewal that fails in passing is made up for by the next one, or by the guard.
            match tokio::time::timeout(pause, self.renew(&mut state)).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => tracing::warn!(%failure, "the lock was not renewed"),
                Err(_) => tracing::warn!("the lock was not renewed in time"),
            }
        }
    }

    async fn renew(&self, state: &mut State) -> Outcome<()> {
        let began = Instant::now();
        let mut record = state.record.clone();
        if let Some(holder) = &mut record.holder {
            holder.expires = self.claim.until(Utc::now());
        }
        match self.remote.put(bytes(&record)?, Some(&state.etag)).await? {
            Put::Done(etag) => (state.record, state.etag, state.renewed) = (record, etag, began),
            Put::Conflict => self.compare(state).await?,
            Put::NoBucket => state.lost = Some("its bucket is gone".to_owned()),
        }
        Ok(())
    }

    /// Reads the object: ours as long as it carries our nonce and fencing number, whatever its version.
    async fn compare(&self, state: &mut State) -> Outcome<()> {
        match look(self.remote.as_ref()).await? {
            Look::There(record, etag) => {
                let ours = record.holder.as_ref().is_some_and(|holder| holder.nonce == self.nonce);
                match (ours && record.fencing == state.record.fencing, &record.holder) {
                    (true, _) => (state.record, state.etag) = (record, etag),
                    (false, Some(other)) => state.lost = Some(format!("it was taken over by {}", words(other))),
                    (false, None) => state.lost = Some("it was broken by hand, or taken over by a run that has ended since".to_owned()),
                }
            }
            Look::Nothing => state.lost = Some("somebody removed it".to_owned()),
            Look::NoBucket => state.lost = Some("its bucket is gone".to_owned()),
        }
        Ok(())
    }
}
