//! The archive format: bytes as the tools write them, every BSON type, any damage noticed.

use std::io::Cursor;

use bson::{Bson, Document, RawDocumentBuf, doc};
use meteoctl_data::archive::{ArchiveError, Namespace, Piece, Prelude, Reader, TERMINATOR, Writer, gzip};
use proptest::prelude::*;

fn bytes(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).unwrap().into_bytes()
}

fn prelude(names: &[&str]) -> Prelude {
    Prelude {
        concurrent_collections: 1,
        format_version: "0.1".into(),
        server_version: "6.0.5".into(),
        tool_version: "100.9.0".into(),
        namespaces: names.iter().map(|name| Namespace::describe("db", name, "collection", &doc! {}, &[], None)).collect(),
    }
}

fn write(prelude: &Prelude, content: &[(&str, Vec<Document>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), prelude).unwrap();
    for (name, documents) in content {
        writer.begin("db", name).unwrap();
        documents.iter().for_each(|document| writer.documents(&bytes(document)).unwrap());
        writer.end().unwrap();
    }
    writer.finish().unwrap()
}

type Content = Vec<(String, Vec<u8>)>;

/// Everything an archive holds: the prelude and the document bytes per namespace in order of first appearance.
fn read(archive: &[u8], enough: usize) -> Result<(Prelude, Content), ArchiveError> {
    let (prelude, mut reader) = Reader::open(Cursor::new(archive))?;
    let mut content: Content = Vec::new();
    let mut batch = Vec::new();
    while let Some(piece) = reader.next(&mut batch, enough)? {
        let (Piece::Documents(index) | Piece::End(index)) = piece;
        let name = reader.namespace(index).unwrap().1.to_owned();
        if !content.iter().any(|(known, _)| *known == name) {
            content.push((name.clone(), Vec::new()));
        }
        content.iter_mut().find(|(known, _)| *known == name).unwrap().1.append(&mut batch);
    }
    Ok((prelude, content))
}

/// One document of every BSON type the format knows.
fn all_types() -> Document {
    doc! {
        "double": 1.5, "nan": f64::NAN, "string": "é\u{0}x", "document": {"a": {}}, "array": [1, "two", [3.0]],
        "binary": bson::Binary { subtype: bson::spec::BinarySubtype::UserDefined(0x81), bytes: vec![0, 255] },
        "undefined": Bson::Undefined, "id": bson::oid::ObjectId::from_bytes([7; 12]), "true": true, "false": false,
        "date": bson::DateTime::from_millis(-1), "null": null,
        "regex": bson::Regex { pattern: "a+".try_into().unwrap(), options: "ix".try_into().unwrap() },
        "pointer": Bson::try_from(serde_json::json!({"$dbPointer": {"$ref": "db.c", "$id": {"$oid": "070707070707070707070707"}}})).unwrap(),
        "code": Bson::JavaScriptCode("return 1".into()), "symbol": Bson::Symbol("s".into()),
        "scoped": bson::JavaScriptCodeWithScope { code: "x".into(), scope: doc! {"x": 1} },
        "int32": i32::MIN, "timestamp": bson::Timestamp { time: 1, increment: 2 }, "int64": i64::MAX,
        "decimal": Bson::Decimal128("1.10E+3".parse().unwrap()), "min": Bson::MinKey, "max": Bson::MaxKey,
    }
}

#[test]
fn what_the_tools_write_is_read() {
    // Laid out by hand after the grammar in spec.md: two namespaces, interleaved, a block without documents, an empty
    // view, field order, int32 sizes and lower-case metadata as the tools have them.
    let one = bytes(&doc! {"_id": 1});
    let two = bytes(&doc! {"_id": 2});
    let mut archive = vec![0x6d, 0xe2, 0x99, 0x81];
    let block = |archive: &mut Vec<u8>, collection: &str, end: Option<i64>, documents: &[&[u8]]| {
        archive.extend(bytes(&doc! {"db": "db", "collection": collection, "EOF": end.is_some(), "CRC": end.unwrap_or(0)}));
        documents.iter().for_each(|document| archive.extend_from_slice(document));
        archive.extend(TERMINATOR);
    };
    archive.extend(bytes(&doc! {"concurrent_collections": 4, "version": "0.1", "server_version": "4.4.29", "tool_version": "r4.0.28"}));
    let metadata = r#"{"options":{},"indexes":[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_","ns":"db.a"}],"uuid":"5f2a","collectionName":"a","type":"collection"}"#;
    archive.extend(bytes(&doc! {"db": "db", "collection": "a", "metadata": metadata, "size": 0, "type": "collection"}));
    archive.extend(bytes(&doc! {"db": "db", "collection": "b", "metadata": "", "size": 12_i64}));
    archive.extend(bytes(&doc! {"db": "db", "collection": "v", "metadata": r#"{"options":{"viewOn":"a","pipeline":[]},"indexes":[]}"#, "size": 0, "type": "view"}));
    archive.extend(TERMINATOR);
    // CRC-64/XZ of the bytes 0e 00 00 00 10 5f 69 64 00 {1,2} 00 00 00 00, computed with another implementation.
    let crc = |documents: &[&[u8]]| reference_crc64(&documents.concat()).cast_signed();
    block(&mut archive, "a", None, &[&one]);
    block(&mut archive, "b", None, &[&two, &one]);
    block(&mut archive, "a", None, &[&two]);
    block(&mut archive, "b", Some(crc(&[&two, &one])), &[]);
    block(&mut archive, "v", None, &[]);
    block(&mut archive, "v", Some(0), &[]);
    block(&mut archive, "a", Some(crc(&[&one, &two])), &[]);
    let (prelude, content) = read(&archive, 1).unwrap();
    assert_eq!((prelude.concurrent_collections, prelude.server_version.as_str(), prelude.tool_version.as_str()), (4, "4.4.29", "r4.0.28"));
    assert_eq!(prelude.namespaces[0].details().unwrap().indexes[0].get_str("ns").unwrap(), "db.a");
    assert_eq!(prelude.namespaces[1].details().unwrap(), Default::default());
    assert_eq!((prelude.namespaces[1].size, prelude.namespaces[1].kind.as_str()), (12, ""));
    assert_eq!(prelude.namespaces[2].details().unwrap().options, doc! {"viewOn": "a", "pipeline": []});
    let expected = [("a", [one.clone(), two.clone()].concat()), ("b", [two, one].concat()), ("v", vec![])];
    assert_eq!(content, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
}

/// CRC-64/XZ bit by bit, after its definition.
fn reference_crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xc96c_5795_d787_0f42 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn what_we_write_is_laid_out_like_the_tools_archives() {
    let document = doc! {"_id": 1};
    let archive = write(&prelude(&["c"]), &[("c", vec![document.clone()])]);
    let metadata = r#"{"indexes":[],"collectionName":"c","type":"collection"}"#;
    let parts: Vec<Vec<u8>> = vec![
        vec![0x6d, 0xe2, 0x99, 0x81],
        bytes(&doc! {"concurrent_collections": 1, "version": "0.1", "server_version": "6.0.5", "tool_version": "100.9.0"}),
        bytes(&doc! {"db": "db", "collection": "c", "metadata": metadata, "size": 0, "type": "collection"}),
        TERMINATOR.to_vec(),
        bytes(&doc! {"db": "db", "collection": "c", "EOF": false, "CRC": 0_i64}),
        bytes(&document),
        TERMINATOR.to_vec(),
        bytes(&doc! {"db": "db", "collection": "c", "EOF": true, "CRC": reference_crc64(&bytes(&document)).cast_signed()}),
        TERMINATOR.to_vec(),
    ];
    assert_eq!(archive, parts.concat());
}

#[test]
fn every_bson_type_and_every_option_survives() {
    let options =
        doc! {"capped": true, "size": 4096_i64, "collation": {"locale": "fr"}, "validator": {"n": {"$gte": 0.0}}, "odd": all_types()};
    let indexes = [
        doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        doc! {"v": 2, "key": {"a": -1.0, "b": "text"}, "name": "x", "expireAfterSeconds": 5_i64},
    ];
    let namespace = Namespace::describe("db", "c", "collection", &options, &indexes, Some("00ff"));
    let details = namespace.details().unwrap();
    assert_eq!(bytes(&details.options), bytes(&options));
    assert_eq!((details.indexes.as_slice(), details.kind.as_str()), (indexes.as_slice(), "collection"));
    let with = Prelude { namespaces: vec![namespace], ..prelude(&[]) };
    let archive = write(&with, &[("c", vec![all_types()])]);
    let (prelude, content) = read(&archive, usize::MAX).unwrap();
    assert_eq!((prelude, content), (with, vec![("c".to_owned(), bytes(&all_types()))]));
}

#[test]
fn faults_are_told_apart() {
    let whole = write(&prelude(&["a", "b"]), &[("a", vec![doc! {"_id": 1}]), ("b", vec![])]);
    let fault = |archive: &[u8]| read(archive, 1).unwrap_err().to_string();
    assert_eq!(fault(b"\x1f\x8b\x08\x00rest"), "not a mongodump archive: it starts with 0x00088b1f instead of 0x8199e26d");
    assert_eq!(fault(b"\x6d\xe2"), "the archive ends early, before its magic number");
    assert_eq!(fault(&whole[..whole.len() - 1]), "the archive ends early, inside a length");
    assert_eq!(fault(&whole[..whole.len() - 4]), "the archive ends early, behind the end of a namespace");
    let only_a = write(&prelude(&["a", "b"]), &[("a", vec![])]);
    assert_eq!(fault(&only_a), "the archive is damaged: it ends before db.b is complete");
    let twice = write(&prelude(&["a"]), &[("a", vec![]), ("a", vec![])]);
    assert_eq!(fault(&twice), "the archive is damaged: db.a goes on after its end");
    let at = whole.windows(9).position(|window| window == bytes(&doc! {"_id": 1})[..9].to_vec()).unwrap();
    let mut flipped = whole.clone();
    flipped[at + 9] ^= 2;
    assert!(fault(&flipped).starts_with("checksum of db.a is 0x"), "{}", fault(&flipped));
    let mut long = whole;
    long[at..at + 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    assert_eq!(fault(&long), "the archive is damaged: a document of 2147483647 bytes");
}

fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(Bson::Double),
        ".{0,20}".prop_map(Bson::String),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        any::<i64>().prop_map(|millis| Bson::DateTime(bson::DateTime::from_millis(millis))),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(bson::oid::ObjectId::from_bytes(bytes))),
        proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes })),
        Just(Bson::Null),
        Just(Bson::Document(all_types())),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
            proptest::collection::vec(("[a-z$.]{1,8}", inner), 0..6).prop_map(|pairs| Bson::Document(pairs.into_iter().collect())),
        ]
    })
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    proptest::collection::vec(
        proptest::collection::vec(("[a-z_]{1,6}", value()), 0..5).prop_map(|pairs| pairs.into_iter().collect()),
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_documents_come_back_byte_for_byte(a in documents(), b in documents(), enough in 1_usize..5000, cut in 1_usize..3000, level in 0_u32..10) {
        let with = prelude(&["a", "b"]);
        let archive = write(&with, &[("a", a.clone()), ("b", b.clone())]);
        // Through gzip in members, the last one possibly empty.
        let members: Vec<u8> = archive.chunks(cut).flat_map(|piece| gzip::member(piece, level).unwrap()).collect();
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut gzip::reader(Cursor::new(members)), &mut unpacked).unwrap();
        prop_assert_eq!(&unpacked, &archive);
        let (prelude, content) = read(&archive, enough).unwrap();
        prop_assert_eq!(prelude, with);
        let joined = |documents: &[Document]| documents.iter().flat_map(bytes).collect::<Vec<u8>>();
        prop_assert_eq!(content, vec![("a".to_owned(), joined(&a)), ("b".to_owned(), joined(&b))]);
    }

    #[test]
    fn no_damage_passes_for_the_same_content(a in documents(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let archive = write(&prelude(&["a"]), &[("a", a)]);
        let sound = read(&archive, 100).unwrap();
        let mut damaged = archive.clone();
        damaged[at.index(archive.len())] ^= 1 << bit;
        // A flip in the prelude may read as another prelude; documents never pass changed.
        if let Ok((_, content)) = read(&damaged, 100) {
            let only_bytes = |content: &Content| content.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
            prop_assert_eq!(only_bytes(&content), only_bytes(&sound.1));
        }
        let cut = at.index(archive.len());
        prop_assert!(read(&archive[..cut], 100).is_err(), "cut at {}", cut);
    }

    #[test]
    fn nonsense_is_an_error_not_a_panic(mut noise in proptest::collection::vec(any::<u8>(), 0..300), with_magic in any::<bool>()) {
        if with_magic {
            noise.splice(0..0, [0x6d, 0xe2, 0x99, 0x81]);
        }
        prop_assert!(read(&noise, 100).is_err());
    }
}
