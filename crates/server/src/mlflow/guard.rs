//! Who may ask: requests for hosts that are this machine or a private one, and no page of somebody else's site.
//!
//! A browser sends what any page tells it to. The host that a request names unmasks names that were pointed here (DNS
//! rebinding), and its origin the page that it comes from.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderName, HeaderValue, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
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
    let page = request.headers().get(ORIGIN).filter(|_| tracking.allowed.has_origin(request.headers())).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => preflight(page.is_some(), request.headers()),
        _ => next.run(request).await,
    };
    if let Some(page) = page {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
    }
    let headers: [(HeaderName, &str); 3] =
        [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (X_FRAME_OPTIONS, "SAMEORIGIN"), (VARY, "Origin")];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a browser is told before it sends what a page of another port wants: methods and headers, if the page may.
fn preflight(is_allowed: bool, asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if is_allowed {
        let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        if let Some(headers) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
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

    #[tokio::test]
    async fn browsers_are_told_which_pages_may_ask() {
        let client = crate::mlflow::testing::Client::new().await;
        for (origin, is_let) in [("http://localhost:3000", true), ("https://evil.example", false)] {
            let asked = axum::http::Request::builder().method("OPTIONS").uri("/api/2.0/mlflow/runs/search");
            let asked = asked.header(ORIGIN, origin).header(ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
            let asked = asked.body(axum::body::Body::empty()).unwrap();
            let told = tower::ServiceExt::oneshot(client.router.clone(), asked).await.unwrap();
            assert_eq!(told.status(), StatusCode::NO_CONTENT);
            let told = |name: HeaderName| told.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(told(ACCESS_CONTROL_ALLOW_ORIGIN), is_let.then_some(origin));
            assert_eq!(told(ACCESS_CONTROL_ALLOW_HEADERS), is_let.then_some("content-type"));
            assert_eq!(told(ACCESS_CONTROL_ALLOW_METHODS).is_some(), is_let);
        }
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
