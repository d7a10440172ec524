//! Runbooks: the steps that mend an incident, as the project declares them. Plain data.

use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::asset::Origin;
use crate::incident::{Incident, Signal};
use crate::name::AssetName;

/// Steps that mend something, run by hand or when an incident opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// Unique among runbooks.
    pub name: AssetName,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The incidents that it is for; `None` for none by itself.
    pub on: Option<OnIncident>,
    /// Channels that hear when it waits for somebody or fails.
    pub notify: Vec<String>,
    /// The steps in order.
    pub steps: Vec<RunbookStep>,
    /// Where it is declared.
    pub origin: Origin,
}

/// Incidents that a runbook is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnIncident {
    /// At one of these assets; empty means any.
    pub assets: Vec<AssetName>,
    /// Of one of these kinds; empty means any.
    pub signals: Vec<Signal>,
}

impl OnIncident {
    /// Whether the incident is one of these.
    pub fn is_for(&self, incident: &Incident) -> bool {
        let is_asset = self.assets.is_empty() || self.assets.iter().any(|asset| incident.assets.contains(asset));
        is_asset && (self.signals.is_empty() || self.signals.contains(&incident.signal))
    }
}

/// One step of a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunbookStep {
    /// Unique in its runbook; what it does, when it was given no name.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// A query whose first value says whether it is done; done always when left out.
    pub condition: Option<String>,
    /// Whose word it waits for.
    pub approval: Option<Approval>,
    /// Whether it may be done without anybody when an incident opens.
    pub safe: bool,
    /// Where it is declared.
    pub origin: Origin,
}

/// What a step of a runbook does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Runs what is selected, as `baton run --select` does.
    Rerun {
        /// In the grammar of selections; empty means all.
        select: Vec<String>,
    },
    /// Computes the last time of an incremental table again.
    Backfill {
        /// The table.
        table: AssetName,
        /// So many seconds before the clock.
        last: i64,
    },
    /// Moves the environment back.
    Rollback {
        /// A tag or the beginning of a commit; the one before the newest when left out.
        to: Option<String>,
    },
    /// Holds something back.
    Pause {
        /// What.
        what: Pausable,
        /// For so many seconds; until it is resumed when left out.
        lasts: Option<i64>,
    },
    /// Lets go on what is held back.
    Resume {
        /// What.
        what: Pausable,
    },
    /// Gives a pool another number of slots.
    Scale {
        /// The pool.
        pool: String,
        /// How many slots.
        slots: usize,
        /// For so many seconds; until it is scaled again when left out.
        lasts: Option<i64>,
    },
    /// Tells channels.
    Notify {
        /// The channels.
        channels: Vec<String>,
        /// What.
        message: String,
    },
    /// Goes on only when a query's first value is true.
    Check {
        /// The query.
        sql: String,
    },
}

impl Action {
    /// The word that users write.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rerun { .. } => "rerun",
            Self::Backfill { .. } => "backfill",
            Self::Rollback { .. } => "rollback",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Scale { .. } => "scale",
            Self::Notify { .. } => "notify",
            Self::Check { .. } => "check",
        }
    }

    /// Whether it moves the environment, or decides what moves it.
    pub fn changes_something(&self) -> bool {
        !matches!(self, Self::Notify { .. } | Self::Check { .. })
    }
}

/// What can be held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pausable {
    /// A schedule: it is not begun, but by hand.
    Schedule(String),
    /// An export: it delivers nothing.
    Export(String),
}

impl Pausable {
    /// What it is known by in the ledger, such as `schedule/nightly`.
    pub fn subject(&self) -> String {
        match self {
            Self::Schedule(name) => format!("schedule/{name}"),
            Self::Export(name) => format!("export/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::incident::IncidentState;
    use crate::time::timestamp_from_micros;

    #[test]
    fn a_runbook_is_for_incidents_at_its_assets_and_of_its_kinds() {
        let name = |text: &str| AssetName::parse(text).unwrap();
        let at = timestamp_from_micros(0);
        let incident = Incident {
            id: "inc-1".to_owned(),
            state: IncidentState::Open,
            asset: name("weather"),
            signal: Signal::Freshness,
            severity: Severity::Error,
            title: String::new(),
            opened_at: at,
            last_seen_at: at,
            resolved_at: None,
            alerts: 2,
            assets: vec![name("weather"), name("delays")],
            causes: Vec::new(),
        };
        let on = |assets: &[&str], signals: &[Signal]| OnIncident {
            assets: assets.iter().map(|text| name(text)).collect(),
            signals: signals.to_vec(),
        };
        assert!(on(&[], &[]).is_for(&incident) && on(&["delays"], &[Signal::Freshness]).is_for(&incident));
        assert!(!on(&["flights"], &[]).is_for(&incident) && !on(&["weather"], &[Signal::Drift]).is_for(&incident));
    }
}
