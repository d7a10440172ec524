//! Serving and watching within a run: deploying, scoring, judging drift and performance, alerts and incidents.

mod alerts;
mod deploy;
mod drift;
mod monitor;
mod score;

pub(crate) use alerts::incidents;
pub(crate) use deploy::served_of;
pub(crate) use drift::{FeatureDrift, ReferenceCache, ratio, sample};
pub(crate) use score::predictions_of;
