//! A ZIP archive of stored files (PKWARE APPNOTE 6.3): what a workbook is wrapped in. Nothing is compressed, so no library is needed.

use anyhow::{Context, Result};

/// 1980-01-01, the first day a ZIP archive can name; the same in every archive.
const DATE: u16 = 0x0021;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Archive {
    /// Appends a file.
    ///
    /// # Errors
    /// When file or archive grow beyond 4 GiB.
    pub fn add(&mut self, name: &str, content: &str) -> Result<()> {
        let too_large = || format!("storing {name}: larger than 4 GiB");
        let size = u32::try_from(content.len()).with_context(too_large)?;
        let offset = u32::try_from(self.bytes.len()).with_context(too_large)?;
        let name_length = u16::try_from(name.len()).with_context(|| format!("storing {name}: the name is too long"))?;
        // What the entry itself and the directory say alike: version 2.0, UTF-8 names, stored, date, CRC, sizes, lengths.
        let mut common = Vec::new();
        for half in [20, 0x0800, 0, 0, DATE] {
            common.extend_from_slice(&u16::to_le_bytes(half));
        }
        for word in [crc32(content.as_bytes()), size, size] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&name_length.to_le_bytes());
        common.extend_from_slice(&[0, 0]);

        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(content.as_bytes());

        self.directory.extend_from_slice(b"PK\x01\x02\x14\0");
        self.directory.extend_from_slice(&common);
        // No comment, first disk, no attributes.
        self.directory.extend_from_slice(&[0; 10]);
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        self.count += 1;
        Ok(())
    }

    /// The whole archive.
    ///
    /// # Errors
    /// When it is larger than 4 GiB.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let offset = u32::try_from(self.bytes.len()).context("the archive is larger than 4 GiB")?;
        let size = u32::try_from(self.directory.len()).context("the archive is larger than 4 GiB")?;
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        for half in [self.count, self.count] {
            self.bytes.extend_from_slice(&half.to_le_bytes());
        }
        for word in [size, offset] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.extend_from_slice(&[0, 0]);
        Ok(self.bytes)
    }
}

/// CRC-32 as ZIP wants it (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// A reader that is not ours: Python's, where there is one.
    #[test]
    fn a_foreign_reader_finds_every_file() {
        let mut archive = Archive::default();
        archive.add("a.txt", "one").expect("adds");
        archive.add("b/ü.txt", "zwei").expect("adds");
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("x.zip");
        std::fs::write(&path, archive.finish().expect("finishes")).expect("writes");
        let script = "import sys, zipfile as z; f = z.ZipFile(sys.argv[1]); assert f.testzip() is None; \
                      sys.stdout.buffer.write(' '.join(n + '=' + f.read(n).decode() for n in f.namelist()).encode())";
        let Ok(output) = std::process::Command::new("python3").args(["-c", script]).arg(&path).output() else {
            crate::say::step("skipped", "reading the archive with Python: python3 is not there");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a.txt=one b/ü.txt=zwei", "{}", String::from_utf8_lossy(&output.stderr));
    }
}
