//! Paper that is used again: pages of text go back to the pad once their bytes are written.
//!
//! A page is initialised once and stays in the processor's cache; a new one for every block would cost both.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::page::Page;

/// Pages that lie ready at most; more were never under way at once.
const READY: usize = 16;
/// A page larger than this is not kept, in bytes: a very long line must not fill the memory with large pages.
const LARGEST: usize = 4 << 20;

/// Pages that lie ready.
#[derive(Debug, Default, Clone)]
pub(super) struct Pad(Arc<Mutex<Vec<Page>>>);

/// A page in use; dropped, it lies ready again.
#[derive(Debug)]
pub(super) struct Leaf {
    page: Page,
    pad: Pad,
}

impl Pad {
    /// An empty page.
    pub fn leaf(&self) -> Leaf {
        let ready = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Leaf { page: ready.unwrap_or_else(|| Page::with_capacity(0)), pad: self.clone() }
    }
}

impl Leaf {
    pub fn page(&mut self) -> &mut Page {
        &mut self.page
    }

    /// Its text; the page comes back when nobody reads it any more.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Leaf {
    fn as_ref(&self) -> &[u8] {
        self.page.as_ref()
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        let mut page = std::mem::replace(&mut self.page, Page::with_capacity(0));
        page.clear();
        let mut ready = self.pad.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() < READY && page.capacity() <= LARGEST {
            ready.push(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_back_empty_once_nobody_reads_it() {
        let pad = Pad::default();
        let mut leaf = pad.leaf();
        leaf.page().push(b"text");
        let bytes = leaf.into_bytes();
        let reader = bytes.slice(1..);
        drop(bytes);
        assert_eq!((&reader[..], pad.0.lock().unwrap().len()), (&b"ext"[..], 0));
        drop(reader);
        assert_eq!(pad.0.lock().unwrap().len(), 1);
        let mut leaf = pad.leaf();
        assert_eq!(leaf.as_ref(), b"");
        leaf.page().room(LARGEST);
        drop(leaf);
        assert_eq!(pad.0.lock().unwrap().len(), 0, "a large one is given back");
    }
}
