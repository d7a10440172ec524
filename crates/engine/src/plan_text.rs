//! Plans as text that can be compared line by line.

/// Steps whose values stand beside each other, in the words of the planner.
const LISTS: [&str; 1] = ["Projection: "];

/// The text of a plan with each value of a projection on a line of its own.
pub(crate) fn value_a_line(plan: &str) -> String {
    let mut text = String::new();
    for line in plan.lines() {
        let step = line.trim_start();
        let indent = &line[..line.len() - step.len()];
        match LISTS.iter().find_map(|list| Some((list.trim_end(), step.strip_prefix(list)?))) {
            Some((list, values)) => {
                text.push_str(&format!("{indent}{list}\n"));
                parted(values).into_iter().for_each(|value| text.push_str(&format!("{indent}    {value}\n")));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// Values parted by commas that stand in no parentheses and no quotes.
fn parted(values: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut start) = (0_usize, false, 0);
    let mut found = Vec::new();
    for (place, letter) in values.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '(' | '[' if !is_quoted => depth += 1,
            ')' | ']' if !is_quoted => depth = depth.saturating_sub(1),
            ',' if !is_quoted && depth == 0 => {
                found.push(values[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    found.push(values[start..].trim());
    found
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn values_of_projections_have_lines_of_their_own() {
        let plan = "Projection: a.id, coalesce(a.name, Utf8(\"a, (\")) AS name, a.x\n  Filter: a.id IN ([1, 2])\n    Projection: a.id\n";
        expect![[r#"
            Projection:
                a.id
                coalesce(a.name, Utf8("a, (")) AS name
                a.x
              Filter: a.id IN ([1, 2])
                Projection:
                    a.id
        "#]]
        .assert_eq(&value_a_line(plan));
    }
}
