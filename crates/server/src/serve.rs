//! The whole server: all routers under one roof, and its life on a listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use axum::serve::{Listener, ListenerExt as _};
use baton_core::Clock;
use baton_core::ports::Spans;
use baton_serving::PredictionService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower_http::catch_panic::CatchPanicLayer;

use crate::catalog::Catalog;
use crate::desk::{LineageDesk, QueryDesk, ScheduleDesk};
use crate::intake::Intake;
use crate::state::AppState;
use crate::traces::Tracer;
use crate::{api, body, compat, health, ingest, metrics, mlflow, observe, problem};

/// How long requests that have begun may take after the server was asked to end.
const DRAIN: Duration = Duration::from_secs(10);

/// What a server answers with.
pub struct Parts {
    pub(crate) service: Arc<PredictionService>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Option<Arc<dyn Catalog>>,
    pub(crate) desk: Option<Arc<dyn ScheduleDesk>>,
    pub(crate) intake: Option<Arc<dyn Intake>>,
    pub(crate) lineage: Option<Arc<dyn LineageDesk>>,
    pub(crate) queries: Option<Arc<dyn QueryDesk>>,
    pub(crate) token: Option<String>,
    pub(crate) tracking: Option<Arc<mlflow::Tracking>>,
    pub(crate) tracer: Tracer,
}

impl Parts {
    /// Predictions by `service`; `clock` decides their instant, and that of the features that they read.
    pub fn new(service: Arc<PredictionService>, clock: Arc<dyn Clock>) -> Self {
        Self {
            service,
            clock,
            catalog: None,
            desk: None,
            intake: None,
            lineage: None,
            queries: None,
            token: None,
            tracking: None,
            tracer: Tracer::default(),
        }
    }

    /// With what knows the project's assets.
    #[must_use]
    pub fn with_catalog(self, catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog: Some(catalog), ..self }
    }

    /// With who takes requests for schedules.
    #[must_use]
    pub fn with_desk(self, desk: Arc<dyn ScheduleDesk>) -> Self {
        Self { desk: Some(desk), ..self }
    }

    /// With who takes deliveries to sources.
    #[must_use]
    pub fn with_intake(self, intake: Arc<dyn Intake>) -> Self {
        Self { intake: Some(intake), ..self }
    }

    /// With who takes events of OpenLineage.
    #[must_use]
    pub fn with_lineage(self, lineage: Arc<dyn LineageDesk>) -> Self {
        Self { lineage: Some(lineage), ..self }
    }

    /// With who answers queries.
    #[must_use]
    pub fn with_queries(self, queries: Arc<dyn QueryDesk>) -> Self {
        Self { queries: Some(queries), ..self }
    }

    /// With who takes spans of requests; `clock` is the machine's.
    #[must_use]
    pub fn with_spans(self, spans: Arc<dyn Spans>, clock: Arc<dyn Clock>) -> Self {
        Self { tracer: Tracer::new(spans, clock), ..self }
    }

    /// With what clients of MLflow track.
    #[must_use]
    pub fn with_tracking(self, tracking: mlflow::Tracking) -> Self {
        Self { tracking: Some(Arc::new(tracking)), ..self }
    }

    /// With the token that requests which change something must carry; without one they are refused.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }
}

/// Answers requests on `listener` until `shutdown`; then requests that have begun are finished, for at most ten seconds.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_routes(listener, router(parts), shutdown).await
}

/// As [`serve`], but with nothing but what clients of MLflow track.
///
/// # Errors
/// Those of the listener.
pub async fn serve_tracking(
    listener: TcpListener,
    tracking: mlflow::Tracking,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_routes(listener, tracking_router(tracking), shutdown).await
}

/// As [`serve_tracking`], for one program: what it is answered from is opened when it first connects. Where that cannot be opened, it is told
/// so once and tries no more.
///
/// # Errors
/// Those of the listener.
pub async fn serve_program(
    listener: TcpListener,
    open: impl Future<Output = Result<mlflow::Tracking, String>> + Send,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let mut shutdown = Box::pin(shutdown);
    let first = tokio::select! {
        accepted = listener.accept() => accepted?,
        () = &mut shutdown => return Ok(()),
    };
    let routes = match open.await {
        Ok(tracking) => tracking_router(tracking),
        Err(reason) => mlflow::closed(reason),
    };
    serve_routes(Joined { first: Some(first), rest: listener }, routes, shutdown).await
}

/// A listener of which one connection was taken already.
struct Joined {
    first: Option<(TcpStream, SocketAddr)>,
    rest: TcpListener,
}

impl Listener for Joined {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match self.first.take() {
            Some(first) => first,
            None => Listener::accept(&mut self.rest).await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.rest.local_addr()
    }
}

async fn serve_routes(
    listener: impl Listener<Io = TcpStream, Addr = SocketAddr>,
    routes: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Answers are small and somebody waits for each: none is held back to fill a packet.
    let listener = listener.tap_io(|stream| {
        let _slower_without = stream.set_nodelay(true);
    });
    let (ending, asked_to_end) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _server_has_ended = ending.send(());
    };
    tokio::select! {
        outcome = axum::serve(listener, routes).with_graceful_shutdown(signal) => outcome,
        () = end_of_patience(asked_to_end) => Ok(()),
    }
}

async fn end_of_patience(asked_to_end: oneshot::Receiver<()>) {
    match asked_to_end.await {
        Ok(()) => tokio::time::sleep(DRAIN).await,
        Err(_server_has_ended) => std::future::pending().await,
    }
}

/// All routes, for callers that bring their own server.
pub fn router(parts: Parts) -> Router {
    let tracking = parts.tracking.clone().map(mlflow::router);
    let state = Arc::new(AppState::new(parts));
    let has_tracking = tracking.is_some();
    let routes = Router::new()
        .route("/health", get(health::health))
        .route("/metrics", get(metrics::show))
        .route("/ingest/{source}", post(ingest::ingest))
        .nest("/api/v1", api::router())
        .nest("/v2", compat::inference::router())
        .merge(compat::mlflow::router())
        .merge(compat::features::router())
        .with_state(Arc::clone(&state))
        .merge(tracking.unwrap_or_default())
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(DefaultBodyLimit::max(body::LIMIT))
        .layer(middleware::from_fn_with_state(state, observe::observe));
    if has_tracking { mlflow::with_single_slashes(routes) } else { routes }
}

/// All routes of a server that has nothing but what clients of MLflow track.
pub fn tracking_router(tracking: mlflow::Tracking) -> Router {
    let prefix = tracking.prefix.clone();
    let routes = mlflow::router(Arc::new(tracking))
        .merge(mlflow::system_routes())
        .layer(CatchPanicLayer::custom(problem::of_panic));
    mlflow::with_single_slashes(mlflow::with_prefix(routes, &prefix))
}
