//! axum: API, compat protocols (one folder each)
