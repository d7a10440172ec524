//! Where traces go, and which: read from OpenTelemetry's own variables.
//!
//! Source: the specification's "SDK environment variables" and "OTLP exporter".

use std::time::Duration;

use baton_core::span::{SpanContext, TraceId};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Spans that wait for being sent, at most: a run of ten thousand steps is over before the first of them is sent.
const QUEUE: usize = 20_480;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a batch is waited for until it is full.
const DELAY: Duration = Duration::from_secs(5);
/// How long a collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bits of a trace id that sampling by ratio looks at: the last 7 bytes, which are random by W3C Trace Context, level 2.
const RANDOM_BITS: u32 = 56;

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sampler {
    /// All.
    On,
    /// None.
    Off,
    /// This share of them.
    Ratio(f64),
}

/// Where traces go, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceOptions {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) delay: Duration,
    pub(super) queue: usize,
    pub(super) batch: usize,
    /// Attributes of this process, by name.
    pub(super) resource: Vec<(String, String)>,
    sampler: Sampler,
    /// Whether what another program decided of its trace holds here.
    asks_parent: bool,
}

/// A variable that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` {problem}; traces are off until it is mended")]
pub struct TraceOptionsError {
    variable: &'static str,
    problem: String,
}

fn wrong(variable: &'static str, problem: impl Into<String>) -> TraceOptionsError {
    TraceOptionsError { variable, problem: problem.into() }
}

impl TraceOptions {
    /// What the variables say; `None` when no collector is named, or traces are turned off. `variable` gives the value of
    /// one that is set and not empty.
    ///
    /// # Errors
    /// A variable has a value that means nothing, or one that asks for what is not spoken here.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, TraceOptionsError> {
        let is = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let Some(url) = url(variable)? else { return Ok(None) };
        speaks(variable)?;
        let (sampler, asks_parent) = sampler(variable)?;
        let batch = count(variable, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?.unwrap_or(BATCH);
        Ok(Some(Self {
            url,
            headers: headers(variable)?,
            timeout: millis(variable, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")?
                .or(millis(variable, "OTEL_EXPORTER_OTLP_TIMEOUT")?)
                .unwrap_or(TIMEOUT),
            delay: millis(variable, "OTEL_BSP_SCHEDULE_DELAY")?.unwrap_or(DELAY),
            queue: count(variable, "OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(QUEUE).max(batch),
            batch,
            resource: resource(variable)?,
            sampler,
            asks_parent,
        }))
    }

    /// Whether a trace is kept.
    pub(super) fn samples(&self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        if let Some(parent) = parent.filter(|_| self.asks_parent) {
            return parent.is_sampled;
        }
        match self.sampler {
            Sampler::On => true,
            Sampler::Off => false,
            Sampler::Ratio(ratio) => randomness(trace) < ratio,
        }
    }
}

/// Where the random part of an id lies between 0 and 1.
fn randomness(trace: TraceId) -> f64 {
    let number = trace.bytes().iter().skip(9).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number as f64 / (1_u64 << RANDOM_BITS) as f64
}

/// The address of traces as it is given, or that of all signals with the path of traces behind it.
fn url(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>, TraceOptionsError> {
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let (name, text) = match (variable(TRACES), variable(ALL)) {
        (Some(text), _) => (TRACES, text),
        (None, Some(text)) => (ALL, format!("{}/v1/traces", text.trim_end_matches('/'))),
        (None, None) => return Ok(None),
    };
    let url = Url::parse(&text).map_err(|error| wrong(name, format!("is no address: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        other => Err(wrong(name, format!("begins with `{other}:`; write `http://` or `https://`"))),
    }
}

fn speaks(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), TraceOptionsError> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match variable(name).as_deref() {
            None => {}
            Some("http/protobuf") => return Ok(()),
            Some(other) => {
                return Err(wrong(name, format!("is `{other}`; only `http/protobuf` is spoken (mostly at port 4318)")));
            }
        }
    }
    Ok(())
}

fn headers(variable: &dyn Fn(&str) -> Option<String>) -> Result<HeaderMap, TraceOptionsError> {
    let mut headers = HeaderMap::new();
    // Those of traces go before those of all signals.
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        for (key, value) in pairs(variable, name)? {
            let header = HeaderName::try_from(key.as_str());
            // Headers often hold keys: what is wrong with a value is not shown.
            let header =
                header.map_err(|_invalid| wrong(name, format!("has `{key}`, which is no name of a header")))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|_invalid| wrong(name, format!("has a value for `{key}` that no header can have")))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
    }
    Ok(headers)
}

fn resource(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, TraceOptionsError> {
    let mut resource = pairs(variable, "OTEL_RESOURCE_ATTRIBUTES")?;
    if let Some(name) = variable("OTEL_SERVICE_NAME") {
        resource.retain(|(key, _)| key != "service.name");
        resource.push(("service.name".to_owned(), name));
    }
    let own = [("service.name", "baton".to_owned()), ("service.version", env!("CARGO_PKG_VERSION").to_owned())];
    for (key, value) in own {
        if resource.iter().all(|(known, _)| known != key) {
            resource.push((key.to_owned(), value));
        }
    }
    Ok(resource)
}

/// `key=value,key=value`, percent-encoded.
fn pairs(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Vec<(String, String)>, TraceOptionsError> {
    let text = variable(name).unwrap_or_default();
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((decoded(key), decoded(value))),
        _ => Err(wrong(name, "is not of the form `key=value,key=value`")),
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(pair).collect()
}

fn sampler(variable: &dyn Fn(&str) -> Option<String>) -> Result<(Sampler, bool), TraceOptionsError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let name = variable(NAME).unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (word, asks_parent) = name.strip_prefix("parentbased_").map_or((name.as_str(), false), |word| (word, true));
    let sampler = match word {
        "always_on" => Sampler::On,
        "always_off" => Sampler::Off,
        "traceidratio" => Sampler::Ratio(ratio(variable)?),
        _ => {
            let known = "`always_on`, `always_off`, `traceidratio`, or one of them behind `parentbased_`";
            return Err(wrong(NAME, format!("is `{name}`; known are {known}")));
        }
    };
    Ok((sampler, asks_parent))
}

fn ratio(variable: &dyn Fn(&str) -> Option<String>) -> Result<f64, TraceOptionsError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(text) = variable(NAME) else { return Ok(1.0) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| wrong(NAME, format!("is `{text}`; write a share from 0 to 1")))
}

fn millis(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<Duration>, TraceOptionsError> {
    let read = |text: String| text.parse().map(Duration::from_millis).map_err(|_not| text);
    let read = variable(name).map(read).transpose();
    read.map_err(|text| wrong(name, format!("is `{text}`; write a number of milliseconds")))
}

fn count(variable: &dyn Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<usize>, TraceOptionsError> {
    let read = |text: String| text.parse().ok().filter(|count| *count > 0).ok_or(text);
    let read = variable(name).map(read).transpose();
    read.map_err(|text| wrong(name, format!("is `{text}`; write a number of spans")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(given: &[(&str, &str)]) -> Result<Option<TraceOptions>, String> {
        let given: BTreeMap<_, _> = given.iter().copied().collect();
        TraceOptions::of(&|name| given.get(name).map(|value| (*value).to_owned())).map_err(|error| error.to_string())
    }

    const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/");

    fn on(given: &[(&str, &str)]) -> TraceOptions {
        of(&[&[HERE], given].concat()).unwrap().unwrap()
    }

    #[test]
    fn traces_are_off_unless_a_collector_is_named() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[HERE, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(None));
        assert_eq!(of(&[HERE, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
        assert_eq!(on(&[]).url.as_str(), "http://localhost:4318/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example.com/in");
        assert_eq!(on(&[own]).url.as_str(), "https://traces.example.com/in");
    }

    #[test]
    fn headers_and_resources_are_decoded_and_the_nearer_name_wins() {
        let options = on(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-team = data"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-team=traces"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod%2Ceu,service.name=other"),
            ("OTEL_SERVICE_NAME", "flights"),
        ]);
        assert_eq!(options.headers["authorization"], "Bearer abc");
        assert_eq!(options.headers["x-team"], "traces");
        let value = |key: &str| {
            let found: Vec<_> = options.resource.iter().filter(|(known, _)| known == key).collect();
            assert_eq!(found.len(), 1, "{key}");
            found[0].1.clone()
        };
        assert_eq!([value("deployment.environment.name"), value("service.name")], ["prod,eu", "flights"]);
        assert_eq!(value("service.version"), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn what_cannot_be_done_is_told_without_secrets() {
        let told = |name, value| of(&[HERE, (name, value)]).unwrap_err();
        assert_eq!(
            told("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            "`OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`; only `http/protobuf` is spoken (mostly at port 4318); traces are off until it is mended"
        );
        assert!(told("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318").contains("begins with `localhost:`"));
        assert!(!told("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret%0A").contains("s3cret"));
        assert!(!told("OTEL_EXPORTER_OTLP_HEADERS", "s3cret").contains("s3cret"));
        assert!(told("OTEL_TRACES_SAMPLER", "jaeger_remote").contains("traceidratio"));
    }

    #[test]
    fn a_share_of_traces_is_kept_and_parents_decide_where_they_may() {
        let share = |options: &TraceOptions, parent: Option<&SpanContext>| {
            (0..4_000).filter(|number| options.samples(TraceId::of(&[&number.to_string()]), parent)).count()
        };
        let parent = |flags: &str| {
            SpanContext::parse(&format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}")).unwrap()
        };
        let quarter = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
        let options = on(&quarter);
        let kept = share(&options, None);
        // Three standard deviations of a binomial with n = 4000, p = 0.25: 82.
        assert!((918..=1_082).contains(&kept), "{kept}");
        assert_eq!(share(&options, Some(&parent("01"))), 4_000);
        assert_eq!(share(&options, Some(&parent("00"))), 0);
        assert_eq!(share(&on(&[("OTEL_TRACES_SAMPLER", "always_on")]), Some(&parent("00"))), 4_000);
        assert_eq!(share(&on(&[("OTEL_TRACES_SAMPLER", "always_off")]), None), 0);
    }
}
