//! The options of connector `http`; its doc comments are the reference documentation.

use std::collections::BTreeMap;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::relation::{cursor_of, parse_options, wrong};
use crate::{ConnectorError, Mode, PullSource};

/// A REST API that answers in JSON. Modes: `full`, `incremental`.
///
/// Each record of an answer is a row. Pages are asked for one after the other, aside on disk until the last has come, so
/// that a pull lands whole or not at all. Answers that fail for a reason which may pass (no connection, time out, a body
/// that ends early, 408, 429, 500, 502, 503, 504) are asked for again, as late as `Retry-After` says or with growing pauses.
/// Credentials and headers go to the server of `url` alone: not where a redirect or a link to the next page leads elsewhere.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpOptions {
    /// The address of the records: `https://api.example.com/v1/orders`.
    pub(super) url: String,
    /// `get` (default), or `post` for APIs that are searched with a body.
    #[serde(default)]
    pub(super) method: Method,
    /// Headers of every request, by name.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Parameters of every request behind the question mark, by name.
    #[serde(default)]
    pub(super) params: BTreeMap<String, Value>,
    /// For `post`: the JSON to send.
    #[serde(default)]
    pub(super) body: Option<Value>,
    /// How the API knows who asks.
    #[serde(default)]
    pub(super) auth: Option<Auth>,
    /// How an answer leads to the next one; one answer has everything when left out.
    #[serde(default)]
    pub(super) pagination: Option<Pagination>,
    /// Where the list of records stands in an answer: `data.items`; the answer itself when left out.
    #[serde(default)]
    pub(super) records: Option<String>,
    /// For `incremental`: how the API is asked for what has changed. `cursor` names the column, after flattening.
    #[serde(default)]
    pub(super) incremental: Option<Incremental>,
    /// How nested records become columns.
    #[serde(default)]
    pub(super) flatten: Flatten,
    /// The most requests a second; as many as there are pages when left out.
    #[serde(default)]
    pub(super) requests_per_second: Option<f64>,
    /// How often a request is repeated that fails for a reason which may pass; default 5.
    #[serde(default = "retries")]
    pub(super) retries: u32,
    /// The pause before the first repetition, in seconds; each further one is twice as long, up to a minute; default 0.5.
    #[serde(default = "pause_seconds")]
    pub(super) pause_seconds: f64,
    /// The longest wait that `Retry-After` may ask for, in seconds; longer ones end the step; default 300.
    #[serde(default = "max_wait_seconds")]
    pub(super) max_wait_seconds: u64,
    /// How long an answer may take, its body included, in seconds; default 60.
    #[serde(default = "timeout_seconds")]
    pub(super) timeout_seconds: f64,
    /// The most pages of one pull; more are an error, so that nothing is missing unnoticed; default 10000.
    #[serde(default = "max_pages")]
    pub(super) max_pages: u64,
    /// The most bytes of one answer; default 32 MiB.
    #[serde(default = "max_page_bytes")]
    pub(super) max_page_bytes: usize,
}

fn retries() -> u32 {
    5
}

fn pause_seconds() -> f64 {
    0.5
}

fn max_wait_seconds() -> u64 {
    300
}

fn timeout_seconds() -> f64 {
    60.0
}

fn max_pages() -> u64 {
    10_000
}

fn max_page_bytes() -> usize {
    32 << 20
}

/// How records are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "method")]
pub(super) enum Method {
    /// With GET.
    #[default]
    Get,
    /// With POST.
    Post,
}

/// How the API knows who asks, by `type`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "auth")]
pub(super) enum Auth {
    /// `Authorization: Bearer TOKEN`.
    Bearer {
        /// The token, by reference.
        token: String,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        username: String,
        /// The password, by reference.
        #[serde(default)]
        password: String,
    },
    /// A header of the API's own, such as `X-Api-Key`.
    Header {
        /// Its name.
        name: String,
        /// Its value, by reference.
        value: String,
    },
    /// A parameter behind the question mark.
    Param {
        /// Its name.
        name: String,
        /// Its value, by reference.
        value: String,
    },
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4). The token is kept in memory until shortly before it expires.
    Oauth2 {
        /// Where tokens are given out.
        token_url: String,
        /// The client's name.
        client_id: String,
        /// The client's secret, by reference.
        client_secret: String,
        /// What is asked for.
        #[serde(default)]
        scope: Option<String>,
        /// Whom the token is for, where the server wants to know.
        #[serde(default)]
        audience: Option<String>,
    },
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Auth")
    }
}

/// How an answer leads to the next one, by `by`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "pagination")]
pub(super) enum Pagination {
    /// Pages have numbers; the last is the first without records, or where `more` says so.
    Page {
        /// The parameter of the number; default `page`.
        #[serde(default = "page_param")]
        param: String,
        /// The first number; default 1.
        #[serde(default = "first_page")]
        start: u64,
        /// Where an answer says whether there are more: `has_more`.
        #[serde(default)]
        more: Option<String>,
    },
    /// Pages begin behind so many records; the last is the first without records, or where `more` says so.
    Offset {
        /// The parameter of the number of records to skip; default `offset`.
        #[serde(default = "offset_param")]
        param: String,
        /// Where an answer says whether there are more: `has_more`.
        #[serde(default)]
        more: Option<String>,
    },
    /// An answer holds what the next request sends back, up to one that holds nothing.
    Cursor {
        /// Where it stands: `meta.next_cursor`.
        path: String,
        /// The parameter to send it back in; default `cursor`.
        #[serde(default = "cursor_param")]
        param: String,
    },
    /// An answer holds the address of the next one.
    Next {
        /// Where it stands: `links.next`.
        path: String,
    },
    /// The header `Link` holds the address of the next one, as `rel="next"` (RFC 8288).
    Link {},
}

fn page_param() -> String {
    "page".to_owned()
}

fn first_page() -> u64 {
    1
}

fn offset_param() -> String {
    "offset".to_owned()
}

fn cursor_param() -> String {
    "cursor".to_owned()
}

/// How the API is asked for what has changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "incremental")]
pub(super) struct Incremental {
    /// The parameter that takes the newest value of the cursor, less `lag`: `updated_since`.
    pub(super) param: String,
    /// How the value is written.
    #[serde(default)]
    pub(super) format: CursorFormat,
    /// What the first request sends; it sends no parameter when left out.
    #[serde(default)]
    pub(super) start: Option<String>,
}

/// How the newest value of the cursor is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "format")]
pub(super) enum CursorFormat {
    /// As it stands in the record; a time with `lag` as RFC 3339.
    #[default]
    AsIs,
    /// `2024-01-31T23:59:59.123456Z`.
    Rfc3339,
    /// `2024-01-31`, the day that it falls on in UTC.
    Date,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

/// How nested records become columns. Lists are kept as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "flatten")]
pub(super) struct Flatten {
    /// How many levels of objects are opened; deeper ones are kept as JSON text; default 3.
    pub(super) depth: usize,
    /// What stands between the names of the levels; default `_`.
    pub(super) separator: String,
}

impl Default for Flatten {
    fn default() -> Self {
        Self { depth: 3, separator: "_".to_owned() }
    }
}

impl HttpOptions {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: Self = parse_options("http", source)?;
        match source.mode {
            Mode::Cdc => {
                let hint = "use `full`, or `incremental` with a `cursor` and a `key`";
                return Err(wrong(source, "connector `http` has no mode `cdc`", hint));
            }
            Mode::Incremental => {
                cursor_of(source)?;
                if options.incremental.is_none() {
                    let hint = "write `incremental: {param: updated_since}`";
                    return Err(wrong(
                        source,
                        "mode `incremental` needs to know how the API is asked for changes",
                        hint,
                    ));
                }
            }
            Mode::Full => {}
        }
        let is_positive = |number: f64| number > 0.0 && number.is_finite();
        let is_fine = options.requests_per_second.is_none_or(is_positive)
            && is_positive(options.timeout_seconds)
            && options.pause_seconds.is_finite()
            && options.pause_seconds >= 0.0;
        if !is_fine {
            let reason = "`requests_per_second`, `timeout_seconds` and `pause_seconds` are positive numbers";
            return Err(wrong(source, reason, "mend the one that is not"));
        }
        // References are resolved only when a connection is made.
        if !options.url.contains("${") {
            address(&options.url)?;
        }
        Ok(options)
    }
}

/// Reads an address of the web.
pub(super) fn address(text: &str) -> Result<Url, ConnectorError> {
    // The address may hold a secret, so it is not shown.
    let told = |reason: String| ConnectorError::Origin {
        origin: "the `url` of an http source".to_owned(),
        reason,
        hint: "write `https://api.example.com/v1/orders`".to_owned(),
        is_transient: false,
    };
    let url = Url::parse(text).map_err(|error| told(format!("cannot be read: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(told("is no address of the web".to_owned())),
    }
}
