//! Which permission every call of the data jobs needs.
//!
//! What a job reads of another document (raw objects of a Source) is granted by that document: jobs run on a whole stack.

use meteoctl_aws::policy::Action;

const BUCKET: &str = "arn:{partition}:s3:::{/bucket}";
const RAW: &str = "arn:{partition}:s3:::{/bucket}/{/raw}*";
const VENDOR: &str = "arn:{partition}:s3:::{s3/from}";
/// The folder of the output: dataset, manifest, rejects and corrections lie side by side.
const OUTPUT: &str = "arn:{partition}:s3:::{/bucket}/{/output^}*";
const REJECTS: &str = "arn:{partition}:s3:::{/bucket}/{/rejects}";
const BUCKET_OF_DATASET: &str = "arn:{partition}:s3:::{/dataset/outputs/bucket}";
const DATASET: &str = "arn:{partition}:s3:::{/dataset/outputs/bucket}/{/dataset/outputs/output^}*";
const REPORT: &str = "arn:{partition}:s3:::{/dataset/outputs/bucket}/{/output^}*";
const BACKUPS: &str = "arn:{partition}:s3:::{/bucket}/{/prefix}*";
/// Secrets Manager adds a hyphen and six characters to the name.
const LOGIN: &str = "arn:{partition}:secretsmanager:{region}:{account}:secret:{/credentials}-??????";

const SEAL: &str = "arn:{partition}:secretsmanager:{region}:{account}:secret:{/encryption/ageKey}-??????";

/// Looking at what lies in a place.
const fn looks(bucket: &'static str, objects: &'static str) -> [Action; 3] {
    [
        Action::plan("s3:ListObjectsV2", bucket).needs("s3:ListBucket"),
        Action::plan("s3:HeadObject", objects).needs("s3:GetObject"),
        Action::plan("s3:GetObject", objects),
    ]
}

/// Writing a large object, and cleaning up after one that was cut off.
const fn uploads(bucket: &'static str, objects: &'static str) -> [Action; 6] {
    [
        Action::job("s3:CreateMultipartUpload", objects).needs("s3:PutObject"),
        Action::job("s3:UploadPart", objects).needs("s3:PutObject"),
        Action::job("s3:CompleteMultipartUpload", objects).needs("s3:PutObject"),
        Action::job("s3:AbortMultipartUpload", objects),
        Action::job("s3:ListMultipartUploads", bucket).needs("s3:ListBucketMultipartUploads"),
        Action::job("s3:PutObject", objects),
    ]
}

const fn joined<const N: usize>(parts: &[&[Action]]) -> [Action; N] {
    let mut all = [Action::plan("", ""); N];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[at] = parts[part][index];
            (at, index) = (at + 1, index + 1);
        }
        part += 1;
    }
    assert!(at == N, "the length of the table");
    all
}

const SOURCE: &[Action] = &joined::<6>(&[
    &looks(BUCKET, RAW),
    &[Action::plan("s3:GetObject", VENDOR), Action::job("s3:PutObject", RAW), Action::job("s3:DeleteObject", RAW)],
]);
const DATASET_ACTIONS: &[Action] = &joined::<13>(&[
    &looks(BUCKET, OUTPUT),
    &uploads(BUCKET, OUTPUT),
    &[
        Action::plan("s3:HeadObject", REJECTS).needs("s3:GetObject").when("/rejects"),
        Action::job("s3:PutObject", REJECTS).when("/rejects"),
        Action::job("s3:AbortMultipartUpload", REJECTS).when("/rejects"),
        Action::job("s3:DeleteObject", OUTPUT),
    ],
]);
const QUALITY: &[Action] =
    &joined::<10>(&[&looks(BUCKET_OF_DATASET, REPORT), &[Action::plan("s3:GetObject", DATASET)], &uploads(BUCKET_OF_DATASET, REPORT)]);
const COLLECTION: &[Action] =
    &[Action::plan("s3:GetObject", DATASET), Action::plan("secretsmanager:GetSecretValue", LOGIN).when("/credentials")];
const BACKUP: &[Action] = &joined::<11>(&[
    &looks(BUCKET, BACKUPS),
    &uploads(BUCKET, BACKUPS),
    &[Action::job("s3:DeleteObject", BACKUPS), Action::job("secretsmanager:GetSecretValue", SEAL).when("/encryption/ageKey")],
]);

/// The permissions of a job; `None` for a word that is no job. A LatencyProbe asks MongoDB alone, with the login of its
/// Collection.
pub fn actions(kind: &str) -> Option<&'static [Action]> {
    match kind {
        "Source" => Some(SOURCE),
        "Dataset" => Some(DATASET_ACTIONS),
        "QualityReport" => Some(QUALITY),
        "Collection" => Some(COLLECTION),
        "LatencyProbe" => Some(&[]),
        "Backup" => Some(BACKUP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use meteoctl_aws::policy::{Phase, Place, statements};
    use meteoctl_engine::kind::Meta;
    use serde_json::{Value, json};

    use super::actions;

    const JOBS: [&str; 6] = ["Source", "Dataset", "QualityReport", "Collection", "LatencyProbe", "Backup"];

    fn capital(word: &str) -> String {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
    }

    /// Operations of S3 that the code of this crate calls.
    fn called(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                called(&path, found);
                continue;
            }
            if path.file_name().is_some_and(|name| name == "tests.rs" || name == "actions.rs") {
                continue;
            }
            let text: String = std::fs::read_to_string(&path).expect("a text").chars().filter(|letter| !letter.is_whitespace()).collect();
            for (at, _) in text.match_indices("aws.s3.") {
                let name: String = text[at + 7..].chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
                found.insert(format!("s3:{}", name.split('_').map(capital).collect::<String>()));
            }
        }
    }

    #[test]
    fn every_call_has_its_permission_and_no_permission_is_without_its_call() {
        let mut code = BTreeSet::new();
        called(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
        // Asked through the clients' crate, whose own test finds it there.
        code.insert("secretsmanager:GetSecretValue".to_owned());
        let tables: BTreeSet<String> = JOBS
            .iter()
            .flat_map(|job| actions(job).expect("a job"))
            .chain(crate::lock::ACTIONS)
            .chain(crate::removal::ACTIONS)
            .map(|action| action.operation.to_owned())
            .collect();
        assert_eq!(code, tables);
        let jobs = crate::all(&context());
        assert!(jobs.iter().all(|job| actions(job.name()).is_some()) && jobs.len() == JOBS.len());
    }

    fn context() -> std::sync::Arc<crate::JobContext> {
        let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let aws = meteoctl_aws::client::Aws::new(&config, Default::default(), Default::default());
        std::sync::Arc::new(crate::JobContext {
            aws: std::sync::Arc::new(aws),
            listener: meteoctl_engine::event::silent(),
            mongodb_uri: None,
            variables: Default::default(),
            authorities: Vec::new(),
            deep: false,
            forced: crate::Forced::default(),
            recall: crate::Recall::default(),
            replay: false,
        })
    }

    fn granted(kind: &str, phases: &[Phase], spec: &Value) -> Vec<Value> {
        let place = Place { account: "123456789012".into(), region: "eu-west-3".into() };
        statements(actions(kind).expect("a job"), phases, &Meta::named("weather"), spec, &place)
    }

    #[test]
    fn a_job_gets_its_own_prefixes_and_nothing_else() {
        let spec = json!({"bucket": {"ref": "Bucket/p8-meteo"}, "raw": "raw/", "from": "sources/a.json"});
        assert_eq!(
            granted("Source", &[Phase::Plan, Phase::Job], &spec),
            [
                json!({"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::p8-meteo/raw/*"]}),
                json!({"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::p8-meteo"]}),
            ]
        );
        let from_s3 = json!({"bucket": "b", "raw": "raw/", "from": "s3://theirs/a.json"});
        let all = json!(granted("Source", &[Phase::Plan], &from_s3)).to_string();
        assert!(all.contains("arn:aws:s3:::theirs/a.json"), "{all}");
        let dataset = json!({"ref": "Dataset/weather", "outputs": {"bucket": "b", "output": "done/weather.json"}});
        let spec = json!({"dataset": dataset, "credentials": {"ref": "Secret/p8/mongodb"}});
        assert_eq!(
            granted("Collection", &[Phase::Plan], &spec),
            [
                json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/done/*"]}),
                json!({"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"],
                    "Resource": ["arn:aws:secretsmanager:eu-west-3:123456789012:secret:p8/mongodb-??????"]}),
            ]
        );
    }
}
