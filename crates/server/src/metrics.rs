//! `GET /metrics`: counters in the text format of Prometheus. Inferences are counted under Triton's names, so that boards
//! made for it work.
//!
//! Labels hold routes, endpoints and versions that exist, never a client's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use baton_serving::{Deployment, PredictResponse};

use crate::desk::Figure;
use crate::state::Shared;

/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 14] = [0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0, 5.0];

/// All counters of a server.
#[derive(Default)]
pub(crate) struct Metrics {
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    requests: BTreeMap<(String, u16), u64>,
    latencies: BTreeMap<String, Histogram>,
    inferences: BTreeMap<(String, u32), Inferences>,
}

#[derive(Default)]
struct Histogram {
    /// How many fell between the bound before and this one; the last is beyond all bounds.
    counts: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

#[derive(Default)]
struct Inferences {
    success: u64,
    failure: u64,
    rows: u64,
    duration: Duration,
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        let mut counters = self.counters();
        *counters.requests.entry((route.to_owned(), status)).or_default() += 1;
        let histogram = counters.latencies.entry(route.to_owned()).or_default();
        let seconds = took.as_secs_f64();
        histogram.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        histogram.seconds += seconds;
    }

    /// Begins to time an inference; it counts as failed unless [`InferenceTimer::succeed`] is called.
    pub(crate) fn begin(&self, deployment: &Deployment) -> InferenceTimer<'_> {
        InferenceTimer {
            metrics: self,
            endpoint: deployment.endpoint().to_owned(),
            version: deployment.main().version,
            rows: None,
            start: Instant::now(),
        }
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All counters as text.
    fn render(&self) -> String {
        let counters = self.counters();
        let mut text = String::new();
        render_inferences(&mut text, &counters.inferences);
        render_requests(&mut text, &counters);
        text
    }
}

/// An inference that is under way; it is counted when it is dropped.
pub(crate) struct InferenceTimer<'metrics> {
    metrics: &'metrics Metrics,
    endpoint: String,
    version: u32,
    /// The rows that were answered.
    rows: Option<usize>,
    start: Instant,
}

impl InferenceTimer<'_> {
    /// Counts the inference as a success, of the version that answered (the first row's when there are several).
    pub(crate) fn succeed(mut self, answer: &PredictResponse) {
        self.version = answer.predictions.first().map_or(self.version, |row| row.version);
        self.rows = Some(answer.predictions.len());
    }
}

impl Drop for InferenceTimer<'_> {
    fn drop(&mut self) {
        let mut counters = self.metrics.counters();
        let key = (std::mem::take(&mut self.endpoint), self.version);
        let inferences = counters.inferences.entry(key).or_default();
        let Some(rows) = self.rows else {
            inferences.failure += 1;
            return;
        };
        inferences.success += 1;
        inferences.rows += rows as u64;
        inferences.duration += self.start.elapsed();
    }
}

pub(crate) async fn show(State(state): State<Shared>) -> impl IntoResponse {
    let mut text = state.metrics.render();
    head(&mut text, "baton_shadows_dropped_total", "counter", "Requests that shadows did not see: too many waited.");
    line(&mut text, format_args!("baton_shadows_dropped_total {}", state.service.dropped_shadows()));
    if let Some(dropped) = state.tracer.dropped() {
        head(&mut text, "baton_spans_dropped_total", "counter", "Spans of traces that were not delivered.");
        line(&mut text, format_args!("baton_spans_dropped_total {dropped}"));
    }
    if let Some(desk) = &state.desk {
        render_figures(&mut text, &desk.figures().await);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// Figures that come name by name.
fn render_figures(text: &mut String, figures: &[Figure]) {
    let mut last = "";
    for figure in figures {
        if figure.name != last {
            head(text, figure.name, "gauge", figure.help);
            last = figure.name;
        }
        let labels: Vec<String> =
            figure.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        line(text, format_args!("{}{labels} {}", figure.name, figure.value));
    }
}

type OfInferences = fn(&Inferences) -> u128;

fn render_inferences(text: &mut String, inferences: &BTreeMap<(String, u32), Inferences>) {
    let families: [(&str, &str, OfInferences); 5] = [
        ("nv_inference_request_success", "Inference requests that were answered.", |of| of.success.into()),
        ("nv_inference_request_failure", "Inference requests that failed.", |of| of.failure.into()),
        ("nv_inference_count", "Rows that were predicted.", |of| of.rows.into()),
        ("nv_inference_exec_count", "Calls of the model.", |of| of.success.into()),
        ("nv_inference_request_duration_us", "Microseconds of answered requests, their log included.", |of| {
            of.duration.as_micros()
        }),
    ];
    for (family, help, value) in families {
        head(text, family, "counter", help);
        for ((endpoint, version), of) in inferences {
            let model = escaped(endpoint);
            line(text, format_args!("{family}{{model=\"{model}\",version=\"{version}\"}} {}", value(of)));
        }
    }
}

fn render_requests(text: &mut String, counters: &Counters) {
    head(text, "baton_http_requests_total", "counter", "Answered requests.");
    for ((route, status), count) in &counters.requests {
        let route = escaped(route);
        line(text, format_args!("baton_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"));
    }
    head(text, "baton_http_request_seconds", "histogram", "Time from the request's head to the answer's head.");
    for (route, histogram) in &counters.latencies {
        render_histogram(text, &escaped(route), histogram);
    }
}

fn render_histogram(text: &mut String, route: &str, histogram: &Histogram) {
    const NAME: &str = "baton_http_request_seconds";
    let mut total = 0;
    let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(histogram.counts) {
        total += count;
        line(text, format_args!("{NAME}_bucket{{route=\"{route}\",le=\"{bound}\"}} {total}"));
    }
    line(text, format_args!("{NAME}_sum{{route=\"{route}\"}} {}", histogram.seconds));
    line(text, format_args!("{NAME}_count{{route=\"{route}\"}} {total}"));
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Text in memory takes everything.
    let _never_fails = writeln!(text, "{arguments}");
}

/// A label's value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_fall_into_buckets() {
        let metrics = Metrics::default();
        for micros in [90, 100, 250, 9_000_000] {
            metrics.answered("/v2/models/{model}/infer", 200, Duration::from_micros(micros));
        }
        metrics.answered("none", 404, Duration::from_micros(10));
        let text = metrics.render();
        for expected in [
            "baton_http_requests_total{route=\"/v2/models/{model}/infer\",status=\"200\"} 4",
            "baton_http_requests_total{route=\"none\",status=\"404\"} 1",
            "baton_http_request_seconds_bucket{route=\"/v2/models/{model}/infer\",le=\"0.0001\"} 2",
            "baton_http_request_seconds_bucket{route=\"/v2/models/{model}/infer\",le=\"0.0003\"} 3",
            "baton_http_request_seconds_bucket{route=\"/v2/models/{model}/infer\",le=\"5\"} 3",
            "baton_http_request_seconds_bucket{route=\"/v2/models/{model}/infer\",le=\"+Inf\"} 4",
            "baton_http_request_seconds_sum{route=\"/v2/models/{model}/infer\"} 9.00044",
            "baton_http_request_seconds_count{route=\"/v2/models/{model}/infer\"} 4",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn figures_of_one_name_stand_below_one_head() {
        let figure = |state: &str, value| Figure {
            name: "baton_schedule_requests",
            help: "Runs.",
            labels: vec![("state", state.to_owned())],
            value,
        };
        let mut text = String::new();
        render_figures(&mut text, &[figure("queued", 2.0), figure("running", 1.0)]);
        let expected = "# HELP baton_schedule_requests Runs.\n# TYPE baton_schedule_requests gauge\n\
                        baton_schedule_requests{state=\"queued\"} 2\nbaton_schedule_requests{state=\"running\"} 1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}
