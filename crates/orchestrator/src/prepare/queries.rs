//! Tables: what their queries read and yield, from what is remembered of them, else resolved side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use baton_core::asset::{Materialize, Table};
use baton_core::{AssetName, Definition, Fingerprint, Graph};
use baton_diagnostics::Diagnostic;
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, TableFingerprints};
use baton_project::Project;

use super::diagnose::in_query;
use super::levels::side_by_side;
use super::remembered::{Remembered, reference_key, seen, table_key};
use super::{Resolver, identity, kept};

/// What each table's query reads; mistakes in the order of names.
pub(super) fn sql_reads(
    project: &Project,
    remembered: &mut Remembered,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<AssetName, BTreeSet<String>> {
    let tables = project.assets.iter().filter_map(|(name, asset)| match &asset.definition {
        Definition::Table(table) => Some((name, table)),
        _ => None,
    });
    let tables: Vec<(&AssetName, &Table)> = tables.collect();
    let known = &*remembered;
    let found = side_by_side(&tables, |(name, table)| {
        let key = reference_key(name, table);
        match known.references(&key) {
            Some(found) => (key, true, Ok(found)),
            None => (key, false, kept::references(name, table)),
        }
    });
    let mut reads = BTreeMap::new();
    for ((name, table), (key, was_known, found)) in tables.into_iter().zip(found) {
        match found {
            Ok(found) => {
                if was_known {
                    remembered.use_again(&key);
                } else {
                    remembered.keep_references(&key, &found);
                }
                reads.insert(name.clone(), found);
            }
            Err(problem) => diagnostics.push(in_query(name, table, project.assets.get(name), &problem)),
        }
    }
    reads
}

/// A resolved table.
pub(super) struct Resolved {
    /// What its query computes, and how it is kept.
    computed: TableFingerprints,
    analysis: Arc<Analysis>,
    /// What readers see of it.
    upstream: Upstream,
    /// The same as a fingerprint.
    seen: Fingerprint,
}

impl Resolved {
    fn of(table: &Table, (computed, analysis): (TableFingerprints, Analysis)) -> Self {
        let kept = identity::table(table, computed.clone());
        // Readers see the same rows whether they are stored or not.
        let fingerprints = match table.materialize {
            Materialize::Table | Materialize::View => computed,
            _ => kept.clone(),
        };
        let fields = analysis.schema.iter().map(|(name, kind, nullable)| Field::new(name, kind.clone(), *nullable));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let upstream = Upstream { schema, fingerprints };
        Self { computed: kept, analysis: Arc::new(analysis), seen: seen(&upstream), upstream }
    }
}

impl Resolver<'_> {
    /// Resolves the queries of a level side by side, as far as they are not remembered.
    pub(super) fn resolve_queries(&mut self, level: &[&AssetName], graph: &Graph) {
        let project = self.project;
        let tables = level.iter().filter_map(|name| match &project.assets.get(*name)?.definition {
            Definition::Table(table) => Some((*name, table)),
            _ => None,
        });
        let tables: Vec<(&AssetName, &Table)> = tables.collect();
        let (known, all, all_seen) = (&self.remembered, &self.upstream, &self.seen);
        let found = side_by_side(&tables, |(name, table)| {
            let inputs = || graph.inputs(name).map(|input| input.as_str());
            let key = table_key(name, table, inputs().filter_map(|input| all_seen.get_key_value(input)));
            if let Some(found) = known.table(&key) {
                return (key, None, Ok(Resolved::of(table, found)));
            }
            let upstream = inputs().filter_map(|input| all.get_key_value(input));
            let upstream = upstream.map(|(input, table)| (input.clone(), table.clone())).collect();
            match kept::resolved(name, table, &upstream) {
                Ok(found) => (key, Remembered::line(&found), Ok(Resolved::of(table, found))),
                Err(problems) => (key, None, Err(problems)),
            }
        });
        for ((name, _), (key, news, found)) in tables.into_iter().zip(found) {
            match news {
                Some(news) => self.remembered.keep(&key, &news),
                None => self.remembered.use_again(&key),
            }
            self.resolved.insert(name.clone(), found);
        }
    }

    /// Takes what came of a table's query; `None`, and diagnostics, when it cannot be resolved.
    pub(super) fn table(&mut self, name: &AssetName, table: &Table) -> Option<TableFingerprints> {
        match self.resolved.remove(name)? {
            Ok(Resolved { computed, analysis, upstream, seen }) => {
                self.seen.insert(name.to_string(), seen);
                self.upstream.insert(name.to_string(), upstream);
                self.check_table(name, table);
                self.analyses.insert(name.clone(), analysis);
                Some(computed)
            }
            Err(problems) => {
                let asset = self.project.assets.get(name);
                // What cannot be parsed, and tables that nobody knows, were told when it was asked what it reads.
                let found: Vec<Diagnostic> =
                    problems.iter().map(|problem| in_query(name, table, asset, problem)).collect();
                let is_told = |found: &Diagnostic| self.diagnostics.iter().any(|known| is_same(known, found));
                let news: Vec<Diagnostic> = found.into_iter().filter(|found| !is_told(found)).collect();
                self.diagnostics.extend(news);
                None
            }
        }
    }
}

/// Whether both say the same of one place, in whatever words.
fn is_same(one: &Diagnostic, other: &Diagnostic) -> bool {
    let place =
        |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| (label.file.clone(), label.line, label.column));
    one.code == other.code && place(one).is_some() && place(one) == place(other)
}
