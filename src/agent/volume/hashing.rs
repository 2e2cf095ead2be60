//! Counts and hashes what goes into a file, or comes out of it, on its way. No I/O of its own.

use crate::protocol::hex::write_hex;
use sha2::{Digest, Sha256};
use std::io::{Read, Result, Write};

/// A stream with what went by.
pub struct Hashing<S> {
    pub inner: S,
    hash: Sha256,
    /// Bytes that went by.
    pub bytes: u64,
}

impl<S> Hashing<S> {
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// sha256 of what went by, hex.
    pub fn finish(self) -> String {
        write_hex(&self.hash.finalize())
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.inner.write(bytes)?;
        self.take_in(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        self.take_in(&buffer[..read]);
        Ok(read)
    }
}
