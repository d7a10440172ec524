//! What a parameter could be, and its value in Python's words: Optuna keeps a number, which of a choice is its place.

use serde_json::Value;

/// The value of a parameter as Python writes it.
pub(super) fn value(number: f64, distribution: &Value) -> Result<String, String> {
    let name = distribution.get("name").and_then(Value::as_str).unwrap_or_default();
    match name {
        "CategoricalDistribution" => {
            let choices = distribution.pointer("/attributes/choices").and_then(Value::as_array);
            let choice = choices.and_then(|choices| choices.get(number as usize));
            choice.map(python).ok_or_else(|| format!("is choice {number} of a list that has none there"))
        }
        "IntDistribution" | "IntUniformDistribution" | "IntLogUniformDistribution" => Ok(format!("{number:.0}")),
        "FloatDistribution" | "UniformDistribution" | "LogUniformDistribution" | "DiscreteUniformDistribution" => {
            Ok(float(number))
        }
        other => Err(format!("has a distribution `{other}`, which is not known")),
    }
}

/// A plain value as Python writes it.
pub(super) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => float(number),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number as Python's `repr` writes it: with an exponent from 1e16 on and below 1e-4, of at least two digits.
fn float(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || (1e-4..1e16).contains(&size) || !number.is_finite() {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |exponent| ("-", exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Expected by Python 3.11: `repr(…)`.
    #[test]
    fn values_are_written_as_python_does() {
        let float = |number| value(number, &json!({"name": "FloatDistribution"})).unwrap();
        let numbers = [0.1, 1.0, 5.553357074008551e-5, 1e-5, 1e16, -2.5e20, 123456.789, 0.0001];
        let texts = numbers.map(float);
        let expected = ["0.1", "1.0", "5.553357074008551e-05", "1e-05", "1e+16", "-2.5e+20", "123456.789", "0.0001"];
        assert_eq!(texts, expected);
        assert_eq!(value(7.0, &json!({"name": "IntDistribution"})).unwrap(), "7");
        let choices = json!({"name": "CategoricalDistribution", "attributes": {"choices": ["a", null, true, 3, 0.5]}});
        let chosen: Vec<_> = (0..5).map(|place| value(f64::from(place), &choices).unwrap()).collect();
        assert_eq!(chosen, ["a", "None", "True", "3", "0.5"]);
        assert!(value(9.0, &choices).is_err());
        assert!(value(9.0, &json!({"name": "Other"})).is_err());
    }
}
