//! One call of a table's function: what is sent, and the exchange until it has ended.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use baton_core::asset::{Column, ColumnType, Python};
use baton_core::{Fingerprint, Interval, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Log;
use super::error::{Frame, PythonError};
use super::frame::{Heard, Say, hear, say};
use super::input::Input;
use super::process::Worker;

/// What is called, and with what beside its inputs.
pub(super) struct Call<'a> {
    /// The table.
    pub(super) name: &'a str,
    /// Its file, relative to the project.
    pub(super) file: &'a str,
    /// The project folder.
    pub(super) folder: &'a std::path::Path,
    pub(super) python: &'a Python,
    /// The columns that it returns.
    pub(super) columns: &'a [Column],
    /// The time that is computed, for incremental tables.
    pub(super) interval: Option<Interval>,
    /// The logical clock.
    pub(super) as_of: Timestamp,
    /// What it finds in its environment: where it tracks.
    pub(super) variables: &'a [(String, String)],
    /// The value that it is made for, of which type, where it is made for several.
    pub(super) each: Option<(ColumnType, Value)>,
}

/// What came back.
pub(super) struct Returned {
    /// Rows of the declared columns.
    pub(super) batches: Vec<RecordBatch>,
    /// Since when the newest row that was read is known, in microseconds.
    pub(super) newest: Option<i64>,
}

#[derive(Deserialize)]
struct Failure {
    refused: bool,
    memory: bool,
    missing: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    message: String,
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Line {
    level: String,
    line: String,
}

impl Worker {
    /// Makes a call. An error that does not leave the worker in order says so.
    pub(super) async fn call(
        &mut self,
        call: &Call<'_>,
        inputs: &mut [Input],
        log: &mut Log<'_>,
    ) -> Result<Returned, PythonError> {
        self.noise();
        let header = call.header().to_string();
        if say(&mut self.to, Say::Call, header.as_bytes()).await.is_err() {
            return Err(self.crashed(call).await);
        }
        let (mut decoder, mut batches) = (StreamDecoder::new(), Vec::new());
        loop {
            match hear(&mut self.from).await {
                Heard::Pull(number) => self.hand_over(call, inputs, number).await?,
                Heard::Result(content) => decode(&mut decoder, content, &mut batches)?,
                Heard::Log(content) => pass_on(&content, log),
                Heard::Done => break,
                Heard::Failed(content) => return Err(self.failed(call, &content)),
                Heard::Gone => return Err(self.crashed(call).await),
                Heard::Hello(_) => return Err(PythonError::Protocol("a second greeting".to_owned())),
                Heard::Unknown(what) => return Err(PythonError::Protocol(what)),
            }
        }
        self.noise().iter().for_each(|line| log("stderr", line));
        Ok(Returned { batches, newest: inputs.iter().filter_map(|input| input.newest).max() })
    }

    async fn hand_over(&mut self, call: &Call<'_>, inputs: &mut [Input], number: usize) -> Result<(), PythonError> {
        let Some(input) = inputs.get_mut(number) else {
            return Err(PythonError::Protocol(format!("a wish for input {number}")));
        };
        let sent = match input.next().await? {
            Some(piece) => say(&mut self.to, Say::Data, &piece).await,
            None => say(&mut self.to, Say::End, &[]).await,
        };
        match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(self.crashed(call).await),
        }
    }

    fn failed(&self, call: &Call<'_>, content: &[u8]) -> PythonError {
        let failure = match serde_json::from_slice::<Failure>(content) {
            Ok(failure) => failure,
            Err(error) => return PythonError::Protocol(error.to_string()),
        };
        if failure.refused {
            return PythonError::Refused { table: call.name.to_owned(), reason: failure.message };
        }
        PythonError::Raised {
            kind: failure.kind,
            message: failure.message,
            frames: failure.frames,
            missing: failure.missing,
            memory: failure.memory,
            limit: self.limit,
        }
    }

    async fn crashed(&mut self, call: &Call<'_>) -> PythonError {
        let (how, noise) = self.ending().await;
        PythonError::Crashed { table: call.name.to_owned(), how, noise }
    }
}

fn decode(decoder: &mut StreamDecoder, content: Vec<u8>, batches: &mut Vec<RecordBatch>) -> Result<(), PythonError> {
    let mut buffer = Buffer::from_vec(content);
    while !buffer.is_empty() {
        batches.extend(decoder.decode(&mut buffer)?.filter(|batch| batch.num_rows() > 0));
    }
    Ok(())
}

fn pass_on(content: &[u8], log: &mut Log<'_>) {
    if let Ok(line) = serde_json::from_slice::<Line>(content) {
        log(&line.level, &line.line);
    }
}

impl Call<'_> {
    fn header(&self) -> Value {
        let python = self.python;
        let columns: Vec<_> = self.columns.iter().map(|column| (&column.name, word(column.data_type))).collect();
        let modules = python.modules.iter().flat_map(|(path, text)| [path.as_str(), text.as_str()]);
        let key = Fingerprint::of([self.name, python.code.as_str()].into_iter().chain(modules));
        json!({
            "name": self.name,
            "file": self.file,
            "folder": self.folder,
            "key": key,
            "code": python.code,
            "modules": python.modules,
            "inputs": python.parameters.iter().map(|parameter| parameter.handed.word()).collect::<Vec<_>>(),
            "context": python.context,
            "columns": columns,
            "as_of": self.as_of.timestamp_micros(),
            "start": self.interval.map(|interval| interval.start),
            "end": self.interval.map(|interval| interval.end),
            "vars": python.vars,
            "tracking": self.variables.iter().cloned().collect::<BTreeMap<_, _>>(),
            "each": self.each.as_ref().map(|(kind, value)| json!([word(Some(*kind)), value])),
            "seed": self.seed(),
        })
    }

    /// The same for the same work, so that what is drawn at random can be repeated.
    fn seed(&self) -> u32 {
        let interval = self.interval.map(|interval| interval.to_string()).unwrap_or_default();
        let each = self.each.as_ref().map(|(_, value)| value.to_string());
        let print = Fingerprint::of([self.name, &interval].into_iter().chain(each.as_deref()));
        u32::from_str_radix(print.short(), 16).unwrap_or_default()
    }
}

/// The word for a type in the worker.
fn word(column_type: Option<ColumnType>) -> &'static str {
    match column_type {
        Some(ColumnType::Int) => "int",
        Some(ColumnType::Float) => "float",
        Some(ColumnType::Bool) => "bool",
        Some(ColumnType::Date) => "date",
        Some(ColumnType::Timestamp) => "timestamp",
        Some(ColumnType::String) | None => "string",
    }
}
