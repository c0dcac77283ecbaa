//! Backups of a real database: made, verified, due, expired, restored.

mod support;

use std::collections::BTreeMap;

use bson::doc;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use meteoctl_data::backup::{self, BackupSpec, Consistency, EncryptionKey, list, look};
use meteoctl_data::restore::drill::{self, DrillSpec};
use meteoctl_data::restore::{self, Progress, RestoreSpec};
use meteoctl_data::schedule::Schedule;
use meteoctl_data::store::{BoxFuture, ByteStream, Memory, ObjectInfo, Store, StoreError, Upload, read_all};
use support::{Fixture, Mongod};

const PREFIX: &str = "p8-backups/mongodb/";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn furnish(fixture: &Fixture) {
    let documents: Vec<bson::Document> =
        (0..5000).map(|n| doc! {"_id": n, "text": format!("reading {n}"), "nested": {"x": n as f64 / 3.0}}).collect();
    let commands = [
        doc! {"create": "readings"},
        doc! {"insert": "readings", "documents": documents},
        doc! {"createIndexes": "readings", "indexes": [{"key": {"text": 1}, "name": "by_text", "unique": true}, {"key": {"nested.x": -1}, "name": "by_x", "sparse": true}]},
        doc! {"create": "strict", "validator": {"n": {"$gte": 0}}, "collation": {"locale": "fr"}},
        doc! {"insert": "strict", "documents": [{"_id": "only", "n": 1}]},
        doc! {"create": "recent", "viewOn": "readings", "pipeline": [{"$match": {"_id": {"$gte": 4990}}}]},
        doc! {"create": "empty"},
    ];
    for command in commands {
        fixture.server.command(&fixture.database, &command, "furnish").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_comes_back_document_for_document() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let spec = BackupSpec::new(&fixture.database, PREFIX);
    let outcome = backup::run(&fixture.server, &spec, &store, at("2026-01-05T14:06:15.9Z"), &|_| {}).await.unwrap();
    assert_eq!(outcome.manifest.archive, "p8-backups/mongodb/mongodb_backup_2026-01-05_14-06-15.gz");
    assert_eq!((outcome.manifest.documents, outcome.manifest.collections.len()), (5001, 4));
    assert_eq!(outcome.manifest.consistency, Consistency::NotASnapshot);
    let key = outcome.manifest.archive;

    let refused = restore::run(&fixture.server, &RestoreSpec::new(&key), &store, &|_| {}).await.unwrap_err();
    assert!(refused.story().contains("holds 5000 documents") || refused.story().contains("it is a view"), "{}", refused.story());

    let into = format!("{}_copy", fixture.database);
    let dry = RestoreSpec { into: Some(into.clone()), dry_run: true, ..RestoreSpec::new(&key) };
    assert_eq!(restore::run(&fixture.server, &dry, &store, &|_| {}).await.unwrap().documents, 5001);
    assert!(fixture.server.collections(&into).await.unwrap().is_empty());

    let spec = RestoreSpec { dry_run: false, ..dry };
    for replace in [false, true] {
        restore::run(&fixture.server, &RestoreSpec { replace, ..spec.clone() }, &store, &|_| {}).await.unwrap();
        assert_eq!(hash(&fixture, &into).await, hash(&fixture, &fixture.database).await);
        let (mut before, mut after) =
            (fixture.server.collections(&fixture.database).await.unwrap(), fixture.server.collections(&into).await.unwrap());
        before.iter_mut().chain(&mut after).for_each(|info| info.uuid = None);
        assert_eq!(before, after);
        for name in ["readings", "strict", "empty"] {
            assert_eq!(fixture.server.indexes(&fixture.database, name).await.unwrap(), fixture.server.indexes(&into, name).await.unwrap());
        }
    }
    let one = RestoreSpec { collection: Some("strict".into()), into: Some(format!("{into}_one")), ..RestoreSpec::new(&key) };
    assert_eq!(restore::run(&fixture.server, &one, &store, &|_| {}).await.unwrap().documents, 1);
    let none = RestoreSpec { collection: Some("nothing".into()), ..one };
    assert!(restore::run(&fixture.server, &none, &store, &|_| {}).await.unwrap_err().hint.unwrap().contains("readings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_arrive_during_a_restore_are_not_replaced() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let spec = BackupSpec { collections: vec!["readings".into(), "strict".into()], ..BackupSpec::new(&fixture.database, PREFIX) };
    let key = backup::run(&fixture.server, &spec, &store, Utc::now(), &|_| {}).await.unwrap().manifest.archive;
    let into = format!("{}_copy", fixture.database);
    let newcomer = |progress| {
        if progress == Progress::Comparing {
            let command = doc! {"insert": "strict", "documents": [{"_id": "newcomer"}]};
            let inserting = fixture.server.command(&into, &command, "arrive");
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(inserting)).unwrap();
        }
    };
    let target = RestoreSpec { into: Some(into.clone()), ..RestoreSpec::new(&key) };
    let error = restore::run(&fixture.server, &target, &store, &newcomer).await.unwrap_err();
    assert!(error.story().contains("strict") && error.story().contains("it holds 1 documents"), "{}", error.story());
    let left: Vec<String> = fixture.server.collections(&into).await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(left, ["strict"], "nothing was put in place, nothing of ours is left");
    assert_eq!(fixture.server.count(&into, "strict", doc! {"_id": "newcomer"}).await.unwrap(), 1);
    let replace = RestoreSpec { replace: true, ..target };
    assert_eq!(restore::run(&fixture.server, &replace, &store, &|_| {}).await.unwrap().documents, 5001);
    assert_eq!(fixture.server.count(&into, "strict", doc! {}).await.unwrap(), 1);
}

/// The server's own hash of each collection.
async fn hash(fixture: &Fixture, database: &str) -> bson::Document {
    let command = doc! {"dbHash": 1, "collections": ["empty", "readings", "strict"]};
    let reply = fixture.server.command(database, &command, "hash").await.unwrap();
    let hashes = reply.get_document("collections").unwrap().clone();
    assert_eq!(hashes.len(), 3);
    hashes
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_due_once_a_schedule_and_expire() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let schedule = Schedule::parse("0 3 * * *", "Europe/Paris").unwrap();
    let spec = BackupSpec {
        schedule: Some(schedule),
        keep_last: Some(2),
        collections: vec!["readings".into()],
        ..BackupSpec::new(&fixture.database, PREFIX)
    };
    for day in 1..=4 {
        let now = at(&format!("2026-01-0{day}T03:30:00Z"));
        assert!(look(&store, &spec, now).await.unwrap().due.is_some());
        let outcome = backup::run(&fixture.server, &spec, &store, now, &|_| {}).await.unwrap();
        assert_eq!(outcome.expired.len(), usize::from(day > 2));
        let state = look(&store, &spec, now + chrono::Duration::hours(22)).await.unwrap();
        assert_eq!((state.due, state.unverified, state.surplus), (None, 0, 0));
    }
    let kept: Vec<String> = list(&store, PREFIX).await.unwrap().into_iter().map(|backup| backup.key).collect();
    assert_eq!(
        kept,
        ["p8-backups/mongodb/mongodb_backup_2026-01-03_03-30-00.gz", "p8-backups/mongodb/mongodb_backup_2026-01-04_03-30-00.gz"]
    );
    // Without its manifest the newest does not count.
    store.delete(&format!("{}.manifest.json", kept[1])).await.unwrap();
    let state = look(&store, &spec, at("2026-01-04T05:00:00Z")).await.unwrap();
    assert_eq!((state.verified, state.unverified), (1, 1));
    assert_eq!(state.due.unwrap(), "scheduled for 2026-01-04 02:00 UTC, the last verified backup is of 2026-01-03 03:30 UTC");

    // A run killed before it wrote the manifest left that archive; the next backup takes it away, and nobody else's.
    let foreign = format!("{PREFIX}mongodb_backup_2025-12-24_18-00-00.gz");
    store.put(&foreign, "of mongodump".into(), Default::default()).await.unwrap();
    let other = BackupSpec { database: "another".into(), keep_last: None, ..spec.clone() };
    backup::expire(&store, &other).await.unwrap();
    assert!(store.exists(&kept[1]).await.unwrap(), "it is of another database");
    for keep_last in [None, Some(2)] {
        store.delete(&format!("{}.manifest.json", kept[1])).await.unwrap();
        let spec = BackupSpec { keep_last, ..spec.clone() };
        backup::run(&fixture.server, &spec, &store, at("2026-01-04T05:00:00Z"), &|_| {}).await.unwrap();
        let left: Vec<String> = list(&store, PREFIX).await.unwrap().into_iter().map(|backup| backup.key).collect();
        let made = format!("{PREFIX}mongodb_backup_2026-01-04_05-00-00.gz");
        assert_eq!(left, [foreign.clone(), kept[0].clone(), made.clone()], "{keep_last:?}");
        store.delete(&format!("{made}.manifest.json")).await.unwrap();
        backup::expire(&store, &spec).await.unwrap();
        assert!(!store.exists(&made).await.unwrap(), "{keep_last:?}");
    }
}

/// Reads of objects, counted.
struct Counted<'a>(&'a Memory, std::sync::atomic::AtomicUsize);

impl Store for Counted<'_> {
    fn name(&self) -> String {
        self.0.name()
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>, StoreError>> {
        self.0.list(prefix)
    }
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        self.0.head(key)
    }
    fn get<'a>(&'a self, key: &'a str, offset: u64) -> BoxFuture<'a, Result<ByteStream, StoreError>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.get(key, offset)
    }
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<ObjectInfo, StoreError>> {
        self.0.put(key, bytes, metadata)
    }
    fn upload<'a>(&'a self, key: &'a str, metadata: BTreeMap<String, String>) -> BoxFuture<'a, Result<Box<dyn Upload>, StoreError>> {
        self.0.upload(key, metadata)
    }
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_costs_no_more_with_many_backups_than_with_one() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let spec = BackupSpec { keep_last: Some(8), collections: vec!["readings".into()], ..BackupSpec::new(&fixture.database, PREFIX) };
    let drills = DrillSpec { prefix: PREFIX.into(), database: fixture.database.clone(), every_days: 30, encryption: None };
    let now = at("2026-01-09T00:00:00Z");
    for day in 1..=8 {
        let then = at(&format!("2026-01-0{day}T03:30:00Z"));
        backup::run(&fixture.server, &spec, &store, then, &|_| {}).await.unwrap();
        if day == 1 {
            drill::drill(&fixture.server, &drills, &store, then).await.unwrap();
        }
    }
    let counted = Counted(&store, Default::default());
    let reads = |store: &Counted| store.1.swap(0, std::sync::atomic::Ordering::SeqCst);
    let listed = backup::survey(&counted, &spec).await.unwrap();
    let state = backup::judge(&listed, &spec, now);
    assert_eq!((state.verified, state.unverified, state.surplus, reads(&counted)), (8, 0, 0, 1));
    assert_eq!(state.newest_at, Some(at("2026-01-08T03:30:00Z")));
    // The drill of an archive whose manifest nobody read still counts, and only for its own database.
    let drilled = drill::judge(&counted, &listed, &drills, now).await.unwrap();
    assert_eq!((drilled.due, drilled.passed_at, reads(&counted)), (None, Some(at("2026-01-01T03:30:00Z")), 1));
    let another = DrillSpec { database: "another".into(), ..drills };
    assert_eq!(drill::judge(&counted, &listed, &another, now).await.unwrap().passed_at, None);
    // What may have to expire is read whole.
    let fewer = BackupSpec { keep_last: Some(3), ..spec.clone() };
    reads(&counted);
    assert_eq!((look(&counted, &fewer, now).await.unwrap().surplus, reads(&counted)), (5, 8));
    // The newest manifest speaks for another archive: the one before it is asked.
    store.put(&format!("{PREFIX}mongodb_backup_2026-01-08_03-30-00.gz"), "cut".into(), Default::default()).await.unwrap();
    let state = look(&counted, &spec, now).await.unwrap();
    assert_eq!((state.verified, state.unverified, reads(&counted)), (7, 1, 2));
    assert_eq!(state.newest_at, Some(at("2026-01-07T03:30:00Z")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_is_never_restored() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let spec = BackupSpec::new(&fixture.database, PREFIX);
    let key = backup::run(&fixture.server, &spec, &store, at("2026-01-05T14:06:15Z"), &|_| {}).await.unwrap().manifest.archive;
    let whole = read_all(&store, &key, 1 << 30).await.unwrap();
    let target = RestoreSpec { into: Some(format!("{}_copy", fixture.database)), ..RestoreSpec::new(&key) };
    for damage in ["cut", "flip", "append"] {
        let mut bytes = whole.to_vec();
        match damage {
            "cut" => bytes.truncate(whole.len() / 2),
            "flip" => bytes[whole.len() / 2] ^= 1,
            _ => bytes.extend_from_slice(b"trailing"),
        }
        store.put(&key, bytes.into(), Default::default()).await.unwrap();
        let error = restore::run(&fixture.server, &target, &store, &|_| {}).await.unwrap_err();
        assert!(error.hint.is_some(), "{damage}: {}", error.story());
        assert!(fixture.server.collections(&format!("{}_copy", fixture.database)).await.unwrap().is_empty());
    }
    let missing = BackupSpec { collections: vec!["nothing".into()], ..spec };
    let error = backup::run(&fixture.server, &missing, &Memory::new(), Utc::now(), &|_| {}).await.unwrap_err();
    assert!(error.story().contains("there is no collection nothing"), "{}", error.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_on_a_scratch_server_and_leaves_evidence() {
    let fixture = Fixture::new().await;
    let own = Mongod::start(&[]);
    let scratch = own.connect().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let drills = DrillSpec { prefix: PREFIX.into(), database: fixture.database.clone(), every_days: 7, encryption: None };
    let now = at("2026-01-05T14:06:15Z");
    let state = drill::look(&store, &drills, now).await.unwrap();
    assert_eq!((state.due, state.loss_seconds, state.restore_seconds), (None, None, None), "nothing to drill, nothing known");
    assert!(drill::drill(&scratch, &drills, &store, now).await.unwrap_err().hint.is_some());

    let spec = BackupSpec { keep_last: Some(1), ..BackupSpec::new(&fixture.database, PREFIX) };
    let key = backup::run(&fixture.server, &spec, &store, now, &|_| {}).await.unwrap().manifest.archive;
    assert_eq!(drill::look(&store, &drills, now).await.unwrap().due.unwrap(), "no backup has been restored for a drill yet");
    // What a drill that was killed left the day before yesterday; another one may be at work at this moment.
    let second = Utc::now().timestamp();
    let (old, busy) = (format!("meteoctl_drill_{}_a", second - 172_800), format!("meteoctl_drill_{second}_b"));
    let before = [scratch.databases().await.unwrap(), vec![busy.clone()]].concat();
    for database in [&old, &busy] {
        scratch.command(database, &doc! {"insert": "x", "documents": [{"_id": 1}]}, "leave").await.unwrap();
    }
    let evidence = drill::drill(&scratch, &drills, &store, now).await.unwrap();
    assert_eq!((evidence.documents, evidence.collections, evidence.indexes, &evidence.fault), (5001, 4, 2, &None));
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(scratch.databases().await.unwrap()), sorted(before));
    let later = now + chrono::Duration::days(7);
    let state = drill::look(&store, &drills, later - chrono::Duration::seconds(1)).await.unwrap();
    assert_eq!((state.due, state.loss_seconds, state.restore_seconds), (None, Some(7 * 86_400 - 1), Some(evidence.restore_seconds)));
    assert_eq!(drill::look(&store, &drills, later).await.unwrap().due.unwrap(), "the last passed drill is of 2026-01-05 14:06 UTC");

    // A backup that went bad is found by the drill, and written down.
    let mut bytes = read_all(&store, &key, 1 << 30).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    store.put(&key, bytes.into(), Default::default()).await.unwrap();
    drill::drill(&scratch, &drills, &store, later).await.unwrap_err();
    let state = drill::look(&store, &drills, later).await.unwrap();
    assert!(state.due.unwrap().starts_with("the last drill failed: could not"), "a failed drill is no passed one");
    assert!(state.last.unwrap().fault.unwrap().contains("verify") && state.passed_at.is_none());
    // The evidence goes with its backup.
    backup::run(&fixture.server, &spec, &store, later, &|_| {}).await.unwrap();
    let keys: Vec<String> = store.list("").await.unwrap().into_iter().map(|object| object.key).collect();
    let newest = "p8-backups/mongodb/mongodb_backup_2026-01-12_14-06-15.gz";
    assert_eq!(keys, [newest.to_owned(), format!("{newest}.manifest.json")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_series_are_refused_by_name() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let series = doc! {"create": "pulse", "timeseries": {"timeField": "at"}};
    fixture.server.command(&fixture.database, &series, "create").await.unwrap();
    let spec = BackupSpec::new(&fixture.database, PREFIX);
    let error = backup::run(&fixture.server, &spec, &Memory::new(), Utc::now(), &|_| {}).await.unwrap_err();
    assert!(error.story().contains("pulse is a time series collection") && error.hint.is_some(), "{}", error.story());
    // Others of the same database can still be backed up.
    let spec = BackupSpec { collections: vec!["strict".into()], ..spec };
    assert_eq!(backup::run(&fixture.server, &spec, &Memory::new(), Utc::now(), &|_| {}).await.unwrap().manifest.documents, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_backup_opens_with_its_key_only() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let key = EncryptionKey::generate();
    let spec = BackupSpec { encryption: Some(key.clone()), ..BackupSpec::new(&fixture.database, PREFIX) };
    let manifest = backup::run(&fixture.server, &spec, &store, at("2026-01-05T14:06:15Z"), &|_| {}).await.unwrap().manifest;
    assert_eq!(manifest.archive, "p8-backups/mongodb/mongodb_backup_2026-01-05_14-06-15.gz.age");
    assert_eq!(manifest.encryption.as_deref(), Some(key.recipient().as_str()));
    let bytes = read_all(&store, &manifest.archive, 1 << 30).await.unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    assert_eq!(look(&store, &spec, at("2026-01-06T00:00:00Z")).await.unwrap().verified, 1);
    for shown in [format!("{key:?}"), format!("{spec:?}"), serde_json::to_string(&manifest).unwrap()] {
        assert!(!shown.contains("AGE-SECRET-KEY"), "{shown}");
    }
    let target = RestoreSpec { into: Some(format!("{}_copy", fixture.database)), ..RestoreSpec::new(&manifest.archive) };
    let error = restore::run(&fixture.server, &target, &store, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("no key is given") && error.hint.is_some(), "{}", error.story());
    let wrong = RestoreSpec { encryption: Some(EncryptionKey::generate()), ..target.clone() };
    let error = restore::run(&fixture.server, &wrong, &store, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("cannot be opened with this key"), "{}", error.story());
    // The key survives being kept as text.
    let kept = EncryptionKey::parse(&format!("{}\n", key.secret())).unwrap();
    let right = RestoreSpec { encryption: Some(kept), ..target };
    assert_eq!(restore::run(&fixture.server, &right, &store, &|_| {}).await.unwrap().documents, 5001);
    for text in ["AGE-SECRET-KEY-1NONSENSE", "NONSENSE"] {
        let error = EncryptionKey::parse(text).unwrap_err();
        assert!(!error.story().contains("NONSENSE") && error.hint.is_some(), "{}", error.story());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_seals_as_a_passphrase() {
    let fixture = Fixture::new().await;
    furnish(&fixture).await;
    let store = Memory::new();
    let password = "kDdR7fY2mQx0LwZp9VtA3sJh";
    let key = EncryptionKey::parse(password).unwrap();
    let spec = BackupSpec { encryption: Some(key), ..BackupSpec::new(&fixture.database, PREFIX) };
    let manifest = backup::run(&fixture.server, &spec, &store, at("2026-01-05T14:06:15Z"), &|_| {}).await.unwrap().manifest;
    assert_eq!(manifest.encryption.as_deref(), Some("passphrase"));
    // The header of an archive for one passphrase, as the age specification lays it out: salt and work factor.
    let bytes = read_all(&store, &manifest.archive, 1 << 30).await.unwrap();
    let head = String::from_utf8_lossy(&bytes[..100]).into_owned();
    assert!(head.starts_with("age-encryption.org/v1\n-> scrypt ") && head.lines().nth(1).unwrap().ends_with(" 14"), "{head}");
    assert!(!format!("{spec:?}").contains(password));
    let target = RestoreSpec { into: Some(format!("{}_copy", fixture.database)), ..RestoreSpec::new(&manifest.archive) };
    let wrong = RestoreSpec { encryption: Some(EncryptionKey::parse("another password of some length").unwrap()), ..target.clone() };
    let error = restore::run(&fixture.server, &wrong, &store, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("cannot be opened with this key"), "{}", error.story());
    let right = RestoreSpec { encryption: Some(EncryptionKey::parse(password).unwrap()), ..target };
    assert_eq!(restore::run(&fixture.server, &right, &store, &|_| {}).await.unwrap().documents, 5001);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_of_an_emptied_database_push_no_treasure_out() {
    let fixture = Fixture::new().await;
    let spec = BackupSpec { keep_last: Some(1), ..BackupSpec::new(&fixture.database, PREFIX) };
    let store = Memory::new();
    let day = |day: u32| at(&format!("2026-01-0{day}T03:30:00Z"));
    let error = backup::run(&fixture.server, &spec, &store, day(1), &|_| {}).await.unwrap_err();
    assert!(error.story().contains("holds no collection") && error.hint.is_some(), "{}", error.story());
    assert!(store.list("").await.unwrap().is_empty(), "nothing was begun");

    furnish(&fixture).await;
    let treasure = backup::run(&fixture.server, &spec, &store, day(1), &|_| {}).await.unwrap().manifest.archive;
    for name in ["readings", "strict"] {
        let all = doc! {"delete": name, "deletes": [{"q": {}, "limit": 0}]};
        fixture.server.command(&fixture.database, &all, "empty").await.unwrap();
    }
    let mut newest = String::new();
    for n in 2..=3 {
        newest = backup::run(&fixture.server, &spec, &store, day(n), &|_| {}).await.unwrap().manifest.archive;
        let kept: Vec<String> = list(&store, PREFIX).await.unwrap().into_iter().map(|backup| backup.key).collect();
        assert_eq!(kept, [treasure.clone(), newest.clone()]);
        assert_eq!(look(&store, &spec, day(n)).await.unwrap().surplus, 0, "what is kept on purpose is no drift");
    }
    fixture.server.command(&fixture.database, &doc! {"insert": "readings", "documents": [{"_id": 1}]}, "fill").await.unwrap();
    let expired = backup::run(&fixture.server, &spec, &store, day(4), &|_| {}).await.unwrap().expired;
    assert_eq!(expired, [treasure, newest]);
}
