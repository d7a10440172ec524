//! Who may ask: requests for hosts that are this machine or a private one, and no page of somebody else's site.
//!
//! A browser sends what any page tells it to. The host that a request names unmasks names that were pointed here (DNS
//! rebinding), and its origin the page that it comes from.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderName, HeaderValue, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::state::Shared;

/// Hosts and origins that may ask besides those of this machine and of private networks; `*` lets all.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Names of hosts, with or without a port.
    pub hosts: Vec<String>,
    /// Origins of pages, such as `https://notebooks.example`.
    pub origins: Vec<String>,
}

/// Refuses what others must not ask, and says to browsers how to treat the answers.
pub(super) async fn guard(State(tracking): State<Shared>, request: Request, next: Next) -> Response {
    if !tracking.allowed.has_host(request.headers()) {
        return refused("Invalid Host header - possible DNS rebinding attack detected");
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !tracking.allowed.has_origin(request.headers()) {
        return refused("Cross-origin request blocked");
    }
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &str); 3] =
        [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (X_FRAME_OPTIONS, "SAMEORIGIN"), (VARY, "Origin")];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(message: &'static str) -> Response {
    (StatusCode::FORBIDDEN, message).into_response()
}

impl Allowed {
    /// Whether the host is one of ours. A request without one comes from no browser.
    pub(super) fn has_host(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(HOST) else { return true };
        let Ok(given) = value.to_str() else { return false };
        let name = name_of(given);
        is_near(name) || self.hosts.iter().any(|allowed| allowed == "*" || allowed == given || allowed == name)
    }

    /// Whether the page, if it is one, is of this machine or allowed.
    fn has_origin(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(ORIGIN) else { return true };
        let Ok(given) = value.to_str() else { return false };
        let host = given.split_once("://").map(|(_, host)| name_of(host));
        let is_own = host.is_some_and(|host| {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        is_own || self.origins.iter().any(|allowed| allowed == "*" || allowed == given)
    }
}

/// The name or address of `host:port` or `[host]:port`.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.split(':').next().unwrap_or(host)
}

/// Whether a host is this machine, or on a private network (RFC 1918, RFC 4193).
fn is_near(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_unspecified(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn hosts_are_near_or_allowed() {
        let allowed = Allowed { hosts: vec!["mlflow.example".to_owned()], origins: Vec::new() };
        for (host, is_fine) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("[::1]:80", true),
            ("10.2.3.4:1", true),
            ("172.20.0.1", true),
            ("mlflow.example:443", true),
            ("evil.example", false),
            ("10.evil.example", false),
            ("8.8.8.8", false),
            ("", false),
        ] {
            assert_eq!(allowed.has_host(&headers(HOST, host)), is_fine, "{host}");
        }
        assert!(allowed.has_host(&HeaderMap::new()));
    }

    #[test]
    fn pages_of_others_are_not_let() {
        let allowed = Allowed { hosts: Vec::new(), origins: vec!["https://notebooks.example".to_owned()] };
        for (origin, is_fine) in [
            ("http://localhost:3000", true),
            ("http://[::1]", true),
            ("https://notebooks.example", true),
            ("https://evil.example", false),
            ("null", false),
            ("http://localhost.evil.example", false),
        ] {
            assert_eq!(allowed.has_origin(&headers(ORIGIN, origin)), is_fine, "{origin}");
        }
    }
}
