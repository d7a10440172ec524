//! The space of a search: every algorithm's own ranges, or those that the user gave.

use super::SearchConfig;
use super::space::{Branch, Domain, Parameter, Space};
use crate::data::Task;
use crate::error::{MlError, Result};
use crate::trainer::{Trainer, auto_trainers, trainer};
use serde_json::Value;

/// The name of the parameter that lists algorithms.
const ALGORITHM: &str = "algorithm";
/// The word for boosted trees and the task's linear model.
const AUTO: &str = "auto";

/// One branch an algorithm.
pub(super) fn space(config: &SearchConfig, task: Task) -> Result<Space> {
    let trainers = trainers(config, task)?;
    let given = config.parameters.as_deref().map(|given| given.iter().filter(|one| one.name != ALGORITHM));
    let given: Option<Vec<&Parameter>> = given.map(Iterator::collect);
    for parameter in given.iter().flatten() {
        taken_by_one(&trainers, &parameter.name)?;
    }
    for name in config.fixed.0.keys() {
        taken_by_one(&trainers, name)?;
    }
    let branches = trainers.iter().map(|trainer| branch(*trainer, config, given.as_deref())).collect::<Result<_>>()?;
    Ok(Space { branches })
}

fn trainers(config: &SearchConfig, task: Task) -> Result<Vec<&'static dyn Trainer>> {
    let listed = config.parameters.iter().flatten().find(|parameter| parameter.name == ALGORITHM);
    if let Some(parameter) = listed {
        let values = parameter.domain.all().unwrap_or_default();
        let name = |value: &Value| value.as_str().map(str::to_owned);
        let names: Option<Vec<String>> = values.iter().map(name).collect();
        let names = names.ok_or_else(|| MlError::space(ALGORITHM, "its values must be names of algorithms"))?;
        return names.iter().map(|name| trainer(name, task)).collect();
    }
    if config.algorithm == AUTO {
        return Ok(auto_trainers(task).to_vec());
    }
    Ok(vec![trainer(&config.algorithm, task)?])
}

/// A parameter belongs to the algorithms that take it; one that none takes is a mistake.
fn taken_by_one(trainers: &[&'static dyn Trainer], name: &str) -> Result<()> {
    if trainers.iter().any(|trainer| takes(*trainer, name)) {
        return Ok(());
    }
    let names: Vec<&str> = trainers.iter().map(|trainer| trainer.name()).collect();
    let mut known: Vec<&str> =
        trainers.iter().flat_map(|trainer| trainer.params()).map(|parameter| parameter.name).collect();
    known.sort_unstable();
    known.dedup();
    let reason = format!("no such parameter; it takes {}", known.join(", "));
    Err(MlError::Parameter { algorithm: names.join("` or `"), name: name.to_owned(), reason })
}

fn takes(trainer: &dyn Trainer, name: &str) -> bool {
    trainer.params().iter().any(|parameter| parameter.name == name)
}

fn branch(trainer: &'static dyn Trainer, config: &SearchConfig, given: Option<&[&Parameter]>) -> Result<Branch> {
    let mut fixed = config.fixed.clone();
    fixed.0.retain(|name, _| takes(trainer, name));
    fixed.resolved(trainer.name(), trainer.params())?;
    let own = || trainer.space().into_iter().filter(|parameter| fixed.get(&parameter.name).is_none());
    let mut parameters: Vec<Parameter> = match given {
        Some(given) => given.iter().filter(|one| takes(trainer, &one.name)).map(|one| (*one).clone()).collect(),
        None => own().collect(),
    };
    for parameter in &parameters {
        check_bounds(trainer, parameter)?;
    }
    let constant = |(name, value): (&String, &f64)| Parameter::new(name, Domain::constant((*value).into()));
    parameters.extend(fixed.0.iter().map(constant));
    let start = fixed.0.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
    let start = given.is_none().then_some(start);
    Ok(Branch { name: trainer.name().to_owned(), weight: trainer.search_weight(), parameters, start })
}

/// Refuses a range that reaches beyond what the algorithm allows, before anything is trained.
fn check_bounds(trainer: &dyn Trainer, parameter: &Parameter) -> Result<()> {
    let ends = match &parameter.domain {
        Domain::Range(range) => vec![Some(range.low), Some(range.high)],
        Domain::Choice { values, .. } => values.iter().map(Value::as_f64).collect(),
    };
    for end in ends {
        let reason = || format!("`{}` takes numbers for it", trainer.name());
        let end = end.ok_or_else(|| MlError::space(&parameter.name, reason()))?;
        let given = crate::Params::default().with(&parameter.name, end);
        given.resolved(trainer.name(), trainer.params())?;
    }
    Ok(())
}
