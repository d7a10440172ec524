//! Pixels as a PNG file (the W3C's recommendation, 3rd edition): three bytes a pixel, rows as they are, compressed as one.
//!
//! The usual encoder asks for other features of libraries that the query engine is built with, and would have it built anew.

use std::io::Write as _;

use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;

/// What every file begins with.
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
/// Eight bits for each of red, green and blue; deflate; filters by row; no interlacing.
const FORM: [u8; 5] = [8, 2, 0, 0, 0];
const BYTES_OF_PIXEL: usize = 3;

/// The file of an image, given as red, green and blue of each pixel, row by row.
pub(crate) fn encode(pixels: &[u8], width: u32, height: u32) -> std::io::Result<Vec<u8>> {
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in pixels.chunks(width as usize * BYTES_OF_PIXEL) {
        // A row begins with its filter, of which there is none: figures are mostly one colour.
        compressed.write_all(&[0])?;
        compressed.write_all(row)?;
    }
    let mut head = Vec::from(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend(FORM);
    let mut file = Vec::from(SIGNATURE);
    chunk(&mut file, *b"IHDR", &head);
    chunk(&mut file, *b"IDAT", &compressed.finish()?);
    chunk(&mut file, *b"IEND", &[]);
    Ok(file)
}

/// A part of the file: its length, kind, content, and the sum over the latter two.
fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(content);
    file.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend(kind);
    file.extend(content);
    file.extend(sum.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected by Python: `zlib.crc32(b"IEND")`, and what Pillow opens as a red and a blue pixel.
    #[test]
    fn a_file_has_its_parts_in_order() {
        let file = encode(&[255, 0, 0, 0, 0, 255], 2, 1).unwrap();
        assert_eq!(file[..8], SIGNATURE);
        assert_eq!(
            file[8..33],
            *b"\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x01\x08\x02\x00\x00\x00\x7b\x40\xe8\xdd"
        );
        assert_eq!(file[file.len() - 12..], *b"\x00\x00\x00\x00IEND\xae\x42\x60\x82");
    }
}
