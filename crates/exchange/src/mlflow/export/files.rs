//! Copying artifacts out of Baton's store.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;

use baton_tracking::artifact::{ArtifactPath, ArtifactStore};
use futures::StreamExt as _;

use crate::error::{ExchangeError, Result};
use crate::export::ExportReport;

/// How URIs of Baton's own artifacts begin.
pub(super) const OWN: &str = "mlflow-artifacts:/";

/// Where the files at `uri` are written to: Baton's own below `artifacts`, all others stay.
pub(super) fn written_to(artifacts: &Path, uri: &str) -> String {
    match uri.strip_prefix(OWN) {
        Some(path) => artifacts.join(path.trim_matches('/')).display().to_string(),
        None => uri.to_owned(),
    }
}

/// Copies every file below `uri` into the folder `target`.
pub(super) async fn copy_out(
    artifacts: &ArtifactStore,
    uri: &str,
    target: &Path,
    report: &mut ExportReport,
) -> Result<()> {
    let mut open = vec![ArtifactPath::parse(uri.trim_start_matches(OWN))?];
    let root = open[0].to_string();
    while let Some(folder) = open.pop() {
        for entry in artifacts.list(&folder).await? {
            let path = folder.join(&ArtifactPath::parse(&entry.name)?);
            match entry.size {
                None => open.push(path),
                Some(size) => {
                    let below = path.to_string();
                    let below = below.strip_prefix(&root).unwrap_or(&below).trim_start_matches('/');
                    copy(artifacts, &path, &target.join(below)).await?;
                    report.files += 1;
                    report.bytes += size;
                }
            }
        }
    }
    Ok(())
}

async fn copy(artifacts: &ArtifactStore, path: &ArtifactPath, target: &Path) -> Result<()> {
    let failed = || ExchangeError::file("write", target);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(ExchangeError::file("make the folder", folder))?;
    }
    let mut file = fs::File::create(target).map_err(failed())?;
    let mut pieces = pin!(artifacts.get(path).await?.bytes(None));
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(ExchangeError::file("read", path.to_string()))?;
        file.write_all(&piece).map_err(failed())?;
    }
    file.sync_all().map_err(failed())
}
