//! The digest of what is kept in a file, inventories and plans: whoever edits it by hand is found out.
//!
//! It is no signature: whoever can write the file can also write the digest.

use std::io;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// SHA-256 of the compact text of a value, as hexadecimal: keys keep the order they are written in, so it is canonical.
pub(crate) fn digest_of(content: &impl Serialize) -> String {
    let mut hashed = io::BufWriter::new(Hashed(Sha256::new()));
    serde_json::to_writer(&mut hashed, content).expect("plain data");
    let Hashed(hash) = hashed.into_inner().expect("a hash takes what it is given");
    hex::encode(hash.finalize())
}

/// Takes bytes and keeps their hash.
#[derive(Debug)]
struct Hashed(Sha256);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
