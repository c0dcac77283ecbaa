//! Which lock a stack has, whether it can be taken, and how it is held while something is written.

use std::sync::Arc;
use std::time::Duration;

use meteoctl_aws::client::Aws;
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::graph::Graph;
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Guard, Settings, run};
use meteoctl_engine::step::Mode;
use meteoctl_engine::tally::{Calls, Tally};
use meteoctl_jobs::lock::{Claim, Lock, Name, Place, Standing, Taken};

use super::{App, identity};

/// Annotation of the Bucket that keeps the lock, where it is not to be the first one.
const ANNOTATION: &str = "lock";

/// The locks of a stack.
#[derive(Debug, Clone, Default)]
pub struct Locks {
    /// The Bucket that keeps them, with everything it needs; empty where no Bucket is declared.
    pub documents: Vec<Document>,
    owner: String,
    bucket: Option<Id>,
    stack: String,
}

/// Whether there is a place for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// No Bucket is declared.
    Nowhere,
    /// The bucket stands and is ours.
    Stands(Id),
    /// The bucket is not there, or not ours yet.
    ToBeMade(Id),
    /// Nobody can tell: its look failed, or it is somebody else's.
    Unknown(Id),
}

/// A lock in hand, and the calls made for it.
pub struct Held {
    lock: Arc<Lock>,
    tally: Tally,
}

impl Locks {
    /// The lock lies in the Bucket annotated `lock: "true"`, else in the first one.
    pub fn of(documents: &[Document]) -> Self {
        let buckets = || documents.iter().enumerate().filter(|(_, document)| document.id.kind == "Bucket");
        let chosen = |document: &Document| document.meta.annotations.get(ANNOTATION).is_some_and(|value| value == "true");
        let found = buckets().find(|(_, document)| chosen(document)).or_else(|| buckets().next());
        let with_needs = found.map(|(index, _)| Graph::new(documents).closure([index])).unwrap_or_default();
        Locks {
            documents: with_needs.iter().filter_map(|index| documents.get(*index).cloned()).collect(),
            owner: String::new(),
            bucket: found.map(|(_, document)| document.id.clone()),
            stack: identity(documents).name,
        }
    }

    /// The same, asked for by `user@host`.
    #[must_use]
    pub fn owned_by(self, owner: &str) -> Self {
        Locks { owner: owner.to_owned(), ..self }
    }

    /// The Bucket document.
    pub fn bucket(&self) -> Option<&Id> {
        self.bucket.as_ref()
    }

    /// Name of the stack.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// The lock's place, over clients of its own, so that its calls are counted apart. `None` where no Bucket is declared.
    async fn place(&self, name: Name) -> Option<(Place, Tally)> {
        let tally = Tally::new();
        let bucket = self.bucket.as_ref()?;
        let aws = Arc::new(Aws::load(identity(&self.documents), tally.clone()).await);
        Some((Place::new(aws, &bucket.name, &self.stack, name), tally))
    }

    /// Takes the lock; `None` where there is no bucket to keep it in.
    ///
    /// # Errors
    /// Exit code 4 when somebody else holds it; whatever S3 says.
    pub async fn take(&self, name: Name, verb: &str, expiry: Duration) -> Outcome<Option<Held>> {
        let Some((place, tally)) = self.place(name).await else { return Ok(None) };
        match place.take(&Claim { owner: self.owner.clone(), verb: verb.to_owned(), expiry }).await? {
            Taken::Ours(lock) => Ok(Some(Held { lock, tally })),
            Taken::NoBucket => Ok(None),
        }
    }

    /// Where the lock and the operators' lease stand.
    ///
    /// # Errors
    /// No Bucket is declared; whatever S3 says.
    pub async fn standing(&self) -> Outcome<[Standing; 2]> {
        let (Some((lock, _)), Some((leader, _))) = (self.place(Name::Lock).await, self.place(Name::Leader).await) else {
            return Err(nowhere());
        };
        Ok([lock.standing().await?, leader.standing().await?])
    }

    /// Frees a lock whoever holds it.
    ///
    /// # Errors
    /// No Bucket is declared; whatever S3 says; a holder that is plainly alive.
    pub async fn break_it(&self, name: Name) -> Outcome<Standing> {
        let Some((place, _)) = self.place(name).await else { return Err(nowhere()) };
        place.break_it().await?;
        place.standing().await
    }
}

fn nowhere() -> Failure {
    Failure::rejected("find the lock").because("no Bucket document: this stack has no place for a lock").hint("declare a Bucket")
}

impl App {
    /// Whether the lock can be taken, told from a plan where the bucket is part of it, by a look otherwise.
    pub async fn ground(&self, planned: &Report) -> Ground {
        let Some(id) = self.locks.bucket() else { return Ground::Nowhere };
        let of = |report: &Report| report.lines.iter().find(|line| line.id == *id).map(|line| line.fate.clone());
        let fate = match of(planned) {
            Some(fate) => Some(fate),
            None => {
                let quiet = Settings { listener: meteoctl_engine::event::silent(), ..self.settings.clone() };
                of(&run("look", &self.locks.documents, &self.registry, Mode::Plan, &quiet).await)
            }
        };
        match fate {
            Some(Fate::WouldCreate) => Ground::ToBeMade(id.clone()),
            Some(Fate::WouldUpdate { diff }) if diff.touches("/tags/meteoctl:stack") => Ground::ToBeMade(id.clone()),
            Some(Fate::Failed { .. } | Fate::Blocked { .. }) | None => Ground::Unknown(id.clone()),
            Some(_) => Ground::Stands(id.clone()),
        }
    }
}

impl Held {
    /// Asked before every write.
    pub fn guard(&self) -> Guard {
        self.lock.guard()
    }

    /// Does some work and renews the lock meanwhile.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> T {
        self.lock.hold(work).await
    }

    /// Whether it is still ours, asked anew.
    ///
    /// # Errors
    /// Exit code 4 when it is not.
    pub async fn check(&self) -> Outcome<()> {
        self.lock.check().await
    }

    /// The lock itself, for work that removes the bucket it lies in.
    pub fn lock(&self) -> Arc<Lock> {
        self.lock.clone()
    }

    /// The number that grows with every holder.
    pub async fn fencing(&self) -> u64 {
        self.lock.fencing().await
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Whatever S3 says; others then wait for the expiry.
    pub async fn release(&self) -> Outcome<()> {
        self.lock.release().await
    }

    /// Calls made for it so far.
    pub fn calls(&self) -> Calls {
        self.tally.calls()
    }
}

#[cfg(test)]
mod tests {
    use meteoctl_engine::document::{Loaded, read};

    use super::*;

    fn locks(text: &str) -> Locks {
        let mut loaded = Loaded::default();
        let text = format!("apiVersion: meteoctl/v1\nkind: Stack\nmetadata: {{name: s}}\n{text}");
        read("a.yaml", text, std::path::Path::new(""), &mut loaded);
        assert!(loaded.diagnostics.is_empty());
        Locks::of(&loaded.documents)
    }

    #[test]
    fn the_first_bucket_keeps_the_lock_unless_another_one_says_so() {
        let bucket = |name: &str, more: &str| format!("---\nkind: Bucket\nmetadata: {{name: {name}{more}}}\n");
        let first = locks(&(bucket("aaa", "") + &bucket("bbb", "")));
        assert_eq!((first.bucket(), first.stack()), (Some(&Id::new("Bucket", "aaa")), "s"));
        let names: Vec<&str> = first.documents.iter().map(|document| document.id.name.as_str()).collect();
        assert_eq!(names, ["s", "aaa"]);
        let second = locks(&(bucket("aaa", "") + &bucket("bbb", ", annotations: {lock: \"true\"}")));
        assert_eq!(second.bucket(), Some(&Id::new("Bucket", "bbb")));
        assert_eq!(locks("").bucket(), None);
    }
}
