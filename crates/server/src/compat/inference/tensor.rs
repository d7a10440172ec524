//! Input tensors with their values read.

use baton_core::scalar::Scalar;

use super::binary;
use super::datatype::Datatype;
use super::error::InferenceError;
use super::json;
use super::wire::WireInput;

/// The most elements that a tensor may have; more do not fit into a request.
const MAX_ELEMENTS: u64 = 1 << 28;

/// An input tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) datatype: Datatype,
    pub(super) values: Vec<Scalar>,
}

impl Tensor {
    /// Reads an input. `binary` is what of the body's binary part is not read yet; the input's own part is taken off it.
    pub(super) fn read(input: WireInput, binary: &mut &[u8]) -> Result<Self, InferenceError> {
        let datatype = Datatype::parse(&input.name, &input.datatype)?;
        let elements = elements(&input)?;
        let size = input.parameters.get("binary_data_size");
        let values = match (size, input.data) {
            (Some(_), Some(_)) => Err("has both `data` and `binary_data_size`; give one of them".to_owned()),
            (None, None) => Err("has neither `data` nor the parameter `binary_data_size`".to_owned()),
            (None, Some(data)) => json::read(datatype, elements, data),
            (Some(size), None) => match size.as_u64() {
                Some(size) => binary::take(binary, size).and_then(|part| binary::read(datatype, elements, part)),
                None => Err(format!("has the `binary_data_size` {size}, which is no number of bytes")),
            },
        };
        let values =
            values.map_err(|reason| InferenceError::bad_request(format!("input `{}` {reason}", input.name)))?;
        let shape = input.shape.iter().map(|length| *length as usize).collect();
        Ok(Self { name: input.name, shape, datatype, values })
    }
}

fn elements(input: &WireInput) -> Result<usize, InferenceError> {
    let product = input.shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
    match product.filter(|product| *product <= MAX_ELEMENTS) {
        Some(product) => Ok(product as usize),
        None => {
            let (name, shape) = (&input.name, &input.shape);
            Err(InferenceError::bad_request(format!("input `{name}` has the shape {shape:?}, which is too large")))
        }
    }
}
