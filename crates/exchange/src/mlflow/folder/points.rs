//! Files of metrics: a point a line.

use std::fs;
use std::path::Path;

use baton_tracking::logged_model::LoggedModelMetric;
use baton_tracking::metric::Metric;

use crate::aside::Aside;
use crate::files;

/// The points of a run. Lines that are none are named and left out.
pub(super) fn of_run(folder: &Path, aside: &mut Aside) -> Vec<Metric> {
    let mut points = Vec::new();
    lines(folder, aside, |key, line| {
        let (timestamp, value, step, _) = point(line)?;
        points.push(Metric { key: key.to_owned(), value, timestamp, step, ..Metric::default() });
        Ok(())
    });
    points
}

/// The points of a logged model, each by the run that measured, and on what.
pub(super) fn of_model(folder: &Path, aside: &mut Aside) -> Vec<LoggedModelMetric> {
    let mut points = Vec::new();
    lines(folder, aside, |key, line| {
        let (timestamp, value, step, rest) = point(line)?;
        let mut rest = rest.into_iter().map(str::to_owned);
        points.push(LoggedModelMetric {
            key: key.to_owned(),
            value,
            timestamp,
            step,
            run_id: rest.next().ok_or("does not say which run measured")?,
            dataset_name: rest.next(),
            dataset_digest: rest.next(),
        });
        Ok(())
    });
    points
}

fn lines(folder: &Path, aside: &mut Aside, mut each: impl FnMut(&str, &str) -> Result<(), &'static str>) {
    for (path, key) in files::below(folder, aside) {
        let Some(text) = aside.some(path.display(), fs::read_to_string(&path)) else { continue };
        for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            if let Err(reason) = each(&key, line) {
                aside.put(format!("{}:{}", path.display(), place + 1), format!("`{line}` {reason}"));
            }
        }
    }
}

/// Time, value, step, and what follows.
fn point(line: &str) -> Result<(i64, f64, i64, Vec<&str>), &'static str> {
    let mut parts = line.split_whitespace();
    let (timestamp, value) = (parts.next().unwrap_or_default(), parts.next().ok_or("has no value")?);
    let timestamp = timestamp.parse().map_err(|_| "does not begin with a time in milliseconds")?;
    let value = value.parse().map_err(|_| "has a value that is no number")?;
    // The first versions wrote no step.
    let step = parts.next().map_or(Ok(0), str::parse).map_err(|_| "has a step that is no whole number")?;
    Ok((timestamp, value, step, parts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_version_are_read_and_others_named() {
        assert_eq!(point("1 0.5 3"), Ok((1, 0.5, 3, vec![])));
        assert_eq!(point("1 -inf"), Ok((1, f64::NEG_INFINITY, 0, vec![])));
        assert!(point("1 nan 2").unwrap().1.is_nan());
        assert_eq!(point("1 1e-3 2 run data 5").unwrap().3, ["run", "data", "5"]);
        assert_eq!(point("x 1 2"), Err("does not begin with a time in milliseconds"));
        assert_eq!(point("1"), Err("has no value"));
        assert_eq!(point("1 one 2"), Err("has a value that is no number"));
    }
}
