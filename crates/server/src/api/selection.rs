//! `select` and `exclude` of a request, in the grammar of the command line.
//!
//! A `+` stands for itself, as in `select=state:modified+`, and not for a space as in forms: read as a space it would
//! silently ask for something else. A union is written with `%20`, or with the parameter again.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::catalog::AssetSelection;
use crate::problem::Problem;

/// The parameters of a list of assets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ListQuery {
    pub(super) selection: AssetSelection,
    /// At most so many.
    pub(super) limit: Option<usize>,
    /// Only those behind this name.
    pub(super) after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default())
    }
}

fn parse(query: &str) -> Result<ListQuery, Problem> {
    let mut found = ListQuery::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| Problem::bad_request(format!("parameter `{name}` is not UTF-8 text")))?;
        match name {
            "select" => found.selection.select.push(value.into_owned()),
            "exclude" => found.selection.exclude.push(value.into_owned()),
            "limit" => found.limit = Some(limit(&value)?),
            "after" => found.after = Some(value.into_owned()),
            other => {
                return Err(Problem::bad_request(format!(
                    "there is no parameter `{other}`; a list takes select, exclude, limit and after"
                )));
            }
        }
    }
    Ok(found)
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| Problem::bad_request(format!("`limit` is {text:?}, and has to be a whole number from 1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_is_plus_and_parameters_repeat() {
        let found = parse("select=state:modified+&select=%2Bdays%20tag%3Afinance&exclude=kind:source&limit=5").unwrap();
        assert_eq!(found.selection.select, ["state:modified+", "+days tag:finance"]);
        assert_eq!(found.selection.exclude, ["kind:source"]);
        assert_eq!((found.limit, found.after), (Some(5), None));
        assert!(parse("").unwrap().selection.is_everything());
    }
}
