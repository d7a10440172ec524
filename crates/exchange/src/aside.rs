//! What could not be read, named on the way.

use std::fmt::Display;

use crate::report::SetAside;

/// Mistakes in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    pub(crate) found: Vec<SetAside>,
}

impl Aside {
    /// Names a mistake.
    pub(crate) fn put(&mut self, place: impl Display, reason: impl Display) {
        self.found.push(SetAside { place: place.to_string(), reason: reason.to_string() });
    }

    /// The value, or a named mistake in its place.
    pub(crate) fn some<T, E: Display>(&mut self, place: impl Display, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(reason) => {
                self.put(place, reason);
                None
            }
        }
    }
}
