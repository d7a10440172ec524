//! Packages that a run ran with, as its models say.

use std::collections::BTreeMap;

use baton_tracking::artifact::ArtifactPath;
use baton_tracking::run::Run;
use futures::StreamExt as _;

use crate::wire::{ARTIFACT_ROOT, Tracked};

/// Bytes of a file that lists packages, at most.
const MOST: u64 = 1 << 20;
/// The file with which MLflow says what a model needs.
const REQUIREMENTS: &str = "requirements.txt";

/// Packages and their versions; none where no model of the run says them.
pub(super) async fn packages(tracked: &Tracked, run: &Run) -> BTreeMap<String, String> {
    let mut folders = Vec::new();
    for output in &run.outputs {
        if let Ok(model) = tracked.store.logged_model(&output.model_id, true).await {
            folders.extend(path_of(&model.artifact_uri));
        }
    }
    if let Some(root) = path_of(&run.info.artifact_uri) {
        // Before models had files of their own, they were below those of their runs.
        for entry in tracked.artifacts.list(&root).await.unwrap_or_default() {
            let below = ArtifactPath::parse(&entry.name).ok().filter(|_| entry.size.is_none());
            folders.extend(below.map(|name| root.join(&name)));
        }
        folders.push(root);
    }
    let mut found = BTreeMap::new();
    for folder in folders {
        if let Some(text) = ArtifactPath::parse(REQUIREMENTS).ok().map(|name| folder.join(&name)) {
            found.extend(text_of(tracked, &text).await.as_deref().map(listed).unwrap_or_default());
        }
    }
    found
}

fn path_of(uri: &str) -> Option<ArtifactPath> {
    uri.strip_prefix(ARTIFACT_ROOT).and_then(|path| ArtifactPath::parse(path).ok())
}

async fn text_of(tracked: &Tracked, path: &ArtifactPath) -> Option<String> {
    let file = tracked.artifacts.get(path).await.ok().filter(|file| file.size() < MOST)?;
    let mut bytes = Vec::new();
    let mut pieces = std::pin::pin!(file.bytes(None));
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Packages of a `requirements.txt` and what is said of their versions.
fn listed(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let package = |line: &str| {
        let end = line.find(|sign: char| !(sign.is_alphanumeric() || "-_.[]".contains(sign))).unwrap_or(line.len());
        let (name, version) = line.split_at(end);
        let version = version.trim().trim_start_matches("==").to_owned();
        (name.to_ascii_lowercase(), if version.is_empty() { "any".to_owned() } else { version })
    };
    lines.filter(|line| line.starts_with(char::is_alphanumeric)).map(package).collect()
}
