//! Feast's feature server: `POST /get-online-features`. A feature view is a feature view; a feature service is an
//! endpoint, or the model behind one, and stands for the online features that it reads.
//!
//! All features of an answer are of one commit, and as known at the request's instant. Writing (`/push`,
//! `/write-to-online-store`, `/materialize`) is not offered: what is online follows from tables.

mod answer;
mod error;
mod request;
#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

use self::answer::Answer;
use self::error::FeastError;
use self::request::{Lookup, OnlineFeatures};
use crate::body::{BodyError, RequestBody};
use crate::state::Shared;

/// The protocol's route, which shares the root with Baton's own.
pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/get-online-features", post(get_online_features))
}

async fn get_online_features(
    State(state): State<Shared>,
    body: Result<RequestBody, BodyError>,
) -> Result<Json<Answer>, FeastError> {
    let request = OnlineFeatures::read(&body?.0)?;
    let served = state.service.router().served();
    let lookup = Lookup::of(&request, &served)?;
    Ok(Json(Answer::read(&lookup, served.features(), state.now())?))
}
