//! Which values occur most: mergeable Misra-Gries counters, exact while a column has at most 512 different values.
//!
//! When a 513th value arrives, the median count is taken off all counters and those at zero go. Every count is then
//! too low by at most [`FrequentValues::error`], which is itself at most rows / 256 (Agarwal et al., "Mergeable
//! summaries", 2012). No randomness and no iteration order of a hash map takes part.

use std::ops::Range;

use super::bytes::{ByteReader, ByteWriter};
use super::hash::hash_word;
use crate::error::StatsError;

/// Values kept between two updates.
const MAX_VALUES: usize = 512;
/// Positions of the probing table; a power of two, four times the values.
const SLOTS: usize = 4 * MAX_VALUES;
/// Longer texts are kept up to here (they are still told apart by their hash).
const MAX_TEXT_BYTES: usize = 160;

/// Counters of the most frequent values, of words (numbers as bits) or of texts.
#[derive(Debug, Clone)]
pub(super) struct FrequentValues {
    /// Position in `entries` plus one; zero is free. Empty until the first look-up: a stored profile that is only
    /// shown or merged into another needs none.
    slots: Vec<u16>,
    entries: Vec<Entry>,
    /// The texts, each at its entry's span.
    texts: String,
    error: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    hash: u64,
    count: u64,
    /// The word itself, or `offset << 16 | length` in `texts`.
    payload: u64,
}

impl FrequentValues {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), entries: Vec::new(), texts: String::new(), error: 0 }
    }

    /// Counts a word once; true when it was not among the counters.
    #[inline]
    pub(super) fn record_word(&mut self, word: u64, hash: u64) -> bool {
        match self.find(hash) {
            Ok(entry) => {
                self.entries[entry].count += 1;
                false
            }
            Err(slot) => {
                self.push(slot, Entry { hash, count: 1, payload: word });
                self.shrink_when_full(false);
                true
            }
        }
    }

    /// Counts a text once; true when it was not among the counters.
    #[inline]
    pub(super) fn record_text(&mut self, text: &str, hash: u64) -> bool {
        match self.find(hash) {
            Ok(entry) => {
                self.entries[entry].count += 1;
                false
            }
            Err(slot) => {
                self.insert_text(slot, hash, text, 1);
                self.shrink_when_full(true);
                true
            }
        }
    }

    /// By how much any count may be too low.
    pub(super) fn error(&self) -> u64 {
        self.error
    }

    /// Number of different values when every one of them is still counted exactly.
    pub(super) fn exact_distinct(&self) -> Option<u64> {
        (self.error == 0).then_some(self.entries.len() as u64)
    }

    /// Words with their counts, in the order of their first appearance.
    pub(super) fn words(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.entries.iter().map(|entry| (entry.payload, entry.count))
    }

    /// Texts with their counts, in the order of their first appearance.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.entries.iter().map(|entry| (self.text_of(entry), entry.count))
    }

    /// Takes in the counters of `other`; `is_text` says what both hold.
    pub(super) fn merge(&mut self, other: &Self, is_text: bool) {
        for entry in &other.entries {
            match self.find(entry.hash) {
                Ok(mine) => self.entries[mine].count += entry.count,
                Err(slot) if is_text => {
                    self.insert_text(slot, entry.hash, other.text_of(entry), entry.count);
                }
                Err(slot) => self.push(slot, *entry),
            }
        }
        self.error += other.error;
        if self.entries.len() > MAX_VALUES {
            let cut = self.nth_largest_count(MAX_VALUES);
            self.shrink_by(cut, is_text);
        }
    }

    pub(super) fn write(&self, writer: &mut ByteWriter, is_text: bool) {
        writer.varint(self.error);
        writer.varint(self.entries.len() as u64);
        for entry in &self.entries {
            writer.varint(entry.count);
            writer.word(if is_text { entry.hash } else { entry.payload });
            if is_text {
                writer.text(self.text_of(entry));
            }
        }
    }

    pub(super) fn read(reader: &mut ByteReader<'_>, is_text: bool) -> Result<Self, StatsError> {
        let mut values = Self::new();
        values.error = reader.varint()?;
        let length = reader.length()?;
        if length > MAX_VALUES {
            return Err(reader.failure("too many frequent values"));
        }
        for _ in 0..length {
            let count = reader.varint()?;
            let word = reader.word()?;
            let (hash, payload) =
                if is_text { (word, values.keep_text(reader.text()?)) } else { (hash_word(word), word) };
            values.entries.push(Entry { hash, count, payload });
        }
        Ok(values)
    }

    /// The entry of a hash, or the free slot where it belongs.
    #[inline]
    fn find(&mut self, hash: u64) -> Result<usize, usize> {
        if self.slots.is_empty() {
            self.index();
        }
        let mut slot = hash as usize & (SLOTS - 1);
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                position => {
                    let entry = usize::from(position) - 1;
                    if self.entries[entry].hash == hash {
                        return Ok(entry);
                    }
                }
            }
            slot = (slot + 1) & (SLOTS - 1);
        }
    }

    fn shrink_when_full(&mut self, is_text: bool) {
        if self.entries.len() > MAX_VALUES {
            let cut = self.nth_largest_count(MAX_VALUES / 2);
            self.shrink_by(cut, is_text);
        }
    }

    fn insert_text(&mut self, slot: usize, hash: u64, text: &str, count: u64) {
        let payload = self.keep_text(text);
        self.push(slot, Entry { hash, count, payload });
    }

    /// Appends a text and returns its span.
    fn keep_text(&mut self, text: &str) -> u64 {
        let kept = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
        let span = (self.texts.len() as u64) << 16 | kept.len() as u64;
        self.texts.push_str(kept);
        span
    }

    fn push(&mut self, slot: usize, entry: Entry) {
        self.entries.push(entry);
        self.slots[slot] = self.entries.len() as u16;
    }

    fn text_of(&self, entry: &Entry) -> &str {
        &self.texts[span_of(entry)]
    }

    fn nth_largest_count(&self, nth: usize) -> u64 {
        let mut counts: Vec<u64> = self.entries.iter().map(|entry| entry.count).collect();
        *counts.select_nth_unstable_by(nth, |left, right| right.cmp(left)).1
    }

    /// Takes `cut` off every count and drops the counters that it empties.
    fn shrink_by(&mut self, cut: u64, is_text: bool) {
        self.error += cut;
        self.entries.retain_mut(|entry| {
            let is_kept = entry.count > cut;
            entry.count = entry.count.saturating_sub(cut);
            is_kept
        });
        if is_text {
            let texts = std::mem::take(&mut self.texts);
            for position in 0..self.entries.len() {
                let span = span_of(&self.entries[position]);
                self.entries[position].payload = self.keep_text(&texts[span]);
            }
        }
        self.index();
    }

    fn index(&mut self) {
        self.slots.clear();
        self.slots.resize(SLOTS, 0);
        for (position, entry) in self.entries.iter().enumerate() {
            let mut slot = entry.hash as usize & (SLOTS - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (SLOTS - 1);
            }
            self.slots[slot] = position as u16 + 1;
        }
    }
}

fn span_of(entry: &Entry) -> Range<usize> {
    let start = (entry.payload >> 16) as usize;
    start..start + (entry.payload & 0xFFFF) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::hash::hash_bytes;

    fn recorded(words: impl Iterator<Item = u64>) -> FrequentValues {
        let mut values = FrequentValues::new();
        for word in words {
            values.record_word(word, hash_word(word));
        }
        values
    }

    /// Every third word is `7`, every fifth of the others `9`, the rest are all different.
    fn skewed(range: Range<u64>) -> impl Iterator<Item = u64> {
        range.map(|row| match row {
            row if row % 3 == 0 => 7,
            row if row % 5 == 0 => 9,
            row => 1_000 + row,
        })
    }

    fn count_of(values: &FrequentValues, word: u64) -> u64 {
        let found = values.words().find(|(candidate, _)| *candidate == word);
        found.map_or(0, |(_, count)| count)
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let values = recorded((0..10_000).map(|row| row % 500));
        assert_eq!(values.exact_distinct(), Some(500));
        assert!(values.words().all(|(_, count)| count == 20));
    }

    #[test]
    fn many_values_stay_within_the_bound() {
        let rows = 90_000;
        let values = recorded(skewed(0..rows));
        let truth = rows / 3;
        let count = count_of(&values, 7);
        assert!(values.error() <= rows / 256);
        assert!(count <= truth && truth <= count + values.error());
        assert_eq!(values.exact_distinct(), None);
    }

    #[test]
    fn merging_keeps_the_bound() {
        let mut merged = recorded(skewed(0..30_000));
        for part in 1..4 {
            merged.merge(&recorded(skewed(part * 30_000..(part + 1) * 30_000)), false);
        }
        let truth = 120_000 / 3;
        let count = count_of(&merged, 7);
        assert!(merged.error() <= 120_000 / 256);
        assert!(count <= truth && truth <= count + merged.error());
    }

    #[test]
    fn texts_survive_shrinking_and_bytes() {
        let mut values = FrequentValues::new();
        for row in 0..5_000 {
            let text = if row % 2 == 0 { "often".to_owned() } else { format!("once {row}") };
            values.record_text(&text, hash_bytes(text.as_bytes()));
        }
        let mut writer = ByteWriter::new();
        values.write(&mut writer, true);
        let bytes = writer.into_bytes();
        let read = FrequentValues::read(&mut ByteReader::new(&bytes), true).unwrap();
        let (text, count) = read.texts().max_by_key(|(_, count)| *count).unwrap();
        assert_eq!(text, "often");
        assert!(count <= 2_500 && 2_500 <= count + read.error());
        assert_eq!(read.entries.len(), values.entries.len());
    }
}
