//! Serving and watching within a run: deploying, scoring, judging drift and performance, alerts and incidents.

mod alerts;
mod deploy;
mod drift;
mod estimate;
mod look;
mod monitor;
mod score;
mod volume;

pub(crate) use alerts::incidents;
pub(crate) use deploy::served_of;
pub use drift::FeatureDrift;
pub(crate) use drift::{ReferenceCache, ratio, sample};
pub(crate) use estimate::EstimatorCache;
pub use look::{DatedLook, EstimatedPerformance, MeasuredPerformance, MonitorLook};
pub(crate) use look::{looks, newest_looks};
pub(crate) use score::predictions_of;
pub(crate) use volume::{VolumeBreach, VolumeCache};
