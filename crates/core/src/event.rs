//! Events: everything that happened, append-only. State is what the events say.

use serde::{Deserialize, Serialize};

use crate::name::AssetName;
use crate::time::Timestamp;

/// What kind of thing happened; the stored text is dotted, such as `step.finished`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// A plan or schedule began to be executed. Key: run id.
    #[serde(rename = "run.started")]
    RunStarted,
    /// A run ended, well or not. Key: run id.
    #[serde(rename = "run.finished")]
    RunFinished,
    /// A step's output exists and is exact. Key: the step's cache key.
    #[serde(rename = "step.finished")]
    StepFinished,
    /// A step failed. Key: the step's cache key.
    #[serde(rename = "step.failed")]
    StepFailed,
    /// A delivery was landed. Key: `source/path/hash`.
    #[serde(rename = "file.landed")]
    FileLanded,
    /// Rows were asked for and landed; version and position together. Key: the location of the source's table.
    #[serde(rename = "source.pulled")]
    SourcePulled,
    /// A delivery or some of its rows were set aside. Key: `source/path/hash`.
    #[serde(rename = "file.rejected")]
    FileRejected,
    /// Checks of a version were evaluated. Key: asset.
    #[serde(rename = "checks.evaluated")]
    ChecksEvaluated,
    /// An environment moved to a commit. Key: environment.
    #[serde(rename = "commit.made")]
    CommitMade,
    /// A model version was registered. Key: `model@number`.
    #[serde(rename = "model.registered")]
    ModelRegistered,
    /// A model version was judged by its gates. Key: `model@number`.
    #[serde(rename = "gates.evaluated")]
    GatesEvaluated,
    /// An endpoint serves something else. Key: endpoint.
    #[serde(rename = "endpoint.deployed")]
    EndpointDeployed,
    /// Rows were scored. Key: endpoint.
    #[serde(rename = "endpoint.scored")]
    EndpointScored,
    /// A monitor looked. Key: monitor.
    #[serde(rename = "monitor.evaluated")]
    MonitorEvaluated,
    /// An alert was raised. Key: alert id.
    #[serde(rename = "alert.raised")]
    AlertRaised,
    /// An incident was opened, grew or ended; the newest event is its state. Key: incident id.
    #[serde(rename = "incident.changed")]
    IncidentChanged,
    /// An environment was removed. Key: environment.
    #[serde(rename = "environment.removed")]
    EnvironmentRemoved,
    /// A tag was set on a commit, or deleted (commit null). Key: tag.
    #[serde(rename = "tag.moved")]
    TagMoved,
    /// What nothing reaches any more was deleted. Key: `gc`.
    #[serde(rename = "storage.collected")]
    StorageCollected,
    /// A project definition was applied; the body maps assets to definitions. Key: environment.
    #[serde(rename = "project.applied")]
    ProjectApplied,
    /// A definition that versions were made from, written down once. Key: its hash. Body: the asset as declared.
    #[serde(rename = "asset.defined")]
    AssetDefined,
    /// Something waits for the word of an owner. Key: run, or `run/step`. Body: whom, until when, for what.
    #[serde(rename = "approval.asked")]
    ApprovalAsked,
    /// What waited was approved, rejected, or waited too long. Key: as it was asked. Body: how, by whom, why.
    #[serde(rename = "approval.settled")]
    ApprovalSettled,
    /// A step of a runbook was done, or came to nothing. Key: `run/step`. Body: what it did, and what came of it.
    #[serde(rename = "runbook.step")]
    RunbookStep,
    /// An owner agreed to a saved plan. Key: the plan's digest. Body: who.
    #[serde(rename = "plan.approved")]
    PlanApproved,
    /// Another tool told of a job and its datasets, and it was news. Key: namespace and name of the job.
    #[serde(rename = "external.reported")]
    ExternalReported,
    /// A delivery to a destination that remembers nothing was begun: it is finished as it was begun. Key: the export.
    #[serde(rename = "export.begun")]
    ExportBegun,
    /// Rows of a table version are at their destination. Key: the export. Body: which version, and how many rows changed.
    #[serde(rename = "export.delivered")]
    ExportDelivered,
}

impl EventKind {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run.started",
            Self::RunFinished => "run.finished",
            Self::StepFinished => "step.finished",
            Self::StepFailed => "step.failed",
            Self::FileLanded => "file.landed",
            Self::SourcePulled => "source.pulled",
            Self::FileRejected => "file.rejected",
            Self::ChecksEvaluated => "checks.evaluated",
            Self::CommitMade => "commit.made",
            Self::ModelRegistered => "model.registered",
            Self::GatesEvaluated => "gates.evaluated",
            Self::EndpointDeployed => "endpoint.deployed",
            Self::EndpointScored => "endpoint.scored",
            Self::MonitorEvaluated => "monitor.evaluated",
            Self::AlertRaised => "alert.raised",
            Self::IncidentChanged => "incident.changed",
            Self::EnvironmentRemoved => "environment.removed",
            Self::TagMoved => "tag.moved",
            Self::StorageCollected => "storage.collected",
            Self::ProjectApplied => "project.applied",
            Self::ApprovalAsked => "approval.asked",
            Self::ApprovalSettled => "approval.settled",
            Self::RunbookStep => "runbook.step",
            Self::PlanApproved => "plan.approved",
            Self::AssetDefined => "asset.defined",
            Self::ExternalReported => "external.reported",
            Self::ExportBegun => "export.begun",
            Self::ExportDelivered => "export.delivered",
        }
    }

    /// The kind whose stored text is `text`.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

/// An event that is not stored yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When, on the machine's clock.
    pub at: Timestamp,
    /// When, on the logical clock.
    pub as_of: Timestamp,
    /// The environment it belongs to.
    pub environment: String,
    /// The run it belongs to.
    pub run: Option<String>,
    /// The asset it is about.
    pub asset: Option<AssetName>,
    /// What happened.
    pub kind: EventKind,
    /// What later readers look it up by, as [`EventKind`] says.
    pub key: String,
    /// The particulars.
    pub body: serde_json::Value,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the log, from 1, without gaps.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: NewEvent,
}

/// Which events are asked for; absent fields match all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Of this environment.
    pub environment: Option<String>,
    /// Of this run.
    pub run: Option<String>,
    /// About this asset.
    pub asset: Option<AssetName>,
    /// Of one of these kinds; empty matches all.
    pub kinds: Vec<EventKind>,
    /// With this key.
    pub key: Option<String>,
    /// With a logical time of at least this.
    pub from: Option<Timestamp>,
    /// With a logical time before this.
    pub until: Option<Timestamp>,
    /// At most so many, the newest; always answered oldest first.
    pub last: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_text_and_kind_agree() {
        for text in
            ["run.started", "step.finished", "approval.asked", "approval.settled", "runbook.step", "project.applied"]
        {
            assert_eq!(EventKind::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(EventKind::parse("nope"), None);
    }
}
