//! Protocols of others, one folder each. Their words stay in here.

pub(crate) mod features;
pub(crate) mod inference;
pub(crate) mod mlflow;
