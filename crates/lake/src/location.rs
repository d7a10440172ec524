//! Where a table lives below the warehouse.

use std::fmt;

use crate::error::LakeError;

/// A table's folder: `tables/<name>/<fingerprint>`. A changed definition is another fingerprint, so another folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableLocation {
    name: String,
    fingerprint: String,
}

impl TableLocation {
    /// The folder of table `name` with `fingerprint`; both must be one plain path segment.
    pub fn new(name: impl Into<String>, fingerprint: impl Into<String>) -> Result<Self, LakeError> {
        let location = Self { name: name.into(), fingerprint: fingerprint.into() };
        check_segment(&location.name)?;
        check_segment(&location.fingerprint)?;
        Ok(location)
    }

    /// Parses the relative path that `Display` writes.
    pub fn parse(relative: &str) -> Result<Self, LakeError> {
        let mut parts = relative.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("tables"), Some(name), Some(fingerprint), None) => Self::new(name, fingerprint),
            _ => Err(LakeError::Name {
                name: relative.to_owned(),
                reason: "a table's location is `tables/<name>/<fingerprint>`".to_owned(),
            }),
        }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fingerprint of its definition.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Display for TableLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tables/{}/{}", self.name, self.fingerprint)
    }
}

/// Letters, digits, `_`, `-` and `.`, not starting with a dot: safe in paths and URLs without any escaping.
fn check_segment(segment: &str) -> Result<(), LakeError> {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    if !segment.is_empty() && !segment.starts_with('.') && segment.chars().all(plain) {
        return Ok(());
    }
    Err(LakeError::Name {
        name: segment.to_owned(),
        reason: "use letters, digits, `_`, `-` and `.`, not starting with a dot".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_back_from_its_path() {
        let location = TableLocation::new("flights", "ab12").unwrap();
        assert_eq!(location.to_string(), "tables/flights/ab12");
        assert_eq!(TableLocation::parse("tables/flights/ab12").unwrap(), location);
    }

    #[test]
    fn a_location_cannot_leave_the_warehouse() {
        for name in ["..", "", "a/b", ".hidden", "a b"] {
            assert!(TableLocation::new(name, "ab").is_err(), "{name}");
        }
        assert!(TableLocation::parse("tables/../x").is_err());
        assert!(TableLocation::parse("/etc/passwd").is_err());
    }
}
