//! Why a figure was not drawn.

use std::path::PathBuf;

/// Why a figure was not drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// A file whose name does not say what it is.
    #[error("`{}` is no figure's name: let it end in `.svg` or `.png`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// A size that leaves no room, or none that can be read.
    #[error("size `{text}` cannot be drawn: give width and height in pixels such as `1000x560`, from 200 to 10000")]
    Size {
        /// As given.
        text: String,
    },
    /// The file could not be written.
    #[error("cannot draw `{}`: {reason}", path.display())]
    Draw {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
