//! Where OpenLineage events go: the address of a receiver, or lines of a file.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use crate::courier::Answer;

/// Where a receiver takes events, as clients of OpenLineage know it.
const PATH: &str = "/api/v1/lineage";

/// The address that events are posted to.
pub(crate) fn address(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/lineage") { url.to_owned() } else { format!("{url}{PATH}") }
}

/// Adds an event to a file, in a line.
pub(crate) fn append(path: &str, event: &Value) -> Answer {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    match opened.and_then(|mut file| file.write_all(format!("{event}\n").as_bytes())) {
        Ok(()) => Answer::Taken,
        Err(error) => Answer::Later { after: None, reason: format!("{path}: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_given_with_or_without_their_path() {
        assert_eq!(address("http://marquez:5000"), "http://marquez:5000/api/v1/lineage");
        assert_eq!(address("http://marquez:5000/"), "http://marquez:5000/api/v1/lineage");
        assert_eq!(address("http://proxy/team/api/v1/lineage"), "http://proxy/team/api/v1/lineage");
    }

    #[test]
    fn a_file_has_an_event_a_line() {
        let path = std::env::temp_dir().join(format!("baton-lineage-{}.ndjson", std::process::id()));
        let path = path.display().to_string();
        assert_eq!(append(&path, &serde_json::json!({"n": 1})), Answer::Taken);
        assert_eq!(append(&path, &serde_json::json!({"n": 2})), Answer::Taken);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(append("/nowhere/at/all", &Value::Null), Answer::Later { .. }));
    }
}
