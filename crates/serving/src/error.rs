//! What can fail in this crate, named by what failed.

use std::path::Path;

use baton_core::ports::OnlineError;
use baton_ml::MlError;

/// A failure while routing, predicting, logging or measuring.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// No deployment has this name.
    #[error("there is no endpoint `{name}`; {}", known_endpoints(.known))]
    UnknownEndpoint {
        /// The name that was asked for.
        name: String,
        /// The endpoints there are.
        known: Vec<String>,
    },
    /// The endpoint does not serve this version of its model.
    #[error("endpoint `{endpoint}` does not serve version {version}; it serves {}", join(.served))]
    UnknownVersion {
        /// The endpoint.
        endpoint: String,
        /// The version that was asked for.
        version: u32,
        /// The versions that answer.
        served: Vec<u32>,
    },
    /// A request row lacks a value that nothing else can give.
    #[error("row {row} gives no `{input}`; {advice}")]
    MissingInput {
        /// The row's place in the request, from 0.
        row: usize,
        /// The feature that has no value.
        input: String,
        /// What to send.
        advice: String,
    },
    /// The caller gave another number of ids than rows.
    #[error("the request has {rows} rows but {ids} prediction ids; give one for each row")]
    IdCount {
        /// Rows in the request.
        rows: usize,
        /// Ids in the request.
        ids: usize,
    },
    /// A request value has the wrong type, or the model failed on it.
    #[error("model `{model}@{version}` cannot predict row {row}: {source}")]
    Features {
        /// The model.
        model: String,
        /// Its version.
        version: u32,
        /// The row's place in the request, from 0.
        row: usize,
        /// Why.
        source: MlError,
    },
    /// The model failed.
    #[error("model `{model}@{version}` failed: {source}")]
    Model {
        /// The model.
        model: String,
        /// Its version.
        version: u32,
        /// Why.
        source: MlError,
    },
    /// The deployment does not say where a feature of one of its models comes from.
    #[error("endpoint `{endpoint}` does not say where feature `{feature}` of model `{model}@{version}` comes from")]
    UnplannedFeature {
        /// The endpoint.
        endpoint: String,
        /// The model.
        model: String,
        /// Its version.
        version: u32,
        /// The feature.
        feature: String,
    },
    /// The canary's share of traffic is no share.
    #[error("the canary of endpoint `{endpoint}` takes a share of {share}; give one between 0 and 1")]
    Share {
        /// The endpoint.
        endpoint: String,
        /// What was given.
        share: f64,
    },
    /// The online store failed.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// The prediction log failed.
    #[error("prediction log cannot {action} `{path}`: {reason}")]
    Log {
        /// What was tried.
        action: String,
        /// On which file or folder.
        path: String,
        /// Why it failed.
        reason: String,
    },
    /// A prediction ended before it was done, as when the server stops.
    #[error("the prediction of endpoint `{endpoint}` was stopped; ask again")]
    Stopped {
        /// The endpoint.
        endpoint: String,
    },
    /// The prediction log's writer ended.
    #[error("the prediction log is closed; nothing more can be logged")]
    LogClosed,
    /// A load test was asked for what it cannot do.
    #[error("load test cannot {action}: {reason}")]
    LoadTest {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: String,
    },
}

impl ServingError {
    /// A failed operation on a file of the prediction log.
    pub(crate) fn log(action: &str, path: &Path, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            std::io::ErrorKind::StorageFull => format!("{error}; free some space and send the request again"),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                format!("{error}; make the folder writable")
            }
            _ => error.to_string(),
        };
        Self::Log { action: action.to_owned(), path: path.display().to_string(), reason }
    }

    /// Whether the request is at fault, rather than the server.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            Self::UnknownEndpoint { .. }
                | Self::UnknownVersion { .. }
                | Self::MissingInput { .. }
                | Self::IdCount { .. }
                | Self::Features { .. }
        )
    }
}

fn known_endpoints(known: &[String]) -> String {
    if known.is_empty() { "none is served".to_owned() } else { format!("served are {}", known.join(", ")) }
}

fn join(versions: &[u32]) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
