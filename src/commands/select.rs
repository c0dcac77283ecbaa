//! `--target` and `--exclude`: a part of the documents that still makes sense by itself.

use std::collections::BTreeSet;

use clap::Args;
use meteoctl_engine::document::Document;
use meteoctl_engine::failure::Outcome;
use meteoctl_engine::graph::Graph;
use meteoctl_engine::reference::Id;
use meteoctl_engine::registry::nearest;
use serde::{Deserialize, Serialize};

use super::usage;

/// Which documents are meant; all when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Selection {
    /// Only this document and what it needs; may be given several times
    #[arg(long, value_name = "KIND/NAME")]
    pub target: Vec<String>,
    /// Not this document, nor what needs it; may be given several times
    #[arg(long, value_name = "KIND/NAME")]
    pub exclude: Vec<String>,
}

impl Selection {
    /// The documents that are meant, in their old order.
    pub fn of(&self, mut documents: Vec<Document>) -> Outcome<Vec<Document>> {
        let targets = find(&documents, &self.target)?;
        let excluded = find(&documents, &self.exclude)?;
        if !excluded.is_empty() {
            let gone = Graph::new(&documents).reversed().closure(positions(&documents, &excluded));
            documents = keep(documents, |index| !gone.contains(&index));
        }
        if let Some(lost) = targets.iter().find(|target| documents.iter().all(|document| document.id != **target)) {
            return Err(usage(format!("take {lost}"), "it needs a document that is excluded", "leave out --target or --exclude"));
        }
        if !targets.is_empty() {
            documents = with_needs(documents, &targets);
        }
        if documents.is_empty() {
            return Err(usage("choose the documents", "nothing is left: everything needs what is excluded", "exclude less"));
        }
        Ok(documents)
    }
}

impl Selection {
    /// The documents that are to be removed: with a target also what needs it; an excluded one stays, and so does what it needs.
    pub fn of_removal(&self, documents: &[Document]) -> Outcome<Vec<Document>> {
        let (targets, excluded) = (find(documents, &self.target)?, find(documents, &self.exclude)?);
        let forward = Graph::new(documents);
        let stays = forward.closure(positions(documents, &excluded));
        let wanted = match targets.is_empty() {
            true => (0..documents.len()).collect(),
            false => forward.reversed().closure(positions(documents, &targets)),
        };
        if let Some(index) = positions(documents, &targets).iter().find(|index| stays.contains(index)) {
            let lost = documents.get(*index).map(|document| document.id.to_string()).unwrap_or_default();
            return Err(usage(format!("remove {lost}"), "what is excluded needs it", "leave out --target or --exclude"));
        }
        Ok(keep(documents.to_vec(), |index| wanted.contains(&index) && !stays.contains(&index)))
    }
}

/// The documents asked for and everything they need, in their old order.
pub fn with_needs(documents: Vec<Document>, asked: &[Id]) -> Vec<Document> {
    let wanted = Graph::new(&documents).closure(positions(&documents, asked));
    keep(documents, |index| wanted.contains(&index))
}

fn positions(documents: &[Document], ids: &[Id]) -> BTreeSet<usize> {
    documents.iter().enumerate().filter(|(_, document)| ids.contains(&document.id)).map(|(index, _)| index).collect()
}

fn keep(documents: Vec<Document>, wanted: impl Fn(usize) -> bool) -> Vec<Document> {
    documents.into_iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, document)| document).collect()
}

fn find(documents: &[Document], words: &[String]) -> Outcome<Vec<Id>> {
    let names: Vec<String> = documents.iter().map(|document| document.id.to_string()).collect();
    let one = |word: &String| match documents.iter().find(|document| document.id.to_string() == *word) {
        Some(document) => Ok(document.id.clone()),
        None => Err(usage(
            format!("find {word}"),
            "no document declares it",
            match nearest(word, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write Kind/name as `meteoctl status` shows it".to_owned(),
            },
        )),
    };
    words.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use meteoctl_engine::document::{Loaded, read};

    use super::*;

    fn documents() -> Vec<Document> {
        let one = |name: &str, after: &str| format!("---\nkind: Bucket\nmetadata: {{name: {name}, after: [{after}]}}\n");
        let text = [
            "apiVersion: meteoctl/v1\nkind: Stack\nmetadata: {name: s}\n".to_owned(),
            one("a", ""),
            one("b", "Bucket/a"),
            one("c", "Bucket/b"),
            one("d", ""),
        ];
        let mut loaded = Loaded::default();
        read("a.yaml", text.concat(), std::path::Path::new(""), &mut loaded);
        assert!(loaded.diagnostics.is_empty());
        loaded.documents
    }

    fn names(target: &[&str], exclude: &[&str]) -> Result<String, String> {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let selection = Selection { target: own(target), exclude: own(exclude) };
        let names = |documents: Vec<Document>| documents.into_iter().map(|document| document.id.name).collect::<String>();
        selection.of(documents()).map(names).map_err(|failure| failure.causes().join(": "))
    }

    #[test]
    fn a_target_brings_what_it_needs() {
        assert_eq!(names(&["Bucket/b"], &[]), Ok("sab".to_owned()));
        assert_eq!(names(&["Bucket/b", "Bucket/d"], &[]), Ok("sabd".to_owned()));
    }

    #[test]
    fn an_exclusion_takes_along_what_needs_it() {
        assert_eq!(names(&[], &["Bucket/b"]), Ok("sad".to_owned()));
        assert_eq!(names(&["Bucket/d"], &["Bucket/a"]), Ok("sd".to_owned()));
    }

    #[test]
    fn a_removal_goes_the_other_way_round() {
        let removed = |target: &[&str], exclude: &[&str]| {
            let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let selection = Selection { target: own(target), exclude: own(exclude) };
            let names = |documents: Vec<Document>| documents.into_iter().map(|document| document.id.name).collect::<String>();
            selection.of_removal(&documents()).map(names).map_err(|failure| failure.causes().join(": "))
        };
        assert_eq!(removed(&[], &[]), Ok("sabcd".to_owned()));
        assert_eq!(removed(&["Bucket/b"], &[]), Ok("bc".to_owned()));
        assert_eq!(removed(&[], &["Bucket/b"]), Ok("cd".to_owned()));
        assert_eq!(removed(&["Bucket/a"], &["Bucket/c"]), Err("what is excluded needs it".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(names(&["Bucket/c"], &["Bucket/a"]), Err("it needs a document that is excluded".to_owned()));
        assert_eq!(names(&[], &["Stack/s"]), Err("nothing is left: everything needs what is excluded".to_owned()));
        assert_eq!(names(&["Bucket/x"], &[]), Err("no document declares it".to_owned()));
    }
}
