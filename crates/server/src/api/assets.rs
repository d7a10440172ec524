//! Assets: what the project has, and what the environment has of it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::selection::ListQuery;
use crate::catalog::{AssetSelection, CatalogAsset, Catalogued};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// Assets of an answer unless the request says how many.
const LIMIT: usize = 1_000;

/// Assets in a line each.
#[derive(Debug, Serialize)]
pub(super) struct AssetList {
    assets: Vec<CatalogAsset>,
    /// Expressions of the selection that match nothing, in words.
    unmatched: Vec<String>,
    /// What `after` takes to go on; null at the end.
    next: Option<String>,
}

pub(super) async fn list(State(state): State<Shared>, query: ListQuery) -> Result<Json<AssetList>, Problem> {
    let Catalogued { assets, unmatched } = catalogued(&state, &query.selection).await?;
    let from = match &query.after {
        Some(after) => {
            assets.iter().position(|asset| asset.name == *after).map(|place| place + 1).ok_or_else(|| {
                Problem::bad_request(format!("`after` is `{after}`, which is no asset of this list; begin without it"))
            })?
        }
        None => 0,
    };
    let limit = query.limit.unwrap_or(LIMIT);
    let is_last = from + limit >= assets.len();
    let assets: Vec<CatalogAsset> = assets.into_iter().skip(from).take(limit).collect();
    let next = assets.last().filter(|_| !is_last).map(|asset| asset.name.clone());
    Ok(Json(AssetList { assets, unmatched, next }))
}

/// What the project says to a selection.
pub(super) async fn catalogued(state: &AppState, selection: &AssetSelection) -> Result<Catalogued, Problem> {
    let catalog = state.catalog.as_ref().ok_or_else(|| {
        Problem::unavailable("this server does not know its project; `baton serve` starts one that does")
    })?;
    Ok(catalog.assets(selection).await?)
}
