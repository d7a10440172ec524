//! The fields of a request, from its query or its JSON body, by the rules of proto2's JSON and with MLflow's texts for what is
//! wrong: unknown fields are ignored, `null` is unset, numbers may be written as text, names may be in camel case.

use axum::extract::{FromRequest, Query, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use baton_tracking::{Tag, validate};
use serde_json::{Map, Value};

use super::error::WireError;
use super::wire::python_json;
use crate::body::RequestBody;

type Result<T> = std::result::Result<T, WireError>;

/// The fields of a request, or of a message within it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    values: Map<String, Value>,
    /// Where the message is within the request, such as `metrics[0].`.
    path: String,
    /// Whether all values are text, because they come from a query.
    is_query: bool,
    /// Bytes of the body.
    size: usize,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = WireError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let is_get = request.method() == Method::GET;
        if is_get && request.uri().query().is_some_and(|query| !query.is_empty()) {
            let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
                .map_err(|error| WireError::invalid(error.body_text()))?;
            return Ok(Self::of_query(pairs));
        }
        if request.method() == Method::POST {
            check_content_type(&request)?;
        }
        let RequestBody(body) =
            RequestBody::from_request(request, state).await.map_err(|error| WireError::invalid(error.message()))?;
        Ok(Self::of_body(&body))
    }
}

fn check_content_type(request: &Request) -> Result<()> {
    let Some(given) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return Err(WireError::invalid("Bad Request. Content-Type header is missing."));
    };
    match given.split(';').next().map(str::trim) {
        Some("application/json") => Ok(()),
        _ => Err(WireError::invalid("Bad Request. Content-Type must be one of ['application/json'].")),
    }
}

impl Fields {
    /// A body that is no JSON object has no fields; one that is JSON within a JSON text is unwrapped, as old clients send it.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let value = match serde_json::from_slice(body) {
            Ok(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
            other => other.unwrap_or_default(),
        };
        let values = if let Value::Object(values) = value { values } else { Map::new() };
        Self { values, size: body.len(), ..Self::default() }
    }

    fn of_query(pairs: Vec<(String, String)>) -> Self {
        let mut values = Map::new();
        for (name, text) in pairs {
            match values.get_mut(&name) {
                Some(Value::Array(texts)) => texts.push(Value::String(text)),
                _ => drop(values.insert(name, Value::Array(vec![Value::String(text)]))),
            }
        }
        Self { values, is_query: true, ..Self::default() }
    }

    /// Bytes of the body.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether the request names the field, be it empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some_and(|value| !value.is_null())
    }

    /// A field as it was sent, for messages that are kept as they are.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.find(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.single(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A text that must be there, and not empty.
    pub(super) fn required_text(&self, name: &str) -> Result<String> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.missing(name))
    }

    /// The run that is meant: clients send `run_id`, or `run_uuid`, or both.
    pub(super) fn run_id(&self) -> Result<String> {
        match self.text("run_id")?.filter(|text| !text.is_empty()) {
            Some(run_id) => Ok(run_id),
            None => {
                let older = self.text("run_uuid")?.filter(|text| !text.is_empty());
                older.ok_or_else(|| self.missing("run_id"))
            }
        }
    }

    /// A whole number, which may be written as text.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// A whole number that must be there.
    pub(super) fn required_int(&self, name: &str) -> Result<i64> {
        self.int(name)?.ok_or_else(|| self.missing(name))
    }

    /// A number, which may be written as text, `NaN` and `Infinity` among them; `true` is 1.
    pub(super) fn double(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        if value.as_str() == Some("") {
            return Ok(None);
        }
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            // As Python's `float` reads it: `nan`, `inf` and `Infinity` in any case.
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// A flag.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let flag = match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if self.is_query => match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => {
                    let message = format!("Invalid boolean value: {text}, must be 'true' or 'false'.");
                    return Err(WireError::invalid(message));
                }
            },
            _ => None,
        };
        flag.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// Texts, none where the field is unset.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some((value, items)) = self.items(name)? else { return Ok(Vec::new()) };
        let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(|| self.wrong(name, value));
        items.iter().map(text).collect()
    }

    /// Texts, of which there must be one at least.
    pub(super) fn required_texts(&self, name: &str) -> Result<Vec<String>> {
        let texts = self.texts(name)?;
        if texts.is_empty() { Err(self.missing(name)) } else { Ok(texts) }
    }

    /// Experiments by their ids, of which there must be one at least.
    pub(super) fn experiments(&self, name: &str) -> Result<Vec<i64>> {
        let ids = self.required_texts(name)?;
        ids.iter().map(|id| Ok(validate::experiment_id(id)?)).collect()
    }

    /// Messages, none where the field is unset.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Self>> {
        let Some((value, items)) = self.items(name)? else { return Ok(Vec::new()) };
        let message = |(place, item): (usize, &Value)| match item {
            Value::Object(values) => Ok(self.within(values.clone(), format!("{name}[{place}]."))),
            _ => Err(self.wrong(name, value)),
        };
        items.iter().enumerate().map(message).collect()
    }

    /// A message.
    pub(super) fn message(&self, name: &str) -> Result<Option<Self>> {
        match self.single(name)? {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(self.within(values.clone(), format!("{name}.")))),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// Keys with their texts.
    pub(super) fn tags(&self, name: &str) -> Result<Vec<Tag>> {
        let tag = |fields: Self| {
            let key = fields.text("key")?.unwrap_or_default();
            Ok(Tag { key, value: fields.text("value")?.unwrap_or_default() })
        };
        self.list(name)?.into_iter().map(tag).collect()
    }

    /// One of `choices`, by name or by its number in the protocol, which begins at 1.
    pub(super) fn choice(&self, name: &str, choices: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => {
                if let Some(known) = choices.iter().find(|choice| *choice == text) {
                    return Ok(Some(known));
                }
                text.parse().ok()
            }
            _ => None,
        };
        let place = number.and_then(|number| usize::try_from(number).ok()).and_then(|number| number.checked_sub(1));
        let found = place.and_then(|place| choices.get(place)).copied();
        found.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// That a field is missing.
    pub(super) fn missing(&self, name: &str) -> WireError {
        let path = &self.path;
        WireError::invalid(format!("Missing value for required parameter '{path}{name}'. {SEE}"))
    }

    /// That a field's value is of the right type, and yet not taken.
    pub(super) fn wrong_value(&self, name: &str) -> WireError {
        self.find(name).map_or_else(|| self.missing(name), |value| self.wrong(name, value))
    }

    /// That something is not taken, in words of its own.
    pub(super) fn refused(&self, message: &str) -> WireError {
        WireError::invalid(format!("{message} {SEE}"))
    }

    /// That a field's value is of another type.
    fn wrong(&self, name: &str, value: &Value) -> WireError {
        let (path, kind, shown) = (&self.path, python_type(value), python_json(value));
        let hint = format!("Hint: Value was of type '{kind}'.");
        WireError::invalid(format!("Invalid value {shown} for parameter '{path}{name}' supplied:  {hint} {SEE}"))
    }

    fn within(&self, values: Map<String, Value>, place: String) -> Self {
        Self { values, path: format!("{}{place}", self.path), is_query: self.is_query, size: 0 }
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| self.values.get(&camel(name)))
    }

    /// The value of a field that is no list.
    fn single(&self, name: &str) -> Result<Option<&Value>> {
        self.refuse_two_spellings(name)?;
        Ok(match self.find(name) {
            Some(Value::Array(texts)) if self.is_query => texts.first(),
            found => found.filter(|value| !value.is_null()),
        })
    }

    /// The value of a field that is a list, and its items.
    fn items(&self, name: &str) -> Result<Option<(&Value, &[Value])>> {
        self.refuse_two_spellings(name)?;
        match self.find(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => match value {
                Value::Array(items) => Ok(Some((value, items))),
                other => Err(self.wrong(name, other)),
            },
        }
    }

    fn refuse_two_spellings(&self, name: &str) -> Result<()> {
        let other = camel(name);
        if other != name && self.values.contains_key(name) && self.values.contains_key(&other) {
            let message = format!("Request specifies both '{name}' and '{other}'; provide only one of them.");
            return Err(WireError::invalid(message));
        }
        Ok(())
    }
}

const SEE: &str = "See the API docs for more information about request parameters.";

/// `run_id` as `runId`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut rises = false;
    for letter in name.chars() {
        match letter {
            '_' => rises = true,
            letter if rises => {
                camel.push(letter.to_ascii_uppercase());
                rises = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

/// A whole number that is written with a point or an exponent.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    (number.fract() == 0.0 && number.abs() < 9.0e18).then_some(number as i64)
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
