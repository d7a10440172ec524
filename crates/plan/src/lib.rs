//! Desired against recorded to Plan to stages; blast radius; pure
