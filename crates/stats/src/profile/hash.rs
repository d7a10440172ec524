//! Hashes of values for the sketches.
//!
//! Stored sketches merge with sketches of later releases, so the hash is spelled out here and never changes; a
//! hasher of a library may.

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const TEXT_SEED: u64 = 0x2545_F491_4F6C_DD1D;

/// Mixes a 64-bit word so that every output bit depends on every input bit (the finaliser of MurmurHash3).
#[inline]
pub(super) fn hash_word(word: u64) -> u64 {
    let mut mixed = word;
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    mixed ^ (mixed >> 33)
}

/// Hashes bytes eight at a time by folded multiplication; the last word overlaps the one before.
#[inline]
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = TEXT_SEED ^ bytes.len() as u64;
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word));
    }
    hash_word(fold(state ^ last_word(bytes)))
}

#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word ^ TEXT_SEED) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn last_word(bytes: &[u8]) -> u64 {
    if let Some(tail) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*tail);
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(head), Some(tail)) => u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail)),
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn texts_of_all_lengths_have_different_hashes() {
        let mut seen = HashSet::new();
        for length in 0..64 {
            let text = "a".repeat(length);
            assert!(seen.insert(hash_bytes(text.as_bytes())));
            assert!(seen.insert(hash_bytes(format!("{text}b").as_bytes())));
        }
    }

    #[test]
    fn close_words_differ_in_about_half_of_the_bits() {
        let changed: u32 = (0..1000_u64).map(|word| (hash_word(word) ^ hash_word(word + 1)).count_ones()).sum();
        assert!((30_000..34_000).contains(&changed), "{changed}");
    }

    #[test]
    fn stored_hashes_stay_valid() {
        // Computed once by an independent Python implementation of the same definition.
        assert_eq!(hash_word(1), 0xB456_BCFC_34C2_CB2C);
        assert_eq!(hash_bytes(b"carrier"), 0x3254_38B9_203B_288E);
        assert_eq!(hash_bytes(b"a longer piece of text"), 0x0EA6_96DB_FB85_A9CA);
    }
}
