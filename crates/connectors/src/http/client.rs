//! Requests that are answered in the end: paced, repeated where the reason may pass, led on by redirects, and never with
//! credentials to anybody but the server of the source.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use chrono::DateTime;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, LINK, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use super::config::{HttpOptions, Method, address};
use crate::ConnectorError;
use crate::report::shorten;

/// Redirects that one request may be led on by.
const MAX_REDIRECTS: usize = 10;
/// The longest pause between two tries that the server does not ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

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
    client: Client,
    /// The address of the source, whose server gets the credentials.
    pub(super) base: Url,
    /// What messages call it: neither parameters nor users.
    origin: String,
    last: Option<Instant>,
}

/// Why one try failed.
struct Failed {
    reason: String,
    hint: &'static str,
    is_transient: bool,
    is_unauthorized: bool,
    retry_after: Option<Duration>,
}

impl Failed {
    fn passing(reason: String) -> Self {
        let hint = "look whether it runs and `url` leads there";
        Self { reason, hint, is_transient: true, is_unauthorized: false, retry_after: None }
    }

    fn lasting(reason: String, hint: &'static str) -> Self {
        Self { reason, hint, is_transient: false, is_unauthorized: false, retry_after: None }
    }
}

impl<'o> Session<'o> {
    pub(super) fn new(options: &'o HttpOptions) -> Result<Self, ConnectorError> {
        let base = address(&options.url)?;
        let mut shown = base.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let _has_host = shown.set_password(None).and_then(|()| shown.set_username(""));
        let origin = format!("http API at {shown}");
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs_f64(options.timeout_seconds))
            .user_agent("baton")
            .build()
            .map_err(|error| told(&origin, format!("cannot be asked: {error}"), "see the reason", false))?;
        Ok(Self { options, client, base, origin, last: None })
    }

    /// An answer of the server that cannot be used.
    pub(super) fn broken(&self, reason: impl Into<String>, hint: &str) -> ConnectorError {
        told(&self.origin, self.without_secrets(reason.into()), hint, false)
    }

    /// Asks, as often as the options allow.
    pub(super) async fn ask(&mut self, url: &Url) -> Result<Answer, ConnectorError> {
        let (mut tries, mut renewed) = (0, false);
        loop {
            self.keep_pace().await;
            let failed = match self.try_once(url).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if let Some(auth) = self.options.auth.as_ref().filter(|auth| auth.can_renew() && failed.is_unauthorized)
                && !renewed
            {
                auth.forget();
                renewed = true;
                continue;
            }
            if !failed.is_transient || tries >= self.options.retries {
                return Err(self.given_up(failed, tries));
            }
            let longest = Duration::from_secs(self.options.max_wait_seconds);
            match failed.retry_after {
                Some(wait) if wait > longest => {
                    let reason = format!("{}, and asks to wait for {} seconds", failed.reason, wait.as_secs());
                    let reason = self.without_secrets(reason);
                    return Err(told(&self.origin, reason, "run again then, or raise `max_wait_seconds`", true));
                }
                // Never at once, even where the server asks for no wait.
                Some(wait) => tokio::time::sleep(wait.max(self.pause(0))).await,
                None => tokio::time::sleep(self.pause(tries)).await,
            }
            tries += 1;
        }
    }

    fn given_up(&self, failed: Failed, tries: u32) -> ConnectorError {
        let reason = match tries {
            0 => failed.reason,
            tries => format!("{} (tried {} times)", failed.reason, tries + 1),
        };
        told(&self.origin, self.without_secrets(reason), failed.hint, failed.is_transient)
    }

    fn without_secrets(&self, text: String) -> String {
        let secrets = self.options.auth.iter().flat_map(|auth| auth.secrets());
        secrets.filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "…"))
    }

    /// Doubles with each try; half of it is left to chance, so that those who failed together do not come together.
    fn pause(&self, tries: u32) -> Duration {
        let whole = Duration::from_secs_f64(self.options.pause_seconds).saturating_mul(2_u32.saturating_pow(tries));
        let chance = RandomState::new().hash_one(tries) % 1_000;
        whole.min(MAX_PAUSE).mul_f64(0.5 + 0.0005 * f64::from(u32::try_from(chance).unwrap_or(0)))
    }

    async fn keep_pace(&mut self) {
        if let (Some(rate), Some(last)) = (self.options.requests_per_second, self.last) {
            let next = last + Duration::from_secs_f64(1.0 / rate);
            tokio::time::sleep_until(next.into()).await;
        }
        self.last = Some(Instant::now());
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
        let is_own = url.origin() == self.base.origin();
        let mut url = url.clone();
        let auth = self.options.auth.as_ref().filter(|_| is_own);
        if let Some(auth) = auth {
            auth.add_to_url(&mut url);
        }
        let mut request = match self.options.method {
            Method::Post if has_body => self.client.post(url),
            _ => self.client.get(url),
        };
        request = request.header(ACCEPT, "application/json");
        if is_own {
            for (name, value) in &self.options.headers {
                request = request.header(name, value);
            }
        }
        if let Some(auth) = auth {
            request = auth.add_to(request, &self.client).await.map_err(|no_token| Failed {
                is_transient: no_token.is_transient,
                ..Failed::lasting(no_token.reason, "mend `auth`")
            })?;
        }
        if let (Method::Post, true, Some(body)) = (self.options.method, has_body, &self.options.body) {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        request.send().await.map_err(|error| {
            if error.is_builder() {
                return Failed::lasting(format!("cannot be asked: {}", chain(error)), "mend `headers` or `auth`");
            }
            Failed::passing(format!("cannot be reached: {}", chain(error)))
        })
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

fn told(origin: &str, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}

/// The error and what it comes from; never the address, which may hold a secret.
pub(super) fn chain(error: reqwest::Error) -> String {
    let is_timeout = error.is_timeout();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if is_timeout { format!("no answer within `timeout_seconds` ({text})") } else { text }
}

/// `Retry-After`: seconds, or an instant by the clock of the server, which `Date` tells (RFC 9110, section 10.2.3).
pub(super) fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let (until, now) = (instant(wanted)?, instant(text(DATE)?)?);
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
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

    #[test]
    fn waits_are_seconds_or_instants_by_the_servers_clock() {
        let wait = |wanted: &str, date: &str| {
            let pair = |name, text: &str| (name, text.parse().unwrap());
            wait_of(&HeaderMap::from_iter([pair(RETRY_AFTER, wanted), pair(DATE, date)]))
        };
        let now = "Wed, 21 Oct 2015 07:27:15 GMT";
        assert_eq!(wait("120", now), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(45)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("soon", now), None);
    }
}
