//! What a table says about how its rows are kept: columns that come by it, columns and keys that it needs, combinations
//! that mean nothing.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_core::asset::{Materialize, Table, VALID_FROM};
use baton_core::{Asset, AssetName, Fingerprint};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, SqlProblem, TableFingerprints, analyze, fingerprints, table_references};

use super::diagnose::at;
use super::{Resolver, for_each, program, python};
use crate::for_each::sample;

/// The tables that a table reads: what makes it, and the query of its values.
pub(super) fn references(name: &AssetName, table: &Table) -> Result<BTreeSet<String>, SqlProblem> {
    let mut found = handed(name, table)?;
    found.extend(for_each::references(table)?);
    Ok(found)
}

/// The tables that the query, function or command of a table is handed. A query that goes on from what is stored may read the
/// table itself.
pub(crate) fn handed(name: &AssetName, table: &Table) -> Result<BTreeSet<String>, SqlProblem> {
    if let Some(python) = &table.python {
        return Ok(python.parameters.iter().map(|parameter| parameter.input.to_string()).collect());
    }
    if let Some(step) = &table.command {
        return Ok(step.inputs.iter().map(ToString::to_string).collect());
    }
    let mut found = table_references(&table.sql)?;
    if let Some(sql) = &table.keep.incremental_sql {
        found.extend(table_references(sql)?.into_iter().filter(|read| read != name.as_str()));
    }
    Ok(found)
}

/// What a table's rows and columns are, with those that come by the way it is kept.
pub(super) fn resolved(
    name: &AssetName,
    table: &Table,
    upstream: &BTreeMap<String, Upstream>,
) -> Result<(TableFingerprints, Analysis), Vec<SqlProblem>> {
    let schemas: BTreeMap<String, SchemaRef> =
        upstream.iter().map(|(input, table)| (input.clone(), table.schema.clone())).collect();
    let problems = for_each::problems(name, table, upstream);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (computed, mut analysis) = match (&table.python, &table.command) {
        (Some(python), _) => python::resolved(name, table, python, upstream)?,
        (None, Some(step)) => program::resolved(name, table, step, upstream)?,
        (None, None) => {
            let sql = sample(table).map_err(|problem| vec![problem])?;
            (fingerprints(&sql, upstream)?, analyze(&schemas, name, &sql)?)
        }
    };
    let mut computed = for_each::with_values(table, computed, upstream)?;
    analysis.reads.extend(for_each::references(table).unwrap_or_default());
    for column in table.materialize.added_columns() {
        if analysis.schema.iter().any(|(known, ..)| known == column) {
            let message = format!("a table that is kept as `{}` adds `{column}` itself", table.materialize.word());
            return Err(vec![SqlProblem::somewhere(format!("{message}: give the query's column another name"))]);
        }
        let lineage = match (&table.keep.updated_at, *column) {
            (Some(at), VALID_FROM) => analysis.column_lineage.get(at).cloned().unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        analysis.schema.push(((*column).to_owned(), instant(), true));
        analysis.column_lineage.insert((*column).to_owned(), lineage);
        computed.columns.insert((*column).to_owned(), Fingerprint::of(["kept", *column]));
    }
    if let Some(sql) = &table.keep.incremental_sql {
        let going_on = continued(name, sql, &schemas, upstream, &analysis)?;
        computed.rows = Fingerprint::of([computed.rows.as_str(), going_on.as_str()]);
    }
    Ok((computed, analysis))
}

/// The fingerprint of the query that goes on from what is stored, which must yield the same columns.
fn continued(
    name: &AssetName,
    sql: &str,
    schemas: &BTreeMap<String, SchemaRef>,
    upstream: &BTreeMap<String, Upstream>,
    whole: &Analysis,
) -> Result<Fingerprint, Vec<SqlProblem>> {
    let fields =
        whole.schema.iter().map(|(column, data_type, nullable)| Field::new(column, data_type.clone(), *nullable));
    let own: SchemaRef = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut schemas = schemas.clone();
    schemas.insert(name.to_string(), own.clone());
    let found = analyze(&schemas, "", sql)?;
    let expected = &whole.schema[..found.schema.len().min(whole.schema.len())];
    let same = found.schema.iter().zip(expected).all(|(a, b)| (&a.0, &a.1) == (&b.0, &b.1));
    if !same {
        let message = "the query has other columns or types where `is_incremental()` is true: make them the same";
        return Err(vec![SqlProblem::somewhere(message)]);
    }
    let mut upstream = upstream.clone();
    let itself = TableFingerprints { rows: Fingerprint::of(["itself"]), columns: BTreeMap::new() };
    upstream.insert(name.to_string(), Upstream { schema: own, fingerprints: itself });
    let computed = fingerprints(sql, &upstream)?;
    Ok(Fingerprint::of([&computed.rows].into_iter().chain(computed.columns.values()).map(Fingerprint::as_str)))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Resolver<'_> {
    /// Reports what a table lacks to be kept as it says.
    pub(super) fn check_kept(&mut self, asset: &Asset, table: &Table) {
        let keep = &table.keep;
        self.check_columns(asset, "updated_at", &asset.name, keep.updated_at.as_ref());
        self.check_columns(asset, "check", &asset.name, &keep.check);
        self.check_columns(asset, "delete_when", &asset.name, keep.delete_when.as_ref());
        let word = table.materialize.word();
        let has_key = matches!(table.materialize, Materialize::Merge | Materialize::History);
        if has_key && table.grain.is_empty() {
            let message = format!("table `{}` is kept by key (`{word}`) and says not which", asset.name);
            let found = Diagnostic::error(codes::INVALID_VALUE, message)
                .with_help("add the columns that identify a row: grain=['id']");
            self.diagnostics.push(at(Some(asset), found));
        }
        let is_history = table.materialize == Materialize::History;
        let only_history = [
            ("updated_at", keep.updated_at.is_some()),
            ("check", !keep.check.is_empty()),
            ("deletes", keep.deletes != Default::default()),
        ];
        for (key, _) in only_history.into_iter().filter(|(_, given)| *given && !is_history) {
            self.refuse_key(asset, key, word, "materialize='history'");
        }
        if keep.delete_when.is_some() && !has_key {
            self.refuse_key(asset, "delete_when", word, "materialize='merge' or 'history'");
        }
    }

    fn refuse_key(&mut self, asset: &Asset, key: &str, word: &str, instead: &str) {
        let message = format!("`{key}` of table `{}` means nothing to a table that is kept as `{word}`", asset.name);
        let found =
            Diagnostic::error(codes::INVALID_VALUE, message).with_help(format!("leave it out, or use {instead}"));
        self.diagnostics.push(at(Some(asset), found));
    }
}
