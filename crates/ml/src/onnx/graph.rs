//! The graph of a linear model: fill missing numbers with their means, one-hot the categories, centre, scale,
//! multiply, link.
//!
//! Input `features` is `float[rows, n_features]` with NaN for missing; output `prediction` is `float[rows, 1]`.

use super::proto::{
    Attribute, Dimension, DimensionValue, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use crate::error::{MlError, Result};
use crate::linear_model::{Design, LinearModel, Link};
use prost::Message as _;

const PRODUCER: &str = "baton";
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// The bytes of the model's ONNX file. The same model gives the same bytes.
pub(crate) fn encode_linear(model: &LinearModel) -> Vec<u8> {
    let mut graph = GraphBuilder::default();
    let design = graph.design(model);
    graph.float("means", &[1, model.means.len()], &model.means);
    graph.float("deviations", &[1, model.deviations.len()], &model.deviations);
    graph.float("weights", &[model.weights.len(), 1], &model.weights);
    graph.float("intercept", &[1], &[model.intercept]);
    graph.node("Sub", &[&design, "means"], "centred", &[]);
    graph.node("Div", &["centred", "deviations"], "scaled", &[]);
    let (margin, link) = match model.link {
        Link::Identity => ("prediction", None),
        Link::Sigmoid => ("margin", Some("Sigmoid")),
    };
    graph.node("Gemm", &["scaled", "weights", "intercept"], margin, &[]);
    if let Some(operator) = link {
        graph.node(operator, &[margin], "prediction", &[]);
    }
    file(Graph {
        node: graph.nodes,
        name: "linear".to_owned(),
        initializer: graph.initializers,
        input: vec![float_matrix("features", model.n_features)],
        output: vec![float_matrix("prediction", 1)],
    })
    .encode_to_vec()
}

/// Reads back a linear model that [`encode_linear`] wrote.
///
/// # Errors
///
/// [`MlError::ModelUnreadable`] when the bytes are no ONNX file or hold another kind of model.
pub(crate) fn decode_linear(bytes: &[u8]) -> Result<LinearModel> {
    let model = Model::decode(bytes).map_err(|error| MlError::unreadable(format!("not an ONNX file: {error}")))?;
    let graph = model.graph.unwrap_or_default();
    if model.producer_name != PRODUCER || graph.name != "linear" {
        return Err(MlError::unreadable("the ONNX file is not a linear model trained here"));
    }
    let floats = |name: &str| -> Result<Vec<f32>> { Ok(tensor(&graph, name)?.float_data.clone()) };
    let sigmoid = graph.node.iter().any(|node| node.op_type == "Sigmoid");
    let read = LinearModel {
        n_features: input_width(&graph)?,
        design: decode_design(&graph),
        means: floats("means")?,
        deviations: floats("deviations")?,
        weights: floats("weights")?,
        intercept: floats("intercept")?.first().copied().unwrap_or_default(),
        link: if sigmoid { Link::Sigmoid } else { Link::Identity },
    };
    let width = read.design.width();
    if [&read.means, &read.deviations, &read.weights].iter().any(|values| values.len() != width) {
        return Err(MlError::unreadable("the ONNX file's weights do not fit its columns"));
    }
    Ok(read)
}

#[derive(Default)]
struct GraphBuilder {
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
}

impl GraphBuilder {
    /// Adds the nodes that make the design columns; gives their name.
    fn design(&mut self, model: &LinearModel) -> String {
        let mut parts = Vec::new();
        if !model.design.numeric.is_empty() {
            self.numeric(&model.design.numeric, &model.means);
            parts.push("filled".to_owned());
        }
        for (feature, count) in &model.design.categorical {
            parts.push(self.one_hot(*feature, *count));
        }
        let inputs: Vec<_> = parts.iter().map(String::as_str).collect();
        self.node("Concat", &inputs, "design", &[int_attribute("axis", 1)]);
        "design".to_owned()
    }

    fn numeric(&mut self, features: &[usize], means: &[f32]) {
        self.indices("numeric", features);
        self.float("fill", &[1, features.len()], &means[..features.len()]);
        self.node("Gather", &["features", "numeric"], "numbers", &[int_attribute("axis", 1)]);
        self.node("IsNaN", &["numbers"], "missing", &[]);
        self.node("Where", &["missing", "fill", "numbers"], "filled", &[]);
    }

    /// A code equals at most one of 0, 1, ...; a missing code (NaN) equals none.
    fn one_hot(&mut self, feature: usize, count: usize) -> String {
        let named = |part: &str| format!("{part}_{feature}");
        let all: Vec<f32> = (0..count).map(|code| code as f32).collect();
        self.indices(&named("categorical"), &[feature]);
        self.float(&named("codes"), &[1, count], &all);
        let (categorical, codes) = (named("categorical"), named("codes"));
        let (code, equal, out) = (named("code"), named("equal"), named("one_hot"));
        self.node("Gather", &["features", &categorical], &code, &[int_attribute("axis", 1)]);
        self.node("Equal", &[&code, &codes], &equal, &[]);
        self.node("Cast", &[&equal], &out, &[int_attribute("to", i64::from(FLOAT))]);
        out
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        self.nodes.push(Node {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("make_{output}"),
            op_type: operator.to_owned(),
            attribute: attributes.to_vec(),
        });
    }

    fn float(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.initializers.push(Tensor {
            dims: dims.iter().map(|size| *size as i64).collect(),
            data_type: FLOAT,
            float_data: values.to_vec(),
            int64_data: Vec::new(),
            name: name.to_owned(),
        });
    }

    fn indices(&mut self, name: &str, values: &[usize]) {
        self.initializers.push(Tensor {
            dims: vec![values.len() as i64],
            data_type: INT64,
            float_data: Vec::new(),
            int64_data: values.iter().map(|value| *value as i64).collect(),
            name: name.to_owned(),
        });
    }
}

fn file(graph: Graph) -> Model {
    Model {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
    }
}

/// `AttributeProto` of type INT.
fn int_attribute(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: value, r#type: 2 }
}

fn float_matrix(name: &str, width: usize) -> ValueInfo {
    let dimension = |value| Dimension { value: Some(value) };
    let rows = dimension(DimensionValue::Param("rows".to_owned()));
    let columns = dimension(DimensionValue::Value(width as i64));
    let shape = Some(Shape { dim: vec![rows, columns] });
    let tensor_type = Some(TensorType { elem_type: FLOAT, shape });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
}

fn tensor<'a>(graph: &'a Graph, name: &str) -> Result<&'a Tensor> {
    let found = graph.initializer.iter().find(|tensor| tensor.name == name);
    found.ok_or_else(|| MlError::unreadable(format!("the ONNX file has no tensor `{name}`")))
}

fn decode_design(graph: &Graph) -> Design {
    let mut design = Design { numeric: Vec::new(), categorical: Vec::new() };
    for found in &graph.initializer {
        if found.name == "numeric" {
            design.numeric = found.int64_data.iter().map(|feature| *feature as usize).collect();
        }
        let codes = found.name.strip_prefix("codes_").and_then(|feature| feature.parse().ok());
        if let Some(feature) = codes {
            design.categorical.push((feature, found.float_data.len()));
        }
    }
    design
}

fn input_width(graph: &Graph) -> Result<usize> {
    let shape = graph.input.first().and_then(|input| input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref());
    match shape.and_then(|shape| shape.dim.get(1)?.value.as_ref()) {
        Some(DimensionValue::Value(width)) if *width > 0 => Ok(*width as usize),
        _ => Err(MlError::unreadable("the ONNX file's input has no fixed number of features")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_model_survives_its_file() {
        let model = LinearModel {
            n_features: 4,
            design: Design::new(&[None, Some(3), None, Some(2)]),
            means: vec![1.0, 2.0, 0.5, 0.25, 0.25, 0.6, 0.4],
            deviations: vec![1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            weights: vec![0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7],
            intercept: -1.25,
            link: Link::Sigmoid,
        };
        let bytes = encode_linear(&model);
        assert_eq!(bytes, encode_linear(&model));
        assert_eq!(decode_linear(&bytes).unwrap(), model);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(decode_linear(b"no onnx at all").is_err());
        assert!(decode_linear(&[]).unwrap_err().to_string().contains("not a linear model"));
    }
}
