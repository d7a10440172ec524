//! A search beside the async threads: its rules as the project says them, and those who hear of its trials.

use std::sync::Arc;

use baton_core::asset::{Search, SearchMethod, SearchPruning};
use baton_core::{Clock, Timestamp};
use baton_ml::MlError;
use baton_ml::search::{CHECKPOINTS, Method, Progress, Pruning, SearchConfig, Study, StudyLog, Trial, sweep};
use chrono::TimeDelta;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::error::RunError;
use crate::execution::Execution;
use crate::tracked::{KnownTrials, StudyKeeper, Told};

/// Steps of a first fold before which the median stops no trial: curves begin steep.
const WARMUP: u64 = 3;
/// The first step at which halving decides, and one of how many goes on there.
const FIRST_RUNG: u64 = 3;
const REDUCTION: usize = 3;
/// Messages that are kept together.
const TOGETHER: usize = 256;

/// Takes over what the project says of a search.
pub(crate) fn configure(config: &mut SearchConfig, said: Option<&Search>) -> Result<(), RunError> {
    let Some(said) = said else { return Ok(()) };
    config.method = match said.method {
        SearchMethod::Random => Method::Random,
        SearchMethod::Grid => Method::Grid,
        SearchMethod::Tpe => Method::Tpe,
    };
    config.patience = said.patience.map(|patience| patience as usize);
    config.parallel = said.parallel as usize;
    config.pruning = pruning(said);
    let parameters = said.parameters.as_ref().and_then(serde_json::Value::as_object);
    config.parameters = parameters.map(sweep::read_parameters).transpose()?;
    Ok(())
}

/// What was asked for, or what goes with the method.
pub(crate) fn pruning(said: &Search) -> Pruning {
    match said.prune {
        Some(SearchPruning::None) => Pruning::Off,
        Some(SearchPruning::Half) => Pruning::Half,
        Some(SearchPruning::Halving) => Pruning::halving(FIRST_RUNG, CHECKPOINTS + 1, REDUCTION),
        Some(SearchPruning::Median) => Pruning::Median { startup: 5, warmup: WARMUP },
        // To halve after the first fold of all, a search would go on for long after its time.
        None if said.method == SearchMethod::Tpe || said.patience.is_some() || said.budget.is_some() => {
            Pruning::Median { startup: 5, warmup: WARMUP }
        }
        None => Pruning::Half,
    }
}

impl Execution<'_> {
    /// Does `work`, which searches, on a thread of its own; its trials are shown and kept meanwhile. No trial begins
    /// after `budget` seconds.
    pub(crate) async fn searching<T: Send + 'static>(
        &self,
        keeper: &mut StudyKeeper<'_>,
        budget: Option<i64>,
        work: impl FnOnce(&dyn StudyLog) -> Result<T, MlError> + Send + 'static,
    ) -> Result<Result<T, MlError>, RunError> {
        let (sender, mut receiver) = unbounded_channel();
        let clock = Arc::clone(&self.services.clock);
        let deadline = budget.map(|seconds| clock.now() + TimeDelta::seconds(seconds));
        let listener = Listener { sender, known: keeper.known(), clock, deadline };
        let working = tokio::task::spawn_blocking(move || work(&listener));
        let mut told = Vec::with_capacity(TOGETHER);
        while receiver.recv_many(&mut told, TOGETHER).await > 0 {
            keeper.keep(told.drain(..)).await;
        }
        let done = working.await.map_err(|error| RunError::Worker(error.to_string()))?;
        keeper.end(done.is_ok()).await;
        Ok(done)
    }
}

/// Passes on what it hears of a study, in order; the threads that train wait for nobody.
struct Listener {
    sender: UnboundedSender<Told>,
    known: Option<KnownTrials>,
    clock: Arc<dyn Clock>,
    deadline: Option<Timestamp>,
}

impl Listener {
    fn tell(&self, told: Told) {
        // Nobody listens any more when the command was given up.
        let _nobody_listens = self.sender.send(told);
    }
}

impl StudyLog for Listener {
    fn planned(&self, study: &Study, digest: &str) {
        self.tell(Told::Planned { study: Box::new(study.clone()), digest: digest.to_owned() });
    }

    fn known(&self, key: &str) -> Option<Trial> {
        self.known.as_ref()?.find(key)
    }

    fn may_begin(&self) -> bool {
        self.deadline.is_none_or(|deadline| self.clock.now() < deadline)
    }

    fn began(&self, trial: &Trial) {
        self.tell(Told::Began(Box::new(trial.clone())));
    }

    fn reported(&self, number: usize, step: u64, value: f64) {
        self.tell(Told::Reported { number, step, value });
    }

    fn ended(&self, trial: &Trial) {
        self.tell(Told::Ended(Box::new(trial.clone())));
    }

    fn advanced(&self, progress: Progress) {
        self.tell(Told::Advanced(progress));
    }
}

#[cfg(test)]
mod tests {
    use baton_ml::Task;
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn configured(said: Search) -> Result<SearchConfig, RunError> {
        let mut config = SearchConfig::new(Task::BinaryClassification, 1);
        configure(&mut config, Some(&said)).map(|()| config)
    }

    #[test]
    fn pruning_goes_with_the_method_unless_it_is_asked_for() {
        let pruned = |said: Search| configured(said).unwrap().pruning;
        let tpe = Search { method: SearchMethod::Tpe, ..Search::default() };
        assert_eq!(pruned(Search::default()), Pruning::Half);
        assert_eq!(pruned(tpe.clone()), Pruning::Median { startup: 5, warmup: 3 });
        assert_eq!(pruned(Search { patience: Some(3), ..Search::default() }), pruned(tpe.clone()));
        assert_eq!(pruned(Search { budget: Some(60), ..Search::default() }), pruned(tpe.clone()));
        let halving = Pruning::Halving { rungs: vec![3, 9, 27], reduction: 3 };
        assert_eq!(pruned(Search { prune: Some(SearchPruning::Halving), ..tpe.clone() }), halving);
        assert_eq!(pruned(Search { prune: Some(SearchPruning::None), ..tpe }), Pruning::Off);
    }

    #[test]
    fn ranges_are_read_as_those_of_sweeps() {
        let parameters = Some(json!({"max_depth": {"min": 3, "max": 9}}));
        let config = configured(Search { parameters, ..Search::default() }).unwrap();
        assert_eq!(config.parameters.unwrap()[0].name, "max_depth");
        let parameters = Some(json!({"max_depth": {"min": 3}}));
        let Err(error) = configured(Search { parameters, ..Search::default() }) else { panic!("it was taken") };
        expect!["`parameters.max_depth.max` of the sweep: `uniform` needs it"].assert_eq(&error.to_string());
    }
}
