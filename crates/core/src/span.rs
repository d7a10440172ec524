//! Spans: pieces of work with a begin and an end that make up a trace, as OpenTelemetry has them, and the header by which
//! a trace goes on from one program to the next (W3C Trace Context).

use std::fmt;

use crate::fingerprint::Fingerprint;
use crate::time::Timestamp;

/// The bit of a `traceparent` that says that the trace is kept.
const SAMPLED: u8 = 1;
/// What `traceparent` never has as its version.
const NO_VERSION: u8 = 0xff;

/// The id of a trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span within its trace: 8 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id that these parts always have; as good as random.
    pub fn of(parts: &[&str]) -> Self {
        bytes_of(Fingerprint::of(parts).as_str()).filter(is_id).map_or(Self([1; 16]), Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The id that these parts always have; as good as random.
    pub fn of(parts: &[&str]) -> Self {
        let hash = Fingerprint::of(parts);
        hash.as_str().get(..16).and_then(bytes_of).filter(is_id).map_or(Self([1; 8]), Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SpanId({self})")
    }
}

/// Bytes of lower-case hex digits, as many as there must be.
fn bytes_of<const LENGTH: usize>(digits: &str) -> Option<[u8; LENGTH]> {
    let is_lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; LENGTH];
    (is_lower && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

fn is_id<const LENGTH: usize>(bytes: &[u8; LENGTH]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

/// Where in which trace somebody is: what the work that they ask for is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that the work is a part of.
    pub span: SpanId,
    /// Whether the trace is kept.
    pub is_sampled: bool,
}

impl SpanContext {
    /// Reads `traceparent`: `00-<trace>-<span>-<flags>`. Later versions may have more behind the flags. `None` for what is
    /// no such header, which by the specification begins a new trace.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let [version] = bytes_of(parts.next()?)?;
        let trace = bytes_of(parts.next()?).filter(is_id)?;
        let span = bytes_of(parts.next()?).filter(is_id)?;
        let [flags] = bytes_of(parts.next()?)?;
        let has_more = parts.next().is_some();
        let is_known = version != NO_VERSION && !(version == 0 && has_more);
        is_known.then_some(Self { trace: TraceId(trace), span: SpanId(span), is_sampled: flags & SAMPLED != 0 })
    }
}

/// `traceparent` of version 00.
impl fmt::Display for SpanContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// Whose work a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work within the program.
    Internal,
    /// Work that another program asked for.
    Server,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A number.
    Count(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for SpanValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SpanValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for SpanValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for SpanValue {
    fn from(count: u64) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<u32> for SpanValue {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

/// Why work failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanFailure {
    /// The kind of failure, one of few words.
    pub kind: &'static str,
    /// What happened, without secrets.
    pub message: String,
}

/// A piece of work that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace, and this span in it.
    pub context: SpanContext,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// What the work is, one of few texts.
    pub name: String,
    /// Whose work it is.
    pub kind: SpanKind,
    /// When it began, on the machine's clock.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What is known of it, by name.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Why it failed.
    pub failure: Option<SpanFailure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let read = SpanContext::parse(EXAMPLE).unwrap();
        assert!(read.is_sampled);
        assert_eq!(read.to_string(), EXAMPLE);
        assert!(!SpanContext::parse(&EXAMPLE.replace("-01", "-02")).unwrap().is_sampled);
        // A later version is read as far as it is known.
        assert_eq!(SpanContext::parse(&format!("{}-more", EXAMPLE.replacen("00", "cc", 1))), Some(read));
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        let zeros = (
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
        );
        for wrong in [
            "",
            "00",
            &EXAMPLE[..50],
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replacen("00", "ff", 1),
            &format!("{EXAMPLE}-more"),
            &zeros.0,
            &zeros.1,
        ] {
            assert_eq!(SpanContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_come_of_their_parts() {
        assert_eq!(TraceId::of(&["run", "a"]), TraceId::of(&["run", "a"]));
        assert_ne!(SpanId::of(&["run", "a"]), SpanId::of(&["run", "b"]));
        assert_eq!((TraceId::of(&["x"]).to_string().len(), SpanId::of(&["x"]).to_string().len()), (32, 16));
    }
}
