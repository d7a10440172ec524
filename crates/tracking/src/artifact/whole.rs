//! A folder with all its files at once, for what is read as a whole, such as a model.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;

use super::{ArtifactError, ArtifactPath, ArtifactStore};

impl ArtifactStore {
    /// All files below `folder`, by their names from there.
    ///
    /// # Errors
    /// [`ArtifactError::TooLarge`] for more than `most` bytes, and what the disk says.
    pub async fn whole_folder(
        &self,
        folder: &ArtifactPath,
        most: u64,
    ) -> Result<BTreeMap<String, Vec<u8>>, ArtifactError> {
        let (mut files, mut size) = (BTreeMap::new(), 0);
        let mut waiting = vec![ArtifactPath::default()];
        while let Some(below) = waiting.pop() {
            for entry in self.list(&folder.join(&below)).await? {
                let path = below.join(&ArtifactPath::parse(&entry.name)?);
                if entry.size.is_none() {
                    waiting.push(path);
                    continue;
                }
                let file = self.get(&folder.join(&path)).await?;
                size += file.size();
                if size > most {
                    return Err(ArtifactError::TooLarge { path: folder.to_string(), most });
                }
                files.insert(path.to_string(), content(file, &path).await?);
            }
        }
        Ok(files)
    }
}

async fn content(file: super::ArtifactFile, path: &ArtifactPath) -> Result<Vec<u8>, ArtifactError> {
    let pieces: Vec<bytes::Bytes> =
        file.bytes(None).try_collect().await.map_err(|error| ArtifactError::disk("read", path, &error))?;
    Ok(pieces.concat())
}
