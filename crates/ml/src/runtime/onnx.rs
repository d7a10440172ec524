//! ONNX models on ONNX Runtime, loaded from the library whose path the caller gives.

use super::{Predictor, RuntimeOptions, check_shape};
use crate::error::{MlError, Result};
use crate::model::StoredModel;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// ONNX Runtime allows one environment a process; it lives until the process ends.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// Guards the making of [`ENVIRONMENT`], so that a failed attempt can be repeated with another path.
static LOADING: Mutex<()> = Mutex::new(());

/// A loaded ONNX model. The session is locked because ONNX Runtime's binding runs one call at a time.
pub(super) struct OnnxPredictor {
    session: Mutex<Session>,
    output: String,
    n_features: usize,
}

impl OnnxPredictor {
    pub(super) fn load(model: &StoredModel, options: &RuntimeOptions) -> Result<Self> {
        let session = open(environment(options)?, &model.bytes)?;
        let n_features = model.encoder.n_features();
        check_input(session.inputs(), n_features)?;
        let output = output_name(session.outputs())?;
        Ok(Self { session: Mutex::new(session), output, n_features })
    }
}

impl Predictor for OnnxPredictor {
    fn predict(&self, rows: &[f32], n_rows: usize) -> Result<Vec<f64>> {
        check_shape(rows, n_rows, self.n_features)?;
        if n_rows == 0 {
            return Ok(Vec::new());
        }
        let input = TensorRef::from_array_view(([n_rows, self.n_features], rows)).map_err(MlError::prediction)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![input]).map_err(MlError::prediction)?;
        let output =
            outputs.get(&self.output).ok_or_else(|| MlError::prediction(format!("no output `{}`", self.output)))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(MlError::prediction)?;
        last_of_each_row(values, n_rows)
    }

    fn n_features(&self) -> usize {
        self.n_features
    }
}

/// One prediction a row: the only column, or the last of two (the probability of class 1).
fn last_of_each_row(values: &[f32], n_rows: usize) -> Result<Vec<f64>> {
    let width = values.len() / n_rows;
    if !(1..=2).contains(&width) || !values.len().is_multiple_of(n_rows) {
        return Err(MlError::prediction(format!(
            "the model gives {} values for {n_rows} rows; one or two a row are understood",
            values.len()
        )));
    }
    Ok(values.chunks_exact(width).map(|row| f64::from(row[width - 1])).collect())
}

/// One thread a session: these models are small, and one thread always adds in the same order.
fn open(environment: &Environment, bytes: &[u8]) -> Result<Session> {
    let builder = Session::builder(environment).map_err(MlError::unreadable)?;
    let builder = builder.with_intra_threads(1).map_err(MlError::unreadable)?;
    let mut builder = builder.with_inter_threads(1).map_err(MlError::unreadable)?;
    builder.commit_from_memory(bytes).map_err(MlError::unreadable)
}

fn environment(options: &RuntimeOptions) -> Result<&'static Environment> {
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let path = options.onnxruntime.as_deref().ok_or(MlError::OnnxRuntimeMissing)?;
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let built = load_library(path)?;
    Ok(ENVIRONMENT.get_or_init(|| built))
}

fn load_library(path: &Path) -> Result<Environment> {
    let refuse = |reason: String| MlError::OnnxRuntimeUnloadable { path: path.to_owned(), reason };
    let builder = ort::init_from(path).map_err(|error| refuse(error.to_string()))?;
    builder.with_name("baton").with_telemetry(false).build().map_err(|error| refuse(error.to_string()))
}

fn is_float_tensor(outlet: &Outlet) -> bool {
    matches!(outlet.dtype(), ValueType::Tensor { ty: TensorElementType::Float32, .. })
}

fn check_input(inputs: &[Outlet], n_features: usize) -> Result<()> {
    let [input] = inputs else {
        return Err(MlError::unreadable(format!(
            "the ONNX model has {} inputs; models with one float input are understood",
            inputs.len()
        )));
    };
    if !is_float_tensor(input) {
        return Err(MlError::unreadable(format!("the ONNX input `{}` is not a float tensor", input.name())));
    }
    if let ValueType::Tensor { shape, .. } = input.dtype()
        && let [_, width] = shape[..]
        && width > 0
        && width as usize != n_features
    {
        return Err(MlError::unreadable(format!(
            "the ONNX model reads {width} features, but {n_features} are declared"
        )));
    }
    Ok(())
}

/// The output to read: one named like a probability if there is one, else the first float tensor.
fn output_name(outputs: &[Outlet]) -> Result<String> {
    let floats = || outputs.iter().filter(|output| is_float_tensor(output));
    let named = floats().find(|output| output.name().contains("prob"));
    named
        .or_else(|| floats().next())
        .map(|output| output.name().to_owned())
        .ok_or_else(|| MlError::unreadable("the ONNX model has no float tensor output; export it without ZipMap"))
}
