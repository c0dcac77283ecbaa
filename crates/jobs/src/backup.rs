//! Backup: a verified backup exists that is no older than the last scheduled instant, and has been restored for a drill.

mod drill;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use meteoctl_data::backup::{self, BackupManifest, BackupSpec as Wish, EncryptionKey};
use meteoctl_data::schedule::Schedule;
use meteoctl_data::store::Store;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::drill::{DrillSpec, asked_of};
use crate::context::{JobContext, database};
use crate::server::Connection;

/// Keeps a collection's database backed up.
pub struct BackupKind {
    pub(crate) context: Arc<JobContext>,
}

/// A backup.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSpec {
    /// The collection whose database is backed up.
    pub collection: Link,
    /// Bucket of the backups.
    pub bucket: Link,
    /// Prefix of the backups.
    pub prefix: String,
    /// When a backup is due; without it one backup is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
    /// What is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Gzip level, 1 (fast) to 9 (small); 3 where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Seals archives before they leave this machine; they get the name `….gz.age`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSpec>,
    /// Restores the newest backup somewhere else now and then, to prove that it can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_drill: Option<DrillSpec>,
    /// Time allowed for reading the database and uploading, in minutes; 60 where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump_minutes: Option<u64>,
    /// Time allowed for reading the archive back, in minutes; 60 where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_minutes: Option<u64>,
}

/// How archives are sealed: in the format of `age`, which opens them too.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncryptionSpec {
    /// The Secret with the key, and which of its keys: `{ref: Secret/p8/backup, key: password}`. An age X25519 key
    /// (`AGE-SECRET-KEY-1…`) or a passphrase of 20 characters or more, such as a generated password. A backup opens
    /// with the key it was sealed with only: never rotate this Secret while backups sealed with it matter.
    pub age_key: Link,
}

impl EncryptionSpec {
    /// Reads the key.
    pub async fn key(&self, context: &JobContext) -> Outcome<EncryptionKey> {
        let arn = self.age_key.output("arn")?;
        let text = meteoctl_aws::kinds::secret::secret_value(&context.aws, &arn, self.age_key.key().unwrap_or("password")).await?;
        EncryptionKey::parse(text.reveal()).map_err(database)
    }
}

/// When.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// IANA time zone; UTC where left out.
    #[serde(default = "utc")]
    pub timezone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// How many verified backups, at least 1.
    pub last: usize,
}

impl BackupSpec {
    /// Without the key, which only making and opening archives need.
    fn wish(&self) -> Outcome<Wish> {
        let schedule = self.schedule.as_ref().map(|when| Schedule::parse(&when.cron, &when.timezone)).transpose();
        let schedule = schedule.map_err(|error| Failure::rejected("read the schedule of the backup").because(error))?;
        let minutes = |given: Option<u64>| Duration::from_secs(60 * given.unwrap_or(60));
        Ok(Wish {
            schedule,
            keep_last: self.keep.as_ref().map(|keep| keep.last),
            level: self.level.unwrap_or(3).clamp(1, 9),
            dump_deadline: minutes(self.dump_minutes),
            verify_deadline: minutes(self.verify_minutes),
            ..Wish::new(self.collection.output("database")?, self.prefix.clone())
        })
    }
}

impl Kind for BackupKind {
    const NAME: &'static str = "Backup";
    const ABOUT: &'static str = "Keeps a verified backup of a database no older than its schedule asks for.";
    const HOLDS_DATA: bool = true;
    const LOOKS_ALONE: bool = true;
    type Spec = BackupSpec;

    fn check(&self, _: &Meta, spec: &BackupSpec) -> Vec<Fault> {
        let links = [expect_kind("/collection", &spec.collection, &["Collection"]), expect_kind("/bucket", &spec.bucket, &["Bucket"])];
        let mut faults: Vec<Fault> = links.into_iter().flatten().collect();
        if let Some(Err(error)) = spec.schedule.as_ref().map(|when| Schedule::parse(&when.cron, &when.timezone)) {
            faults.push(Fault::wrong("/schedule", error.to_string()).hint("for example {cron: \"0 3 * * *\", timezone: Europe/Paris}"));
        }
        if spec.keep.as_ref().is_some_and(|keep| keep.last == 0) {
            faults.push(Fault::wrong("/keep/last", "the last verified backup is never removed: keep at least 1"));
        }
        faults.extend(spec.encryption.as_ref().and_then(|sealed| expect_kind("/encryption/ageKey", &sealed.age_key, &["Secret"])));
        for (path, minutes) in [("/dumpMinutes", spec.dump_minutes), ("/verifyMinutes", spec.verify_minutes)] {
            if minutes == Some(0) {
                faults.push(Fault::wrong(path, "nothing can be done in 0 minutes"));
            }
        }
        faults.extend(spec.restore_drill.iter().flat_map(DrillSpec::check));
        faults
    }

    /// The times: a Schedule that has this backup made in the cloud takes them over.
    fn predicted(&self, _: &Meta, spec: &BackupSpec) -> Outputs {
        let times = spec.schedule.as_ref().and_then(|times| serde_json::to_value(times).ok());
        Outputs::from_iter(times.map(|times| ("schedule".to_owned(), times)))
    }

    async fn observe(&self, meta: &Meta, want: &BackupSpec) -> Outcome<Option<Observed<BackupSpec>>> {
        let target = self.context.store(&want.bucket)?;
        let (wish, now) = (want.wish()?, Utc::now());
        let listed = backup::survey(target.as_ref(), &wish).await.map_err(database)?;
        let state = backup::judge(&listed, &wish, now);
        let (Some(newest), Some(at)) = (&state.newest, state.newest_at) else { return Ok(None) };
        let drills = drill::state(target.as_ref(), &listed, &wish, want.restore_drill.as_ref(), now).await?;
        let next = state.next.map(|next| format!(", next {}", next.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
        let evidence = drill::words(&drills);
        let mut seen = Observed::new(want.clone())
            .note(format!("{} verified, newest {}{next}; {evidence}", state.verified, at.format("%Y-%m-%d %H:%M:%S UTC")))
            .since(Some(at))
            .output("newest", newest.clone())
            .output("newestAt", at.to_rfc3339())
            .output("verified", state.verified)
            .output("bucket", want.bucket.output("name")?)
            .output("evidence", evidence);
        seen.outputs.extend(drill::figures(&drills));
        if let Some(due) = &state.due {
            seen = seen.work("/schedule", due.clone());
        }
        if state.surplus > 0 {
            seen = seen.work("/keep/last", format!("{} backups to expire", state.surplus));
        }
        let asked = self.context.forced.wants(&drill::asked_of(&meta.name)).then(|| "asked for".to_owned());
        if let Some(due) = drills.due.filter(|_| want.restore_drill.is_some()).or(asked) {
            seen = seen.work("/restoreDrill", due);
        }
        if self.context.forced.wants(&Id::new(Self::NAME, &meta.name)) {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &BackupSpec, change: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let target = self.context.store(&want.bucket)?;
        let mut wish = want.wish()?;
        if let Some(sealed) = &want.encryption {
            wish.encryption = Some(sealed.key(&self.context).await?);
        }
        match change.touches("/schedule") || change.touches("/run") {
            true => self.back_up(&id, want, &wish, target.as_ref()).await?,
            false => drop(backup::expire(target.as_ref(), &wish).await.map_err(database)?),
        }
        match &want.restore_drill {
            // A backup just made may be the first one there is to drill with.
            Some(drill) => self.drill(meta, want, &wish, target.as_ref(), drill).await?,
            None if self.context.forced.wants(&drill::asked_of(&meta.name)) => return Err(drill::not_wished(&id)),
            None => {}
        }
        self.context.forced.done(&id);
        Ok(())
    }
}

impl BackupKind {
    async fn back_up(&self, id: &Id, want: &BackupSpec, wish: &Wish, target: &dyn Store) -> Outcome<()> {
        let server = Connection::told_by(&want.collection)?.open(&self.context).await?;
        let told = |phase: backup::Phase| match phase {
            backup::Phase::Dumping { done, total } => self.context.progress(id, "back up", done, Some(total), "documents"),
            backup::Phase::Verifying { done, total } => self.context.progress(id, "verify", done, Some(total), "bytes"),
            backup::Phase::Expiring => self.context.progress(id, "expire", 0, None, "backups"),
        };
        let done = backup::run(&server, wish, target, Utc::now(), &told).await.map_err(database)?;
        let BackupManifest { archive, documents, bytes, .. } = &done.manifest;
        let expired = done.expired.len();
        self.context.notice(id, format!("{archive}: {documents} documents, {bytes} bytes, verified; {expired} expired"));
        // Asked for or not, it has been made: a drill that fails after it does not make another one.
        self.context.forced.done(id);
        Ok(())
    }

    async fn drill(&self, meta: &Meta, want: &BackupSpec, wish: &Wish, target: &dyn Store, spec: &DrillSpec) -> Outcome<()> {
        let (id, drills, asked) = (Id::new(Self::NAME, &meta.name), spec.drills(wish), drill::asked_of(&meta.name));
        let now = Utc::now();
        if !self.context.forced.wants(&asked)
            && meteoctl_data::restore::drill::look(target, &drills, now).await.map_err(database)?.due.is_none()
        {
            return Ok(());
        }
        let server = match spec.connection(&self.context, meta)? {
            Some(own) => own,
            None => Connection::told_by(&want.collection)?,
        };
        let server = server.open(&self.context).await?;
        self.context.progress(&id, "restore for a drill", 0, None, "documents");
        let done = meteoctl_data::restore::drill::drill(&server, &drills, target, now).await.map_err(database)?;
        self.context.forced.done(&asked);
        self.context.notice(
            &id,
            format!(
                "drill: {} restored on {} in {}: {} documents, {} indexes, all as they were",
                done.archive,
                server.name(),
                drill::span(done.restore_seconds),
                done.documents,
                done.indexes
            ),
        );
        Ok(())
    }
}
