//! Request bodies: whole, unpacked, and of limited size both packed and unpacked.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::encoding::{Coding, DecodeError};
use crate::problem::Problem;

/// The most bytes that a request may have, before and after unpacking.
pub(crate) const LIMIT: usize = 64 << 20;

/// The whole body of a request.
pub(crate) struct RequestBody(pub(crate) Bytes);

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// More than [`LIMIT`].
    TooLarge,
    /// Packed in a way that this server does not unpack.
    UnknownCoding(String),
    /// Broken on the way, or not packed as it says.
    Unreadable(String),
}

impl BodyError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnknownCoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::TooLarge => format!("the request has more than {} MiB; send fewer rows at a time", LIMIT >> 20),
            Self::UnknownCoding(coding) => {
                format!("content encoding `{coding}` is not known; send gzip, deflate, or the plain body")
            }
            Self::Unreadable(reason) => format!("the request's body cannot be read: {reason}"),
        }
    }
}

/// For handlers that leave it to axum; protocols write it in their own form.
impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for RequestBody {
    type Rejection = BodyError;

    async fn from_request(request: Request, state: &S) -> Result<Self, BodyError> {
        let coding = Coding::of_request(request.headers()).map_err(BodyError::UnknownCoding)?;
        let packed = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
            _ => BodyError::Unreadable(rejection.body_text()),
        })?;
        let unpacked = coding.decode(packed, LIMIT).map_err(|error| match error {
            DecodeError::TooLarge => BodyError::TooLarge,
            DecodeError::Broken(reason) => BodyError::Unreadable(reason),
        })?;
        Ok(Self(unpacked))
    }
}
