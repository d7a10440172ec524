//! What a run tells of itself as a trace: the run is a span, and each of its steps one below it.
//!
//! Spans are made when the work has ended, of what the history of runs records. Their ids come of the run's, so that those
//! who execute steps side by side need not tell each other.

use baton_core::span::{Span, SpanContext, SpanFailure, SpanId, SpanKind, SpanValue, TraceId};
use baton_core::{AssetName, Timestamp};

use super::Execution;
use super::history::word;
use super::lineage::Moment;
use crate::error::RunError;
use crate::report::{StepReport, StepState};

type Attributes = Vec<(&'static str, SpanValue)>;

impl Execution<'_> {
    /// Tells of the run, which has ended as `moment` says.
    pub(super) fn trace_run(&self, moment: Moment, reason: Option<String>) {
        let Some(context) = self.trace() else { return };
        let failed_step = || {
            self.report.failures().next().map(|step| format!("{} {} failed: {}", step.verb, step.asset, step.detail))
        };
        let failure = (moment != Moment::Complete).then(|| SpanFailure {
            kind: if moment == Moment::Abort { "cancelled" } else { "run_failed" },
            message: reason.or_else(failed_step).unwrap_or_default(),
        });
        self.services.spans.keep(Span {
            context,
            parent: self.services.parent_span.map(|parent| parent.span),
            name: self.job_of_run(),
            kind: SpanKind::Internal,
            began: self.began,
            ended: self.services.clock.now(),
            attributes: self.attributes_of_run(),
            failure,
        });
    }

    /// Tells of a step of the report, which has the number `number` in the run.
    pub(super) fn trace_step(&self, number: u32, step: &StepReport, started_at: Timestamp, attempts: u32) {
        let Some(run) = self.trace() else { return };
        let mut attributes = self.attributes_of_step(number, &step.verb, &step.asset);
        attributes.push(("baton.step.state", word(step.state).into()));
        attributes.push(("baton.attempts", attempts.into()));
        attributes.extend(step.cache.as_ref().map(|cache| ("baton.cache.hit", cache.hit.into())));
        attributes.extend(step.rows.map(|rows| ("baton.rows", rows.into())));
        let failure = (step.state == StepState::Failed)
            .then(|| SpanFailure { kind: "step_failed", message: step.detail.clone() });
        self.keep_step(run, number, &step.verb, &step.asset, started_at, attributes, failure);
    }

    /// Tells of a step that ended with the whole run.
    pub(super) fn trace_broken_step(
        &self,
        number: u32,
        verb: &str,
        asset: &AssetName,
        started_at: Timestamp,
        error: &RunError,
    ) {
        let Some(run) = self.trace() else { return };
        let attributes = self.attributes_of_step(number, verb, asset);
        let kind = if matches!(error, RunError::Cancelled { .. }) { "cancelled" } else { "step_failed" };
        let failure = SpanFailure { kind, message: error.to_string() };
        self.keep_step(run, number, verb, asset, started_at, attributes, Some(failure));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a span, put together in one place")]
    fn keep_step(
        &self,
        run: SpanContext,
        number: u32,
        verb: &str,
        asset: &str,
        began: Timestamp,
        attributes: Attributes,
        failure: Option<SpanFailure>,
    ) {
        let span = SpanId::of(&["step", &self.run, &self.began.to_rfc3339(), &number.to_string(), verb, asset]);
        self.services.spans.keep(Span {
            context: SpanContext { span, ..run },
            parent: Some(run.span),
            name: format!("{verb} {asset}"),
            kind: SpanKind::Internal,
            began,
            ended: self.services.clock.now(),
            attributes,
            failure,
        });
    }

    /// Where the run stands in its trace; `None` where the trace is not kept.
    fn trace(&self) -> Option<SpanContext> {
        let parent = self.services.parent_span.as_ref();
        let began = self.began.to_rfc3339();
        let trace = parent.map_or_else(|| TraceId::of(&["trace", &self.run, &began]), |parent| parent.trace);
        let span = SpanId::of(&["run", &self.run, &began]);
        let is_sampled = self.services.spans.samples(trace, parent);
        is_sampled.then_some(SpanContext { trace, span, is_sampled })
    }

    fn attributes_of_run(&self) -> Attributes {
        let asked = &self.services.asked;
        let command = self.reason.split_whitespace().next().unwrap_or("run");
        let mut attributes = self.attributes_of_all();
        attributes.push(("baton.command", command.into()));
        attributes.push(("baton.as_of", self.as_of.to_rfc3339().into()));
        attributes.push(("baton.steps", (self.report.steps.len() as u64).into()));
        attributes.push(("baton.steps.failed", (self.report.failures().count() as u64).into()));
        attributes.extend(asked.schedule.clone().map(|schedule| ("baton.schedule", schedule.into())));
        attributes.extend(asked.trigger.clone().map(|trigger| ("baton.trigger", trigger.into())));
        attributes.extend(asked.due_at.map(|due_at| ("baton.due_at", due_at.to_rfc3339().into())));
        attributes.extend(self.report.commit.as_ref().map(|commit| ("baton.commit", commit.0.as_str().into())));
        attributes
    }

    fn attributes_of_step(&self, number: u32, verb: &str, asset: &str) -> Attributes {
        let mut attributes = self.attributes_of_all();
        attributes.push(("baton.asset", asset.into()));
        attributes.push(("baton.step.verb", verb.into()));
        attributes.push(("baton.step.number", number.into()));
        attributes
    }

    fn attributes_of_all(&self) -> Attributes {
        vec![
            ("baton.project", self.prepared.project.name.as_str().into()),
            ("baton.environment", self.environment.as_str().into()),
            ("baton.run.id", self.run.as_str().into()),
        ]
    }
}
