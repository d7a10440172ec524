//! Credentials of requests. Tokens of OAuth are kept in memory until shortly before they expire, for all sources that ask
//! with the same client.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use super::config::Auth;

/// A token is not used any more so long before it expires.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a token lasts that does not say it.
const USUAL_LIFE: Duration = Duration::from_secs(300);
/// The most bytes of an answer of the token's server.
const MAX_BYTES: usize = 1 << 20;

struct Token {
    text: String,
    until: Instant,
}

/// Tokens by a hash of who asks where for what.
fn tokens() -> &'static Mutex<HashMap<String, Token>> {
    static TOKENS: OnceLock<Mutex<HashMap<String, Token>>> = OnceLock::new();
    TOKENS.get_or_init(Mutex::default)
}

/// Why there is no token.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) reason: String,
    pub(super) is_transient: bool,
}

impl Auth {
    /// Whether a refusal may mean no more than that a token has expired.
    pub(super) fn can_renew(&self) -> bool {
        matches!(self, Self::Oauth2 { .. })
    }

    /// Puts what stands behind the question mark there.
    pub(super) fn add_to_url(&self, url: &mut Url) {
        if let Self::Param { name, value } = self {
            url.query_pairs_mut().append_pair(name, value);
        }
    }

    /// Puts what stands in headers there.
    pub(super) async fn add_to(&self, request: RequestBuilder, client: &Client) -> Result<RequestBuilder, NoToken> {
        Ok(match self {
            Self::Bearer { token } => request.bearer_auth(token),
            Self::Basic { username, password } => request.basic_auth(username, Some(password)),
            Self::Header { name, value } => request.header(name, value),
            Self::Param { .. } => request,
            Self::Oauth2 { .. } => request.bearer_auth(self.token(client).await?),
        })
    }

    /// Forgets a token that was refused.
    pub(super) fn forget(&self) {
        tokens().lock().unwrap_or_else(PoisonError::into_inner).remove(&self.identity());
    }

    /// The texts that no message may show.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Bearer { token } => vec![token],
            Self::Basic { password, .. } => vec![password],
            Self::Header { value, .. } | Self::Param { value, .. } => vec![value],
            Self::Oauth2 { client_secret, .. } => vec![client_secret],
        }
    }

    fn identity(&self) -> String {
        let Self::Oauth2 { token_url, client_id, client_secret, scope, audience } = self else { return String::new() };
        let mut hasher = blake3::Hasher::new();
        for part in [Some(token_url), Some(client_id), Some(client_secret), scope.as_ref(), audience.as_ref()] {
            hasher.update(format!("{part:?};").as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    async fn token(&self, client: &Client) -> Result<String, NoToken> {
        let identity = self.identity();
        let known = {
            let tokens = tokens().lock().unwrap_or_else(PoisonError::into_inner);
            tokens.get(&identity).filter(|token| token.until > Instant::now()).map(|token| token.text.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let token = self.fetch_token(client).await?;
        let text = token.text.clone();
        tokens().lock().unwrap_or_else(PoisonError::into_inner).insert(identity, token);
        Ok(text)
    }

    /// Asks for a token (RFC 6749, 4.4.2).
    async fn fetch_token(&self, client: &Client) -> Result<Token, NoToken> {
        let Self::Oauth2 { token_url, client_id, client_secret, scope, audience } = self else {
            return Err(NoToken { reason: "needs no token".to_owned(), is_transient: false });
        };
        let url = Url::parse(token_url).map_err(|error| NoToken {
            reason: format!("gets no token: `token_url` cannot be read: {error}"),
            is_transient: false,
        })?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client_id)
            .append_pair("client_secret", client_secret)
            .extend_pairs(scope.iter().map(|scope| ("scope", scope)))
            .extend_pairs(audience.iter().map(|audience| ("audience", audience)));
        let body = form.query().unwrap_or_default().to_owned();
        let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let unreachable = |error: reqwest::Error| NoToken {
            reason: format!("gets no token: {host} cannot be asked: {}", error.without_url()),
            is_transient: true,
        };
        let mut response = request.header("accept", "application/json").send().await.map_err(unreachable)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > MAX_BYTES {
                let reason = format!("gets no token: {host} answers with more than a token");
                return Err(NoToken { reason, is_transient: false });
            }
            answer.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        let Some(text) = answer.get("access_token").and_then(Value::as_str).filter(|_| status.is_success()) else {
            let why = answer.get("error").and_then(Value::as_str).unwrap_or("no token in the answer");
            let is_transient = status.is_server_error() || status.as_u16() == 429;
            return Err(NoToken { reason: format!("gets no token: {host} answers {status}, {why}"), is_transient });
        };
        let life = answer.get("expires_in").and_then(Value::as_u64).map_or(USUAL_LIFE, Duration::from_secs);
        // A token that lasts shorter than the margin is used once.
        let until = Instant::now() + life.saturating_sub(MARGIN);
        Ok(Token { text: text.to_owned(), until })
    }
}
