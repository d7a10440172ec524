//! Traces of this process: where its runs and requests leave their spans, and their delivery before it ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use baton_core::ports::{NoSpans, Spans};
use baton_core::span::SpanContext;
use baton_notify::OtlpSpans;

use crate::{output, settings};

/// How long the end of a command waits for the collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the process leaves its spans.
#[derive(Clone)]
pub(crate) struct Traces {
    exporter: Option<Arc<OtlpSpans>>,
    parent: Option<SpanContext>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Traces").field("is_on", &self.exporter.is_some()).field("parent", &self.parent).finish()
    }
}

impl Traces {
    /// As the process environment says; what is wrong with it is told, and traces stay off.
    pub(crate) fn begin() -> Self {
        let exporter = match settings::traces() {
            Ok(None) => None,
            Ok(Some(options)) => OtlpSpans::start(options)
                .inspect_err(|error| output::say(&format!("warning: traces are off, they need a thread: {error}")))
                .ok()
                .map(Arc::new),
            Err(error) => {
                output::say(&format!("warning: {error}"));
                None
            }
        };
        Self { exporter, parent: settings::traceparent().as_deref().and_then(SpanContext::parse) }
    }

    /// The same for runs that are no part of what began this process.
    pub(crate) fn without_parent(&self) -> Self {
        Self { parent: None, ..self.clone() }
    }

    /// Takes the spans.
    pub(crate) fn spans(&self) -> Arc<dyn Spans> {
        match &self.exporter {
            Some(exporter) => Arc::clone(exporter) as Arc<dyn Spans>,
            None => Arc::new(NoSpans),
        }
    }

    /// Whether spans go anywhere.
    pub(crate) fn are_on(&self) -> bool {
        self.exporter.is_some()
    }

    /// What the work of this process is a part of, as who began it says.
    pub(crate) fn parent(&self) -> Option<SpanContext> {
        self.parent
    }

    /// Delivers what waits; says what was never delivered, and fails nothing by it.
    pub(crate) fn end(&self) {
        if let Some(lost) = self.exporter.as_ref().and_then(|exporter| exporter.end(PATIENCE)) {
            output::say(&format!("note: {lost}"));
        }
    }
}
