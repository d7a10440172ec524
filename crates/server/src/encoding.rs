//! Content codings gzip and deflate (RFC 9110 section 8.4.1: `deflate` is the zlib format), both ways.

use std::io::{Read, Write as _};

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Deflate,
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    TooLarge,
    Broken(String),
}

impl Coding {
    /// How a request is packed; an unknown coding is answered by its name.
    pub(crate) fn of_request(headers: &HeaderMap) -> Result<Self, String> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Self::Plain) };
        let name = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
        Self::named(&name).ok_or(name)
    }

    /// How the client would like the answer: the first coding in its list that we know and it does not refuse.
    pub(crate) fn of_response(headers: &HeaderMap) -> Self {
        let wanted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        wanted.split(',').find_map(accepted).unwrap_or(Self::Plain)
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// The name for the header; `None` for a plain body.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
        }
    }

    /// Unpacks a body of at most `limit` bytes.
    pub(crate) fn decode(self, packed: Bytes, limit: usize) -> Result<Bytes, DecodeError> {
        match self {
            Self::Plain => Ok(packed),
            Self::Gzip => read(MultiGzDecoder::new(packed.as_ref()), limit),
            Self::Deflate => read(ZlibDecoder::new(packed.as_ref()), limit),
        }
    }

    /// Packs a body.
    pub(crate) fn encode(self, plain: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(plain),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&plain)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&plain)?;
                encoder.finish()
            }
        }
    }
}

fn accepted(item: &str) -> Option<Coding> {
    let mut parts = item.split(';').map(str::trim);
    let coding = Coding::named(&parts.next()?.to_ascii_lowercase()).filter(|coding| *coding != Coding::Plain)?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
    (weight != Some(0.0)).then_some(coding)
}

fn read(decoder: impl Read, limit: usize) -> Result<Bytes, DecodeError> {
    let mut plain = Vec::new();
    let one_more = limit as u64 + 1;
    decoder.take(one_more).read_to_end(&mut plain).map_err(|error| DecodeError::Broken(error.to_string()))?;
    if plain.len() > limit { Err(DecodeError::TooLarge) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Coding {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, accept.parse().unwrap());
        Coding::of_response(&headers)
    }

    #[test]
    fn first_known_coding_that_is_not_refused_is_taken() {
        assert_eq!(wanted("gzip, deflate"), Coding::Gzip);
        assert_eq!(wanted("br, deflate;q=0.5"), Coding::Deflate);
        assert_eq!(wanted("gzip;q=0, deflate"), Coding::Deflate);
        assert_eq!(wanted("identity"), Coding::Plain);
    }

    #[test]
    fn what_was_packed_elsewhere_is_unpacked() {
        // `gzip.compress(b"baton" * 20, mtime=0)` and `zlib.compress(b"baton" * 20)` of Python 3.11.
        let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03KJ,\xc9\xcfK\xa2-\x01\0l\x88\x8a\xc4d\0\0\0";
        let zlib = b"\x78\x9cKJ,\xc9\xcfK\xa2-\x01\x000\xcc)\x91";
        let plain = Bytes::from("baton".repeat(20));
        assert_eq!(Coding::Gzip.decode(Bytes::from_static(gzip), 100), Ok(plain.clone()));
        assert_eq!(Coding::Deflate.decode(Bytes::from_static(zlib), 100), Ok(plain));
    }

    #[test]
    fn small_bomb_and_torn_body_are_refused() {
        let packed = Bytes::from(Coding::Gzip.encode(vec![0; 1_000_000]).unwrap());
        assert_eq!(Coding::Gzip.decode(packed.clone(), 999_999), Err(DecodeError::TooLarge));
        assert_eq!(Coding::Gzip.decode(packed.clone(), 1_000_000).unwrap().len(), 1_000_000);
        assert!(matches!(Coding::Gzip.decode(packed.slice(..500), 1 << 20), Err(DecodeError::Broken(_))));
    }
}
