//! Random edits of a generated project: of each kind that people make, on whatever asset comes up.

use std::collections::BTreeSet;

use super::generated::{Shape, Spec, Table, View, condition, number};
use super::random::Random;

/// Every kind of edit. What [`edit`] makes of one may change nothing, which the caller sees, or break a reader.
pub(crate) const KINDS: [&str; 26] = [
    "add a column",
    "change an expression",
    "change a filter",
    "add a filter",
    "drop a filter",
    "change a join",
    "change the filter of a joined input",
    "rename the aliases",
    "write it on one line, with a comment",
    "reorder the columns",
    "change a group key",
    "change a window's partition",
    "remove a column",
    "change a source column's type",
    "change when a source's rows are known",
    "remove an asset",
    "change an owner",
    "add a check",
    "describe a source otherwise",
    "turn a comparison around",
    "write the filters in another order",
    "write a filter twice",
    "read another input",
    "change a ttl",
    "offer another feature",
    "add an asset",
];

/// The project after one edit of a kind; `None` when what came up has nothing to edit.
pub(crate) fn edit(spec: &Spec, kind: &str, random: &mut Random) -> Option<(String, Spec)> {
    let mut edited = spec.clone();
    let target = match kind {
        "change a source column's type" | "change when a source's rows are known" | "describe a source otherwise" => {
            edit_source(&mut edited, kind, random)
        }
        "change a ttl" | "offer another feature" => edit_view(&mut edited, kind, random),
        "remove an asset" => remove_asset(&mut edited, random),
        "add an asset" => add_asset(&mut edited, random),
        _ => edit_table(&mut edited, kind, random),
    }?;
    (edited != *spec).then(|| (format!("{kind}: {target}"), edited))
}

fn edit_source(spec: &mut Spec, kind: &str, random: &mut Random) -> Option<String> {
    let number = random.between(0, spec.sources.len());
    let source = &mut spec.sources[number];
    match kind {
        "change a source column's type" => {
            let (column, other) = *random.of(&[("x", "float"), ("y", "float"), ("z", "float"), ("k", "string")]);
            source.types.insert(column, other);
        }
        "change when a source's rows are known" => {
            let days = random.between(312, 328);
            let later = format!("at + interval '{days} days'");
            source.available_at = if source.available_at.is_some() && random.happens(40) { None } else { Some(later) };
        }
        _ => source.description = "Made up, and described again".to_owned(),
    }
    Some(source.name.clone())
}

fn edit_view(spec: &mut Spec, kind: &str, random: &mut Random) -> Option<String> {
    let number = random.between(0, spec.views.len());
    let View { name, ttl, features, .. } = &mut spec.views[number];
    match kind {
        "change a ttl" => *ttl += 1,
        _ => {
            let missing: Vec<&str> = ["x", "y", "z"].into_iter().filter(|one| !features.contains(one)).collect();
            match missing.first() {
                Some(feature) => features.push(feature),
                None => drop(features.pop()),
            }
        }
    }
    Some(name.clone())
}

/// Removes what nobody reads.
fn remove_asset(spec: &mut Spec, random: &mut Random) -> Option<String> {
    if random.happens(30) {
        return Some(spec.views.remove(random.between(0, spec.views.len())).name);
    }
    let tables = spec.tables.iter().flat_map(|table| &table.from);
    let read: BTreeSet<String> = tables
        .chain(spec.views.iter().map(|view| &view.from))
        .chain(spec.exposures.iter().flat_map(|(_, reads)| reads))
        .cloned()
        .collect();
    let free: Vec<usize> = (0..spec.tables.len()).filter(|index| !read.contains(&spec.tables[*index].name)).collect();
    Some(spec.tables.remove(*random.of(&free)).name)
}

fn add_asset(spec: &mut Spec, random: &mut Random) -> Option<String> {
    let mut table = random.of(&spec.tables).clone();
    table.name = "newcomer".to_owned();
    table.filters.push(condition("$l.", random));
    spec.tables.push(table);
    Some("newcomer".to_owned())
}

fn edit_table(spec: &mut Spec, kind: &str, random: &mut Random) -> Option<String> {
    let wanted = |table: &&mut Table| match kind {
        "change a join" => table.shape == Shape::Join,
        "change the filter of a joined input" => {
            !matches!(table.shape, Shape::Filter | Shape::Star | Shape::Group | Shape::Window)
        }
        "change a group key" => table.shape == Shape::Group,
        "change a window's partition" => table.shape == Shape::Window,
        "change a filter"
        | "drop a filter"
        | "turn a comparison around"
        | "write the filters in another order"
        | "write a filter twice" => !table.filters.is_empty(),
        "reorder the columns" | "remove a column" => table.shape != Shape::Star,
        _ => true,
    };
    let mut tables: Vec<&mut Table> = spec.tables.iter_mut().filter(wanted).collect();
    let number = random.between(0, tables.len());
    let table = tables.swap_remove(number);
    change(table, kind, random)?;
    Some(table.name.clone())
}

fn change(table: &mut Table, kind: &str, random: &mut Random) -> Option<()> {
    let last = table.columns.len() - 1;
    match kind {
        "add a column" => table.columns.push(("extra".to_owned(), number(table.shape, random))),
        "change an expression" => {
            table.columns[random.between(last.saturating_sub(2), last + 1)].1 = number(table.shape, random);
        }
        "change a filter" => table.filters[0] = condition("$l.", random),
        "add a filter" => table.filters.push(condition("$l.", random)),
        "drop a filter" => drop(table.filters.pop()),
        "change a join" => table.join = if table.join == "join" { "left join" } else { "join" },
        "change the filter of a joined input" => table.right_filter = condition("", random),
        "rename the aliases" => table.aliases = ("one", "other"),
        "write it on one line, with a comment" => {
            table.breaks_lines = false;
            table.comment = "-- the same as before\n".to_owned();
        }
        "reorder the columns" => table.columns.reverse(),
        "change a group key" => table.group += random.between(1, 9),
        "change a window's partition" => table.partition = if table.partition == "$l.k" { "$l.c" } else { "$l.k" },
        "remove a column" => drop(table.columns.remove(random.between(3, last + 1))),
        "change an owner" => table.owner = "new@example.com".to_owned(),
        "add a check" => table.checks_id = true,
        "turn a comparison around" => table.filters[0] = turned(&table.filters[0])?,
        "write the filters in another order" => table.filters.reverse(),
        "write a filter twice" => table.filters.push(table.filters[0].clone()),
        "read another input" => table.from.reverse(),
        other => panic!("no such edit: {other}"),
    }
    Some(())
}

/// `3 < a` for `a > 3`, two comparisons for `between`.
fn turned(filter: &str) -> Option<String> {
    if let Some((column, range)) = filter.split_once(" between ") {
        let (least, most) = range.split_once(" and ")?;
        return Some(format!("{column} <= {most} and {least} <= {column}"));
    }
    let (column, value) = filter.split_once(" > ")?;
    Some(format!("{value} < {column}"))
}
