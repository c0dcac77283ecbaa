//! Backup: a verified backup exists that is no older than the last scheduled instant.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use meteoctl_data::backup::{self, BackupSpec as Wish};
use meteoctl_data::schedule::Schedule;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::kind::{Change, Fault, Kind, Meta, Observed, Outputs, expect_kind};
use meteoctl_engine::reference::{Id, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    fn wish(&self) -> Outcome<Wish> {
        let schedule = self.schedule.as_ref().map(|when| Schedule::parse(&when.cron, &when.timezone)).transpose();
        let schedule = schedule.map_err(|error| Failure::rejected("read the schedule of the backup").because(error))?;
        let hour = Duration::from_secs(3600);
        Ok(Wish {
            schedule,
            keep_last: self.keep.as_ref().map(|keep| keep.last),
            level: self.level.unwrap_or(3).clamp(1, 9),
            dump_deadline: hour,
            verify_deadline: hour,
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
        faults
    }

    /// The times: a Schedule that has this backup made in the cloud takes them over.
    fn predicted(&self, _: &Meta, spec: &BackupSpec) -> Outputs {
        let times = spec.schedule.as_ref().and_then(|times| serde_json::to_value(times).ok());
        Outputs::from_iter(times.map(|times| ("schedule".to_owned(), times)))
    }

    async fn observe(&self, meta: &Meta, want: &BackupSpec) -> Outcome<Option<Observed<BackupSpec>>> {
        let target = self.context.store(&want.bucket)?;
        let state = backup::look(target.as_ref(), &want.wish()?, Utc::now()).await.map_err(database)?;
        let (Some(newest), Some(at)) = (&state.newest, state.newest_at) else { return Ok(None) };
        let next = state.next.map(|next| format!(", next {}", next.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
        let mut seen = Observed::new(want.clone())
            .note(format!("{} verified, newest {}{next}", state.verified, at.format("%Y-%m-%d %H:%M:%S UTC")))
            .output("newest", newest.clone())
            .output("bucket", want.bucket.output("name")?);
        if let Some(due) = &state.due {
            seen = seen.work("/schedule", due.clone());
        }
        if state.surplus > 0 {
            seen = seen.work("/keep/last", format!("{} backups to expire", state.surplus));
        }
        if self.context.forced.wants(&Id::new(Self::NAME, &meta.name)) {
            seen = seen.work("/run", "asked for");
        }
        Ok(Some(seen))
    }

    async fn apply(&self, meta: &Meta, want: &BackupSpec, change: &Change) -> Outcome<()> {
        let id = Id::new(Self::NAME, &meta.name);
        let target = self.context.store(&want.bucket)?;
        let wish = want.wish()?;
        if !change.touches("/schedule") && !change.touches("/run") {
            backup::expire(target.as_ref(), &wish).await.map_err(database)?;
            return Ok(());
        }
        let connection = want.collection.value("connection")?;
        let connection: Connection =
            serde_json::from_value(connection).map_err(|error| Failure::rejected("read where the collection lies").because(error))?;
        let server = connection.open(&self.context).await?;
        let told = |phase: backup::Phase| match phase {
            backup::Phase::Dumping { done, total } => self.context.progress(&id, "back up", done, Some(total), "collections"),
            backup::Phase::Verifying => self.context.progress(&id, "verify", 0, None, "bytes"),
            backup::Phase::Expiring => self.context.progress(&id, "expire", 0, None, "backups"),
        };
        let done = backup::run(&server, &wish, target.as_ref(), Utc::now(), &told).await.map_err(database)?;
        let manifest = &done.manifest;
        self.context.notice(
            &id,
            format!(
                "{}: {} documents, {} bytes, verified; {} expired",
                manifest.archive,
                manifest.documents,
                manifest.bytes,
                done.expired.len()
            ),
        );
        self.context.forced.done(&id);
        Ok(())
    }
}
