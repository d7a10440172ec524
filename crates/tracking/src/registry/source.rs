//! Where a version may come from: a source must not lead to files that are nobody's business.
//!
//! The server never opens a source by itself, but clients and other tools take it for an address. So a source is refused
//! when any reading of it, however often decoded, leaves the run or model that it names, or points into the local disk.

use percent_encoding::percent_decode_str;

use crate::TrackingError;

/// Who is said to own the source's files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'a> {
    /// A run; without an id nobody is said to.
    Run {
        /// The run, empty when not said.
        id: &'a str,
        /// Where its files are, if the run is known.
        root: Option<&'a str>,
    },
    /// A logged model.
    Model {
        /// The model.
        id: &'a str,
        /// Where its files are, if the model is known.
        root: Option<&'a str>,
    },
}

impl<'a> Owner<'a> {
    fn parameter(self) -> &'static str {
        match self {
            Self::Run { .. } => "run_id",
            Self::Model { .. } => "model_id",
        }
    }

    fn root(self) -> Option<&'a str> {
        match self {
            Self::Run { root, .. } | Self::Model { root, .. } => root,
        }
    }
}

/// Refuses a source that is not its owner's.
pub(super) fn check(source: &str, owner: Owner<'_>) -> Result<(), TrackingError> {
    if is_local(source) {
        return check_local(source, owner);
    }
    check_no_detours(source)?;
    let (scheme, authority, path) = split(source);
    match (scheme.as_str(), owner) {
        ("runs", Owner::Run { id, .. }) if authority.is_empty() && !id.is_empty() && first_part(&path) == id => Ok(()),
        ("models", Owner::Model { id, .. }) if authority.is_empty() && is_model_id(&path) => {
            if first_part(&path) == id { Ok(()) } else { Err(not_contained(source, owner.parameter())) }
        }
        // A version of the registry; that it exists is looked up elsewhere.
        ("models", _) if authority.is_empty() && !is_model_id(&path) => Ok(()),
        // Whoever is asked for, a logged model is named by its own parameter.
        ("models", _) => Err(not_contained(source, "model_id")),
        ("runs", _) => Err(not_contained(source, owner.parameter())),
        _ if is_proxied(&scheme, &path) => match owner.root() {
            Some(root) if is_within(source, root) => Ok(()),
            _ => Err(not_contained(source, owner.parameter())),
        },
        _ => Ok(()),
    }
}

/// Whether the address is of a file on some machine's disk.
fn is_local(source: &str) -> bool {
    let (scheme, ..) = split(source);
    scheme.is_empty() || scheme == "file"
}

fn check_local(source: &str, owner: Owner<'_>) -> Result<(), TrackingError> {
    let (scheme, authority, path) = split(source);
    if scheme == "file" && !matches!(authority.as_str(), "" | "localhost") {
        return Err(TrackingError::Internal(format!(
            "{source} is not a valid remote uri. For remote access on windows, please consider using a different scheme such as SMB (e.g. smb://<hostname>/<path>)."
        )));
    }
    let root = owner.root().filter(|root| is_local(root)).map(|root| split(root).2);
    let is_inside = |root: &str| check_no_detours(source).is_ok() && starts_with(&parts(&path), &parts(root));
    if path.starts_with('/') && root.as_deref().is_some_and(is_inside) {
        return Ok(());
    }
    let parameter = owner.parameter();
    Err(TrackingError::invalid(format!(
        "Invalid model version source: '{source}'. To use a local path as a model version source, the {parameter} request \
         parameter has to be specified and the local path has to be contained within the artifact directory of the run \
         specified by the {parameter}."
    )))
}

fn check_no_detours(source: &str) -> Result<(), TrackingError> {
    let refused = || {
        TrackingError::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
             objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
             present. Please provide an absolute path."
        ))
    };
    let decoded = decode_fully(source).ok_or_else(refused)?;
    let (_, _, path) = split(&decoded);
    // Of a store something within it is meant, not the whole.
    let is_relative = !path.starts_with('/');
    let has_detour = |part: &str| matches!(part, "." | "..");
    if decoded.contains('\0')
        || decoded.split('/').any(|part| part == "..")
        || is_relative
        || path.split('/').any(has_detour)
    {
        return Err(refused());
    }
    Ok(())
}

fn not_contained(source: &str, parameter: &str) -> TrackingError {
    TrackingError::invalid(format!(
        "Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that contains \
         the source."
    ))
}

/// Scheme, authority and path of an address; query and fragment are left out.
fn split(source: &str) -> (String, String, String) {
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
    };
    let (scheme, rest) = match source.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), source),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (scheme, authority.to_ascii_lowercase(), path.to_owned())
        }
        None => (scheme, String::new(), rest.to_owned()),
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(|part| decode_fully(part).unwrap_or_default()).collect()
}

fn first_part(path: &str) -> String {
    parts(path).into_iter().next().unwrap_or_default()
}

fn is_model_id(path: &str) -> bool {
    let parts = parts(path);
    parts.first().is_some_and(|first| first.starts_with("m-")) && parts.len() == 1
}

fn starts_with(parts: &[String], root: &[String]) -> bool {
    !root.is_empty() && parts.starts_with(root)
}

/// Whether the files lie behind this server or one like it.
fn is_proxied(scheme: &str, path: &str) -> bool {
    const ROUTE: [&str; 4] = ["api", "2.0", "mlflow-artifacts", "artifacts"];
    scheme == "mlflow-artifacts"
        || (matches!(scheme, "http" | "https") && parts(path).windows(ROUTE.len()).any(|window| window == ROUTE))
}

fn is_within(source: &str, root: &str) -> bool {
    let (scheme, authority, path) = split(source);
    let (root_scheme, root_authority, root_path) = split(root);
    scheme == root_scheme && authority == root_authority && starts_with(&parts(&path), &parts(&root_path))
}

/// The text after as many decodings as change it, `+` being a space; `None` when they do not end.
fn decode_fully(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..20 {
        let decoded = percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        if decoded == text {
            return Some(text);
        }
        text = decoded;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Owner<'static> = Owner::Run { id: "r1", root: Some("mlflow-artifacts:/1/r1/artifacts") };
    const NOBODY: Owner<'static> = Owner::Run { id: "", root: None };
    const MODEL: Owner<'static> = Owner::Model { id: "m-1", root: Some("mlflow-artifacts:/1/models/m-1/artifacts") };

    fn refusal(source: &str, owner: Owner<'_>) -> String {
        check(source, owner).expect_err(source).to_string()
    }

    #[test]
    fn what_belongs_to_its_owner_or_to_a_store_of_others_is_fine() {
        for source in ["s3://b/k", "s3://b//k/", "gs://b/....", "dbfs:/x", "https://example.com/model", "models:/M/1"] {
            check(source, NOBODY).unwrap();
        }
        for source in ["runs:/r1/model", "mlflow-artifacts:/1/r1/artifacts/model", "mlflow-artifacts:/1/r1/artifacts"] {
            check(source, RUN).unwrap();
        }
        for source in ["models:/m-1", "mlflow-artifacts:/1/models/m-1/artifacts"] {
            check(source, MODEL).unwrap();
        }
    }

    #[test]
    fn files_of_others_are_refused() {
        assert!(refusal("models:/m-1", RUN).contains("The model_id request parameter must identify"));
        for source in ["runs:/r2/model", "mlflow-artifacts:/1/r2/artifacts", "mlflow-artifacts:/1/r1/artifactsX"] {
            assert!(refusal(source, RUN).contains("The run_id request parameter must identify"), "{source}");
        }
        for source in ["models:/m-2", "runs:/r1/model", "http://h/api/2.0/mlflow-artifacts/artifacts/1/x"] {
            assert!(refusal(source, MODEL).contains("The model_id request parameter must identify"), "{source}");
        }
        assert!(check("runs:/r1/model", NOBODY).is_err());
    }

    #[test]
    fn the_local_disk_is_nobodys() {
        for source in ["/etc", "file:///etc/passwd", "relative/path", "file:/etc", "./x", ""] {
            assert!(refusal(source, RUN).contains("To use a local path as a model version source"), "{source}");
        }
        let local = Owner::Run { id: "r1", root: Some("/mlruns/1/r1/artifacts") };
        check("/mlruns/1/r1/artifacts/model", local).unwrap();
        check("file:///mlruns/1/r1/artifacts", local).unwrap();
        for source in ["/mlruns/1/r1/artifacts/../../r2", "/mlruns/1/r1/artifacts/%2e%2e/x", "/mlruns/1/r2"] {
            assert!(check(source, local).is_err(), "{source}");
        }
        assert!(refusal("file://1.2.3.4/share", RUN).contains("is not a valid remote uri"));
    }

    #[test]
    fn detours_are_refused_however_they_are_written() {
        let sources = [
            "mlflow-artifacts://host:9000/../../../",
            "http://host:9000/models/../../../",
            "https://host/models/artifacts/..%2f..%2fetc",
            "s3://bucket/%252e%252e/x",
            "http://host/models%00",
            "s3://bucket/a/./b",
            "dbfs:/a/..",
            "http://host/%2e%2e%2f%2e%2e",
            "s3:bucket/x",
            "s3://bucket",
        ];
        for source in sources {
            assert!(refusal(source, NOBODY).contains("an absolute path must be provided"), "{source}");
        }
    }
}
