//! `baton runs plot`: how metrics went, and parallel coordinates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton_charts::{Axis, ChartError, Curve, Curves, Horizontal, Parallel, Size};
use baton_tracking::View;
use baton_tracking::run::Run;
use serde_json::{Value, json};

use super::list::{RunTable, number};
use super::{run_called, search, short};
use crate::args::{
    AxisName, CurveArguments, FigureArguments, FilterArguments, ParallelArguments, PlotArguments, PlotCommand,
};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::wire::Tracked;
use crate::{output, render, wire};

/// Points of a line: more are not seen.
const POINTS: usize = 1000;
/// Axes that are drawn unless others are asked for.
const AXES: usize = 8;

/// Draws tracked runs.
pub(in crate::commands) async fn plot(context: &Context, arguments: &PlotArguments) -> Result<Outcome, CliError> {
    match &arguments.command {
        PlotCommand::Curves(arguments) => curves(context, arguments).await,
        PlotCommand::Parallel(arguments) => parallel(context, arguments).await,
    }
}

async fn curves(context: &Context, arguments: &CurveArguments) -> Result<Outcome, CliError> {
    if !(0.0..1.0).contains(&arguments.smoothing) {
        let message = format!("`--smoothing {}` is no weight", arguments.smoothing);
        return Err(CliError::argument(message, "give a number from 0 to below 1"));
    }
    let tracked = wire::tracked(context, arguments.filter.store.store.as_deref(), wire::Access::Read).await?;
    let runs = chosen(&tracked, &arguments.runs, &arguments.filter).await?;
    let metrics = if arguments.metrics.is_empty() { vec![longest(&runs)?] } else { arguments.metrics.clone() };
    let mut lines = Vec::new();
    for metric in &metrics {
        for run in &runs {
            let label = label(run, metric, &runs, &metrics);
            let points = points(&tracked, run, metric, arguments).await?;
            lines.extend((!points.is_empty()).then_some(Curve { label, points }));
        }
    }
    if lines.is_empty() {
        return Err(nothing_logged(&metrics, &runs));
    }
    let up = metrics.join(", ");
    let figure = Curves {
        title: arguments.figure.title.clone().unwrap_or_else(|| format!("{up} of {}", counted(runs.len()))),
        right: match arguments.x {
            AxisName::Step => "step",
            AxisName::Relative => "seconds since the first point",
            AxisName::Time => "time (UTC)",
        }
        .to_owned(),
        up,
        horizontal: if arguments.x == AxisName::Time { Horizontal::Instant } else { Horizontal::Number },
        logarithmic: arguments.log,
        curves: lines,
    };
    match &arguments.figure.out {
        Some(path) => {
            figure.draw(size(&arguments.figure)?, &context.folder.join(path)).map_err(not_drawn)?;
            drawn(context, path, runs.len())
        }
        None if context.is_json() => {
            output::print_json(&as_json(&figure))?;
            Ok(Outcome::Fine)
        }
        None => {
            output::print(&render::curves(&figure))?;
            Ok(Outcome::Fine)
        }
    }
}

async fn parallel(context: &Context, arguments: &ParallelArguments) -> Result<Outcome, CliError> {
    let Some(path) = &arguments.figure.out else {
        return Err(CliError::argument(
            "parallel coordinates are drawn to a file",
            "name it with `--out runs.svg` or `--out runs.png`",
        ));
    };
    let tracked = wire::tracked(context, arguments.filter.store.store.as_deref(), wire::Access::Read).await?;
    let mut runs = chosen(&tracked, &arguments.runs, &arguments.filter).await?;
    let keys = if arguments.axes.is_empty() { differing(&runs) } else { arguments.axes.clone() };
    // What has none of it, such as the parent of trials, would be a line below all axes.
    runs.retain(|run| keys.iter().any(|key| RunTable::cell(run, key).is_some()));
    if runs.len() < 2 || keys.len() < 2 {
        let message = format!("{} and {} axes are too few for parallel coordinates", counted(runs.len()), keys.len());
        return Err(CliError::argument(message, "choose more runs, or axes with `--axes params.alpha,metrics.loss`"));
    }
    let axis = |key: &String| {
        let label = key.split_once('.').map_or(key.as_str(), |(_, label)| label);
        Axis::of(label, runs.iter().map(|run| RunTable::cell(run, key)).collect())
    };
    let title = arguments.figure.title.clone().unwrap_or_else(|| {
        let last = keys.last().map_or("", |key| key.split_once('.').map_or(key.as_str(), |(_, label)| label));
        format!("{}, coloured by {last}", counted(runs.len()))
    });
    let figure = Parallel { title, axes: keys.iter().map(axis).collect() };
    figure.draw(size(&arguments.figure)?, &context.folder.join(path)).map_err(not_drawn)?;
    drawn(context, path, runs.len())
}

fn size(arguments: &FigureArguments) -> Result<Size, CliError> {
    Size::parse(&arguments.size).map_err(not_drawn)
}

fn not_drawn(error: ChartError) -> CliError {
    match error {
        ChartError::Draw { .. } => CliError::Drawing(error),
        _ => CliError::argument(error.to_string(), "see `baton runs plot --help`"),
    }
}

fn drawn(context: &Context, path: &Path, n_runs: usize) -> Result<Outcome, CliError> {
    if context.is_json() {
        output::print_json(&json!({"file": path, "runs": n_runs}))?;
    } else {
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(Outcome::Fine)
}

/// The runs that are named, or those of the filter.
async fn chosen(tracked: &Tracked, named: &[String], filter: &FilterArguments) -> Result<Vec<Run>, CliError> {
    let mut runs = Vec::new();
    for name in named {
        runs.push(run_called(tracked, name).await?);
    }
    if named.is_empty() {
        runs = search(tracked, filter, View::Active, None).await?.rows;
    }
    if runs.is_empty() {
        return Err(CliError::argument("no tracked run meets the filter", "`baton runs ls` lists them"));
    }
    Ok(runs)
}

/// The metric whose last step is the furthest in most runs: the one with a course to look at.
fn longest(runs: &[Run]) -> Result<String, CliError> {
    let mut found: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for metric in runs.iter().flat_map(|run| &run.metrics).filter(|metric| !metric.key.starts_with("system/")) {
        let (n_runs, steps) = found.entry(&metric.key).or_default();
        *n_runs += usize::from(metric.step > 0);
        *steps = metric.step.max(*steps);
    }
    let best = found.into_iter().max_by_key(|(_, place)| *place).map(|(key, _)| key.to_owned());
    best.ok_or_else(|| {
        CliError::argument("none of the runs logged a metric", "choose others, or name a metric with `--metric`")
    })
}

fn nothing_logged(metrics: &[String], runs: &[Run]) -> CliError {
    let known: BTreeSet<&str> = runs.iter().flat_map(|run| &run.metrics).map(|metric| metric.key.as_str()).collect();
    let known: Vec<&str> = known.into_iter().take(12).collect();
    CliError::argument(
        format!("none of {} logged `{}`", counted(runs.len()), metrics.join("`, `")),
        format!("they logged {}", known.join(", ")),
    )
}

/// What a line is called: as little as tells it from the others.
fn label(run: &Run, metric: &str, runs: &[Run], metrics: &[String]) -> String {
    let is_alone = runs.iter().filter(|other| other.info.name == run.info.name).count() == 1;
    let name = match (run.info.name.is_empty(), is_alone) {
        (true, _) => short(&run.info.run_id).to_owned(),
        (false, true) => run.info.name.clone(),
        (false, false) => format!("{} {}", run.info.name, short(&run.info.run_id)),
    };
    if metrics.len() > 1 { format!("{name}: {metric}") } else { name }
}

async fn points(
    tracked: &Tracked,
    run: &Run,
    metric: &str,
    arguments: &CurveArguments,
) -> Result<Vec<(f64, f64)>, CliError> {
    let ids = [run.info.run_id.clone()];
    let mut points = tracked.store.sampled_histories(&ids, metric, None, POINTS).await?;
    if arguments.x != AxisName::Step {
        points.sort_by_key(|point| point.metric.timestamp);
    }
    let first = points.first().map_or(0, |point| point.metric.timestamp);
    let right = |point: &baton_tracking::metric::Metric| match arguments.x {
        AxisName::Step => point.step as f64,
        AxisName::Relative => (point.timestamp - first) as f64 / 1000.0,
        AxisName::Time => point.timestamp as f64 / 1000.0,
    };
    let points = points.iter().map(|point| (right(&point.metric), point.metric.value)).collect();
    Ok(smoothed(points, arguments.smoothing))
}

/// An exponential moving average with `weight` for the past, without the pull of a beginning at zero (as in Adam, and as
/// TensorBoard smooths). What is no number is passed over.
fn smoothed(mut points: Vec<(f64, f64)>, weight: f64) -> Vec<(f64, f64)> {
    let (mut past, mut share) = (0.0, 1.0);
    for (_, value) in points.iter_mut().filter(|(_, value)| value.is_finite() && weight > 0.0) {
        past = past * weight + *value * (1.0 - weight);
        share *= weight;
        *value = past / (1.0 - share);
    }
    points
}

/// Parameters that differ, then metrics, as many as can be seen.
fn differing(runs: &[Run]) -> Vec<String> {
    let mut params: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut metrics: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        for param in &run.params {
            params.entry(&param.key).or_default().insert(&param.value);
        }
        for metric in run.metrics.iter().filter(|metric| !metric.key.starts_with("system/")) {
            *metrics.entry(&metric.key).or_default() += 1;
        }
    }
    let mut metrics: Vec<(&str, usize)> = metrics.into_iter().collect();
    metrics.sort_by_key(|(_, count)| *count);
    let metrics: Vec<String> = metrics.iter().rev().take(2).rev().map(|(key, _)| format!("metrics.{key}")).collect();
    let params = params.into_iter().filter(|(_, values)| values.len() > 1).map(|(key, _)| format!("params.{key}"));
    params.take(AXES - metrics.len()).chain(metrics).collect()
}

fn counted(n_runs: usize) -> String {
    if n_runs == 1 { "1 run".to_owned() } else { format!("{n_runs} runs") }
}

fn as_json(figure: &Curves) -> Value {
    let curve = |curve: &Curve| {
        let points: Vec<Value> = curve.points.iter().map(|(x, y)| json!([number(*x), number(*y)])).collect();
        json!({"label": curve.label, "points": points})
    };
    json!({"x": figure.right, "y": figure.up, "curves": figure.curves.iter().map(curve).collect::<Vec<_>>()})
}
