//! Requests that are taken or refused in the end: paced, and repeated where the reason may pass.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};

use super::super::client::{chain, wait_of};
use super::super::config::address;
use super::{BodyForm, HttpDestination, SendMethod};
use crate::ConnectorError;
use crate::export::Change;
use crate::report::shorten;

/// The longest pause between two tries that the server does not ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The most bytes of an answer that are looked at.
const MOST_SAID: usize = 64 << 10;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    /// It is at fault itself; why.
    Refused(String),
}

/// The requests of one delivery.
pub(super) struct Client {
    pub(super) options: HttpDestination,
    pub(super) url: Url,
    client: reqwest::Client,
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

impl Client {
    pub(super) fn new(options: HttpDestination) -> Result<Self, ConnectorError> {
        let url = address(&options.url)?;
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let _has_host = shown.set_password(None).and_then(|()| shown.set_username(""));
        let origin = format!("http API at {}", shown.as_str().replace("%7B", "{").replace("%7D", "}"));
        // Rows are not led on to anybody else.
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs_f64(options.timeout_seconds))
            .user_agent("baton")
            .build();
        let unusable = |error: reqwest::Error| ConnectorError::Origin {
            origin: origin.clone(),
            reason: format!("cannot be asked: {error}"),
            hint: "see the reason".to_owned(),
            is_transient: false,
        };
        let client = client.map_err(unusable)?;
        Ok(Self { options, url, client, origin, last: None })
    }

    /// What the API does not take, in words without secrets.
    pub(super) fn told(&self, reason: impl Into<String>, hint: &str, is_transient: bool) -> ConnectorError {
        let (origin, reason) = (self.origin.clone(), self.without_secrets(reason.into()));
        ConnectorError::Origin { origin, reason, hint: hint.to_owned(), is_transient }
    }

    fn without_secrets(&self, text: String) -> String {
        let secrets = self.options.auth.iter().flat_map(|auth| auth.secrets());
        secrets.filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "…"))
    }

    /// Whether somebody answers; nothing is sent but a question for what may be done.
    pub(super) async fn look(&self) -> Result<String, ConnectorError> {
        let sent = self.request(Method::OPTIONS, self.url.clone()).await.map_err(|failed| self.given_up(failed, 0))?;
        let answer = sent.send().await.map_err(|error| {
            let reason = format!("cannot be reached: {}", chain(error));
            self.told(reason, "look whether it runs and `url` leads there", true)
        })?;
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.told(format!("answers {}", answer.status()), "mend `auth`, or the rights of who asks", false))
            }
            status => Ok(format!("{}: it answers ({})", self.origin, status.as_u16())),
        }
    }

    /// Sends a request, as often as the options allow.
    pub(super) async fn send(
        &mut self,
        url: Url,
        change: Change,
        key: &str,
        body: String,
    ) -> Result<Answer, ConnectorError> {
        let (mut tries, mut renewed) = (0, false);
        loop {
            self.keep_pace().await;
            let failed = match self.try_once(url.clone(), change, key, &body).await {
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
                    return Err(self.told(reason, "run again then, or raise `max_wait_seconds`", true));
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
        self.told(reason, failed.hint, failed.is_transient)
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

    async fn request(&self, method: Method, mut url: Url) -> Result<reqwest::RequestBuilder, Failed> {
        let auth = self.options.auth.as_ref();
        if let Some(auth) = auth {
            auth.add_to_url(&mut url);
        }
        let mut request = self.client.request(method, url);
        for (name, value) in &self.options.headers {
            request = request.header(name, value);
        }
        match auth {
            None => Ok(request),
            Some(auth) => auth.add_to(request, &self.client).await.map_err(|no_token| Failed {
                is_transient: no_token.is_transient,
                ..Failed::lasting(no_token.reason, "mend `auth`")
            }),
        }
    }

    async fn try_once(&self, url: Url, change: Change, key: &str, body: &str) -> Result<Answer, Failed> {
        let method = match (self.options.form, change, self.options.method) {
            (BodyForm::Record, Change::Delete, _) => Method::DELETE,
            (_, _, SendMethod::Post) => Method::POST,
            (_, _, SendMethod::Put) => Method::PUT,
            (_, _, SendMethod::Patch) => Method::PATCH,
        };
        let request = self.request(method, url).await?;
        let request = request
            .header("idempotency-key", key)
            .header("baton-operation", change.word())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let response = request.send().await.map_err(|error| {
            if error.is_builder() {
                return Failed::lasting(format!("cannot be asked: {}", chain(error)), "mend `headers` or `auth`");
            }
            Failed::passing(format!("cannot be reached: {}", chain(error)))
        })?;
        self.judged(response, change).await
    }

    async fn judged(&self, mut response: reqwest::Response, change: Change) -> Result<Answer, Failed> {
        let status = response.status();
        if status.is_success() {
            return Ok(Answer::Taken);
        }
        let retry_after = wait_of(response.headers());
        let mut said = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() > MOST_SAID {
                break;
            }
        }
        let said = shorten(String::from_utf8_lossy(&said).trim());
        let reason = format!("answers {status}: {said}");
        // What is to be deleted and is not there is gone.
        let is_gone = self.options.form == BodyForm::Record
            && change == Change::Delete
            && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        match status.as_u16() {
            _ if is_gone => Ok(Answer::Taken),
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Err(Failed { retry_after, ..Failed::passing(reason) }),
            401 | 403 => Err(Failed {
                is_unauthorized: status == StatusCode::UNAUTHORIZED,
                ..Failed::lasting(reason, "mend `auth`, or the rights of who asks")
            }),
            404 | 405 | 410 | 415 => Err(Failed::lasting(reason, "mend `url`, `method` or `form`")),
            400..=499 => Ok(Answer::Refused(self.without_secrets(format!("{status}: {said}")))),
            _ => Err(Failed::lasting(reason, "mend `url`, or ask those who run it")),
        }
    }
}
