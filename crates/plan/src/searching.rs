//! The searches that a plan's trainings go through, as far as they are known before.

use baton_core::AssetName;
use baton_core::asset::{SearchMethod, SearchPruning};
use baton_core::duration::format_seconds;
use serde::{Deserialize, Serialize};

/// How a model that is to be trained is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSearch {
    /// The model.
    pub model: AssetName,
    /// What is searched: an algorithm, or `auto`.
    pub algorithm: String,
    /// The metric that decides.
    pub metric: String,
    /// How points are chosen.
    pub method: SearchMethod,
    /// Which trials stop early.
    pub prune: SearchPruning,
    /// The most trials; `None` where the grid or the time decides.
    pub trials: Option<u32>,
    /// Seconds after which no trial begins.
    pub budget_seconds: Option<i64>,
    /// It ends when so many trials in a row brought nothing better.
    pub patience: Option<u32>,
    /// How many trials may go on at a time.
    pub parallel: u32,
    /// Trials that earlier searches of the model came to; those of the same data, metric and seed are not trained again.
    pub known_trials: Option<u64>,
    /// Whether the model's data changes, so that every trial is a new one.
    pub has_new_data: bool,
}

impl PlannedSearch {
    /// `at most 40 trials of auto by tpe for roc_auc, pruned by median, 4 at a time`, and what is known.
    pub(crate) fn line(&self) -> String {
        let trials = match (self.trials, self.budget_seconds, self.method) {
            (Some(trials), ..) => format!("at most {trials} trials"),
            (None, Some(budget), _) => format!("as many trials as {} allow", format_seconds(budget)),
            (None, None, SearchMethod::Grid) => "all trials".to_owned(),
            (None, None, _) => "trials".to_owned(),
        };
        let method = match self.method {
            SearchMethod::Random => "at random",
            SearchMethod::Grid => "of a grid",
            SearchMethod::Tpe => "by tpe",
        };
        let prune = match self.prune {
            SearchPruning::None => None,
            SearchPruning::Half => Some("worse half stops after its first fold"),
            SearchPruning::Median => Some("pruned by median"),
            SearchPruning::Halving => Some("pruned by halving"),
        };
        let limit = self.budget_seconds.filter(|_| self.trials.is_some());
        let rules = [
            prune.map(str::to_owned),
            Some(format!("{} at a time", self.parallel)),
            limit.map(|budget| format!("none begins after {}", format_seconds(budget))),
            self.patience.map(|patience| format!("ends after {patience} without a better one")),
        ];
        let rules: Vec<String> = rules.into_iter().flatten().collect();
        let Self { model, algorithm, metric, .. } = self;
        format!("{model}: {trials} of {algorithm} {method} for {metric}, {}{}", rules.join(", "), self.known())
    }

    fn known(&self) -> String {
        match (self.known_trials, self.has_new_data) {
            (_, true) => "; all are trained, as there is new data".to_owned(),
            (None | Some(0), false) => "; none is known yet".to_owned(),
            (Some(known), false) => {
                format!("; {known} known, not trained again where data, metric and seed are the same")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(change: impl FnOnce(&mut PlannedSearch), expected: Expect) {
        let mut search = PlannedSearch {
            model: AssetName::parse("arrival_delay").unwrap(),
            algorithm: "auto".to_owned(),
            metric: "roc_auc".to_owned(),
            method: SearchMethod::Tpe,
            prune: SearchPruning::Median,
            trials: Some(40),
            budget_seconds: None,
            patience: None,
            parallel: 4,
            known_trials: Some(27),
            has_new_data: false,
        };
        change(&mut search);
        expected.assert_eq(&search.line());
    }

    #[test]
    fn a_line_says_what_is_tried_and_what_is_known() {
        check(
            |_| {},
            expect![
                "arrival_delay: at most 40 trials of auto by tpe for roc_auc, pruned by median, 4 at a time; 27 known, not trained again where data, metric and seed are the same"
            ],
        );
        check(
            |search| (search.trials, search.budget_seconds, search.has_new_data) = (None, Some(600), true),
            expect![
                "arrival_delay: as many trials as 10m allow of auto by tpe for roc_auc, pruned by median, 4 at a time; all are trained, as there is new data"
            ],
        );
        check(
            |search| {
                (search.budget_seconds, search.patience, search.known_trials) = (Some(600), Some(15), None);
                (search.method, search.prune) = (SearchMethod::Random, SearchPruning::None);
            },
            expect![
                "arrival_delay: at most 40 trials of auto at random for roc_auc, 4 at a time, none begins after 10m, ends after 15 without a better one; none is known yet"
            ],
        );
    }
}
