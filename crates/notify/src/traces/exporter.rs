//! The thread that sends spans: in batches, again where the collector may take them later, and never in anybody's way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as DoneReceiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use baton_core::ports::Spans;
use baton_core::span::{Span, SpanContext, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::encode;
use super::options::TraceOptions;

/// The longest wait while somebody waits for the end.
const LAST_WAIT: Duration = Duration::from_millis(500);
/// How often a batch is tried.
const TRIES: u32 = 5;
/// How long the second try waits; each later one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Sends spans to a collector. They wait in a queue that has an end: what comes when it is full is dropped and counted.
pub struct OtlpSpans {
    options: Arc<TraceOptions>,
    queue: mpsc::Sender<Span>,
    ending: watch::Sender<bool>,
    done: Mutex<DoneReceiver<()>>,
    tally: Arc<Tally>,
}

/// What became of spans.
#[derive(Default)]
struct Tally {
    /// They are in the queue or on their way.
    waiting: AtomicU64,
    dropped: AtomicU64,
    /// Why the newest of the dropped were.
    reason: Mutex<Option<String>>,
}

impl Tally {
    fn settle(&self, spans: usize, dropped: u64, reason: Option<String>) {
        self.waiting.fetch_sub(spans as u64, Ordering::Relaxed);
        self.drop_spans(dropped, reason);
    }

    fn drop_spans(&self, dropped: u64, reason: Option<String>) {
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        if let Some(reason) = reason {
            *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }
}

impl OtlpSpans {
    /// Begins to send.
    ///
    /// # Errors
    /// The machine has no thread left.
    pub fn start(options: TraceOptions) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(options.queue);
        let (ending, is_ending) = watch::channel(false);
        let (done, is_done) = sync_channel(1);
        let (options, tally) = (Arc::new(options), Arc::new(Tally::default()));
        let sender = Sender { options: Arc::clone(&options), tally: Arc::clone(&tally), is_ending, client: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            runtime.block_on(sender.work(waiting));
            let _nobody_may_wait = done.send(());
        })?;
        Ok(Self { options, queue, ending, done: Mutex::new(is_done), tally })
    }

    /// Sends what waits, for at most `patience`. Answers with what was never delivered, in words.
    pub fn end(&self, patience: Duration) -> Option<String> {
        let _gone_already = self.ending.send(true);
        let _in_time_or_not = self.done.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience);
        let lost = self.tally.dropped.load(Ordering::Relaxed) + self.tally.waiting.load(Ordering::Relaxed);
        let reason = self.tally.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reason = reason.unwrap_or_else(|| "the collector did not answer in time".to_owned());
        (lost > 0).then(|| format!("{lost} spans of traces were not delivered: {reason}"))
    }
}

impl Spans for OtlpSpans {
    fn samples(&self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        self.options.samples(trace, parent)
    }

    fn keep(&self, span: Span) {
        self.tally.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(span).is_err() {
            self.tally.settle(1, 1, Some("too many waited (`OTEL_BSP_MAX_QUEUE_SIZE`)".to_owned()));
        }
    }

    fn dropped(&self) -> u64 {
        self.tally.dropped.load(Ordering::Relaxed)
    }
}

/// The work of the thread.
struct Sender {
    options: Arc<TraceOptions>,
    tally: Arc<Tally>,
    is_ending: watch::Receiver<bool>,
    /// Made with the first batch: most commands have none.
    client: Option<Result<Client, String>>,
}

/// Why a batch was not taken.
struct Untaken {
    reason: String,
    /// Whether it may be taken later, and how long the collector asks to wait.
    later: Option<Option<Duration>>,
    /// Whether the collector said so itself.
    is_answer: bool,
}

impl Untaken {
    fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), later: None, is_answer: false }
    }
}

impl Sender {
    async fn work(mut self, mut queue: mpsc::Receiver<Span>) {
        let mut batch = Vec::new();
        while !*self.is_ending.borrow() {
            let mut is_ending = self.is_ending.clone();
            tokio::select! {
                biased;
                // A sender that is gone ends it, too.
                _ = is_ending.wait_for(|is_ending| *is_ending) => break,
                () = fill(&mut queue, &mut batch, &self.options) => {}
            }
            self.deliver(std::mem::take(&mut batch)).await;
        }
        queue.close();
        loop {
            let room = self.options.batch.saturating_sub(batch.len());
            if room > 0 && queue.recv_many(&mut batch, room).await == 0 && batch.is_empty() {
                return;
            }
            self.deliver(std::mem::take(&mut batch)).await;
        }
    }

    /// Sends a batch until it is taken, refused, or tried often enough.
    async fn deliver(&mut self, batch: Vec<Span>) {
        let body = encode::request(&self.options.resource, &batch).encode_to_vec();
        let mut tried = 1;
        loop {
            let untaken = match self.send(body.clone()).await {
                Ok(rejected) => return self.tally.settle(batch.len(), rejected.0, rejected.1),
                Err(untaken) => untaken,
            };
            let is_ending = *self.is_ending.borrow();
            let wait = untaken.later.map(|asked| asked.unwrap_or(FIRST_WAIT * 2_u32.pow(tried - 1)));
            // Somebody waits for the end: one that cannot be reached is not waited for then.
            match wait.filter(|_| tried < TRIES && (untaken.is_answer || !is_ending)) {
                None => return self.tally.settle(batch.len(), batch.len() as u64, Some(untaken.reason)),
                Some(wait) if is_ending => sleep(wait.min(LAST_WAIT)).await,
                Some(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    _ = self.is_ending.wait_for(|is_ending| *is_ending) => {}
                },
            }
            tried += 1;
        }
    }

    /// Sends a batch once; answers how many of its spans the collector did not want, and why.
    async fn send(&mut self, body: Vec<u8>) -> Result<(u64, Option<String>), Untaken> {
        let options = &self.options;
        let client = self.client.get_or_insert_with(|| client(options)).as_ref().map_err(Untaken::never)?;
        let request = client.post(self.options.url.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(rejected(response).await),
            Ok(response) => Err(refused(&response)),
            // The address may hold a secret.
            Err(error) => Err(Untaken { reason: innermost(&error.without_url()), later: Some(None), is_answer: false }),
        }
    }
}

fn client(options: &TraceOptions) -> Result<Client, String> {
    let client = Client::builder().timeout(options.timeout).default_headers(options.headers.clone());
    client.build().map_err(|error| error.to_string())
}

/// Waits for a first span, then until the batch is full or has waited long enough.
async fn fill(queue: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>, options: &TraceOptions) {
    if batch.is_empty() && queue.recv_many(batch, options.batch).await == 0 {
        // Nobody sends any more; the end is told by another way.
        return std::future::pending().await;
    }
    let until = Instant::now() + options.delay;
    while batch.len() < options.batch {
        let room = options.batch - batch.len();
        if !timeout_at(until, queue.recv_many(batch, room)).await.is_ok_and(|came| came > 0) {
            return;
        }
    }
}

/// What the collector did not want of a batch that it took.
async fn rejected(response: Response) -> (u64, Option<String>) {
    let body = response.bytes().await.unwrap_or_default();
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    let rejected = u64::try_from(partial.rejected_spans).unwrap_or_default();
    (rejected, (rejected > 0).then(|| format!("the collector rejected them: {}", partial.error_message)))
}

/// By the specification these four may be taken later, and no other.
fn refused(response: &Response) -> Untaken {
    let status = response.status();
    let may_later = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let later = may_later.then(|| asked.map(Duration::from_secs));
    Untaken { reason: format!("the collector answered {status}"), later, is_answer: true }
}

/// The first cause: what stands around it only says that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("the collector cannot be reached: {innermost}")
}

#[cfg(test)]
mod tests {
    use baton_core::span::{SpanFailure, SpanId, SpanKind};
    use baton_core::time::parse_instant;
    use baton_testkit::web::{Answer, TestWeb};

    use super::*;

    fn span(number: usize) -> Span {
        let trace = TraceId::of(&["trace"]);
        Span {
            context: SpanContext { trace, span: SpanId::of(&[&number.to_string()]), is_sampled: true },
            parent: None,
            name: "build".to_owned(),
            kind: SpanKind::Internal,
            began: parse_instant("2026-11-21T06:00:00Z").unwrap(),
            ended: parse_instant("2026-11-21T06:00:01Z").unwrap(),
            attributes: vec![("baton.asset", "days".into())],
            failure: Some(SpanFailure { kind: "failed", message: "no space left".to_owned() }),
        }
    }

    fn spans(url: &str, more: &[(&str, &str)]) -> OtlpSpans {
        let variable = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_owned()),
            name => more.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        };
        OtlpSpans::start(TraceOptions::of(&variable).unwrap().unwrap()).unwrap()
    }

    const SECONDS: Duration = Duration::from_secs(20);

    #[test]
    fn spans_go_in_batches_and_wait_where_the_collector_asks_for_it() {
        let calls = AtomicU64::new(0);
        let web = TestWeb::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::status(503, "").with("retry-after", "0"),
            _ => Answer::ok(""),
        });
        let spans = spans(&web.url, &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")]);
        (0..10).for_each(|number| spans.keep(span(number)));
        assert_eq!(spans.end(SECONDS), None);
        let asked = web.asked();
        // Three batches, one of them twice.
        assert_eq!(asked.len(), 4);
        assert!(asked.iter().all(|asked| asked.path == "/v1/traces"));
        assert!(asked.iter().all(|asked| asked.header("content-type") == "application/x-protobuf"));
    }

    #[test]
    fn what_is_refused_or_comes_too_fast_is_counted() {
        let web = TestWeb::start(|_| Answer::status(400, "no"));
        let refusing = spans(&web.url, &[]);
        (0..3).for_each(|number| refusing.keep(span(number)));
        let told = refusing.end(SECONDS).unwrap();
        assert_eq!(told, "3 spans of traces were not delivered: the collector answered 400 Bad Request");
        assert_eq!((refusing.dropped(), web.asked().len()), (3, 1));

        let slow = TestWeb::start(|_| Answer::ok("").after(Duration::from_millis(300)));
        let full = [("OTEL_BSP_MAX_QUEUE_SIZE", "2"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")];
        let spans = spans(&slow.url, &full);
        (0..50).for_each(|number| spans.keep(span(number)));
        let dropped = spans.dropped();
        assert!(dropped >= 40, "{dropped}");
        assert!(spans.end(SECONDS).unwrap().contains("too many waited"));
    }

    #[test]
    fn a_collector_that_is_not_there_keeps_nobody_waiting() {
        let spans = spans("http://127.0.0.1:9", &[]);
        let start = std::time::Instant::now();
        spans.keep(span(0));
        let told = spans.end(SECONDS).unwrap();
        assert!(told.starts_with("1 spans of traces were not delivered: the collector cannot be reached"), "{told}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn a_span_has_the_form_of_the_specification() {
        let encoded = encode::request(&[("service.name".to_owned(), "baton".to_owned())], &[span(1)]);
        let of_process = &encoded.resource_spans[0];
        let sent = &of_process.scope_spans[0].spans[0];
        assert_eq!((sent.trace_id.len(), sent.span_id.len(), sent.parent_span_id.len()), (16, 8, 0));
        assert_eq!(sent.end_time_unix_nano - sent.start_time_unix_nano, 1_000_000_000);
        assert_eq!((sent.events[0].name.as_str(), sent.status.as_ref().unwrap().code), ("exception", 2));
    }
}
