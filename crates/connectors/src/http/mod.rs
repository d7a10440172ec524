//! Connector `http`: the records of a REST API, whole or from a cursor on, page by page.

mod auth;
mod client;
mod config;
mod export;
mod page;
mod paging;
mod patience;
mod since;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use reqwest::Url;
use serde_json::{Value, json};

use crate::relation::cursor_of;
use crate::report::shorten;
use crate::spooled::SpooledRecords;
use crate::{ConnectorError, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller, RejectedRow};
use client::{Answer, Session};
use config::HttpOptions;
use paging::{Pager, with_param};
use since::{Since, Verdict};

pub use export::HttpExporter;

/// The connector for REST APIs.
#[derive(Debug, Clone, Copy)]
pub struct HttpPuller;

#[async_trait]
impl Puller for HttpPuller {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(HttpOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &[
            "auth",
            "requests_per_second",
            "retries",
            "pause_seconds",
            "max_wait_seconds",
            "timeout_seconds",
            "max_pages",
            "max_page_bytes",
        ]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        HttpOptions::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let options = HttpOptions::parse(source)?;
        let records = first_page(source, &options).await?;
        let (columns, number) = (records.schema().fields().len(), records.n_records());
        let word = if number == 1 { "record" } else { "records" };
        Ok(format!("HTTP, {number} {word} of {columns} columns on the first page"))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let options = HttpOptions::parse(source)?;
        let records = first_page(source, &options).await?;
        if records.n_records() == 0 {
            let hint = "declare the `columns` of the source, or wait for the first record";
            return Err(Session::new(&options)?.broken("has no record yet that says its columns", hint));
        }
        Ok(records.schema())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let options = HttpOptions::parse(&request.source)?;
        let mut since = since(&request.source, &options, request.position.as_ref())?;
        let mut reading = Reading::new(&options, since.as_mut())?;
        reading.pages(options.max_pages).await?;
        let records = reading.records.without_null_objects(&options.flatten.separator);
        if records.n_records() == 0 && request.position.is_none() && sink.contract().columns.is_empty() {
            let hint = "declare the `columns` of the source, or wait for the first record";
            return Err(Session::new(&options)?.broken("has no record yet that says its columns", hint));
        }
        records.land(sink).await?;
        let position = match since {
            None => Position(json!({})),
            Some(since) => match since.position() {
                Some(position) => Position::of(&position)?,
                None => request.position.clone().unwrap_or(Position(Value::Null)),
            },
        };
        Ok(Pulled { position, complete: true, replaces: request.source.mode == Mode::Full })
    }
}

fn since(
    source: &PullSource,
    options: &HttpOptions,
    position: Option<&Position>,
) -> Result<Option<Since>, ConnectorError> {
    let Some(how) = options.incremental.as_ref().filter(|_| source.mode == Mode::Incremental) else { return Ok(None) };
    let position = position.filter(|position| !position.0.is_null()).map(Position::read).transpose()?;
    Since::new(source, cursor_of(source)?, how, position).map(Some)
}

async fn first_page(source: &PullSource, options: &HttpOptions) -> Result<SpooledRecords, ConnectorError> {
    let mut since = since(source, options, None)?;
    let mut reading = Reading::new(options, since.as_mut())?;
    reading.one_page().await?;
    Ok(reading.records.without_null_objects(&options.flatten.separator))
}

/// The pages of one pull, on their way aside.
struct Reading<'o> {
    options: &'o HttpOptions,
    session: Session<'o>,
    since: Option<&'o mut Since>,
    pager: Pager<'o>,
    records: SpooledRecords,
    page: u64,
}

impl<'o> Reading<'o> {
    fn new(options: &'o HttpOptions, since: Option<&'o mut Since>) -> Result<Self, ConnectorError> {
        let session = Session::new(options)?;
        let mut first = session.base().clone();
        for (name, value) in &options.params {
            first = with_param(&first, name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        if let Some((name, value)) = since.as_ref().and_then(|since| since.asked.as_ref()) {
            first = with_param(&first, name, value);
        }
        let pager = Pager::new(options.pagination.as_ref(), first);
        Ok(Self { options, session, since, pager, records: SpooledRecords::new()?, page: 0 })
    }

    async fn one_page(&mut self) -> Result<(), ConnectorError> {
        let url = self.pager.first();
        self.read(&url).await.map(drop)
    }

    async fn pages(&mut self, most: u64) -> Result<(), ConnectorError> {
        let mut next = Some(self.pager.first());
        while let Some(url) = next {
            if self.page == most {
                let hint = "raise `max_pages`, or ask for larger pages";
                return Err(self.session.broken(format!("has more than {most} pages"), hint));
            }
            let (answer, body, n_records) = self.read(&url).await?;
            let following = self.pager.next(&answer, &body, n_records);
            next = following.map_err(|circle| self.session.broken(circle.reason, circle.hint))?;
        }
        Ok(())
    }

    /// Takes the records of one page; the answer, what it holds, and how many records.
    async fn read(&mut self, url: &Url) -> Result<(Answer, Value, usize), ConnectorError> {
        let answer = self.session.ask(url).await?;
        self.page += 1;
        let page = self.page;
        let parsed: Result<Value, _> = serde_json::from_slice(&answer.body);
        let body = parsed.map_err(|error| {
            let said = shorten(String::from_utf8_lossy(&answer.body).trim());
            let reason = format!("answers page {page} with what is not JSON ({error}): {said}");
            self.session.broken(reason, "look at `url` and `headers`")
        })?;
        let records = page::records(&body, self.options.records.as_deref());
        let records = records
            .map_err(|reason| self.session.broken(format!("answers page {page} oddly: {reason}"), "mend `records`"))?;
        for record in records {
            self.take(record)?;
        }
        let n_records = records.len();
        Ok((answer, body, n_records))
    }

    fn take(&mut self, record: &Value) -> Result<(), ConnectorError> {
        let page = self.page;
        let flat = match record {
            Value::Object(object) => page::flat(object, &self.options.flatten),
            _ => Err("is not an object".to_owned()),
        };
        let columns = match flat {
            Ok(columns) => columns,
            Err(reason) => {
                self.records.reject(|| rejected(record, None, format!("{reason} (page {page})")));
                return Ok(());
            }
        };
        match self.since.as_mut().map_or(Verdict::Take, |since| since.look(&columns)) {
            Verdict::Take => self.records.push(&columns),
            Verdict::Skip => Ok(()),
            Verdict::SetAside(reason) => {
                self.records.reject(|| rejected(record, None, format!("{reason} (page {page})")));
                Ok(())
            }
        }
    }
}

fn rejected(record: &Value, column: Option<String>, reason: String) -> RejectedRow {
    RejectedRow { row: 0, column, value: shorten(&record.to_string()), reason, raw: record.clone() }
}

#[cfg(test)]
mod tests;
