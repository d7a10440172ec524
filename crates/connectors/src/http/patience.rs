//! How an API is asked, whether for records or to take some: paced, with credentials, repeated where the reason may pass.
//!
//! It does not know what is asked nor what an answer means.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};

use super::config::{Auth, address};
use crate::ConnectorError;

/// The longest pause between two tries that the server does not ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What the options say of pace and repetitions; times are seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) requests_per_second: Option<f64>,
    pub(super) retries: u32,
    pub(super) pause_seconds: f64,
    pub(super) max_wait_seconds: u64,
    pub(super) timeout_seconds: f64,
}

/// The requests of one pull or delivery.
pub(super) struct Patience {
    pub(super) client: Client,
    /// The address that the options name, whose server gets the credentials.
    pub(super) base: Url,
    /// What messages call it: neither parameters nor users.
    pub(super) origin: String,
    auth: Option<Auth>,
    limits: Limits,
    last: Option<Instant>,
}

/// How often one request was tried.
#[derive(Default)]
pub(super) struct Tries {
    failed: u32,
    has_new_token: bool,
}

/// Why one try failed.
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) hint: &'static str,
    pub(super) is_transient: bool,
    pub(super) is_unauthorized: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Failed {
    pub(super) fn passing(reason: String) -> Self {
        let hint = "look whether it runs and `url` leads there";
        Self { reason, hint, is_transient: true, is_unauthorized: false, retry_after: None }
    }

    pub(super) fn lasting(reason: String, hint: &'static str) -> Self {
        Self { reason, hint, is_transient: false, is_unauthorized: false, retry_after: None }
    }

    fn unsent(error: reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::lasting(format!("cannot be asked: {}", chain(error)), "mend `headers` or `auth`");
        }
        Self::passing(format!("cannot be reached: {}", chain(error)))
    }
}

impl Patience {
    pub(super) fn new(url: &str, auth: Option<Auth>, limits: Limits) -> Result<Self, ConnectorError> {
        let base = address(url)?;
        let mut shown = base.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let _has_host = shown.set_password(None).and_then(|()| shown.set_username(""));
        // Keys of a record stand in braces in the address of a destination.
        let origin = format!("http API at {}", shown.as_str().replace("%7B", "{").replace("%7D", "}"));
        // Credentials and rows are not led on to anybody else: who asks decides where redirects lead.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs_f64(limits.timeout_seconds))
            .user_agent("baton")
            .build()
            .map_err(|error| told(&origin, format!("cannot be asked: {error}"), "see the reason", false))?;
        Ok(Self { client, base, origin, auth, limits, last: None })
    }

    /// What is wrong with the API or its answers, in words without secrets.
    pub(super) fn told(&self, reason: impl Into<String>, hint: &str, is_transient: bool) -> ConnectorError {
        told(&self.origin, self.without_secrets(reason.into()), hint, is_transient)
    }

    pub(super) fn without_secrets(&self, text: String) -> String {
        let secrets = self.auth.iter().flat_map(|auth| auth.secrets());
        secrets.filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "…"))
    }

    /// Waits until the next request may go.
    pub(super) async fn keep_pace(&mut self) {
        if let (Some(rate), Some(last)) = (self.limits.requests_per_second, self.last) {
            let next = last + Duration::from_secs_f64(1.0 / rate);
            tokio::time::sleep_until(next.into()).await;
        }
        self.last = Some(Instant::now());
    }

    /// The address with those credentials that stand in it.
    pub(super) fn with_auth(&self, mut url: Url) -> Url {
        if let Some(auth) = &self.auth {
            auth.add_to_url(&mut url);
        }
        url
    }

    /// The request with those credentials that stand in a header.
    pub(super) async fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, Failed> {
        let Some(auth) = &self.auth else { return Ok(request) };
        auth.add_to(request, &self.client).await.map_err(|no_token| Failed {
            is_transient: no_token.is_transient,
            ..Failed::lasting(no_token.reason, "mend `auth`")
        })
    }

    /// Waits as long as is right after a failed try, or gives up.
    pub(super) async fn wait_after(&self, failed: Failed, tries: &mut Tries) -> Result<(), ConnectorError> {
        let renewable = self.auth.as_ref().filter(|auth| auth.can_renew() && failed.is_unauthorized);
        if let Some(auth) = renewable
            && !tries.has_new_token
        {
            auth.forget();
            tries.has_new_token = true;
            return Ok(());
        }
        if !failed.is_transient || tries.failed >= self.limits.retries {
            return Err(self.given_up(failed, tries));
        }
        match failed.retry_after {
            Some(wait) if wait > Duration::from_secs(self.limits.max_wait_seconds) => {
                let reason = format!("{}, and asks to wait for {} seconds", failed.reason, wait.as_secs());
                return Err(self.told(reason, "run again then, or raise `max_wait_seconds`", true));
            }
            // Never at once, even where the server asks for no wait.
            Some(wait) => tokio::time::sleep(wait.max(self.pause(0))).await,
            None => tokio::time::sleep(self.pause(tries.failed)).await,
        }
        tries.failed += 1;
        Ok(())
    }

    pub(super) fn given_up(&self, failed: Failed, tries: &Tries) -> ConnectorError {
        let reason = match tries.failed {
            0 => failed.reason,
            tries => format!("{} (tried {} times)", failed.reason, tries + 1),
        };
        self.told(reason, failed.hint, failed.is_transient)
    }

    /// Doubles with each try; half of it is left to chance, so that those who failed together do not come together.
    fn pause(&self, tries: u32) -> Duration {
        let whole = Duration::from_secs_f64(self.limits.pause_seconds).saturating_mul(2_u32.saturating_pow(tries));
        let chance = RandomState::new().hash_one(tries) % 1_000;
        whole.min(MAX_PAUSE).mul_f64(0.5 + 0.0005 * f64::from(u32::try_from(chance).unwrap_or(0)))
    }
}

/// Sends a request; an answer of any status is an answer.
pub(super) async fn sent(request: RequestBuilder) -> Result<Response, Failed> {
    request.send().await.map_err(Failed::unsent)
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

fn told(origin: &str, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}

#[cfg(test)]
mod tests {
    use super::*;

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
