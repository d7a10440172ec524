//! What models, aliases, versions and stages may be called.

use crate::TrackingError;
use crate::validate;

/// Characters of a tag's text at most.
const LONGEST_TAG: usize = 100_000;
/// Characters of an alias at most.
const LONGEST_ALIAS: usize = 255;
/// The stages, in the order in which the protocol lists them.
pub(super) const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];

/// Refuses a name that a model may not have.
///
/// # Errors
/// [`TrackingError::Invalid`] with the protocol's words.
pub fn check_model_name(name: &str) -> Result<(), TrackingError> {
    if name.trim().is_empty() {
        return Err(missing("name"));
    }
    if name.contains(['/', ':']) {
        return Err(TrackingError::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    if matches!(name, "." | "..") {
        return Err(TrackingError::invalid(format!(
            "Invalid value \"{name}\" for parameter 'name' supplied: Names may be treated as files in certain cases, and must \
             not resolve to other names when treated as such. This name would resolve to '{name}'"
        )));
    }
    Ok(())
}

pub(super) fn missing(parameter: &str) -> TrackingError {
    TrackingError::invalid(format!(
        "Missing value for required parameter '{parameter}'. See the API docs for more information about request parameters."
    ))
}

/// Refuses an alias that cannot be written in an address.
pub(super) fn check_alias(alias: &str) -> Result<(), TrackingError> {
    if alias.is_empty() {
        return Err(TrackingError::invalid("Registered model alias name cannot be empty."));
    }
    if !alias.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-')) {
        return Err(TrackingError::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    if alias.chars().count() > LONGEST_ALIAS {
        return Err(TrackingError::invalid(format!(
            "'Registered model alias name' exceeds the maximum length of {LONGEST_ALIAS} characters"
        )));
    }
    Ok(())
}

/// Refuses an alias that means something by itself.
pub(super) fn check_settable(alias: &str) -> Result<(), TrackingError> {
    check_alias(alias)?;
    if alias.eq_ignore_ascii_case("latest") {
        return Err(TrackingError::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let number = alias.strip_prefix(['v', 'V']);
    if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(TrackingError::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(())
}

/// Reads a version's number.
pub(super) fn version_number(text: &str) -> Result<i64, TrackingError> {
    let wrong = |_| TrackingError::invalid(format!("Parameter 'version' must be an integer, got '{text}'."));
    text.trim().parse().map_err(wrong)
}

/// Reads a stage, in any case.
pub(super) fn stage(text: &str) -> Result<&'static str, TrackingError> {
    STAGES.into_iter().find(|stage| stage.eq_ignore_ascii_case(text)).ok_or_else(|| {
        let all = STAGES.join(", ");
        TrackingError::invalid(format!("Invalid Model Version stage: {text}. Value must be one of {all}."))
    })
}

/// Refuses a tag that the registry does not hold.
pub(super) fn check_tag(key: &str, value: &str) -> Result<(), TrackingError> {
    validate::key("name", key)?;
    validate::length("key", key, validate::KEY)?;
    validate::length("value", value, LONGEST_TAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_fit_into_addresses() {
        for name in ["M1", "a b", "ünï", "a.b"] {
            check_model_name(name).unwrap();
        }
        let told = |name| check_model_name(name).unwrap_err().to_string();
        assert_eq!(told("a/b"), "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
        assert!(told(" ").starts_with("Missing value for required parameter 'name'."));
        assert!(told("..").contains("must not resolve to other names"));
    }

    #[test]
    fn an_alias_is_a_word_that_means_nothing_else() {
        for alias in ["champion", "a-b_1", "v1a", "v", "later"] {
            check_settable(alias).unwrap();
        }
        let told = |alias: &str| check_settable(alias).unwrap_err().to_string();
        assert_eq!(told("Latest"), "'latest' alias name (case insensitive) is reserved.");
        assert_eq!(told("v12"), "Version alias name 'v12' is reserved.");
        assert_eq!(
            told("bad alias"),
            "Invalid alias name: 'bad alias'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        );
        assert!(told(&"a".repeat(256)).contains("maximum length of 255"));
        check_alias("latest").unwrap();
    }

    #[test]
    fn stages_are_read_in_any_case() {
        assert_eq!(stage("pRODUCTION").unwrap(), "Production");
        assert_eq!(
            stage("Foo").unwrap_err().to_string(),
            "Invalid Model Version stage: Foo. Value must be one of None, Staging, Production, Archived."
        );
    }

    #[test]
    fn a_version_is_a_number() {
        assert_eq!(version_number("12").unwrap(), 12);
        let told = version_number("abc").unwrap_err().to_string();
        assert_eq!(told, "Parameter 'version' must be an integer, got 'abc'.");
    }
}
