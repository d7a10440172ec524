//! Values that a call gives the project's parameters: read, held to their types, and put in the place of the defaults.

use std::collections::BTreeMap;

use baton_core::Parameter;
use baton_core::parameter::shown;
use baton_diagnostics::nearest;
use serde_json::Value;

use crate::args::ParameterArguments;
use crate::error::CliError;
use crate::project::Workspace;

impl ParameterArguments {
    /// Texts by name.
    ///
    /// # Errors
    /// A bad argument without a `=`, or a name that is given twice.
    pub(crate) fn texts(&self) -> Result<BTreeMap<String, String>, CliError> {
        let mut texts = BTreeMap::new();
        for written in &self.params {
            let Some((name, value)) = written.split_once('=') else {
                let message = format!("`--param {written}` gives no value");
                return Err(CliError::argument(message, "write `--param name=value`"));
            };
            if texts.insert(name.trim().to_owned(), value.to_owned()).is_some() {
                return Err(CliError::argument(format!("parameter `{name}` is given twice"), "give it once"));
            }
        }
        Ok(texts)
    }
}

impl Workspace {
    /// The workspace in which the project's parameters have the values that texts stand for.
    ///
    /// # Errors
    /// As [`read_parameters`].
    pub(crate) fn given_texts(self, texts: &BTreeMap<String, String>) -> Result<Self, CliError> {
        let values = read_parameters(&self.project.params, texts)?;
        self.given(values)
    }

    /// The workspace in which the project's parameters have these values.
    ///
    /// # Errors
    /// A bad argument for a value that is not of its parameter's type, as after an edit of the project.
    pub(crate) fn given(mut self, values: BTreeMap<String, Value>) -> Result<Self, CliError> {
        let mut others = BTreeMap::new();
        for (name, value) in values {
            let checked = self.project.params.get(&name).map(|parameter| parameter.check(value.clone()));
            match checked {
                Some(Ok(value)) if self.project.params.get(&name).is_some_and(|found| found.default == value) => {}
                Some(Ok(value)) => drop(others.insert(name, value)),
                _ => {
                    let message = format!("the project has no parameter `{name}` that can be `{}`", shown(&value));
                    return Err(CliError::argument(message, "`params:` in `baton.yml` declares them"));
                }
            }
        }
        if !others.is_empty() {
            self.vary(others);
        }
        Ok(self)
    }
}

/// The values that texts stand for, by the types of the `declared` parameters.
///
/// # Errors
/// A bad argument for a parameter that is not declared, or a value that is not of its type.
pub(crate) fn read_parameters(
    declared: &BTreeMap<String, Parameter>,
    texts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, CliError> {
    let mut values = BTreeMap::new();
    for (name, text) in texts {
        let Some(parameter) = declared.get(name) else {
            let help = match nearest(name, declared.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "parameters are declared under `params:` in `baton.yml`".to_owned(),
            };
            return Err(CliError::argument(format!("there is no parameter `{name}`"), help));
        };
        let value = parameter.parse(text).map_err(|expected| {
            CliError::argument(format!("parameter `{name}` is `{text}`"), format!("it has to be {expected}"))
        })?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_behind_the_first_sign() {
        let read = |params: &[&str]| {
            let params = params.iter().map(|text| (*text).to_owned()).collect();
            ParameterArguments { params }.texts().map_err(|error| error.to_string())
        };
        let found = read(&["region=eu", "where=a=b", "none="]).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(found, [("none", ""), ("region", "eu"), ("where", "a=b")]);
        assert_eq!(read(&["region"]).unwrap_err(), "`--param region` gives no value");
        assert_eq!(read(&["a=1", "a=2"]).unwrap_err(), "parameter `a` is given twice");
    }
}
