//! Requests that are answered in the end: paced, repeated where the reason may pass, led on by redirects, and never with
//! credentials to anybody but the server of the source.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK, LOCATION};
use reqwest::{StatusCode, Url};

use super::config::{HttpOptions, Method};
use super::patience::{Failed, Limits, Patience, Tries, chain, sent, wait_of};
use crate::ConnectorError;
use crate::report::shorten;

/// Redirects that one request may be led on by.
const MAX_REDIRECTS: usize = 10;

/// An answer.
pub(super) struct Answer {
    /// Where it came from in the end.
    pub(super) url: Url,
    /// What `Link` calls the next page, as it stands there.
    pub(super) next_link: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The requests of one pull.
pub(super) struct Session<'o> {
    options: &'o HttpOptions,
    patience: Patience,
}

impl<'o> Session<'o> {
    pub(super) fn new(options: &'o HttpOptions) -> Result<Self, ConnectorError> {
        let limits = Limits {
            requests_per_second: options.requests_per_second,
            retries: options.retries,
            pause_seconds: options.pause_seconds,
            max_wait_seconds: options.max_wait_seconds,
            timeout_seconds: options.timeout_seconds,
        };
        Ok(Self { options, patience: Patience::new(&options.url, options.auth.clone(), limits)? })
    }

    /// The address of the source.
    pub(super) fn base(&self) -> &Url {
        &self.patience.base
    }

    /// An answer of the server that cannot be used.
    pub(super) fn broken(&self, reason: impl Into<String>, hint: &str) -> ConnectorError {
        self.patience.told(reason, hint, false)
    }

    /// Asks, as often as the options allow.
    pub(super) async fn ask(&mut self, url: &Url) -> Result<Answer, ConnectorError> {
        let mut tries = Tries::default();
        loop {
            self.patience.keep_pace().await;
            match self.try_once(url).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => self.patience.wait_after(failed, &mut tries).await?,
            }
        }
    }

    async fn try_once(&self, url: &Url) -> Result<Answer, Failed> {
        let (mut url, mut has_body) = (url.clone(), true);
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, has_body).await?;
            let status = response.status();
            if !status.is_redirection() {
                return self.received(url, response).await;
            }
            let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
            let Some(next) = place.and_then(|place| url.join(place).ok()) else {
                return Err(Failed::lasting(format!("answers {status} without saying where to"), "mend `url`"));
            };
            has_body &= matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            url = next;
        }
        Err(Failed::lasting("leads on and on, in a circle".to_owned(), "mend `url`"))
    }

    async fn send(&self, url: &Url, has_body: bool) -> Result<reqwest::Response, Failed> {
        let is_own = url.origin() == self.base().origin();
        let url = if is_own { self.patience.with_auth(url.clone()) } else { url.clone() };
        let mut request = match self.options.method {
            Method::Post if has_body => self.patience.client.post(url),
            _ => self.patience.client.get(url),
        };
        request = request.header(ACCEPT, "application/json");
        if is_own {
            for (name, value) in &self.options.headers {
                request = request.header(name, value);
            }
            request = self.patience.authorized(request).await?;
        }
        if let (Method::Post, true, Some(body)) = (self.options.method, has_body, &self.options.body) {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        sent(request).await
    }

    async fn received(&self, url: Url, mut response: reqwest::Response) -> Result<Answer, Failed> {
        let status = response.status();
        let next_link = next_link(response.headers());
        let retry_after = wait_of(response.headers());
        let mut body = Vec::new();
        let ended =
            |error: reqwest::Error| Failed::passing(format!("ends in the middle of an answer: {}", chain(error)));
        while let Some(chunk) = response.chunk().await.map_err(ended)? {
            if body.len() + chunk.len() > self.options.max_page_bytes {
                let reason = format!("answers with more than {} bytes", self.options.max_page_bytes);
                return Err(Failed::lasting(reason, "ask for smaller pages, or raise `max_page_bytes`"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(Answer { url, next_link, body });
        }
        let said = shorten(String::from_utf8_lossy(&body).trim());
        let is_unauthorized = status == StatusCode::UNAUTHORIZED;
        let is_transient = matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504);
        let hint = match status {
            _ if is_transient => "try again later, or ask those who run it",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "mend `auth`, or the rights of who asks",
            _ => "mend `url`, `params` or `pagination`",
        };
        Err(Failed {
            is_transient,
            is_unauthorized,
            retry_after,
            ..Failed::lasting(format!("answers {status}: {said}"), hint)
        })
    }
}

/// The address behind `rel="next"` in `Link` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.into_iter().find_map(next_of)
}

fn next_of(links: &str) -> Option<String> {
    let mut rest = links;
    while let Some((_, after)) = rest.split_once('<') {
        let (address, behind) = after.split_once('>')?;
        let parameters = behind.split_once('<').map_or(behind, |(parameters, _)| parameters);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.trim().split_once('=') else { return false };
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && relations.split(' ').any(|one| one.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(address.to_owned());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let links = r#"<https://a/?page=1>; rel="prev", <https://a/?page=3,4>; title="x"; rel="last next""#;
        assert_eq!(next_of(links).as_deref(), Some("https://a/?page=3,4"));
        assert_eq!(next_of("<https://a/>; rel=next").as_deref(), Some("https://a/"));
        assert_eq!(next_of(r#"<https://a/>; rel="nextish""#), None);
    }
}
