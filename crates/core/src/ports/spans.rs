//! The port for traces: where spans of ended work go. Keeping one neither waits nor fails.

use std::sync::{Mutex, PoisonError};

use crate::span::{Span, SpanContext, TraceId};

/// Takes spans.
pub trait Spans: Send + Sync {
    /// Whether spans of this trace are kept. `parent` is what another program says of the trace that it began.
    fn samples(&self, trace: TraceId, parent: Option<&SpanContext>) -> bool;

    /// Keeps a span, or counts it as dropped where too many wait.
    fn keep(&self, span: Span);

    /// How many spans were dropped so far.
    fn dropped(&self) -> u64;
}

/// Keeps nothing: traces are off.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSpans;

impl Spans for NoSpans {
    fn samples(&self, _trace: TraceId, _parent: Option<&SpanContext>) -> bool {
        false
    }

    fn keep(&self, _span: Span) {}

    fn dropped(&self) -> u64 {
        0
    }
}

/// Keeps all spans in memory: the fake for tests.
#[derive(Debug, Default)]
pub struct MemorySpans {
    kept: Mutex<Vec<Span>>,
}

impl MemorySpans {
    /// What was kept, in the order in which the work ended.
    pub fn kept(&self) -> Vec<Span> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Spans for MemorySpans {
    fn samples(&self, _trace: TraceId, parent: Option<&SpanContext>) -> bool {
        parent.is_none_or(|parent| parent.is_sampled)
    }

    fn keep(&self, span: Span) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn dropped(&self) -> u64 {
        0
    }
}
