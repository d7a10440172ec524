//! Failpoints: named instants at which a test may kill the process, to prove that nothing is lost.
//!
//! Disarmed (always, unless the binary was told otherwise at start) a failpoint costs one atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static ARMED: OnceLock<Armed> = OnceLock::new();

struct Armed {
    name: Option<String>,
    nth: u64,
    hits: AtomicU64,
    kill: fn(),
}

/// Arms the process: `kill` runs at the `nth` (from 1) time that `name` is reached; without a name, any point counts.
/// Only the first call has an effect.
pub fn arm(name: Option<String>, nth: u64, kill: fn()) {
    // A second arming is a mistake of the caller's tests and changes nothing.
    let _already_armed = ARMED.set(Armed { name, nth, hits: AtomicU64::new(0), kill });
}

/// Marks that the process is at the instant `name`, such as `lake.before_commit`.
pub fn reach(name: &str) {
    let Some(armed) = ARMED.get() else { return };
    if armed.name.as_deref().is_some_and(|wanted| wanted != name) {
        return;
    }
    if armed.hits.fetch_add(1, Ordering::SeqCst) + 1 == armed.nth {
        (armed.kill)();
    }
}
