//! The protocol against a store in memory that loses answers and changes behind our back.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use futures_util::future::join_all;
use meteoctl_engine::kind::BoxFuture;

use super::*;

/// One object with versions.
#[derive(Default)]
struct Memory {
    object: std::sync::Mutex<Option<(Bytes, u64)>>,
    writes: AtomicU32,
    /// So many writes arrive, but the answer is that of a failed condition: what a repeated request meets.
    doubled: AtomicU32,
    no_bucket: bool,
}

impl Memory {
    fn object(&self) -> std::sync::MutexGuard<'_, Option<(Bytes, u64)>> {
        self.object.lock().expect("no test panics while it holds this")
    }

    fn record(&self) -> Record {
        serde_json::from_slice(&self.object().as_ref().expect("an object").0).expect("a record")
    }

    fn forge(&self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record();
        change(&mut record);
        let mut object = self.object();
        let version = object.as_ref().map_or(0, |(_, version)| *version) + 1;
        *object = Some((bytes(&record).expect("JSON"), version));
    }

    fn write(&self, bytes: Bytes, etag: Option<&str>) -> Put {
        if self.no_bucket {
            return Put::NoBucket;
        }
        let mut object = self.object();
        let version = object.as_ref().map(|(_, version)| *version);
        if version.map(|version| version.to_string()).as_deref() != etag {
            return Put::Conflict;
        }
        let next = version.unwrap_or_default() + 1;
        *object = Some((bytes, next));
        self.writes.fetch_add(1, Ordering::SeqCst);
        let doubled = self.doubled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if doubled { Put::Conflict } else { Put::Done(next.to_string()) }
    }
}

impl Remote for Memory {
    fn address(&self) -> String {
        "memory".to_owned()
    }

    fn get(&self) -> BoxFuture<'_, Outcome<Seen>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(match (self.no_bucket, &*self.object()) {
                (true, _) => Seen::NoBucket,
                (false, None) => Seen::Nothing,
                (false, Some((bytes, version))) => Seen::There { bytes: bytes.clone(), etag: version.to_string() },
            })
        })
    }

    fn put<'a>(&'a self, bytes: Bytes, etag: Option<&'a str>) -> BoxFuture<'a, Outcome<Put>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(self.write(bytes, etag))
        })
    }
}

fn place(memory: &Arc<Memory>) -> Place {
    Place { remote: memory.clone() }
}

fn claim(expiry: Duration) -> Claim {
    Claim { owner: "ann@here".into(), verb: "apply".into(), expiry }
}

const LONG: Duration = Duration::from_secs(600);

async fn take(memory: &Arc<Memory>) -> Arc<Lock> {
    match place(memory).take(&claim(LONG)).await.expect("taken") {
        Taken::Ours(lock) => lock,
        Taken::NoBucket => panic!("there is a bucket"),
    }
}

async fn refused(memory: &Arc<Memory>) -> Failure {
    place(memory).take(&claim(LONG)).await.err().expect("somebody holds it")
}

#[tokio::test]
async fn of_many_takers_one_gets_it() {
    let memory = Arc::new(Memory::default());
    let outcomes = join_all((0..20).map(|_| async { place(&memory).take(&claim(LONG)).await })).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 19));
    assert!(lost.iter().all(|outcome| outcome.as_ref().err().is_some_and(|failure| failure.exit == Some(LOCKED))));
    assert_eq!(memory.writes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_holds_it_since_when_is_told() {
    let memory = Arc::new(Memory::default());
    let _lock = take(&memory).await;
    let text = refused(&memory).await.causes().join("");
    assert!(
        text.starts_with("it is held by ann@here (process ") && text.contains(", since ") && text.contains(", for apply, until "),
        "{text}"
    );
}

#[tokio::test]
async fn a_retry_that_meets_its_own_nonce_is_no_conflict() {
    let memory = Arc::new(Memory { doubled: 1.into(), ..Memory::default() });
    let lock = take(&memory).await;
    lock.check().await.expect("still ours");
    memory.doubled.store(1, Ordering::SeqCst);
    lock.renew(&mut *lock.state.lock().await).await.expect("renewed");
    lock.check().await.expect("still ours");
    lock.release().await.expect("released");
    assert_eq!(memory.record().holder, None);
}

#[tokio::test]
async fn an_expired_holder_is_taken_over_and_hears_of_it_before_its_next_write() {
    let memory = Arc::new(Memory::default());
    let first = take(&memory).await;
    memory.forge(|record| {
        let holder = record.holder.as_mut().expect("a holder");
        holder.expires = Utc::now() - TimeDelta::seconds(1);
    });
    let second = take(&memory).await;
    assert_eq!((first.fencing().await, second.fencing().await), (1, 2));
    let failure = first.guard()().await.expect_err("lost");
    assert_eq!((failure.exit, failure.causes().join("").starts_with("it was taken over by ann@here")), (Some(LOCKED), true));
    first.release().await.expect("nothing to give back");
    second.guard()().await.expect("still the second's");
}

#[tokio::test]
async fn a_renewal_does_not_overwrite_a_new_holder() {
    let memory = Arc::new(Memory::default());
    let first = take(&memory).await;
    memory.forge(|record| record.holder.as_mut().expect("a holder").nonce = "other".into());
    first.renew(&mut *first.state.lock().await).await.expect("an answer");
    assert!(first.is_lost().await);
    assert_eq!(memory.record().holder.expect("a holder").nonce, "other");
}

#[tokio::test]
async fn released_and_taken_again_the_number_grows() {
    let memory = Arc::new(Memory::default());
    for fencing in 1..=3 {
        let lock = take(&memory).await;
        assert_eq!(lock.fencing().await, fencing);
        lock.release().await.expect("released");
        lock.check().await.expect("nothing to check any more");
    }
}

#[tokio::test]
async fn work_is_done_under_a_lock_that_is_renewed() {
    let memory = Arc::new(Memory::default());
    let Ok(Taken::Ours(lock)) = place(&memory).take(&claim(Duration::from_millis(30))).await else { panic!("taken") };
    let before = memory.record().holder.expect("a holder").expires;
    let work = async {
        while memory.writes.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        "done"
    };
    assert_eq!(lock.hold(work).await, "done");
    assert!(memory.record().holder.expect("a holder").expires > before);
}

#[tokio::test]
async fn broken_by_hand_it_is_free_and_its_holder_stops() {
    let memory = Arc::new(Memory::default());
    place(&memory).break_it().await.expect("nothing there is free");
    let lock = take(&memory).await;
    assert_eq!(place(&memory).standing().await.expect("a standing").state, "held");
    place(&memory).break_it().await.expect("broken");
    assert_eq!(place(&memory).standing().await.expect("a standing").state, "free");
    assert_eq!(lock.check().await.expect_err("lost").exit, Some(LOCKED));
    assert_eq!(take(&memory).await.fencing().await, 3);
}

#[tokio::test]
async fn an_object_that_is_no_lock_is_named_and_can_be_broken() {
    let memory = Arc::new(Memory::default());
    *memory.object() = Some((Bytes::from_static(b"no json"), 1));
    let failure = refused(&memory).await;
    assert_eq!((failure.to_string().as_str(), failure.exit), ("understand the lock memory", None));
    place(&memory).break_it().await.expect("broken");
    take(&memory).await;
}

#[tokio::test]
async fn without_a_bucket_there_is_no_lock() {
    let memory = Arc::new(Memory { no_bucket: true, ..Memory::default() });
    assert!(matches!(place(&memory).take(&claim(LONG)).await, Ok(Taken::NoBucket)));
    assert_eq!(place(&memory).standing().await.expect("a standing").state, "noBucket");
}
