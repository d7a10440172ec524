//! What a logged model may be called.

use crate::TrackingError;

/// Refuses names that would make other addresses of models ambiguous.
pub(super) fn check(name: &str) -> Result<(), TrackingError> {
    if !name.is_empty() && !name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Ok(());
    }
    // The protocol's words, down to how its server writes the list.
    let written = if name.contains('\'') && !name.contains('"') { format!("\"{name}\"") } else { format!("'{name}'") };
    Err(TrackingError::invalid(format!(
        "Invalid model name ({written}) provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_none_of_the_characters_of_addresses() {
        check("clf 2-a_b").unwrap();
        for name in ["", "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check("a/b").unwrap_err().to_string().starts_with("Invalid model name ('a/b') provided."));
    }
}
