//! Binary tensors, as Triton's extension of the protocol lays them out: little-endian, row-major, BOOL a byte, BYTES
//! each its length as `u32` and then its bytes.

use baton_core::scalar::Scalar;

use super::datatype::Datatype;

/// Takes the next `size` bytes of a request's binary part; the error goes on after the tensor's name.
pub(super) fn take<'body>(binary: &mut &'body [u8], size: u64) -> Result<&'body [u8], String> {
    let there = binary.len();
    let split = usize::try_from(size).ok().and_then(|size| binary.split_at_checked(size));
    let (part, rest) = split.ok_or_else(|| {
        format!("has a `binary_data_size` of {size} but only {there} bytes follow: the body is cut short")
    })?;
    *binary = rest;
    Ok(part)
}

/// Reads the elements of a tensor; the error goes on after the tensor's name.
pub(super) fn read(datatype: Datatype, elements: usize, part: &[u8]) -> Result<Vec<Scalar>, String> {
    let Some(size) = datatype.size() else { return texts(elements, part) };
    if part.len() != elements * size {
        let (name, bytes) = (datatype.name(), elements * size);
        return Err(format!(
            "has a shape of {elements} elements of {name}, {bytes} bytes, but {} in binary",
            part.len()
        ));
    }
    part.chunks_exact(size).map(|bytes| element(datatype, bytes)).collect()
}

fn element(datatype: Datatype, bytes: &[u8]) -> Result<Scalar, String> {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    Ok(match datatype {
        Datatype::Bool => match unsigned {
            0 => Scalar::Bool(false),
            1 => Scalar::Bool(true),
            byte => return Err(format!("is BOOL but has the byte {byte}")),
        },
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => {
            i64::try_from(unsigned).map_or(Scalar::Float(unsigned as f64), Scalar::Int)
        }
        Datatype::Int8 => Scalar::Int((unsigned as i8).into()),
        Datatype::Int16 => Scalar::Int((unsigned as i16).into()),
        Datatype::Int32 => Scalar::Int((unsigned as i32).into()),
        Datatype::Int64 => Scalar::Int(unsigned.cast_signed()),
        Datatype::Fp16 => Scalar::Float(half(unsigned as u16)),
        Datatype::Bf16 => Scalar::Float(f32::from_bits((unsigned as u32) << 16).into()),
        Datatype::Fp32 => Scalar::Float(f32::from_bits(unsigned as u32).into()),
        Datatype::Fp64 => Scalar::Float(f64::from_bits(unsigned)),
        Datatype::Bytes => Scalar::Null,
    })
}

/// IEEE 754 binary16: one sign bit, five of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match bits >> 10 & 0x1f {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2_f64.powi(i32::from(exponent) - 15),
    };
    sign * magnitude
}

fn texts(elements: usize, mut part: &[u8]) -> Result<Vec<Scalar>, String> {
    let mut values = Vec::new();
    while !part.is_empty() {
        let cut = || format!("is BYTES but its element {} is cut short", values.len());
        let (length, rest) = part.split_first_chunk::<4>().ok_or_else(cut)?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
        let text =
            std::str::from_utf8(text).map_err(|_| format!("has an element {} that is no UTF-8", values.len()))?;
        values.push(Scalar::Text(text.to_owned()));
        part = rest;
    }
    if values.len() != elements {
        return Err(format!("has a shape of {elements} elements but {} in binary", values.len()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(datatype: Datatype, bytes: &[u8]) -> Vec<f64> {
        let size = datatype.size().unwrap();
        let read = read(datatype, bytes.len() / size, bytes).unwrap();
        read.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    }

    #[test]
    fn halves_are_those_of_numpy() {
        // `numpy.array([1.5, -0.1, 65504, 6e-08, -0.0, numpy.inf], "<f2").tobytes()` and its values as doubles.
        let bytes = b"\x00\x3e\x66\xae\xff\x7b\x01\x00\x00\x80\x00\x7c";
        let expected = [1.5, -0.0999755859375, 65504.0, 5.960464477539063e-08, -0.0, f64::INFINITY];
        assert_eq!(floats(Datatype::Fp16, bytes), expected);
        assert!(floats(Datatype::Fp16, b"\x00\x7e")[0].is_nan());
        assert_eq!(floats(Datatype::Bf16, b"\x80\x3f\x00\xc0"), [1.0, -2.0]);
    }

    #[test]
    fn whole_numbers_keep_their_sign() {
        let ints = |datatype, bytes: &[u8]| read(datatype, 1, bytes).unwrap().remove(0);
        assert_eq!(ints(Datatype::Int8, b"\xfe"), Scalar::Int(-2));
        assert_eq!(ints(Datatype::Uint8, b"\xfe"), Scalar::Int(254));
        assert_eq!(ints(Datatype::Int16, b"\xfe\xff"), Scalar::Int(-2));
        assert_eq!(ints(Datatype::Int32, b"\xfe\xff\xff\xff"), Scalar::Int(-2));
        assert_eq!(ints(Datatype::Int64, &i64::MIN.to_le_bytes()), Scalar::Int(i64::MIN));
        assert_eq!(ints(Datatype::Uint64, &u64::MAX.to_le_bytes()), Scalar::Float(u64::MAX as f64));
    }

    #[test]
    fn torn_texts_are_refused() {
        let refused = |bytes: &[u8]| read(Datatype::Bytes, 1, bytes).unwrap_err();
        assert_eq!(refused(b"\x02\0\0\0A"), "is BYTES but its element 0 is cut short");
        assert_eq!(refused(b"\x02\0"), "is BYTES but its element 0 is cut short");
        assert_eq!(refused(b"\x01\0\0\0\xff"), "has an element 0 that is no UTF-8");
        assert_eq!(refused(b"\x01\0\0\0A\x01\0\0\0B"), "has a shape of 1 elements but 2 in binary");
        assert_eq!(read(Datatype::Bytes, 1, b"\x02\0\0\0AB"), Ok(vec![Scalar::Text("AB".to_owned())]));
    }
}
