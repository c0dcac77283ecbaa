//! The first page of a listing: mostly the whole bucket.

use meteoctl_data::store::ObjectInfo;

/// What the first call to list a bucket gives.
#[derive(Debug, Clone, PartialEq)]
pub enum FirstPage {
    /// There is no such bucket.
    NoBucket,
    /// Objects from the first key on, sorted by key; `all` of them, or as many as fit into an answer.
    Objects {
        /// The objects, without their metadata.
        objects: Vec<ObjectInfo>,
        /// Whether there are no others.
        all: bool,
    },
}

impl FirstPage {
    /// The objects under a prefix; `None` when the page does not tell them all.
    pub fn under(&self, prefix: &str) -> Option<Vec<ObjectInfo>> {
        let FirstPage::Objects { objects, all } = self else { return Some(Vec::new()) };
        let past = objects.last().is_some_and(|last| last.key.as_str() > prefix && !last.key.starts_with(prefix));
        (*all || past).then(|| objects.iter().filter(|object| object.key.starts_with(prefix)).cloned().collect())
    }

    /// Whether there is an object of this key; `None` when the page does not tell.
    pub fn holds(&self, key: &str) -> Option<bool> {
        let FirstPage::Objects { objects, all } = self else { return Some(false) };
        let found = objects.binary_search_by(|object| object.key.as_str().cmp(key)).is_ok();
        let past = objects.last().is_some_and(|last| last.key.as_str() > key);
        (found || *all || past).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use meteoctl_data::store::ObjectInfo;

    use super::FirstPage;

    fn page(keys: &[&str], all: bool) -> FirstPage {
        let object = |key: &&str| ObjectInfo {
            key: (*key).to_owned(),
            size: 1,
            etag: "e".into(),
            modified: DateTime::UNIX_EPOCH,
            metadata: Default::default(),
        };
        FirstPage::Objects { objects: keys.iter().map(object).collect(), all }
    }

    fn under(page: &FirstPage, prefix: &str) -> Option<Vec<String>> {
        page.under(prefix).map(|objects| objects.into_iter().map(|object| object.key).collect())
    }

    #[test]
    fn a_page_that_is_not_all_tells_only_what_lies_before_its_end() {
        let keys = ["a/1", "a/2", "b/1"];
        let (whole, first) = (page(&keys, true), page(&keys, false));
        for page in [&whole, &first] {
            assert_eq!(under(page, "a/"), Some(vec!["a/1".into(), "a/2".into()]));
            assert_eq!((page.holds("a/2"), page.holds("a/3")), (Some(true), Some(false)));
        }
        assert_eq!((under(&whole, "b/"), under(&first, "b/")), (Some(vec!["b/1".into()]), None), "more of b/ may follow");
        assert_eq!((under(&whole, "c/"), under(&first, "c/")), (Some(vec![]), None));
        assert_eq!((whole.holds("c"), first.holds("c")), (Some(false), None));
        assert_eq!((FirstPage::NoBucket.holds("a"), under(&FirstPage::NoBucket, "")), (Some(false), Some(vec![])));
    }
}
