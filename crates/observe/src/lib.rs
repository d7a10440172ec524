//! Detectors, alerts, incidents, causes; pure
