//! What can fail in this crate, named by what failed. Knows no rendering: the callers turn these into diagnostics.

use std::path::PathBuf;

/// The result of every fallible function of this crate.
pub type Result<T, E = MlError> = std::result::Result<T, E>;

/// A failure while encoding, training, storing, running or judging a model.
#[derive(Debug, thiserror::Error)]
pub enum MlError {
    /// A feature is not a column of the rows.
    #[error("feature `{feature}` is not a column of the rows; the columns are {columns}")]
    FeatureMissing {
        /// The feature that was asked for.
        feature: String,
        /// The columns there are, comma separated.
        columns: String,
    },
    /// A column's type cannot be a feature.
    #[error("feature `{feature}` has type {data_type}, which no model reads; {advice}")]
    FeatureType {
        /// The feature.
        feature: String,
        /// Its Arrow type.
        data_type: String,
        /// What to do instead.
        advice: String,
    },
    /// A value given for a feature has the wrong type.
    #[error("feature `{feature}` takes {expected}, but got {found}")]
    FeatureValue {
        /// The feature.
        feature: String,
        /// What the feature takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Rows do not have the shape that was promised.
    #[error("{what} needs {expected} values, but got {found}")]
    Shape {
        /// What was measured.
        what: String,
        /// How many values it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// There is not enough data for what was asked.
    #[error("not enough data to {purpose}: {reason}")]
    NotEnoughData {
        /// What was asked.
        purpose: String,
        /// Why the data does not suffice, with numbers.
        reason: String,
    },
    /// The labels do not fit the task.
    #[error("the labels do not fit the task {task}: {reason}")]
    Labels {
        /// The task.
        task: String,
        /// What is wrong with them.
        reason: String,
    },
    /// No trainer has this name.
    #[error("unknown algorithm `{name}` for the task {task}; the algorithms are {known}")]
    UnknownAlgorithm {
        /// The name that was asked for.
        name: String,
        /// The task.
        task: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// A parameter is not one of the algorithm's, or its value is out of range.
    #[error("parameter `{name}` of `{algorithm}`: {reason}")]
    Parameter {
        /// The algorithm.
        algorithm: String,
        /// The parameter.
        name: String,
        /// What is wrong, with what is allowed.
        reason: String,
    },
    /// What is to be searched cannot be.
    #[error("{what} cannot be searched: {reason}")]
    Space {
        /// The parameter, or the whole space.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The rules of a search contradict each other.
    #[error("the search cannot be run so: {reason}")]
    Rules {
        /// How, with what to do.
        reason: String,
    },
    /// A sweep is not written as sweeps are.
    #[error("`{key}` of the sweep: {reason}")]
    Sweep {
        /// The key, from the top.
        key: String,
        /// What is wrong with it, and what is taken.
        reason: String,
    },
    /// The training library refused or failed.
    #[error("training `{algorithm}` failed: {reason}")]
    Training {
        /// The algorithm.
        algorithm: String,
        /// What the library said.
        reason: String,
    },
    /// A stored model cannot be read.
    #[error("the stored model cannot be read: {reason}")]
    ModelUnreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// A model ran and failed.
    #[error("the model failed to predict: {reason}")]
    Prediction {
        /// What the runtime said.
        reason: String,
    },
    /// An ONNX model was asked to run without a runtime library.
    #[error(
        "this model is stored as ONNX and needs the ONNX Runtime library, which is not configured; install the \
         wheel with `pip install onnxruntime` and set `onnxruntime` to the path of its \
         `onnxruntime/capi/libonnxruntime.so.*`"
    )]
    OnnxRuntimeMissing,
    /// The configured ONNX Runtime library does not load.
    #[error(
        "the ONNX Runtime library `{path}` does not load: {reason}; install the wheel with `pip install \
         'onnxruntime>=1.22'` and set `onnxruntime` to the path of its `onnxruntime/capi/libonnxruntime.so.*`"
    )]
    OnnxRuntimeUnloadable {
        /// The configured path.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// A model that only Python can run, without a Python.
    #[error(
        "there is no Python to run this model with; install Python with `mlflow` and the model's requirements, or name an \
         interpreter: `python: {{interpreter: .venv/bin/python}}` in baton.yml"
    )]
    PythonMissing,
    /// A worker process of Python does not open a model.
    #[error("the model cannot be opened in Python: {reason}")]
    Python {
        /// What the worker said.
        reason: String,
    },
    /// A model that a client uploaded cannot be served.
    #[error("the uploaded model cannot be served: {reason}")]
    Uploaded {
        /// Why not, and what to do.
        reason: String,
    },
    /// A metric cannot be computed.
    #[error("metric `{metric}` cannot be computed: {reason}")]
    Metric {
        /// The metric.
        metric: String,
        /// Why not.
        reason: String,
    },
    /// A gate is not written in a form that is understood.
    #[error(transparent)]
    Gate(#[from] crate::gate::GateSyntax),
}

impl MlError {
    /// A training failure of one algorithm, with what its library said.
    pub(crate) fn training(algorithm: &str, reason: impl ToString) -> Self {
        Self::Training { algorithm: algorithm.to_owned(), reason: reason.to_string() }
    }

    /// A parameter that cannot be searched; without a name, the whole space.
    pub(crate) fn space(parameter: &str, reason: impl Into<String>) -> Self {
        let what = if parameter.is_empty() { "the space".to_owned() } else { format!("parameter `{parameter}`") };
        Self::Space { what, reason: reason.into() }
    }

    /// A stored model that cannot be read.
    pub(crate) fn unreadable(reason: impl ToString) -> Self {
        Self::ModelUnreadable { reason: reason.to_string() }
    }

    /// A model that does not open in Python.
    pub(crate) fn python(reason: impl ToString) -> Self {
        Self::Python { reason: reason.to_string() }
    }

    /// An uploaded model that cannot be served.
    pub(crate) fn uploaded(reason: impl ToString) -> Self {
        Self::Uploaded { reason: reason.to_string() }
    }

    /// A model that failed to predict.
    pub(crate) fn prediction(reason: impl ToString) -> Self {
        Self::Prediction { reason: reason.to_string() }
    }
}
