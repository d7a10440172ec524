//! Load tests: requests at a constant rate, whether or not earlier ones were answered (open loop), so that a slow server
//! cannot hide its queue by slowing the test down. Latency runs from the instant a request is due to be sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

use crate::error::ServingError;

/// What an endpoint must stand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoadTestSpec {
    /// Requests a second.
    pub rps: f64,
    /// For how many seconds.
    pub seconds: f64,
    /// The 99th percentile of latency that it must keep, in milliseconds.
    pub p99_ms: f64,
}

/// What an endpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoadTestResult {
    /// Requests sent.
    pub requests: u64,
    /// Requests that failed or were not answered by 2xx.
    pub errors: u64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of latency in milliseconds.
    pub p99_ms: f64,
    /// Answered requests a second, from the first request to the last answer.
    pub achieved_rps: f64,
}

impl LoadTestResult {
    /// Whether the endpoint stood the load: no error, latency kept, and at least 95 % of the rate.
    pub fn passes(&self, spec: &LoadTestSpec) -> bool {
        self.errors == 0 && self.p99_ms <= spec.p99_ms && self.achieved_rps >= 0.95 * spec.rps
    }
}

/// Sends `rps * seconds` requests by calling `send` with their number, and measures the answers.
///
/// # Errors
/// [`ServingError::LoadTest`] for a spec that sends nothing.
pub async fn load_test<F>(
    spec: LoadTestSpec,
    send: impl Fn(u64) -> F + Send + Sync,
) -> Result<LoadTestResult, ServingError>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let total = (spec.rps * spec.seconds).round();
    if !(total >= 1.0 && total.is_finite()) {
        let reason = format!("{} requests a second for {} seconds is none", spec.rps, spec.seconds);
        return Err(ServingError::LoadTest { action: "begin".to_owned(), reason });
    }
    let start = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..total as u64 {
        tokio::time::sleep_until(start + Duration::from_secs_f64(number as f64 / spec.rps)).await;
        tasks.spawn(measure(send(number)));
    }
    let outcomes = tasks.join_all().await;
    Ok(summarise(outcomes, start.elapsed()))
}

async fn measure(request: impl Future<Output = Result<(), String>>) -> (Duration, bool) {
    let start = Instant::now();
    let outcome = request.await;
    (start.elapsed(), outcome.is_ok())
}

fn summarise(outcomes: Vec<(Duration, bool)>, elapsed: Duration) -> LoadTestResult {
    let answered = outcomes.iter().filter(|(_, is_ok)| *is_ok).count();
    let mut latencies: Vec<f64> = outcomes.iter().map(|(latency, _)| latency.as_secs_f64() * 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    LoadTestResult {
        requests: outcomes.len() as u64,
        errors: (outcomes.len() - answered) as u64,
        p50_ms: percentile(&latencies, 0.50),
        p99_ms: percentile(&latencies, 0.99),
        achieved_rps: answered as f64 / elapsed.as_secs_f64(),
    }
}

/// Nearest rank: the least value that at least the share `of` of all values do not exceed.
fn percentile(sorted: &[f64], of: f64) -> f64 {
    let rank = (of * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// A server on this machine that a load test posts JSON to.
#[derive(Clone)]
pub struct HttpTarget {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Arc<str>,
    bodies: Arc<[Bytes]>,
}

impl HttpTarget {
    /// Posts `bodies`, in turn, to `path` at `address`, which must be of this machine: a load test is not for others.
    ///
    /// # Errors
    /// [`ServingError::LoadTest`] for an address of another machine, or without bodies.
    pub fn new(address: SocketAddr, path: &str, bodies: Vec<Bytes>) -> Result<Self, ServingError> {
        let refuse = |reason: String| ServingError::LoadTest { action: "begin".to_owned(), reason };
        if !address.ip().is_loopback() {
            return Err(refuse(format!("{address} is not this machine; give a loopback address")));
        }
        if bodies.is_empty() {
            return Err(refuse("there is no request to send".to_owned()));
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { client, url: format!("http://{address}{path}").into(), bodies: bodies.into() })
    }

    /// Sends one request and waits for the whole answer; an answer other than 2xx is an error.
    pub fn send(&self, number: u64) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let target = self.clone();
        let body = self.bodies[number as usize % self.bodies.len()].clone();
        async move {
            let request = Request::builder()
                .method(Method::POST)
                .uri(&*target.url)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(body))
                .map_err(|error| error.to_string())?;
            let response = target.client.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            response.into_body().collect().await.map_err(|error| error.to_string())?;
            if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: LoadTestSpec = LoadTestSpec { rps: 500.0, seconds: 0.2, p99_ms: 100.0 };

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (100.0, 198.0));
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
    }

    #[tokio::test]
    async fn slow_answers_do_not_slow_the_test_down() {
        let result = load_test(SPEC, |_| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(())
        });
        let result = result.await.unwrap();
        assert_eq!((result.requests, result.errors), (100, 0));
        assert!(result.p50_ms >= 60.0 && result.p99_ms >= result.p50_ms, "{result:?}");
        // One after the other they would take 6 s.
        assert!(result.achieved_rps > 100.0, "{result:?}");
    }

    #[tokio::test]
    async fn errors_are_counted_and_fail_the_test() {
        let result =
            load_test(SPEC, |number| async move { if number % 4 == 0 { Err("no".to_owned()) } else { Ok(()) } });
        let result = result.await.unwrap();
        assert_eq!((result.requests, result.errors), (100, 25));
        assert!(!result.passes(&SPEC));
        let fine = LoadTestResult { errors: 0, achieved_rps: 499.0, ..result };
        assert!(fine.passes(&SPEC) && !LoadTestResult { p99_ms: 101.0, ..fine }.passes(&SPEC));
    }

    #[tokio::test]
    async fn what_sends_nothing_or_elsewhere_is_refused() {
        let none = load_test(LoadTestSpec { rps: 0.0, ..SPEC }, |_| async { Ok(()) }).await.unwrap_err();
        assert_eq!(none.to_string(), "load test cannot begin: 0 requests a second for 0.2 seconds is none");
        let other = SocketAddr::from(([192, 0, 2, 1], 80));
        let refused = HttpTarget::new(other, "/", vec![Bytes::new()]).err().unwrap().to_string();
        assert_eq!(refused, "load test cannot begin: 192.0.2.1:80 is not this machine; give a loopback address");
    }
}
