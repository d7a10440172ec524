//! Calibration: whether scores are probabilities, making them so, and estimating performance
//! without labels from calibrated scores.
//!
//! Pure; labels are 0 or 1 and scores probabilities of 1. Knows nothing of models.

mod cbpe;
mod expected;
mod isotonic;
mod need;
mod reliability;
mod sampling_error;

#[cfg(test)]
mod tests;

pub use cbpe::{Cbpe, Estimate, ReferenceRows, realised};
pub use isotonic::Isotonic;
pub use need::improves_with_calibration;
pub use reliability::{Reliability, ReliabilityBin, reliability};
