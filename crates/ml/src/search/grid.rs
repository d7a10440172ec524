//! Every combination of values, the last parameter's changing fastest.

use super::space::{Branch, MOST_POINTS, Point, Space};
use crate::error::{MlError, Result};
use serde_json::Value;

/// How many points there are.
///
/// # Errors
///
/// [`MlError::Space`] for a parameter whose values cannot be counted, and for more points than anybody waits for.
pub(super) fn size(space: &Space) -> Result<usize> {
    let mut total = 0usize;
    for branch in &space.branches {
        let sizes = values(branch)?.into_iter().map(|values| values.len());
        total = sizes.fold(1, usize::saturating_mul).saturating_add(total);
    }
    if total > MOST_POINTS {
        return Err(MlError::space(
            "",
            format!("the grid has more than {MOST_POINTS} points; search at random or by tpe"),
        ));
    }
    Ok(total)
}

/// The point of trial `number`; `None` behind the last.
pub(super) fn point(space: &Space, number: usize) -> Result<Option<Point>> {
    let mut left = number;
    for branch in &space.branches {
        let values = values(branch)?;
        let size: usize = values.iter().map(Vec::len).product();
        if left < size {
            return Ok(Some(at(branch, &values, left)));
        }
        left -= size;
    }
    Ok(None)
}

fn at(branch: &Branch, values: &[Vec<Value>], mut left: usize) -> Point {
    let mut settings = std::collections::BTreeMap::new();
    for (parameter, values) in branch.parameters.iter().zip(values).rev() {
        settings.insert(parameter.name.clone(), values[left % values.len()].clone());
        left /= values.len();
    }
    Point { branch: branch.name.clone(), settings }
}

fn values(branch: &Branch) -> Result<Vec<Vec<Value>>> {
    let reason = "a grid needs a list of values, whole numbers, or a step";
    let all = |parameter: &super::space::Parameter| {
        parameter.domain.all().ok_or_else(|| MlError::space(&parameter.name, reason))
    };
    branch.parameters.iter().map(all).collect()
}
