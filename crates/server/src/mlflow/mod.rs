//! MLflow's tracking server: what its unmodified clients ask, one file a kind of thing.
//!
//! Every path is served below `/api/2.0/mlflow` (3.0 where clients ask it there) and `/ajax-api/…`, with repeated slashes
//! taken for one. Requests are read by [`fields`] with the texts of errors that clients know; answers are plain structures of
//! the protocol in snake case. What is tracked lies in [`baton_tracking`].

mod artifacts;
mod browsers;
mod error;
mod experiments;
mod fields;
mod graphql;
mod guard;
mod inputs;
mod logged_models;
mod metrics;
mod model_versions;
mod older_traces;
mod otlp;
mod promise;
mod registered_models;
mod runs;
mod state;
mod studies;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trace_metrics;
#[cfg(test)]
mod trace_metrics_tests;
mod traces;
mod webhooks;
mod wire;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware;
use axum::response::Html;
use tower::ServiceExt as _;

pub use self::guard::Allowed;
use self::state::Shared;
pub use self::state::Tracking;
pub use self::system::VERSION;
pub(crate) use self::system::whole_routes as system_routes;

/// The most bytes of a request that is not an artifact.
const LIMIT: usize = 64 << 20;

/// All paths of the protocol.
pub(crate) fn router(tracking: Shared) -> Router {
    let routes = Router::new()
        .nest("/api/2.0/mlflow", v2().fallback(no_such_path))
        .nest("/ajax-api/2.0/mlflow", v2().merge(metrics::of_browsers()).merge(browsers::v2()).fallback(no_such_path))
        .nest("/api/3.0/mlflow", v3().fallback(no_such_path))
        .nest("/ajax-api/3.0/mlflow", v3().merge(browsers::v3()).fallback(no_such_path))
        // The protocol declares this path without a slash, and clients ask it as declared.
        .nest("/api/2.0mlflow", inputs::misspelt().fallback(no_such_path))
        .nest("/ajax-api/2.0mlflow", inputs::misspelt().fallback(no_such_path))
        .merge(root());
    let guard = middleware::from_fn_with_state(Shared::clone(&tracking), guard::guard);
    let routes = match &tracking.promise {
        Some(_) => routes.layer(middleware::from_fn_with_state(Shared::clone(&tracking), promise::keep)),
        None => routes,
    };
    routes.layer(DefaultBodyLimit::max(LIMIT)).layer(guard).with_state(tracking)
}

/// Routes of a server that has nothing to answer from: a bad request, as clients ask again after what is the server's fault.
pub(crate) fn closed(reason: String) -> Router {
    Router::new().fallback(move || {
        let refused = error::WireError::invalid(format!("nothing can be tracked: {reason}"));
        std::future::ready(refused)
    })
}

/// `router` behind a door at which repeated slashes become one.
pub(crate) fn with_single_slashes(router: Router) -> Router {
    Router::new().fallback_service(router.map_request(|mut request: Request| {
        if let Some(uri) = single_slashes(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    }))
}

/// Paths of version 2, below `/api/2.0/mlflow`.
fn v2() -> Router<Shared> {
    Router::new()
        .merge(experiments::routes())
        .merge(runs::routes())
        .merge(metrics::routes())
        .merge(inputs::routes())
        .merge(artifacts::routes())
        .merge(logged_models::routes())
        .merge(registered_models::routes())
        .merge(model_versions::routes())
        .merge(webhooks::routes())
        .merge(traces::older_routes())
        .merge(older_traces::routes())
}

/// Paths of version 3, below `/api/3.0/mlflow`.
fn v3() -> Router<Shared> {
    Router::new().merge(system::routes()).merge(traces::routes()).merge(trace_metrics::routes())
}

/// Whole paths.
fn root() -> Router<Shared> {
    Router::new().merge(artifacts::root()).merge(otlp::root()).merge(studies::root()).merge(graphql::root())
}

async fn no_such_path() -> (StatusCode, Html<&'static str>) {
    (StatusCode::NOT_FOUND, Html("<!doctype html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"))
}

/// `router` where `prefix` may stand before each path, as proxies send it that forward a part of a site.
pub(crate) fn with_prefix(router: Router, prefix: &str) -> Router {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        return router;
    }
    Router::new().nest(&format!("/{prefix}"), router.clone()).fallback_service(router)
}

fn single_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") {
        return None;
    }
    let mut single = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !single.ends_with('/') {
            single.push(letter);
        }
    }
    if let Some(query) = uri.query() {
        single.push('?');
        single.push_str(query);
    }
    single.parse().ok()
}
