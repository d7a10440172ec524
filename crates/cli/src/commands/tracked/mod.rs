//! What is done with tracked runs: `runs ls`, `runs diff` and `runs plot`. Baton's own runs, and those of experiments, are found
//! by the same noun; these are the latter.

mod diff;
mod environment;
mod list;
mod plot;
mod sections;
mod show;

use baton_tracking::filter::Dialect;
use baton_tracking::run::Run;
use baton_tracking::run::search::RunSearch;
use baton_tracking::{Page, TrackingError, View};

pub(super) use self::diff::diff;
pub(super) use self::list::list;
pub(crate) use self::list::{RunTable, figure};
pub(super) use self::plot::plot;
pub(crate) use self::sections::{Comparison, Row};
pub(crate) use self::show::TrackedRun;
pub(super) use self::show::show;
use crate::args::FilterArguments;
use crate::error::CliError;
use crate::wire::Tracked;

/// Experiments that are read at a time.
const PAGE: usize = 1000;
/// Runs of one name that are told when it is not clear which is meant.
const ALIKE: u32 = 6;

/// A page of the runs that meet a filter.
async fn search(
    tracked: &Tracked,
    arguments: &FilterArguments,
    view: View,
    page_token: Option<String>,
) -> Result<Page<Run>, CliError> {
    let search = RunSearch {
        experiments: experiments(tracked, &arguments.experiments).await?,
        filter: arguments.filter.clone().unwrap_or_default(),
        dialect: Dialect::Extended,
        view,
        max_results: usize::try_from(arguments.limit.max(1)).unwrap_or(1),
        order_by: arguments.sort.clone(),
        page_token,
    };
    tracked.store.search_runs(search).await.map_err(misunderstood)
}

/// The numbers of experiments by names or numbers; without any, of all.
async fn experiments(tracked: &Tracked, asked: &[String]) -> Result<Vec<i64>, CliError> {
    if asked.is_empty() {
        return Ok(all_experiments(tracked).await?.into_iter().map(|(id, _)| id).collect());
    }
    let mut found = Vec::new();
    for name in asked {
        let by_name = tracked.store.experiment_by_name(name).await.ok();
        let by_number = match (by_name, name.parse()) {
            (Some(experiment), _) => Some(experiment),
            (None, Ok(number)) => tracked.store.experiment(number).await.ok(),
            (None, Err(_)) => None,
        };
        let Some(experiment) = by_number else {
            let known: Vec<String> = all_experiments(tracked).await?.into_iter().map(|(_, name)| name).collect();
            return Err(CliError::argument(
                format!("there is no experiment `{name}`"),
                format!("known are {}", known.join(", ")),
            ));
        };
        found.push(experiment.id);
    }
    Ok(found)
}

/// Numbers and names of all experiments, those that were deleted included.
async fn all_experiments(tracked: &Tracked) -> Result<Vec<(i64, String)>, CliError> {
    use baton_tracking::experiment::ExperimentSearch;
    let (mut found, mut page_token) = (Vec::new(), None);
    loop {
        let search = ExperimentSearch { view: View::All, max_results: PAGE, page_token, ..ExperimentSearch::default() };
        let page = tracked.store.search_experiments(search).await?;
        found.extend(page.rows.into_iter().map(|experiment| (experiment.id, experiment.name)));
        page_token = page.next;
        if page_token.is_none() {
            return Ok(found);
        }
    }
}

/// The one run that is called so: by the first digits of its id, or by its name.
async fn run_called(tracked: &Tracked, text: &str) -> Result<Run, CliError> {
    let mut alike = tracked.store.runs_called(text, ALIKE).await?;
    match (alike.len(), alike.pop()) {
        (1, Some(run)) => Ok(tracked.store.run(&run.run_id).await?),
        (_, None) => Err(CliError::argument(
            format!("there is no tracked run `{text}`"),
            "`baton runs ls` lists them; name one by the first digits of its id or by its name",
        )),
        (_, Some(last)) => {
            alike.push(last);
            let ids: Vec<String> = alike.iter().map(|run| format!("{} ({})", short(&run.run_id), run.name)).collect();
            Err(CliError::argument(
                format!("several runs are called `{text}`"),
                format!("name one of {}", ids.join(", ")),
            ))
        }
    }
}

/// The digits of an id by which people know a run.
pub(crate) fn short(run_id: &str) -> &str {
    run_id.get(..8).unwrap_or(run_id)
}

/// A filter or an order that is not understood is a mistake of the command line.
fn misunderstood(error: TrackingError) -> CliError {
    match error {
        TrackingError::Invalid(message) => CliError::argument(
            message,
            "a filter is such as \"metrics.loss < 0.5 AND params.kind = 'a'\", an order such as \"metrics.loss DESC\"",
        ),
        error => error.into(),
    }
}
