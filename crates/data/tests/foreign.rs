//! Archives and other tools: one laid out as `mongodump` does is restored into a real database, and ours is opened by tools that
//! are not ours.

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use bson::{Document, RawDocumentBuf, doc};
use bytes::Bytes;
use chrono::Utc;
use flate2::{Compression, GzBuilder};
use meteoctl_data::backup::{self, BackupSpec};
use meteoctl_data::mongo::CollectionKind;
use meteoctl_data::restore::{self, RestoreSpec};
use meteoctl_data::store::{Memory, Store, read_all};
use support::Fixture;

const KEY: &str = "theirs/dump.gz";
const TERMINATOR: [u8; 4] = [0xff; 4];

fn bytes(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).unwrap().into_bytes()
}

/// An archive by the grammar alone, without our writer: blocks of several namespaces in turn.
struct ByHand(Vec<u8>);

impl ByHand {
    fn new(namespaces: &[(&str, &str, &str, &str)]) -> ByHand {
        let mut archive = 0x8199_e26d_u32.to_le_bytes().to_vec();
        archive
            .extend(bytes(&doc! {"concurrent_collections": 4, "version": "0.1", "server_version": "7.0.14", "tool_version": "100.10.0"}));
        for (database, collection, kind, metadata) in namespaces {
            let line = doc! {"db": *database, "collection": *collection, "metadata": *metadata, "size": 0, "type": *kind};
            archive.extend(bytes(&line));
        }
        archive.extend(TERMINATOR);
        ByHand(archive)
    }

    fn part(&mut self, database: &str, collection: &str, documents: &[Document]) {
        self.0.extend(bytes(&doc! {"db": database, "collection": collection, "EOF": false, "CRC": 0_i64}));
        documents.iter().for_each(|document| self.0.extend(bytes(document)));
        self.0.extend(TERMINATOR);
    }

    fn end(&mut self, database: &str, collection: &str, documents: &[Document]) {
        let crc = crc64(&documents.iter().flat_map(bytes).collect::<Vec<u8>>()).cast_signed();
        self.0.extend(bytes(&doc! {"db": database, "collection": collection, "EOF": true, "CRC": crc}));
        self.0.extend(TERMINATOR);
    }

    /// One gzip member with a name and a time in its header, as a single-stream compressor leaves it.
    fn packed(&self) -> Bytes {
        let mut packer = GzBuilder::new().filename("dump").mtime(1_700_000_000).write(Vec::new(), Compression::best());
        packer.write_all(&self.0).unwrap();
        packer.finish().unwrap().into()
    }
}

/// CRC-64/XZ bit by bit, after its definition.
fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xc96c_5795_d787_0f42 } else { crc >> 1 };
        }
    }
    !crc
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_two_databases_in_turns_is_restored_with_options_indexes_and_views() {
    let fixture = Fixture::new().await;
    let (one, two) = (format!("{}_1", fixture.database), format!("{}_2", fixture.database));
    let readings: Vec<Document> = (0..2500).map(|n| doc! {"_id": n, "at": format!("t{n:05}"), "x": f64::from(n) / 3.0}).collect();
    let capped: Vec<Document> = (0..50).map(|n| doc! {"_id": format!("line {n}")}).collect();
    // Indexes of an old server (`ns`, `background`), of several kinds; options with numbers of every width.
    let indexes = r#"[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_","ns":"old.readings"},{"v":{"$numberInt":"2"},"unique":true,"key":{"at":{"$numberInt":"1"},"x":{"$numberDouble":"-1.0"}},"name":"at_1_x_-1","ns":"old.readings","background":true},{"v":{"$numberInt":"2"},"key":{"when":{"$numberInt":"1"}},"name":"ttl","expireAfterSeconds":{"$numberLong":"3600"}}]"#;
    let of_readings = format!(
        r#"{{"indexes":{indexes},"uuid":"5f2a2b1cba144c3e9d7f0f5d2f3a4b5c","collectionName":"readings","type":"collection","options":{{"collation":{{"locale":"fr","strength":{{"$numberInt":"2"}}}}}}}}"#
    );
    let of_capped = r#"{"options":{"capped":true,"size":{"$numberLong":"65536"}},"indexes":[]}"#;
    let of_view =
        r#"{"options":{"viewOn":"readings","pipeline":[{"$match":{"_id":{"$gte":{"$numberInt":"2490"}}}}]},"indexes":[],"type":"view"}"#;
    let mut archive = ByHand::new(&[
        (&one, "readings", "collection", &of_readings),
        (&two, "log", "", of_capped),
        (&one, "recent", "view", of_view),
        (&two, "readings", "collection", ""),
    ]);
    archive.part(&one, "readings", &readings[..1000]);
    archive.part(&two, "log", &capped[..20]);
    archive.part(&one, "recent", &[]);
    archive.part(&one, "readings", &readings[1000..1001]);
    archive.end(&one, "recent", &[]);
    archive.part(&two, "log", &capped[20..]);
    archive.part(&two, "readings", &readings[..7]);
    archive.end(&two, "log", &capped);
    archive.part(&one, "readings", &readings[1001..]);
    archive.end(&two, "readings", &readings[..7]);
    archive.end(&one, "readings", &readings);
    let store = Memory::new();
    store.put(KEY, archive.packed(), Default::default()).await.unwrap();

    let outcome = restore::run(&fixture.server, &RestoreSpec::new(KEY), &store, &|_| {}).await.unwrap();
    assert_eq!((outcome.documents, outcome.has_manifest), (2557, false));
    let counted = async |database: &str, name: &str| fixture.server.count(database, name, doc! {}).await.unwrap();
    assert_eq!([counted(&one, "readings").await, counted(&one, "recent").await], [2500, 10]);
    assert_eq!([counted(&two, "log").await, counted(&two, "readings").await], [50, 7]);
    let found = fixture.server.indexes(&one, "readings").await.unwrap();
    let names: Vec<&str> = found.iter().filter_map(|index| index.get_str("name").ok()).collect();
    assert_eq!(names, ["_id_", "at_1_x_-1", "ttl"]);
    assert!(found[1].get_bool("unique").unwrap());
    let info = |name: &'static str, database: String| {
        let server = fixture.server.clone();
        async move { server.collection(&database, name).await.unwrap().unwrap() }
    };
    assert_eq!(info("recent", one.clone()).await.kind, CollectionKind::View);
    assert_eq!(info("readings", one.clone()).await.options.get_document("collation").unwrap().get_str("locale").unwrap(), "fr");
    assert!(info("log", two.clone()).await.options.get_bool("capped").unwrap());

    // What both databases have cannot go into one; by name one of them can, and a wrong checksum stops everything.
    let into = RestoreSpec { into: Some(format!("{one}_all")), ..RestoreSpec::new(KEY) };
    let error = restore::run(&fixture.server, &into, &store, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("would both become"), "{}", error.story());
    let only = RestoreSpec { collection: Some("log".into()), ..into };
    assert_eq!(restore::run(&fixture.server, &only, &store, &|_| {}).await.unwrap().documents, 50);
    let mut wrong = ByHand::new(&[(&one, "wrong", "collection", "")]);
    wrong.part(&one, "wrong", &readings[..2]);
    wrong.end(&one, "wrong", &readings[..1]);
    store.put("theirs/wrong.gz", wrong.packed(), Default::default()).await.unwrap();
    let error = restore::run(&fixture.server, &RestoreSpec::new("theirs/wrong.gz"), &store, &|_| {}).await.unwrap_err();
    assert!(error.story().contains("checksum"), "{}", error.story());
    for database in [&one, &two, &format!("{one}_all")] {
        fixture.server.drop_database(database).await.unwrap();
    }
}

/// Feeds a tool and returns what it writes; `None` and said so where the tool is not installed.
fn through(tool: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(tool).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = started else {
        #[expect(clippy::print_stderr, reason = "a test that was skipped must not look as if it had passed")]
        {
            eprintln!("skipped: {tool} is not installed");
        }
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert!(output.status.success(), "{tool} refuses our archive");
    Some(output.stdout)
}

/// Walks an archive with nothing but the standard library: magic, prelude, blocks; prints documents and bytes per namespace.
const WALK: &str = r#"
import gzip, struct, sys
data = gzip.decompress(sys.stdin.buffer.read())
assert data[:4] == bytes.fromhex("6de29981"), data[:4]
at, counts, prelude = 4, {}, 0
def frame():
    global at
    size = struct.unpack_from("<i", data, at)[0]
    if size == -1:
        at += 4
        return None
    document = data[at:at + size]
    assert size >= 5 and len(document) == size and document[-1] == 0
    at += size
    return document
def field(document, name):
    start = document.index(b"\x02" + name + b"\0") + len(name) + 2
    size = struct.unpack_from("<i", document, start)[0]
    return document[start + 4:start + 3 + size].decode()
while frame() is not None:
    prelude += 1
while at < len(data):
    name = field(header := frame(), b"collection")
    ended = b"\x08EOF\0\x01" in header
    seen = counts.setdefault(name, [0, False])
    assert not seen[1], name
    while frame() is not None:
        assert not ended
        seen[0] += 1
    seen[1] = ended
assert all(ended for _, ended in counts.values())
print(prelude - 1, sorted((name, count) for name, (count, _) in counts.items()))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn our_archive_is_one_gzip_file_to_every_reader() {
    let fixture = Fixture::new().await;
    // More than a few members.
    let documents: Vec<Document> = (0..9000).map(|n| doc! {"_id": n, "text": format!("{n:0600}"), "noise": f64::from(n).sqrt()}).collect();
    for some in documents.chunks(3000) {
        fixture.server.command(&fixture.database, &doc! {"insert": "many", "documents": some.to_vec()}, "furnish").await.unwrap();
    }
    fixture.server.command(&fixture.database, &doc! {"create": "empty"}, "furnish").await.unwrap();
    let store = Memory::new();
    let made = backup::run(&fixture.server, &BackupSpec::new(&fixture.database, "b/"), &store, Utc::now(), &|_| {}).await.unwrap();
    let packed = read_all(&store, &made.manifest.archive, 1 << 30).await.unwrap();
    let members = packed.windows(4).filter(|window| *window == [0x1f, 0x8b, 8, 0]).count();
    assert!(members > 4, "{members} members");
    if let Some(unpacked) = through("gzip", &["-dc"], &packed) {
        let mut ours = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut ours).unwrap();
        assert!(unpacked == ours, "gzip reads {} bytes, we {}", unpacked.len(), ours.len());
    }
    if let Some(told) = through("python3", &["-c", WALK], &packed) {
        assert_eq!(String::from_utf8(told).unwrap().trim(), "2 [('empty', 0), ('many', 9000)]");
    }
    fixture.server.drop_database(&fixture.database).await.unwrap();
}
