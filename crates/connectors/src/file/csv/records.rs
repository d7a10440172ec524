//! Records of a CSV stream, with the line each begins on.
//!
//! It splits and unquotes; it does not check encoding, counts or types. Line breaks may be LF, CRLF or stand inside
//! quotes; blank lines are skipped.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::super::BATCH_BYTES;
use super::super::open::TextError;

/// One record; borrowed from the reader until the next.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The line it begins on, from 1.
    pub(crate) line: u64,
    /// How many further lines it spans, by line breaks inside quotes.
    pub(crate) more_lines: u64,
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub(crate) fn n_fields(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the fields as text, or the index of the first that is not UTF-8.
    pub(crate) fn fields(&self) -> Result<Fields<'a>, usize> {
        // One check for the whole record is the fast way; it holds for each field if no character spans two.
        if let Ok(text) = str::from_utf8(self.bytes)
            && self.ends.iter().all(|end| text.is_char_boundary(*end))
        {
            return Ok(Fields { text, ends: self.ends });
        }
        Err((0..self.n_fields()).find(|index| str::from_utf8(self.field_bytes(*index)).is_err()).unwrap_or(0))
    }

    /// Returns a field's text with `\u{fffd}` for what is not UTF-8.
    pub(crate) fn lossy_field(&self, index: usize) -> String {
        String::from_utf8_lossy(self.field_bytes(index)).into_owned()
    }

    fn field_bytes(&self, index: usize) -> &'a [u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// The fields of a record that is UTF-8 throughout.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// Returns the field at `index`, which is below the record's number of fields.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &'a str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }
}

/// Reads records one after the other into one buffer.
pub(crate) struct RecordReader {
    input: Box<dyn BufRead + Send>,
    core: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    skipped_lines: u64,
}

impl RecordReader {
    pub(crate) fn new(input: Box<dyn BufRead + Send>, delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Self { input, core, bytes: vec![0; 4096], ends: vec![0; 64], skipped_lines: 0 }
    }

    /// Returns the line that the next record begins on, or the last read one ends on.
    pub(crate) fn line(&self) -> u64 {
        self.core.line() + self.skipped_lines
    }

    /// Returns the next record, `None` at the end.
    ///
    /// # Errors
    /// The stream fails, a quote is never closed, or a record is longer than a batch may be.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, TextError> {
        self.skip_line_breaks()?;
        let line = self.line();
        let (mut n_bytes, mut n_ends, mut last_byte) = (0, 0, None);
        loop {
            let chunk = self.input.fill_buf()?;
            // At the end of the stream one more line break ends the record, unless it stands within quotes.
            let is_ending = chunk.is_empty() && last_byte.is_some();
            let input = if is_ending { b"\n" } else { chunk };
            let (result, n_read, n_written, n_ended) =
                self.core.read_record(input, &mut self.bytes[n_bytes..], &mut self.ends[n_ends..]);
            last_byte = input[..n_read].last().copied().or(last_byte);
            self.input.consume(if is_ending { 0 } else { n_read });
            n_bytes += n_written;
            n_ends += n_ended;
            match result {
                ReadRecordResult::InputEmpty if is_ending => return Err(unclosed_quote(line)),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if n_bytes >= BATCH_BYTES => {
                    return Err(TextError::too_long(line, "look for a quote that is not closed"));
                }
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        // The line break that ends the record is not one inside it.
        let n_breaks = self.line() - line;
        let more_lines = n_breaks - u64::from(last_byte == Some(b'\n') && n_breaks > 0);
        Ok(Some(Record { line, more_lines, bytes: &self.bytes[..n_bytes], ends: &self.ends[..n_ends] }))
    }

    /// Skips the breaks before a record, which the parser would skip too, but without telling where the record begins.
    fn skip_line_breaks(&mut self) -> io::Result<()> {
        loop {
            let input = self.input.fill_buf()?;
            let n_breaks = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.skipped_lines += input[..n_breaks].iter().filter(|byte| **byte == b'\n').count() as u64;
            let goes_on = n_breaks > 0 && n_breaks == input.len();
            self.input.consume(n_breaks);
            if !goes_on {
                return Ok(());
            }
        }
    }
}

fn unclosed_quote(line: u64) -> TextError {
    let reason = "the row opens a quote that is never closed, so all that follows would be part of it".to_owned();
    TextError::Record { line, reason, hint: "close the quote; if the file was cut off, copy it again" }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use expect_test::expect;

    use super::*;

    /// One line per record: where it begins, how many lines it spans beyond, its fields.
    fn check(text: &str, expected: expect_test::Expect) {
        let mut reader = RecordReader::new(Box::new(Cursor::new(text.to_owned())), b',');
        let mut shown = String::new();
        loop {
            match reader.next() {
                Ok(Some(record)) => {
                    let fields: Vec<String> = (0..record.n_fields()).map(|index| record.lossy_field(index)).collect();
                    shown += &format!("{}+{} {fields:?}\n", record.line, record.more_lines);
                }
                Ok(None) => break,
                Err(error) => {
                    shown += &format!("{error:?}\n");
                    break;
                }
            }
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn records_know_their_lines() {
        check(
            "a,b\n1,2\n\n\n3,4",
            expect![[r#"
            1+0 ["a", "b"]
            2+0 ["1", "2"]
            5+0 ["3", "4"]
        "#]],
        );
        check(
            "a,b\r\n\"1\r\n2\",x\r\n\r\n3,4\r\n",
            expect![[r#"
            1+0 ["a", "b"]
            2+1 ["1\r\n2", "x"]
            5+0 ["3", "4"]
        "#]],
        );
        check(
            "a\n\"x\ny\nz\"\nb",
            expect![[r#"
            1+0 ["a"]
            2+2 ["x\ny\nz"]
            5+0 ["b"]
        "#]],
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told() {
        check(
            "a\n\"b",
            expect![[r#"
                1+0 ["a"]
                Record { line: 2, reason: "the row opens a quote that is never closed, so all that follows would be part of it", hint: "close the quote; if the file was cut off, copy it again" }
            "#]],
        );
        check(
            "a\n\"b\n\n",
            expect![[r#"
                1+0 ["a"]
                Record { line: 2, reason: "the row opens a quote that is never closed, so all that follows would be part of it", hint: "close the quote; if the file was cut off, copy it again" }
            "#]],
        );
        check(
            "a\n\"b\"",
            expect![[r#"
            1+0 ["a"]
            2+0 ["b"]
        "#]],
        );
        check(
            "a\n5\" pipe",
            expect![[r#"
            1+0 ["a"]
            2+0 ["5\" pipe"]
        "#]],
        );
        check(
            "a\n\"say \"\"hi\"\"\"",
            expect![[r#"
            1+0 ["a"]
            2+0 ["say \"hi\""]
        "#]],
        );
    }
}
