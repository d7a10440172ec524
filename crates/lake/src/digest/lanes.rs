//! BLAKE3 of short texts, eight at a time.
//!
//! The blocks of one text wait for each other, and a row is two or three of them, so a core is mostly idle with one row
//! at a time. Here each step of the function is done to eight rows, one a lane, in loops that the compiler makes vector
//! instructions of. The hashes are those of the `blake3` crate, which takes the texts that are longer than a chunk.
//!
//! Source: J. O'Connor, J.-P. Aumasson, S. Neves, Z. Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2021, section 2.

use std::array;

/// Texts that are hashed together.
pub(super) const LANES: usize = 8;

/// Bytes of a block, and of a chunk, which is the most that is hashed here.
const BLOCK: usize = 64;
const CHUNK: usize = 1024;

const INITIAL: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];
/// Which word of a block comes where in the next round.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS: [[usize; 16]; 7] = rounds();

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const ROOT: u32 = 8;

/// A word of each lane.
type Words = [u32; LANES];

/// Texts on their way to their hashes; the memory is used again for the next.
#[derive(Default)]
pub(super) struct Texts {
    lanes: [Vec<u8>; LANES],
}

impl Texts {
    /// The texts, empty, to be filled.
    pub(super) fn cleared(&mut self) -> &mut [Vec<u8>; LANES] {
        self.lanes.iter_mut().for_each(Vec::clear);
        &mut self.lanes
    }

    /// The first 128 bits of the hash of each text.
    pub(super) fn hashes(&mut self) -> [u128; LANES] {
        let lengths = self.lanes.each_ref().map(Vec::len);
        if lengths.iter().any(|length| *length > CHUNK) {
            return self.lanes.each_ref().map(|text| first_128_bits(text));
        }
        for text in &mut self.lanes {
            text.resize(text.len().next_multiple_of(BLOCK).max(BLOCK), 0);
        }
        self.hashes_of_chunks(lengths)
    }

    /// The hashes of texts of these lengths, which are filled up with zeros to whole blocks.
    fn hashes_of_chunks(&self, lengths: [usize; LANES]) -> [u128; LANES] {
        let last = self.lanes.each_ref().map(|text| text.len() / BLOCK - 1);
        let mut state = INITIAL.map(|word| [word; LANES]);
        let mut hashes = [0; LANES];
        for block in 0..=last.into_iter().max().unwrap_or_default() {
            let length = lengths.map(|length| length.saturating_sub(block * BLOCK).min(BLOCK) as u32);
            let start = if block == 0 { CHUNK_START } else { 0 };
            let flags = last.map(|last| start | if block == last { CHUNK_END | ROOT } else { 0 });
            compress(&mut state, &self.words(block), &length, &flags);
            // A lane whose text has ended goes on with zeros, which nobody looks at.
            for lane in (0..LANES).filter(|lane| last[*lane] == block) {
                hashes[lane] = (0..4).rev().fold(0, |hash, word| hash << 32 | u128::from(state[word][lane]));
            }
        }
        hashes
    }

    /// The words of one block of each text.
    fn words(&self, block: usize) -> [Words; 16] {
        let blocks = self.lanes.each_ref().map(|text| text.as_chunks::<BLOCK>().0.get(block).unwrap_or(&[0; BLOCK]));
        let mut words = [[0; LANES]; 16];
        for (lane, block) in blocks.into_iter().enumerate() {
            for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
                word[lane] = u32::from_le_bytes(*bytes);
            }
        }
        words
    }
}

/// The first 128 bits of the hash of a text of any length.
pub(super) fn first_128_bits(text: &[u8]) -> u128 {
    let hash = blake3::hash(text);
    u128::from_le_bytes(array::from_fn(|byte| hash.as_bytes()[byte]))
}

/// Takes a block of each lane into its state. The body holds no branch and each turn is by itself, so that the compiler
/// does several lanes in one.
#[inline(never)]
fn compress(state: &mut [Words; 8], words: &[Words; 16], length: &Words, flags: &Words) {
    for lane in 0..LANES {
        let mut v = [0; 16];
        for (place, word) in state.iter().enumerate() {
            v[place] = word[lane];
        }
        v[8..12].copy_from_slice(&INITIAL[..4]);
        // The words between would be the number of the chunk, which is zero.
        v[14] = length[lane];
        v[15] = flags[lane];
        let word: [u32; 16] = array::from_fn(|place| words[place][lane]);
        round::<0>(&mut v, &word);
        round::<1>(&mut v, &word);
        round::<2>(&mut v, &word);
        round::<3>(&mut v, &word);
        round::<4>(&mut v, &word);
        round::<5>(&mut v, &word);
        round::<6>(&mut v, &word);
        for (place, word) in state.iter_mut().enumerate() {
            word[lane] = v[place] ^ v[place + 8];
        }
    }
}

#[inline(always)]
fn round<const NUMBER: usize>(v: &mut [u32; 16], word: &[u32; 16]) {
    let order = const { ROUNDS[NUMBER] };
    mix(v, [0, 4, 8, 12], word[order[0]], word[order[1]]);
    mix(v, [1, 5, 9, 13], word[order[2]], word[order[3]]);
    mix(v, [2, 6, 10, 14], word[order[4]], word[order[5]]);
    mix(v, [3, 7, 11, 15], word[order[6]], word[order[7]]);
    mix(v, [0, 5, 10, 15], word[order[8]], word[order[9]]);
    mix(v, [1, 6, 11, 12], word[order[10]], word[order[11]]);
    mix(v, [2, 7, 8, 13], word[order[12]], word[order[13]]);
    mix(v, [3, 4, 9, 14], word[order[14]], word[order[15]]);
}

#[inline(always)]
fn mix(v: &mut [u32; 16], [a, b, c, d]: [usize; 4], first: u32, second: u32) {
    v[a] = v[a].wrapping_add(first).wrapping_add(v[b]);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(12);
    v[a] = v[a].wrapping_add(second).wrapping_add(v[b]);
    v[d] = (v[d] ^ v[a]).rotate_right(8);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(7);
}

/// The order of a block's words in each round.
const fn rounds() -> [[usize; 16]; 7] {
    let mut rounds = [[0; 16]; 7];
    let mut place = 0;
    while place < 16 {
        rounds[0][place] = place;
        place += 1;
    }
    let mut round = 1;
    while round < 7 {
        place = 0;
        while place < 16 {
            rounds[round][place] = rounds[round - 1][PERMUTATION[place]];
            place += 1;
        }
        round += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes_of(texts: &[Vec<u8>; LANES]) -> [u128; LANES] {
        let mut lanes = Texts { lanes: array::from_fn(|lane| vec![lane as u8; 700]) };
        lanes.cleared().clone_from_slice(texts);
        lanes.hashes()
    }

    /// As the crate of the authors of BLAKE3 says.
    fn expected(texts: &[Vec<u8>; LANES]) -> [u128; LANES] {
        texts.each_ref().map(|text| u128::from_le_bytes(blake3::hash(text).as_bytes()[..16].try_into().unwrap()))
    }

    #[test]
    fn every_length_around_the_ends_of_blocks_and_chunks() {
        for length in (0..200).chain(950..1100) {
            let texts = array::from_fn(|lane| (0..length + 3 * lane).map(|byte| (byte * 31 + lane) as u8).collect());
            assert_eq!(hashes_of(&texts), expected(&texts), "{length}");
        }
    }

    proptest! {
        #[test]
        fn texts_of_any_lengths_beside_each_other(texts in prop::array::uniform8(prop::collection::vec(any::<u8>(), 0..1200))) {
            prop_assert_eq!(hashes_of(&texts), expected(&texts));
        }

        #[test]
        fn rows_of_a_few_blocks(texts in prop::array::uniform8(prop::collection::vec(any::<u8>(), 0..300))) {
            prop_assert_eq!(hashes_of(&texts), expected(&texts));
        }
    }
}
