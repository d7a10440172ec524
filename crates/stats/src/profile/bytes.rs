//! Little-endian writing and bounds-checked reading of stored profiles; knows no sketch.

use crate::error::StatsError;

/// Appends values to a byte buffer.
#[derive(Debug, Default)]
pub(super) struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes seven bits a byte, lowest first.
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn word(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn float(&mut self, value: f64) {
        self.word(value.to_bits());
    }

    pub(super) fn floats(&mut self, values: &[f64]) {
        self.varint(values.len() as u64);
        self.bytes.reserve(values.len() * 8);
        values.iter().for_each(|value| self.float(*value));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.raw(text.as_bytes());
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what [`ByteWriter`] wrote; damaged bytes give an error, never a panic or a huge allocation.
#[derive(Debug)]
pub(super) struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], StatsError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(self.failure("the bytes end too early"));
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, StatsError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn varint(&mut self) -> Result<u64, StatsError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.failure("a number is too long"))
    }

    /// Reads a count of things that take at least one byte each.
    pub(super) fn length(&mut self) -> Result<usize, StatsError> {
        let length = self.varint()? as usize;
        if length > self.bytes.len() {
            return Err(self.failure("a length exceeds the bytes there are"));
        }
        Ok(length)
    }

    pub(super) fn word(&mut self) -> Result<u64, StatsError> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(word))
    }

    pub(super) fn float(&mut self) -> Result<f64, StatsError> {
        Ok(f64::from_bits(self.word()?))
    }

    pub(super) fn floats(&mut self) -> Result<Vec<f64>, StatsError> {
        let length = self.length()?;
        let words = self.take(length.saturating_mul(8))?.as_chunks::<8>().0;
        Ok(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, StatsError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.failure("a text is not UTF-8"))
    }

    pub(super) fn failure(&self, reason: &'static str) -> StatsError {
        StatsError::ProfileBytes { at: self.at, reason }
    }
}
