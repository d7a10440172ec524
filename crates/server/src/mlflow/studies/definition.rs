//! What a study is begun with: a sweep of Weights & Biases, or the same words without one.

use baton_ml::MlError;
use baton_ml::search::{Direction, Method, Pruning, Space, Study, sweep};
use baton_tracking::metric::Metric;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The experiment of studies that name none.
const EXPERIMENT: &str = "Default";
/// The metric of studies that name none.
const METRIC: &str = "value";
/// Seconds of silence after which a trial is given up, where none are named.
const TIMEOUT: u64 = 3_600;
/// The last step at which halving may decide, when it is asked for without steps.
const LAST_STEP: u64 = 1_000_000;

/// A request for a study.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// Its name, by which it is found again.
    name: String,
    /// The name of its experiment.
    experiment: Option<String>,
    /// Who begins it.
    pub(super) user: Option<String>,
    /// Whether to go on with the study of this name, if there is one.
    #[serde(default)]
    pub(super) resume: bool,
    /// A sweep, as the tree of its YAML.
    sweep: Option<Value>,
    /// What is searched, in the words of sweeps.
    parameters: Option<Map<String, Value>>,
    method: Option<Method>,
    direction: Option<Goal>,
    metric: Option<String>,
    prune: Option<Prune>,
    trials: Option<usize>,
    patience: Option<usize>,
    /// After how many seconds of silence a trial is given up.
    timeout: Option<u64>,
    #[serde(default)]
    seed: u64,
}

/// Which way values improve.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    /// Downwards.
    Minimize,
    /// Upwards.
    Maximize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Prune {
    None,
    Median,
    Halving,
}

/// A study as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// Its name.
    pub(super) name: String,
    /// Under which key its reports are logged.
    pub(super) metric: String,
    /// The rules.
    pub(super) study: Study,
    /// Seconds of silence after which a trial is given up.
    #[serde(default = "timeout")]
    pub(super) timeout: u64,
}

fn timeout() -> u64 {
    TIMEOUT
}

impl Begin {
    /// The experiment's name.
    pub(super) fn experiment(&self) -> &str {
        self.experiment.as_deref().unwrap_or(EXPERIMENT)
    }

    /// The rules.
    pub(super) fn definition(&self) -> Result<Definition, MlError> {
        let sweep = self.sweep.as_ref().map(sweep::read).transpose()?;
        let (parameters, told) = match (&sweep, &self.parameters) {
            (_, Some(parameters)) => (sweep::read_parameters(parameters)?, None),
            (Some(sweep), None) => (sweep.parameters.clone(), sweep.metric.as_ref()),
            (None, None) => return Err(rules("a study needs `parameters`, or a `sweep` that has them")),
        };
        let (name, goal) = (told.map(|told| told.name.clone()), told.map(sweep::SweepMetric::direction));
        let direction = self.direction.map(|goal| match goal {
            Goal::Minimize => Direction::LowerIsBetter,
            Goal::Maximize => Direction::HigherIsBetter,
        });
        let pruning = self.prune.map(|prune| match prune {
            Prune::None => Pruning::Off,
            Prune::Median => Pruning::MEDIAN,
            Prune::Halving => Pruning::halving(1, LAST_STEP, 3),
        });
        let study = Study {
            space: Space::of(parameters),
            method: self.method.or(sweep.as_ref().map(|sweep| sweep.method)).unwrap_or(Method::Tpe),
            pruning: pruning.or(sweep.as_ref().and_then(|sweep| sweep.pruning.clone())).unwrap_or(Pruning::Off),
            direction: direction
                .or(goal)
                .ok_or_else(|| rules("a study needs a `direction`: `minimize` or `maximize`"))?,
            trials: self.trials.or(sweep.as_ref().and_then(|sweep| sweep.trials)),
            patience: self.patience,
            parallel: 1,
            seed: self.seed,
        };
        study.check()?;
        let metric = self.metric.clone().or(name).unwrap_or_else(|| METRIC.to_owned());
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        Ok(Definition { name: self.name.clone(), metric, study, timeout })
    }
}

impl Definition {
    /// Whether `other` may go on with it: it may have more trials, and another patience, for trials and for their silence.
    pub(super) fn allows(&self, other: &Self) -> bool {
        let Study { trials, patience, .. } = self.study;
        let study = Study { trials, patience, ..other.study.clone() };
        *self == Self { study, timeout: self.timeout, ..other.clone() }
    }

    /// A report as a point of the metric.
    pub(super) fn point(&self, timestamp: i64, step: i64, value: f64) -> Metric {
        Metric { key: self.metric.clone(), value, timestamp, step, ..Metric::default() }
    }
}

fn rules(reason: &str) -> MlError {
    MlError::Rules { reason: reason.to_owned() }
}
