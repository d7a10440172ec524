//! The name of a request: the client's, or a new one; it is in the answer's headers and in the prediction log.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries it, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from a client.
const MAX_LENGTH: usize = 128;

/// The name of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The client's name for the request if it is plain text of a sensible length, else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match given.filter(|id| is_sensible(id)) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::new_v4().to_string().into()),
        }
    }

    /// This name, or the one that the request's body gives.
    pub(crate) fn or_given(self, given: Option<&str>) -> Self {
        given.filter(|id| !id.is_empty()).map_or(self, |id| Self(id.into()))
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    pub(crate) fn as_text(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_text(self) -> String {
        self.0.to_string()
    }
}

fn is_sensible(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_LENGTH && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, given.parse().unwrap());
        RequestId::of(&headers).into_text()
    }

    #[test]
    fn sensible_names_are_taken_over_and_others_replaced() {
        assert_eq!(of("order-17"), "order-17");
        for odd in ["", "two words", &"x".repeat(129)] {
            assert!(Uuid::parse_str(&of(odd)).is_ok(), "{odd}");
        }
        assert!(Uuid::parse_str(&RequestId::of(&HeaderMap::new()).into_text()).is_ok());
    }
}
