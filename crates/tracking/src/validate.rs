//! What names, values and sizes are taken, and MLflow's words for what is not.

use crate::error::{Result, TrackingError};

/// The longest key of a metric, parameter or tag.
pub const KEY: usize = 250;
/// The longest value of a parameter; what is longer is cut.
pub(crate) const PARAM_VALUE: usize = 6000;
/// The longest value of a run's tag; what is longer is cut.
pub(crate) const TAG_VALUE: usize = 8000;
/// The longest value of an experiment's tag.
pub(crate) const EXPERIMENT_TAG_VALUE: usize = 20_000;
/// The most rows of a page of experiments or runs.
pub const PAGE: i64 = 50_000;

/// A key of a metric, parameter or tag, which may name a file: letters, digits, `_-. :/`, and its own normal path.
///
/// # Errors
/// [`TrackingError::Invalid`], with `path` as where the key stands.
pub fn key(path: &str, key: &str) -> Result<()> {
    if !key.chars().all(|letter| letter.is_alphanumeric() || "_/.- :".contains(letter)) {
        let rule = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).";
        return Err(invalid_value(path, &json(key), rule));
    }
    let normal = normal_path(key);
    if normal != key || normal == "." || normal.starts_with("..") || normal.starts_with('/') {
        let rule = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name \
             would resolve to '{normal}'"
        );
        return Err(invalid_value(path, &json(key), &rule));
    }
    Ok(())
}

/// At most `limit` characters.
///
/// # Errors
/// [`TrackingError::Invalid`], with `path` as what is too long.
pub fn length(path: &str, text: &str, limit: usize) -> Result<()> {
    if text.chars().count() <= limit {
        return Ok(());
    }
    Err(TrackingError::invalid(format!("'{path}' exceeds the maximum length of {limit} characters")))
}

/// The first `limit` characters.
pub fn cut(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// That the value of `path` is not taken.
pub fn invalid_value(path: &str, shown: &str, rule: &str) -> TrackingError {
    TrackingError::invalid(format!("Invalid value {shown} for parameter '{path}' supplied: {rule}"))
}

/// How many rows a page may have: `given`, or else `default`; at most `most`.
///
/// # Errors
/// [`TrackingError::Invalid`].
pub fn max_results(given: Option<i64>, default: i64, most: i64) -> Result<usize> {
    let rows = given.unwrap_or(default);
    let wrong = |rule: &str| {
        let message = format!("Invalid value {rows} for parameter 'max_results' supplied. It must be {rule}");
        TrackingError::invalid(message)
    };
    match rows {
        ..1 => Err(wrong("a positive integer")),
        rows if rows > most => Err(wrong(&format!("at most {most}"))),
        rows => usize::try_from(rows).map_err(|_| wrong("a positive integer")),
    }
}

/// The number of an experiment.
///
/// # Errors
/// [`TrackingError::Invalid`].
pub fn experiment_id(text: &str) -> Result<i64> {
    text.trim().parse().map_err(|_| {
        TrackingError::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer."))
    })
}

/// A run's id: a letter or digit, then up to 255 letters, digits, `_` and `-`.
///
/// # Errors
/// [`TrackingError::Invalid`].
pub fn run_id(text: &str) -> Result<()> {
    let begins = text.chars().next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    let goes_on = text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
    if begins && goes_on && text.chars().count() <= 256 {
        return Ok(());
    }
    Err(TrackingError::invalid(format!("Invalid value {} for parameter 'run_id' supplied.", json(text))))
}

/// A text as JSON shows it.
pub(crate) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A path as Python's `posixpath.normpath` makes it: no empty, `.` or `..` parts where they can be avoided.
fn normal_path(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    // Two slashes at the beginning mean something of their own; three do not.
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." || (root.is_empty() && parts.last().is_none_or(|last| *last == "..")) {
            parts.push(part);
        } else {
            parts.pop();
        }
    }
    let normal = format!("{root}{}", parts.join("/"));
    if normal.is_empty() { ".".to_owned() } else { normal }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected by `posixpath.normpath` of Python 3.11.
    #[test]
    fn paths_are_normal_as_in_python() {
        for (path, normal) in [
            ("", "."),
            ("a//b", "a/b"),
            ("a/./b/", "a/b"),
            ("../x", "../x"),
            ("a/../../b", "../b"),
            ("/..", "/"),
            ("//a", "//a"),
            ("///a", "/a"),
            ("a/..", "."),
        ] {
            assert_eq!(normal_path(path), normal, "{path}");
        }
    }

    #[test]
    fn keys_are_normal_paths_of_plain_letters() {
        for good in ["a", "a/b c:d-e.f", "é_1", "..a/b"] {
            let is_fine = key("name", good).is_ok();
            assert_eq!(is_fine, good != "..a/b", "{good}");
        }
        for bad in ["bad#name", "../x", "/x", "a//b", "a/", "", "."] {
            assert!(key("name", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("äöü".to_owned(), 2), "äö");
        assert_eq!(cut("ab".to_owned(), 2), "ab");
        assert!(length("name", "äöü", 3).is_ok());
        assert_eq!(
            length("name", "abc", 2).unwrap_err().to_string(),
            "'name' exceeds the maximum length of 2 characters"
        );
    }
}
