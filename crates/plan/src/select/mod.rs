//! Selection: which assets a command is about, in the grammar of dbt.
//!
//! [`Selection::parse`] reads expressions, [`Selection::resolve`] finds their assets. A space (or a further argument) is
//! a union, a comma an intersection; a graph operator widens one term: `+x` `x+` `2+x` `x+2` `@x`; a term is a name with
//! wildcards or `method:value`. Pure: knows the graph, the declared assets and a plan, and nothing of commands.

mod error;
mod pattern;
mod result;
mod syntax;
mod walk;

use std::collections::BTreeSet;

use baton_core::asset::Assets;
use baton_core::{Asset, AssetName, Definition, Graph};
use baton_diagnostics::nearest;

use crate::plan::{Change, Plan};
use pattern::Pattern;
use syntax::{Criterion, Group, StateWord, Term};

pub use error::SelectError;
pub use result::{LastRun, StepResult};

/// What a selection is resolved against.
#[derive(Debug, Clone, Copy)]
pub struct SelectionContext<'a> {
    /// Which asset reads which.
    pub graph: &'a Graph,
    /// What the project declares.
    pub assets: &'a Assets,
    /// What would change; needed by `state:` only.
    pub plan: Option<&'a Plan>,
    /// How the environment's last run went; needed by `result:` only.
    pub last_run: Option<&'a LastRun>,
}

/// Expressions that were understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    selected: Vec<Group>,
    excluded: Vec<Group>,
}

/// The assets that a selection stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The assets.
    pub assets: BTreeSet<AssetName>,
    /// Expressions that match nothing: no mistake for sure, and worth a warning.
    pub unmatched: Vec<Unmatched>,
}

/// An expression that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The expression as written.
    pub expression: String,
    /// The value that would have matched, when one is near.
    pub nearest: Option<String>,
}

impl Unmatched {
    /// The warning in words.
    pub fn message(&self) -> String {
        let hint = self.nearest.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        format!("`{}` selects nothing{hint}", self.expression)
    }
}

impl Selection {
    /// Reads `arguments`, each of them one or more expressions. None selects everything.
    ///
    /// # Errors
    /// The first expression that cannot be understood, with its place.
    pub fn parse(arguments: &[String]) -> Result<Self, SelectError> {
        Ok(Self { selected: syntax::parse(arguments)?, excluded: Vec::new() })
    }

    /// Takes what `arguments` select out of the selection.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn excluding(mut self, arguments: &[String]) -> Result<Self, SelectError> {
        self.excluded.extend(syntax::parse(arguments)?);
        Ok(self)
    }

    /// Whether it selects everything, because nothing was asked for.
    pub fn is_everything(&self) -> bool {
        self.selected.is_empty() && self.excluded.is_empty()
    }

    /// Whether resolving it needs a plan.
    pub fn needs_plan(&self) -> bool {
        let groups = self.selected.iter().chain(&self.excluded);
        groups.flat_map(|group| &group.terms).any(|term| matches!(term.criterion, Criterion::State(_)))
    }

    /// Whether resolving it needs the environment's last run.
    pub fn needs_run(&self) -> bool {
        let groups = self.selected.iter().chain(&self.excluded);
        groups.flat_map(|group| &group.terms).any(|term| matches!(term.criterion, Criterion::Result(_)))
    }

    /// The assets that are selected and not excluded.
    ///
    /// # Errors
    /// [`SelectError::UnknownAsset`] for a name without wildcards that no asset has, [`SelectError::NeedsPlan`],
    /// [`SelectError::NeedsRun`].
    pub fn resolve(&self, context: &SelectionContext<'_>) -> Result<Selected, SelectError> {
        let mut found = Selected::default();
        if self.selected.is_empty() {
            found.assets = everything(context);
        }
        for group in &self.selected {
            let assets = resolve_group(group, context)?;
            found.note_if_unmatched(group, &assets, context);
            found.assets.extend(assets);
        }
        for group in &self.excluded {
            let assets = resolve_group(group, context)?;
            found.note_if_unmatched(group, &assets, context);
            found.assets.retain(|name| !assets.contains(name));
        }
        Ok(found)
    }
}

impl Selected {
    fn note_if_unmatched(&mut self, group: &Group, assets: &BTreeSet<AssetName>, context: &SelectionContext<'_>) {
        if !assets.is_empty() {
            return;
        }
        let nearest = match group.terms.as_slice() {
            [only] => nearest_value(only, context),
            _ => None,
        };
        self.unmatched.push(Unmatched { expression: group.text.clone(), nearest });
    }
}

/// All that is declared, and all that a plan would remove.
fn everything(context: &SelectionContext<'_>) -> BTreeSet<AssetName> {
    let planned = context.plan.into_iter().flat_map(|plan| &plan.assets).map(|planned| &planned.name);
    context.assets.keys().chain(planned).cloned().collect()
}

fn resolve_group(group: &Group, context: &SelectionContext<'_>) -> Result<BTreeSet<AssetName>, SelectError> {
    let mut common: Option<BTreeSet<AssetName>> = None;
    for term in &group.terms {
        let seeds = matching(term, context)?;
        let reached = walk::widen(seeds, term.walk, context.graph);
        common = Some(match common {
            None => reached,
            Some(common) => common.intersection(&reached).cloned().collect(),
        });
    }
    Ok(common.unwrap_or_default())
}

/// The assets that a term names itself, before its graph operators.
fn matching(term: &Term, context: &SelectionContext<'_>) -> Result<BTreeSet<AssetName>, SelectError> {
    let of_assets = |holds: &dyn Fn(&Asset) -> bool| -> BTreeSet<AssetName> {
        context.assets.iter().filter(|(_, asset)| holds(asset)).map(|(name, _)| name.clone()).collect()
    };
    Ok(match &term.criterion {
        Criterion::Name(pattern) => return named(term, pattern, context),
        Criterion::Tag(pattern) => of_assets(&|asset| asset.tags.iter().any(|tag| pattern.matches(tag))),
        Criterion::Owner(pattern) => of_assets(&|asset| asset.owner.iter().any(|owner| pattern.matches(owner))),
        Criterion::Kind(kind) => of_assets(&|asset| asset.kind() == *kind),
        Criterion::Source(pattern) => {
            of_assets(&|asset| matches!(asset.definition, Definition::Source(_)) && pattern.matches(&asset.name))
        }
        Criterion::Path(pattern) => of_assets(&|asset| files(asset).any(|file| pattern.matches_path(file))),
        Criterion::State(word) => {
            let plan = context.plan.ok_or_else(|| SelectError::NeedsPlan { place: term.place.clone() })?;
            let planned = plan.assets.iter().filter(|planned| has_state(*word, planned.change));
            planned.map(|planned| planned.name.clone()).collect()
        }
        Criterion::Result(wanted) => {
            let last = context.last_run.ok_or_else(|| SelectError::NeedsRun { place: term.place.clone() })?;
            let known = everything(context);
            known.into_iter().filter(|name| last.result(name) == Some(*wanted)).collect()
        }
    })
}

fn named(term: &Term, pattern: &Pattern, context: &SelectionContext<'_>) -> Result<BTreeSet<AssetName>, SelectError> {
    let known = everything(context);
    let found: BTreeSet<AssetName> = known.iter().filter(|name| pattern.matches(name)).cloned().collect();
    if found.is_empty() && !pattern.is_wild() {
        let nearest = nearest(pattern.text(), known.iter().map(|name| name.as_str())).map(str::to_owned);
        return Err(SelectError::UnknownAsset { name: pattern.text().to_owned(), place: term.place.clone(), nearest });
    }
    Ok(found)
}

/// The files that declare an asset, relative to the project folder.
fn files(asset: &Asset) -> impl Iterator<Item = &str> {
    let query = match &asset.definition {
        Definition::Table(table) => Some(table.file.as_str()),
        _ => None,
    };
    [Some(asset.origin.file.as_str()), query].into_iter().flatten()
}

fn has_state(word: StateWord, change: Change) -> bool {
    match word {
        StateWord::Modified => !matches!(change, Change::Unchanged | Change::Data | Change::Removed),
        StateWord::Exactly(wanted) => change == wanted,
    }
}

/// The nearest value that a term which matches nothing could have meant.
fn nearest_value(term: &Term, context: &SelectionContext<'_>) -> Option<String> {
    let assets = context.assets.values();
    let (pattern, known): (&Pattern, BTreeSet<&str>) = match &term.criterion {
        Criterion::Tag(pattern) => (pattern, assets.flat_map(|asset| &asset.tags).map(String::as_str).collect()),
        Criterion::Owner(pattern) => (pattern, assets.filter_map(|asset| asset.owner.as_deref()).collect()),
        Criterion::Source(pattern) => {
            let sources = assets.filter(|asset| matches!(asset.definition, Definition::Source(_)));
            (pattern, sources.map(|asset| asset.name.as_str()).collect())
        }
        Criterion::Path(pattern) => (pattern, assets.flat_map(files).collect()),
        Criterion::Name(_) | Criterion::Kind(_) | Criterion::State(_) | Criterion::Result(_) => return None,
    };
    nearest(pattern.text(), known).map(str::to_owned)
}
