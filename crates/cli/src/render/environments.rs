//! Environments, what differs between them, promotions and tags.

use baton_orchestrator::{Comparison, Conflict, EnvironmentLine, MoveKind, PromoteReport, SideChange, TagLine};

use super::style;
use super::table::Table;
use crate::instant;
use crate::saved_plan::owners;

/// Environments, one a line.
pub(crate) fn environments(lines: &[EnvironmentLine]) -> String {
    let mut table = Table::new(&["environment", "commit", "as of", "made", "by", ">assets", "why"]);
    for line in lines {
        let short = |id: &String| id.get(..10).unwrap_or(id).to_owned();
        table.row([
            line.name.clone(),
            line.commit.as_ref().map_or_else(|| "-".to_owned(), short),
            line.as_of.map(instant::show).unwrap_or_default(),
            line.created_at.map(instant::show).unwrap_or_default(),
            line.author.clone().unwrap_or_default(),
            line.assets.to_string(),
            line.reason.clone().unwrap_or_else(|| "not built yet".to_owned()),
        ]);
    }
    table.render("")
}

/// Tags, one a line.
pub(crate) fn tags(lines: &[TagLine]) -> String {
    if lines.is_empty() {
        return "there are no tags; `baton tag NAME` names the head of the environment\n".to_owned();
    }
    let mut table = Table::new(&["tag", "commit", "of", "as of", "by", "why"]);
    for line in lines {
        table.row([
            line.name.clone(),
            line.commit.get(..10).unwrap_or(&line.commit).to_owned(),
            line.environment.clone(),
            instant::show(line.as_of),
            line.author.clone(),
            line.reason.clone(),
        ]);
    }
    table.render("")
}

/// What differs between two commits.
pub(crate) fn comparison(found: &Comparison) -> String {
    let short = |(name, id): &(String, String)| format!("{name} ({})", id.get(..10).unwrap_or(id));
    let mut text = format!("{} → {}\n", short(&found.from), short(&found.to));
    if found.differences.is_empty() {
        return format!("{text}\n  No differences.\n");
    }
    text.push('\n');
    for difference in &found.differences {
        let sign = match difference.change {
            "added" => style::good("+"),
            "removed" => style::error("-"),
            _ => style::hint("~"),
        };
        let (kind, name) = (difference.kind.to_string(), &difference.asset);
        text.push_str(&line(&sign, &kind, name, difference.change, &difference.details));
    }
    text.push_str(&format!("\n  {} differ, {} the same\n", found.differences.len(), found.unchanged));
    text
}

/// What a promotion moved, would move, or could not decide.
pub(crate) fn promotion(report: &PromoteReport) -> String {
    let (source, target) = (&report.source, &report.target);
    let base = report
        .base
        .as_ref()
        .map_or_else(|| "nothing in common".to_owned(), |id| format!("both come from {}", id.get(..10).unwrap_or(id)));
    let mut text = format!("Promotion of `{source}` into `{target}`: {base}\n\n");
    for conflict in &report.conflicts {
        text.push_str(&conflict_text(conflict));
    }
    if !report.conflicts.is_empty() {
        return text;
    }
    if report.moves.is_empty() {
        return format!("{text}  Nothing to promote: `{target}` has all that `{source}` changed.\n");
    }
    for moved in &report.moves {
        let (sign, word) = match moved.change {
            MoveKind::Added => (style::good("+"), "new"),
            MoveKind::Removed => (style::error("-"), "removed"),
            MoveKind::Changed => (style::hint("~"), "changed"),
            MoveKind::RowsMerged => (style::hint("~"), "rows merged by key"),
        };
        let details: &[String] = if word == "new" || word == "removed" { &[] } else { &moved.details };
        text.push_str(&line(&sign, &moved.kind.to_string(), &moved.asset, word, details));
    }
    text.push_str(&behind_text(report));
    text.push_str(&approvals_text(report));
    match &report.commit {
        Some(commit) => {
            let (id, when) = (commit.get(..10).unwrap_or(commit), instant::show(report.as_of));
            text.push_str(&format!("\n{target} moved to {id}, as of {when}\n"));
        }
        None => text.push_str(&format!("\n{} would move\n", report.moves.len())),
    }
    text
}

fn line(sign: &str, kind: &str, name: &str, word: &str, details: &[String]) -> String {
    let details = if details.is_empty() { String::new() } else { format!(": {}", details.join("; ")) };
    format!("  {sign} {kind:<13} {name:<22} {word}{details}\n")
}

fn approvals_text(report: &PromoteReport) -> String {
    match report.approvals.is_empty() {
        true => String::new(),
        false => format!("\n  Approval missing from {}\n", owners(&report.approvals)),
    }
}

fn behind_text(report: &PromoteReport) -> String {
    if report.behind.is_empty() {
        return String::new();
    }
    let mut text =
        format!("\n  Made from other versions than `{}` has; its next run brings them up to date:\n", report.target);
    for behind in &report.behind {
        let short = |version: &str| {
            let (location, number) = version.rsplit_once('@').unwrap_or((version, "?"));
            let folder = location.rsplit('/').next().unwrap_or(location);
            format!("v{number} of {}", folder.get(..8).unwrap_or(folder))
        };
        let (from, beside) = (short(&behind.made_from), short(&behind.beside));
        text.push_str(&format!("    {} from {} {from}, now {beside}\n", behind.asset, behind.input));
    }
    text
}

fn conflict_text(conflict: &Conflict) -> String {
    let (sign, kind) = (style::error("!"), conflict.kind.to_string());
    let mut text = format!("  {sign} {kind:<13} {:<22} {}\n", conflict.asset.as_str(), conflict.what);
    for side in [&conflict.source, &conflict.target].into_iter().flatten() {
        text.push_str(&side_text(side));
    }
    for row in &conflict.rows {
        text.push_str(&format!(
            "      key {}\n        before {}\n        source {}\n        target {}\n",
            row.key, row.base, row.source, row.target
        ));
    }
    text
}

fn side_text(side: &SideChange) -> String {
    let (environment, commit, author) = (&side.environment, &side.commit, &side.author);
    let (when, reason) = (instant::show(side.at), &side.reason);
    format!("      {environment}: {author} at {when} in {commit} ({reason}): {}\n", side.details.join("; "))
}
