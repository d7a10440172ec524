//! From one page to the next, never in a circle.

use std::collections::HashSet;

use reqwest::Url;
use serde_json::Value;

use super::client::Answer;
use super::config::Pagination;
use super::page::at;

/// Where a pull is among the pages.
pub(super) struct Pager<'o> {
    how: Option<&'o Pagination>,
    /// The address of the first page, with all parameters but that of the page.
    first: Url,
    page: u64,
    offset: u64,
    asked: HashSet<String>,
    seen: HashSet<blake3::Hash>,
}

/// Why paging cannot go on.
pub(super) struct Circle {
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

impl<'o> Pager<'o> {
    /// Begins at `first`.
    pub(super) fn new(how: Option<&'o Pagination>, first: Url) -> Self {
        let page = if let Some(Pagination::Page { start, .. }) = how { *start } else { 1 };
        Self { how, first, page, offset: 0, asked: HashSet::new(), seen: HashSet::new() }
    }

    /// The address of the first page.
    pub(super) fn first(&mut self) -> Url {
        let url = match self.how {
            Some(Pagination::Page { param, .. }) => with_param(&self.first, param, &self.page.to_string()),
            Some(Pagination::Offset { param, .. }) => with_param(&self.first, param, "0"),
            _ => self.first.clone(),
        };
        self.asked.insert(url.to_string());
        url
    }

    /// The address of the page behind an answer; `None` behind the last.
    ///
    /// # Errors
    /// The answer is one that came before, or leads to one.
    pub(super) fn next(&mut self, answer: &Answer, body: &Value, n_records: usize) -> Result<Option<Url>, Circle> {
        let Some(how) = self.how else { return Ok(None) };
        if n_records > 0 && !self.seen.insert(blake3::hash(&answer.body)) {
            let reason = format!("answers page {} with a page that came before", self.seen.len() + 1);
            return Err(Circle { reason, hint: "look at `pagination`: the server does not heed its parameter" });
        }
        let next = match how {
            Pagination::Page { param, more, .. } => {
                self.page += 1;
                has_more(body, more.as_deref(), n_records)
                    .then(|| with_param(&self.first, param, &self.page.to_string()))
            }
            Pagination::Offset { param, more } => {
                self.offset += n_records as u64;
                has_more(body, more.as_deref(), n_records)
                    .then(|| with_param(&self.first, param, &self.offset.to_string()))
            }
            Pagination::Cursor { path, param } => {
                text(at(body, path)).map(|cursor| with_param(&self.first, param, &cursor))
            }
            Pagination::Next { path } => self.address(&answer.url, text(at(body, path)))?,
            Pagination::Link {} => self.address(&answer.url, answer.next_link.clone())?,
        };
        match next {
            Some(next) if !self.asked.insert(next.to_string()) => Err(Circle {
                reason: "leads from page to page in a circle".to_owned(),
                hint: "look at `pagination`: the server names a page again that came before",
            }),
            next => Ok(next),
        }
    }

    fn address(&self, from: &Url, next: Option<String>) -> Result<Option<Url>, Circle> {
        let Some(next) = next else { return Ok(None) };
        let url = from.join(&next).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.map(Some).ok_or_else(|| Circle {
            reason: format!("names `{next}` as the next page, which is no address"),
            hint: "look at `pagination`",
        })
    }
}

/// Without a word about it, the end is a page without records: a short one may be the server's own limit.
fn has_more(body: &Value, path: Option<&str>, n_records: usize) -> bool {
    match path.map(|path| at(body, path)) {
        Some(Some(Value::Bool(more))) => *more,
        Some(Some(Value::Number(left))) => left.as_f64() > Some(0.0),
        Some(Some(Value::String(text))) => !text.is_empty(),
        Some(_) => false,
        None => n_records > 0,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The address with a parameter, which takes the place of one of that name.
pub(super) fn with_param(url: &Url, name: &str, value: &str) -> Url {
    let mut with = url.clone();
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(other, _)| other != name).map(|(name, value)| (name.into(), value.into())).collect();
    with.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    with
}
