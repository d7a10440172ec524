//! What work took: time, processor, memory, and how much it was.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baton_testkit::usage::{self, memory};
use serde_json::json;

use crate::Outcome;

/// How often the memory of a process is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What work took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// On the clock on the wall.
    pub(crate) seconds: f64,
    /// Of the processor, on all cores together.
    pub(crate) cpu_seconds: Option<f64>,
    /// The most memory that it held.
    pub(crate) peak_mib: Option<f64>,
    /// Rows or steps that it went through.
    pub(crate) items: Option<u64>,
    /// How good what came of it is; more is better.
    pub(crate) score: Option<f64>,
}

impl From<f64> for Measured {
    fn from(seconds: f64) -> Self {
        Self { seconds, ..Self::default() }
    }
}

/// As `cargo xtask bench` reads it: seconds alone, or an object.
impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (None, None, None, None) = (self.cpu_seconds, self.peak_mib, self.items, self.score) {
            return write!(formatter, "{}", self.seconds);
        }
        let (seconds, cpu_seconds, peak_mib, items) = (self.seconds, self.cpu_seconds, self.peak_mib, self.items);
        let score = self.score;
        let said = json!({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib, "items": items, "score": score});
        write!(formatter, "{said}")
    }
}

impl Measured {
    /// Runs a program from its start to its end, and measures it with the processes that it waits for.
    pub(crate) fn of(command: &mut Command) -> Outcome<Self> {
        let (cpu, start) = (cpu_of_children()?, Instant::now());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = child
            .stderr
            .take()
            .map(|mut stderr| std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap_or_default()));
        let (id, mut peak) = (child.id(), 0.0_f64);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            peak = peak.max(memory(id, "VmHWM").unwrap_or_default());
            std::thread::sleep(LOOK.min(start.elapsed() / 20));
        };
        let seconds = start.elapsed().as_secs_f64();
        let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
        if !status.success() {
            return Err(format!("{command:?} ended with {status}:\n{said}").into());
        }
        Ok(Self { seconds, cpu_seconds: Some(cpu_of_children()? - cpu), peak_mib: Some(peak), ..Self::default() })
    }

    /// With how much it was.
    pub(crate) fn of_items(self, items: u64) -> Self {
        Self { items: Some(items), ..self }
    }
}

/// Processor seconds of children that were waited for, and of those that they waited for.
fn cpu_of_children() -> Outcome<f64> {
    usage::cpu_of_children("self").ok_or_else(|| "the process's stat has another form".into())
}

/// Processor seconds that a process used so far.
pub(crate) fn cpu_of(process: u32) -> Outcome<f64> {
    usage::cpu(process).ok_or_else(|| format!("process {process} is gone").into())
}
