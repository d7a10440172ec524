//! Where an artifact lies below the root: parsed once from what a client sent, and unable to leave it.
//!
//! It does not know the file system.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::ArtifactError;

/// How often a path may be encoded on top of itself before it is refused.
const MOST_DECODINGS: usize = 10;

/// A relative path of plain names, `/` between them; without any, the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ArtifactPath(Vec<String>);

impl ArtifactPath {
    /// Reads a path that was decoded once, as the parts of a query are. What it would mean after further decodings must be
    /// harmless too; it is stored as it reads after all of them, as by the protocol's own server.
    ///
    /// # Errors
    /// [`ArtifactError::InvalidPath`] for a path that is absolute, has `..`, `#`, `\`, a drive, a control character or a
    /// name that no file system takes.
    pub fn parse(text: &str) -> Result<Self, ArtifactError> {
        let invalid = || ArtifactError::InvalidPath { path: text.to_owned() };
        let decoded = decode_fully(text).ok_or_else(invalid)?;
        if is_suspicious(&decoded) {
            return Err(invalid());
        }
        let names = decoded.split('/').filter(|name| !name.is_empty() && *name != ".");
        let names: Vec<String> = names.map(str::to_owned).collect();
        // File systems take 255 bytes a name; a longer one is the client's mistake, not a failure of the disk.
        if names.iter().any(|name| name.len() > 255) {
            return Err(invalid());
        }
        Ok(Self(names))
    }

    /// Reads the part of a URL's path that names an artifact: percent-encoded, `+` being a plus.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_url(encoded: &str) -> Result<Self, ArtifactError> {
        let decoded = percent_decode_str(encoded).decode_utf8();
        Self::parse(&decoded.map_err(|_not_text| ArtifactError::InvalidPath { path: encoded.to_owned() })?)
    }

    /// Reads the URI of a file of this server, `mlflow-artifacts:/…`, with or without a host; none for URIs of other stores.
    pub fn of_uri(uri: &str) -> Option<Result<Self, ArtifactError>> {
        let rest = uri.strip_prefix("mlflow-artifacts:")?;
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_host, path)| path),
            None => rest,
        };
        Some(Self::parse(path.trim_start_matches('/')))
    }

    /// The path below this one.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name; none of the root.
    pub fn name(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// The folders that it lies in, without the root.
    pub(super) fn folders(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }

    /// The names, outermost first.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

/// The text after as many decodings as change it; `None` when they do not end or do not give text.
fn decode_fully(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..MOST_DECODINGS {
        let decoded = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
        if decoded == text {
            return Some(text);
        }
        text = decoded;
    }
    None
}

fn is_suspicious(path: &str) -> bool {
    let has_drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    path.starts_with('/')
        || has_drive
        || path.contains(['#', '\\'])
        || path.chars().any(char::is_control)
        || path.split('/').any(|name| name == "..")
        || path.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for path in ["1/abc/artifacts/d.json", "dir/a b.txt", "c++/x+y.txt", "ünï/ç.txt", "a..b/...", "100%"] {
            assert_eq!(ArtifactPath::parse(path).unwrap().to_string(), path);
        }
        assert_eq!(ArtifactPath::of_url("dir/a%20b+c.txt").unwrap().to_string(), "dir/a b+c.txt");
        assert_eq!(ArtifactPath::parse("a//./b/").unwrap().to_string(), "a/b");
        assert!(ArtifactPath::parse("").unwrap().is_root());
    }

    #[test]
    fn what_leads_elsewhere_is_refused_however_often_it_is_encoded() {
        let paths = [
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "%2e%2e/x",
            "%252e%252e/x",
            "a%2f..%2fb",
            "%2Fetc%2Fpasswd",
            "a#b",
            "a%23b",
            "C:/x",
            "C:\\x",
            "a\\..\\b",
            "a\0b",
            "a%00b",
            "a\nb",
            "file:///etc/passwd",
            "FILE:x",
        ];
        for path in paths {
            assert!(ArtifactPath::parse(path).is_err(), "{path}");
        }
        let deep = (0..20).fold("..".to_owned(), |path, _| path.replace('%', "%25").replace('.', "%2e"));
        assert!(ArtifactPath::parse(&deep).is_err());
        assert!(ArtifactPath::parse(&"x".repeat(256)).is_err());
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(text in "([a-z.%/25e#]|\\.\\./|%2e|%2f){0,12}") {
            if let Ok(path) = ArtifactPath::parse(&text) {
                prop_assert!(path.names().iter().all(|name| name != ".." && !name.contains('/') && !name.is_empty()));
            }
        }
    }
}
