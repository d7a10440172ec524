//! Requests that are taken or refused in the end: paced, and repeated where the reason may pass.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode, Url};

use super::super::patience::{Failed, Limits, Patience, Tries, chain, sent, wait_of};
use super::{BodyForm, HttpDestination, SendMethod};
use crate::ConnectorError;
use crate::export::Change;
use crate::report::shorten;

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
    patience: Patience,
}

impl Client {
    pub(super) fn new(options: HttpDestination) -> Result<Self, ConnectorError> {
        let limits = Limits {
            requests_per_second: options.requests_per_second,
            retries: options.retries,
            pause_seconds: options.pause_seconds,
            max_wait_seconds: options.max_wait_seconds,
            timeout_seconds: options.timeout_seconds,
        };
        let patience = Patience::new(&options.url, options.auth.clone(), limits)?;
        Ok(Self { options, patience })
    }

    /// The address, with its places for keys.
    pub(super) fn url(&self) -> &Url {
        &self.patience.base
    }

    /// What the API does not take, in words without secrets.
    pub(super) fn told(&self, reason: impl Into<String>, hint: &str, is_transient: bool) -> ConnectorError {
        self.patience.told(reason, hint, is_transient)
    }

    /// Whether somebody answers; nothing is sent but a question for what may be done.
    pub(super) async fn look(&self) -> Result<String, ConnectorError> {
        let request = self.request(Method::OPTIONS, self.url().clone()).await;
        let request = request.map_err(|failed| self.patience.given_up(failed, &Tries::default()))?;
        let answer = request.send().await.map_err(|error| {
            let reason = format!("cannot be reached: {}", chain(error));
            self.told(reason, "look whether it runs and `url` leads there", true)
        })?;
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.told(format!("answers {}", answer.status()), "mend `auth`, or the rights of who asks", false))
            }
            status => Ok(format!("{}: it answers ({})", self.patience.origin, status.as_u16())),
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
        let mut tries = Tries::default();
        loop {
            self.patience.keep_pace().await;
            match self.try_once(url.clone(), change, key, &body).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => self.patience.wait_after(failed, &mut tries).await?,
            }
        }
    }

    async fn request(&self, method: Method, url: Url) -> Result<reqwest::RequestBuilder, Failed> {
        let mut request = self.patience.client.request(method, self.patience.with_auth(url));
        for (name, value) in &self.options.headers {
            request = request.header(name, value);
        }
        self.patience.authorized(request).await
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
        let response = sent(request).await?;
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
            400..=499 => Ok(Answer::Refused(self.patience.without_secrets(format!("{status}: {said}")))),
            _ => Err(Failed::lasting(reason, "mend `url`, or ask those who run it")),
        }
    }
}
