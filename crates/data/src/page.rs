//! Bytes under way that are written in whole words.

/// Text under way. All its bytes are initialised ahead, so that short pieces are copied in whole words and cut off after.
#[derive(Debug)]
pub struct Page {
    bytes: Vec<u8>,
    length: usize,
}

impl Page {
    /// An empty page with room for `capacity` bytes; it grows as needed.
    pub fn with_capacity(capacity: usize) -> Page {
        Page { bytes: vec![0; capacity], length: 0 }
    }

    /// Bytes written so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends bytes.
    pub fn push(&mut self, piece: &[u8]) {
        self.room(piece.len());
        self.bytes[self.length..self.length + piece.len()].copy_from_slice(piece);
        self.length += piece.len();
    }

    /// Hands out room for `N` bytes; `write` says how many of them count.
    #[inline]
    pub fn fill<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) {
        self.room(N);
        if let Some(room) = self.bytes[self.length..].first_chunk_mut::<N>() {
            self.length += write(room).min(N);
        }
    }

    /// Makes room for so many bytes more.
    pub fn room(&mut self, bytes: usize) {
        if self.bytes.len() - self.length < bytes {
            self.bytes.resize((self.length + bytes) * 5 / 4, 0);
        }
    }

    /// What was written from `start` on.
    pub fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.length).unwrap_or_default()
    }

    /// Forgets what was written from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends what `read` puts into room for `bytes` bytes; it says how many it put there.
    ///
    /// # Errors
    /// Whatever `read` fails of; nothing is appended then.
    pub fn append(&mut self, bytes: usize, read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<usize> {
        self.room(bytes);
        let room = self.bytes.get_mut(self.length..self.length + bytes).unwrap_or_default();
        let count = read(room)?.min(bytes);
        self.length += count;
        Ok(count)
    }

    /// Bytes it has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Begins anew on the same paper: what is initialised stays so.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The first byte written.
    pub fn first_mut(&mut self) -> Option<&mut u8> {
        self.bytes.first_mut().filter(|_| self.length > 0)
    }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self.since(0)
    }
}
