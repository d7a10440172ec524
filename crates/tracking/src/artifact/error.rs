//! What can go wrong with an artifact.

use std::io;

use super::ArtifactPath;

/// A failure of the artifact store.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The path does not name a place below the root.
    // The protocol's own words, which its clients look for.
    #[error("Invalid path")]
    InvalidPath {
        /// The path as sent.
        path: String,
    },
    /// There is no file.
    #[error("No such artifact: '{path}'")]
    Missing {
        /// The path.
        path: String,
    },
    /// There is a folder where a file was asked for.
    #[error("Artifact path refers to a directory, not a file: '{path}'")]
    Folder {
        /// The path.
        path: String,
    },
    /// A file is where a folder would have to be, or the other way round.
    #[error("artifact `{path}` cannot be stored: {reason}; choose another name")]
    Occupied {
        /// The path.
        path: String,
        /// What is in the way.
        reason: &'static str,
    },
    /// The body ended before its end.
    #[error("the upload of `{path}` broke off: {reason}; send it again")]
    BrokenOff {
        /// The path.
        path: String,
        /// The connection's reason.
        reason: String,
    },
    /// The body is not what its sender says it is.
    #[error("the upload of `{path}` has SHA-256 {found}, but {expected} was announced; send it again")]
    Damaged {
        /// The path.
        path: String,
        /// The digest of what came in.
        found: String,
        /// The digest that was announced.
        expected: String,
    },
    /// An upload in parts that does not exist, or not with these parts.
    #[error("upload `{upload}` cannot be completed: {reason}; begin it anew")]
    Parts {
        /// The upload.
        upload: String,
        /// Why not.
        reason: String,
    },
    /// More than is held in memory at once.
    #[error("the files below `{path}` are larger than {most} bytes together; keep less there")]
    TooLarge {
        /// The folder.
        path: String,
        /// How many bytes there may be.
        most: u64,
    },
    /// The disk, or the store of objects, refused.
    #[error("could not {action} artifact `{path}`: {reason}; {hint}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: String,
        /// The reason of the operating system, or of the store.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
}

impl ArtifactError {
    /// A refusal of a store of objects.
    pub(super) fn store(action: &'static str, path: &ArtifactPath, error: &object_store::Error) -> Self {
        let hint = match error {
            object_store::Error::Precondition { .. } => "it was replaced meanwhile: ask again",
            _ => {
                "look whether the store of artifacts can be reached, and whether its key may list, read, write and delete there"
            }
        };
        let told = error.to_string();
        let reason = told.lines().next().unwrap_or_default().to_owned();
        Self::Disk { action, path: path.to_string(), reason, hint }
    }

    /// A refusal of the disk.
    pub(super) fn disk(action: &'static str, path: &ArtifactPath, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on its disk and try again",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make the artifacts' folder writable for the server's user"
            }
            _ => "check the artifacts' folder and try again",
        };
        Self::Disk { action, path: path.to_string(), reason: error.to_string(), hint }
    }
}
