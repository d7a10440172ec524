//! The data types of tensors.

use super::error::InferenceError;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Text in UTF-8.
    Bytes,
}

/// Each type, its name, and the bytes of an element.
const TABLE: [(Datatype, &str, Option<usize>); 14] = [
    (Datatype::Bool, "BOOL", Some(1)),
    (Datatype::Uint8, "UINT8", Some(1)),
    (Datatype::Uint16, "UINT16", Some(2)),
    (Datatype::Uint32, "UINT32", Some(4)),
    (Datatype::Uint64, "UINT64", Some(8)),
    (Datatype::Int8, "INT8", Some(1)),
    (Datatype::Int16, "INT16", Some(2)),
    (Datatype::Int32, "INT32", Some(4)),
    (Datatype::Int64, "INT64", Some(8)),
    (Datatype::Fp16, "FP16", Some(2)),
    (Datatype::Bf16, "BF16", Some(2)),
    (Datatype::Fp32, "FP32", Some(4)),
    (Datatype::Fp64, "FP64", Some(8)),
    (Datatype::Bytes, "BYTES", None),
];

impl Datatype {
    /// The type that a tensor names.
    pub(super) fn parse(tensor: &str, name: &str) -> Result<Self, InferenceError> {
        let found = TABLE.iter().find(|(_, known, _)| *known == name).map(|(datatype, ..)| *datatype);
        found.ok_or_else(|| {
            let known: Vec<&str> = TABLE.iter().map(|(_, known, _)| *known).collect();
            let known = known.join(", ");
            InferenceError::bad_request(format!(
                "input `{tensor}` has the unknown datatype `{name}`; known are {known}"
            ))
        })
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        TABLE.iter().find(|(datatype, ..)| *datatype == self).map_or("", |(_, name, _)| name)
    }

    /// Bytes of an element; `None` where elements differ.
    pub(super) fn size(self) -> Option<usize> {
        TABLE.iter().find(|(datatype, ..)| *datatype == self).and_then(|(.., size)| *size)
    }

    /// The whole numbers that it holds; `None` for other types.
    pub(super) fn range(self) -> Option<(i128, i128)> {
        let range = match self {
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Uint64 => (0, u64::MAX.into()),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN.into(), i64::MAX.into()),
            _ => return None,
        };
        Some(range)
    }

    /// Whether its elements are numbers with a fraction.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Fp16 | Self::Bf16 | Self::Fp32 | Self::Fp64)
    }
}
