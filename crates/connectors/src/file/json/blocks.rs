//! A text stream in blocks of whole lines, with their numbers, so that several can be worked on at once.

use std::io::{BufRead, Read as _};

use super::super::BATCH_BYTES;
use super::super::open::TextError;

/// Text of one block, about.
const BLOCK_BYTES: usize = 1 << 20;

/// Lines that follow each other.
pub(super) struct Block {
    first_line: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// The text, line breaks and blank lines included.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines that are not blank with their numbers, without line breaks and blanks around them.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let numbered = (self.first_line..).zip(Lines(Some(&self.bytes)));
        numbered.map(|(number, line)| (number, line.trim_ascii())).filter(|(_, line)| !line.is_empty())
    }
}

/// Reads block after block.
pub(super) struct BlockReader {
    input: Box<dyn BufRead + Send>,
    /// The beginning of the next block.
    rest: Vec<u8>,
    /// Lines of the blocks so far.
    lines: u64,
}

impl BlockReader {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, rest: Vec::new(), lines: 0 }
    }

    /// Returns the number of the line that is read now, from 1.
    pub(super) fn line(&self) -> u64 {
        self.lines + line_breaks(&self.rest) + 1
    }

    /// Returns the next lines; `None` at the end.
    ///
    /// # Errors
    /// The stream fails, or a line is longer than a batch may be.
    pub(super) fn next(&mut self) -> Result<Option<Block>, TextError> {
        let mut target = BLOCK_BYTES;
        loop {
            let wanted = target.saturating_sub(self.rest.len()) as u64;
            let is_end = (self.input.by_ref().take(wanted).read_to_end(&mut self.rest)? as u64) < wanted;
            let end = self.rest.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
            match end {
                _ if is_end => return Ok(self.cut(self.rest.len())),
                Some(end) => return Ok(self.cut(end)),
                None if target >= BATCH_BYTES => {
                    return Err(TextError::too_long(self.line(), "write one object a line"));
                }
                None => target = (target * 2).min(BATCH_BYTES),
            }
        }
    }

    fn cut(&mut self, end: usize) -> Option<Block> {
        if end == 0 {
            return None;
        }
        let mut rest = Vec::with_capacity(BLOCK_BYTES + self.rest.len() - end);
        rest.extend_from_slice(&self.rest[end..]);
        let bytes = std::mem::replace(&mut self.rest, rest);
        let first_line = self.lines + 1;
        let mut block = Block { first_line, bytes };
        block.bytes.truncate(end);
        self.lines += line_breaks(&block.bytes);
        Some(block)
    }
}

/// What stands between line breaks, the last of it perhaps empty.
struct Lines<'b>(Option<&'b [u8]>);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let rest = self.0?;
        match first_line_break(rest) {
            None => self.0.take(),
            Some(end) => {
                self.0 = Some(&rest[end + 1..]);
                Some(&rest[..end])
            }
        }
    }
}

/// Where the first line break stands: sixteen bytes are looked at together, for which the compiler has an instruction.
fn first_line_break(bytes: &[u8]) -> Option<usize> {
    let is_break = |byte: &u8| *byte == b'\n';
    let (sixteens, _) = bytes.as_chunks::<16>();
    let without =
        sixteens.iter().take_while(|bytes| !bytes.iter().fold(false, |any, byte| any | is_break(byte))).count();
    let place = bytes[16 * without..].iter().position(is_break)?;
    Some(16 * without + place)
}

fn line_breaks(bytes: &[u8]) -> u64 {
    // As many bytes as can be counted in one, so that each lane of a vector register counts by itself.
    let of_part = |part: &[u8]| part.iter().fold(0_u8, |number, byte| number + u8::from(*byte == b'\n'));
    bytes.chunks(usize::from(u8::MAX)).map(|part| u64::from(of_part(part))).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn numbered(text: &str) -> Vec<(u64, String)> {
        let mut reader = BlockReader::new(Box::new(Cursor::new(text.as_bytes().to_vec())));
        let mut lines = Vec::new();
        while let Some(block) = reader.next().unwrap() {
            lines.extend(block.lines().map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned())));
        }
        lines
    }

    #[test]
    fn lines_keep_their_numbers_over_blocks() {
        let long = "x".repeat(BLOCK_BYTES * 3 / 2);
        let text = format!("a\r\n\n  b \n{long}\n{}\nlast", "y\n".repeat(BLOCK_BYTES));
        let lines = numbered(&text);
        assert_eq!(lines[..2], [(1, "a".to_owned()), (3, "b".to_owned())]);
        assert_eq!((lines[2].0, lines[2].1.len()), (4, long.len()));
        assert_eq!((lines[3].0, lines.last().cloned()), (5, Some((6 + BLOCK_BYTES as u64, "last".to_owned()))));
        assert_eq!(lines.len(), 4 + BLOCK_BYTES);
    }

    #[test]
    fn line_breaks_are_found_wherever_they_stand() {
        for length in 0..100 {
            for place in 0..length {
                let mut bytes = vec![b'x'; length];
                assert_eq!(first_line_break(&bytes), None);
                bytes[place] = b'\n';
                bytes[length - 1] = b'\n';
                assert_eq!(first_line_break(&bytes), Some(place));
            }
        }
        for length in [0, 1, 254, 255, 256, 1000] {
            assert_eq!(line_breaks(&vec![b'\n'; length]), length as u64);
        }
        let lines: Vec<&[u8]> = Lines(Some(b"a\n\nb\n")).collect();
        assert_eq!(lines, [b"a".as_slice(), b"", b"b", b""]);
    }

    #[test]
    fn nothing_has_no_lines() {
        assert!(numbered("").is_empty());
        assert!(numbered("\n \n").is_empty());
    }

    #[test]
    fn a_line_beyond_all_bounds_is_named() {
        let text = format!("a\n{}", "x".repeat(BATCH_BYTES + 1));
        let mut reader = BlockReader::new(Box::new(Cursor::new(text.into_bytes())));
        assert!(matches!(reader.next(), Ok(Some(_))));
        assert!(matches!(reader.next(), Err(TextError::Record { line: 2, .. })));
    }
}
