//! The lines of a text stream, with their numbers.

use std::io::{BufRead, Read as _};

use super::super::BATCH_BYTES;
use super::super::open::TextError;

/// Reads lines one after the other into one buffer; blank ones are skipped.
pub(super) struct LineReader {
    input: Box<dyn BufRead>,
    buffer: Vec<u8>,
    line: u64,
}

impl LineReader {
    pub(super) fn new(input: Box<dyn BufRead>) -> Self {
        Self { input, buffer: Vec::new(), line: 0 }
    }

    /// Returns the number of the line read last, from 1; 0 before the first.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Returns the next line that is not blank and its number, without the line break; `None` at the end.
    ///
    /// # Errors
    /// The stream fails, or the line is longer than a batch may be.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, TextError> {
        loop {
            self.buffer.clear();
            let mut limited = self.input.by_ref().take(BATCH_BYTES as u64);
            if limited.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.buffer.len() >= BATCH_BYTES && !self.buffer.ends_with(b"\n") {
                return Err(TextError::too_long(self.line, "write one object a line"));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some((self.line, self.buffer.trim_ascii())));
            }
        }
    }
}
