//! Fingerprints: what defines an asset's content, as a short hash.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Hex digits of a fingerprint.
const DIGITS: usize = 32;

/// The first 128 bits of a BLAKE3 hash, in hex. The digits lie in the value itself: a project of ten thousand assets holds
/// hundreds of thousands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; DIGITS]);

impl Fingerprint {
    /// Hashes `parts` in order; each part is framed by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            let bytes = part.as_ref();
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        let mut digits = [0; DIGITS];
        // Half as many bytes as there are digits: it cannot fail.
        let _always_fits = hex::encode_to_slice(&hasher.finalize().as_bytes()[..DIGITS / 2], &mut digits);
        Self(digits)
    }

    /// The fingerprint with these 32 hex digits.
    pub fn parse(digits: &str) -> Option<Self> {
        let digits: [u8; DIGITS] = digits.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(digits))
    }

    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        // Only ASCII digits get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first 8 digits, for people.
    pub fn short(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Fingerprint").field(&self.as_str()).finish()
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Digits)
    }
}

/// Reads a fingerprint from a text without keeping the text.
struct Digits;

impl Visitor<'_> for Digits {
    type Value = Fingerprint;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a fingerprint of {DIGITS} hex digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Fingerprint, E> {
        Fingerprint::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_framed() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_eq!(Fingerprint::of(["a"]).as_str().len(), 32);
    }

    #[test]
    fn the_text_is_read_back() {
        let fingerprint = Fingerprint::of(["a"]);
        let text = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(text, format!("\"{fingerprint}\""));
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), fingerprint);
        assert_eq!(fingerprint.short(), &fingerprint.as_str()[..8]);
        for other in ["\"\"", "\"abc\"", "\"0123456789abcdef0123456789abcdeg\"", "7"] {
            assert!(serde_json::from_str::<Fingerprint>(other).is_err(), "{other}");
        }
    }
}
