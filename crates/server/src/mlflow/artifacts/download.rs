//! A file as an answer: whole, a range, or nothing when the client has it already.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use baton_tracking::artifact::{ArtifactFile, ArtifactPath, ByteRange};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in `filename*` as it is (RFC 8187).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// `file`, or the part of it that the headers ask for.
pub(super) fn answer(path: &ArtifactPath, file: ArtifactFile, headers: &HeaderMap) -> Response {
    let tag = file.tag();
    if text(headers, IF_NONE_MATCH).is_some_and(|known| known == "*" || known.split(',').any(|one| one.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let size = file.size();
    // A range of another content than the client has the rest of would make a file that never was.
    let is_same = text(headers, IF_RANGE).is_none_or(|known| known == tag);
    let range = match text(headers, RANGE).filter(|_| is_same).map(|header| ByteRange::of_header(header, size)) {
        Some(Err(size)) => {
            let whole = format!("bytes */{size}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, whole)]).into_response();
        }
        Some(Ok(range)) => range,
        None => None,
    };
    let name = path.name().unwrap_or_default();
    let mut fields = vec![
        (CONTENT_TYPE, media_type(name).to_owned()),
        (CONTENT_LENGTH, range.map_or(size, ByteRange::len).to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, PLAIN))),
        (ETAG, tag),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let status = match range {
        None => StatusCode::OK,
        Some(ByteRange { start, end }) => {
            fields.push((CONTENT_RANGE, format!("bytes {start}-{end}/{size}")));
            StatusCode::PARTIAL_CONTENT
        }
    };
    let mut response = (status, Body::from_stream(file.bytes(range))).into_response();
    for (name, value) in fields {
        // All of them are plain letters: the name of the file is encoded.
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What browsers and clients take the file for, by its name. What could run in a browser is plain text.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or(name, |(_, ending)| ending).to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "txt" | "md" | "yaml" | "yml" | "log" | "py" | "html" | "js" | "css" | "svg" | "mlmodel" | "mlproject" => {
            "text/plain; charset=utf-8"
        }
        _ => "application/octet-stream",
    }
}
