//! What running processes use: memory and processor, as Linux tells of them.

use std::fs;

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

/// A figure of a process in MiB: `VmHWM` is the most memory that it held, `VmRSS` what it holds. `None` when it is gone.
pub fn memory(process: u32, figure: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1_024.0)
}

/// Processor seconds that a process used so far; `None` when it is gone.
pub fn cpu(process: u32) -> Option<f64> {
    figures(&process.to_string(), 11)
}

/// The same of the children that it waited for, and of those that they waited for.
pub fn cpu_of_children(process: &str) -> Option<f64> {
    // `cutime` and `cstime` stand two places behind `utime` and `stime`.
    figures(process, 13)
}

/// The processes that this one started and that are still there.
pub fn children(process: u32) -> Vec<u32> {
    let parent_of = |child: u32| stat(&child.to_string(), 1).and_then(|parent| parent.parse::<u32>().ok());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|child| parent_of(*child) == Some(process)).collect()
}

/// Two neighbours of a process's figures, in seconds.
fn figures(process: &str, place: usize) -> Option<f64> {
    let ticks = [place, place + 1].map(|place| stat(process, place)?.parse::<f64>().ok());
    Some(ticks.into_iter().sum::<Option<f64>>()? / TICKS)
}

/// A figure of a process's line; `state` is at place 0.
fn stat(process: &str, place: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(place).map(str::to_owned)
}
