//! What a run is, as searches name it.

use crate::error::{Result, TrackingError};

/// A column of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    RunId,
    RunName,
    UserId,
    Status,
    ArtifactUri,
    StartTime,
    EndTime,
}

/// Names in filters and orders.
const NAMES: [(&str, Attribute); 9] = [
    ("artifact_uri", Attribute::ArtifactUri),
    ("end_time", Attribute::EndTime),
    ("run_id", Attribute::RunId),
    ("run_name", Attribute::RunName),
    ("start_time", Attribute::StartTime),
    ("status", Attribute::Status),
    ("user_id", Attribute::UserId),
    ("Created", Attribute::StartTime),
    ("created", Attribute::StartTime),
];

/// Names that filters know besides.
const FILTER_NAMES: [(&str, Attribute); 3] =
    [("Run Name", Attribute::RunName), ("Run name", Attribute::RunName), ("run name", Attribute::RunName)];

impl Attribute {
    /// What a filter calls `name`.
    pub(super) fn of_filter(name: &str) -> Result<Self> {
        Self::find(name, NAMES.iter().chain(&FILTER_NAMES))
    }

    /// What an order calls `name`.
    pub(super) fn of_order(name: &str) -> Result<Self> {
        Self::find(name, NAMES.iter())
    }

    fn find<'n>(name: &str, names: impl Iterator<Item = &'n (&'n str, Self)> + Clone) -> Result<Self> {
        let found = names.clone().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute);
        found.ok_or_else(|| {
            let names: Vec<String> = names.map(|(known, _)| format!("'{known}'")).collect();
            let names = names.join(", ");
            TrackingError::invalid(format!("Invalid attribute key '{name}' specified. Valid keys are '{{{names}}}'"))
        })
    }

    /// Its column in SQL.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::RunId => "r.run_id",
            Self::RunName => "r.name",
            Self::UserId => "r.user_id",
            Self::Status => "r.status",
            Self::ArtifactUri => "r.artifact_uri",
            Self::StartTime => "r.start_time",
            Self::EndTime => "r.end_time",
        }
    }

    /// Whether it is a time.
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Self::StartTime | Self::EndTime)
    }
}

/// What stands before a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entity {
    Metric,
    Param,
    Tag,
    Attribute,
    Dataset,
}

impl Entity {
    /// What `name` means; without one it is an attribute.
    pub(super) fn of(name: Option<&str>) -> Result<Self> {
        Ok(match name {
            None | Some("attribute" | "attributes" | "attr" | "run") => Self::Attribute,
            Some("metric" | "metrics") => Self::Metric,
            Some("parameter" | "parameters" | "param" | "params") => Self::Param,
            Some("tag" | "tags") => Self::Tag,
            Some("dataset" | "datasets") => Self::Dataset,
            Some(other) => {
                return Err(TrackingError::invalid(format!(
                    "Invalid entity type '{other}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
                )));
            }
        })
    }

    /// As messages name it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Dataset => "dataset",
        }
    }
}
