//! References to secrets in options: `${env:NAME}` and `${file:PATH}`, resolved right before a connection is made.
//!
//! What is stored, hashed and shown is the reference. Where variables come from is the caller's business: nothing here
//! reads the process environment.

use std::path::Path;

use serde_json::{Map, Value};

use crate::ConnectorError;

/// Answers with the value of a variable of the process environment.
pub type Variables<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// The options with every reference replaced by what it stands for. Relative files start at `root`; a line break at a
/// file's end is cut off, as editors and secret stores add one.
///
/// # Errors
/// The first reference that leads nowhere.
pub fn resolve_secrets(
    options: &Map<String, Value>,
    root: &Path,
    variables: Variables<'_>,
) -> Result<Map<String, Value>, ConnectorError> {
    let resolved = options.iter().map(|(key, value)| Ok((key.clone(), resolve_value(value, root, variables)?)));
    resolved.collect()
}

fn resolve_value(value: &Value, root: &Path, variables: Variables<'_>) -> Result<Value, ConnectorError> {
    Ok(match value {
        Value::String(text) => resolve_text(text, root, variables)?.into(),
        Value::Array(items) => {
            items.iter().map(|item| resolve_value(item, root, variables)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Object(map) => resolve_secrets(map, root, variables)?.into(),
        other => other.clone(),
    })
}

fn resolve_text(text: &str, root: &Path, variables: Variables<'_>) -> Result<String, ConnectorError> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        resolved.push_str(before);
        let Some((reference, tail)) = after.split_once('}') else {
            resolved.push_str("${");
            rest = after;
            continue;
        };
        match reference.split_once(':') {
            Some(("env", name)) => resolved.push_str(&variable(name, variables)?),
            Some(("file", path)) => resolved.push_str(&file(path, root)?),
            // Other braces belong to whoever reads the option, such as a shell-like template of an API.
            _ => {
                resolved.push_str("${");
                resolved.push_str(reference);
                resolved.push('}');
            }
        }
        rest = tail;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn variable(name: &str, variables: Variables<'_>) -> Result<String, ConnectorError> {
    variables(name).ok_or_else(|| ConnectorError::Secret {
        reference: format!("${{env:{name}}}"),
        reason: format!("is not there: the environment has no variable `{name}`"),
        hint: format!("set it where Baton runs, such as `export {name}=…`, or read a file with `${{file:…}}`"),
    })
}

fn file(path: &str, root: &Path) -> Result<String, ConnectorError> {
    let read = std::fs::read_to_string(root.join(path));
    let text = read.map_err(|error| ConnectorError::Secret {
        reference: format!("${{file:{path}}}"),
        reason: format!("cannot be read: {error}"),
        hint: "create the file, or mend its path or permissions".to_owned(),
    })?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(value: Value) -> Result<Value, String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("token"), "from a file\n").unwrap();
        let variables = |name: &str| (name == "PASSWORD").then(|| "s3cret".to_owned());
        let options: Map<String, Value> = [("option".to_owned(), value)].into_iter().collect();
        let found = resolve_secrets(&options, root.path(), &variables).map_err(|error| error.to_string())?;
        Ok(found["option"].clone())
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        assert_eq!(resolved(json!("postgres://app:${env:PASSWORD}@db")), Ok(json!("postgres://app:s3cret@db")));
        assert_eq!(
            resolved(json!({"auth": [{"token": "${file:token}"}]})),
            Ok(json!({"auth": [{"token": "from a file"}]}))
        );
        assert_eq!(resolved(json!("${other} $5 ${open")), Ok(json!("${other} $5 ${open")));
        assert_eq!(resolved(json!(7)), Ok(json!(7)));
    }

    #[test]
    fn references_that_lead_nowhere_are_named() {
        let missing = resolved(json!("${env:GONE}")).unwrap_err();
        assert!(missing.starts_with("secret `${env:GONE}` is not there"), "{missing}");
        let missing = resolved(json!("${file:gone}")).unwrap_err();
        assert!(missing.starts_with("secret `${file:gone}` cannot be read"), "{missing}");
    }
}
