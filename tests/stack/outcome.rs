//! What a run of the binary left behind: exit code, result, story.

use std::collections::BTreeSet;

use serde_json::Value;

/// One finished run.
#[derive(Debug)]
pub struct Outcome {
    /// What was typed.
    pub words: String,
    /// Exit code; `None` = ended by a signal.
    pub code: Option<i32>,
    /// The result.
    pub stdout: String,
    /// The story.
    pub stderr: String,
}

impl Outcome {
    /// What a run that has ended came to.
    pub fn of(arguments: &[&str], output: std::process::Output) -> Outcome {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("meteoctl writes UTF-8");
        Outcome {
            words: format!("meteoctl {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Fails with everything the run said, unless it ended with this exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "{}\n--- stdout\n{}\n--- stderr\n{}", self.words, self.stdout, self.stderr);
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub fn report(&self) -> Report {
        let parsed = serde_json::from_str(&self.stdout);
        Report(parsed.unwrap_or_else(|error| panic!("{}: {error}\n--- stdout\n{}\n--- stderr\n{}", self.words, self.stdout, self.stderr)))
    }

    /// Fails unless result or story holds all these words.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        let said = format!("{}\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(said.contains(word), "{} does not say `{word}`:\n{said}", self.words);
        }
    }
}

/// A report in JSON, read as a foreign program would.
#[derive(Debug)]
pub struct Report(pub Value);

impl Report {
    /// A document's line.
    #[track_caller]
    pub fn line(&self, id: &str) -> &Value {
        self.lines().find(|line| line["id"] == id).unwrap_or_else(|| panic!("no line for {id}: {:#}", self.0))
    }

    /// What became of a document.
    #[track_caller]
    pub fn fate(&self, id: &str) -> &str {
        self.line(id)["fate"].as_str().expect("a fate is a word")
    }

    /// The documents with one of these fates.
    pub fn with_fates(&self, fates: &[&str]) -> BTreeSet<String> {
        let meant = self.lines().filter(|line| fates.iter().any(|fate| line["fate"] == *fate));
        meant.map(|line| line["id"].as_str().expect("an id is a text").to_owned()).collect()
    }

    /// The documents with none of these fates.
    pub fn without_fates(&self, fates: &[&str]) -> BTreeSet<String> {
        let meant = self.lines().filter(|line| !fates.iter().any(|fate| line["fate"] == *fate));
        meant.map(|line| line["id"].as_str().expect("an id is a text").to_owned()).collect()
    }

    /// The fields that differ, or were changed, in a document.
    #[track_caller]
    pub fn fields(&self, id: &str) -> Vec<&str> {
        let fields = self.line(id)["diff"].as_array().or_else(|| self.line(id)["diff"]["fields"].as_array());
        fields.into_iter().flatten().filter_map(|field| field["path"].as_str()).collect()
    }

    /// AWS calls that changed something, by operation.
    pub fn writes(&self) -> &Value {
        &self.0["receipt"]["calls"]["writes"]
    }

    /// Fails unless the run proved by a fresh look that nothing is left to do.
    #[track_caller]
    pub fn converged(self) -> Report {
        assert_eq!(self.0["converged"], true, "{:#}", self.0);
        self
    }

    /// Fails if a call changed something, or anything was found to do.
    #[track_caller]
    pub fn changed_nothing(&self) {
        let busy: Vec<&Value> = self.lines().filter(|line| line["fate"] != "inSync").collect();
        assert!(busy.is_empty(), "{busy:#?}");
        assert!(self.writes().as_object().is_some_and(serde_json::Map::is_empty), "calls that change: {:#}", self.writes());
    }

    fn lines(&self) -> impl Iterator<Item = &Value> {
        self.0["lines"].as_array().into_iter().flatten()
    }
}
