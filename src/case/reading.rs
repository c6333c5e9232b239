//! Reading what a path names, when anything at all may stand there.
//!
//! A pipe that nobody writes to would be waited for, and a device never ends: only regular files are read,
//! and only so much of one. What is too long is an error and not cut short. Fails with [`io::Error`].

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The longest plan, journal or world that is read. A plan over a hundred thousand keys is well below.
pub const LONGEST: u64 = 1 << 30;

/// The bytes of a regular file of at most `most` bytes.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        let what = if found.is_dir() { "it is a directory" } else { "it is not a regular file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len().min(most)).unwrap_or(0));
    // Its length is only what it was, and not to be trusted in special file systems.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it is longer than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// The text of a regular file of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_regular(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_none_is_cut_short() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let said = |path: &Path, most| read_text(path, most).unwrap_err().to_string();
        assert_eq!(said(&path, 3), "it is longer than 3 bytes");
        assert_eq!(said(dir.path(), 9), "it is a directory");
        assert_eq!(said(Path::new("/dev/zero"), 9), "it is not a regular file");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(said(&path, 9), "it is not UTF-8");
    }
}
