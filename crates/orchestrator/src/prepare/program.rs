//! What a command reads and makes, as its table declares it: nothing is run. Files are hashed, so that other files are
//! another definition.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::DataType;
use baton_connectors::{Compression, Connector, FileFormat, Format, Unit, connector};
use baton_core::asset::{CommandStep, Table};
use baton_core::{Asset, AssetName, Definition, Fingerprint};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, SqlProblem, TableFingerprints, is_system_column};
use baton_project::Project;
use serde_json::json;

use super::diagnose::at;
use super::kept;
use crate::python::returned_schema;

/// Hashes the files that commands of the project read, and says which are not there.
pub(super) fn hash_files(folder: &Path, project: &mut Arc<Project>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let reads_files = |asset: &Asset| {
        matches!(&asset.definition, Definition::Table(table)
            if table.command.as_ref().is_some_and(|step| !step.files.is_empty()))
    };
    if !project.assets.values().any(reads_files) {
        return diagnostics;
    }
    for asset in Arc::make_mut(project).assets.values_mut() {
        let known = asset.clone();
        let Definition::Table(table) = &mut asset.definition else { continue };
        let Some(step) = &mut table.command else { continue };
        for (path, hash) in &mut step.files {
            match hash_of(folder, path) {
                Ok(found) => *hash = Some(found),
                Err(reason) => diagnostics.push(unreadable(&known, path, &reason)),
            }
        }
    }
    diagnostics
}

fn unreadable(asset: &Asset, path: &str, reason: &str) -> Diagnostic {
    let message = format!("the command of table `{}` reads `{path}`, which cannot be read: {reason}", asset.name);
    let help = "paths start at the project folder; names without `.` and `/` are those of tables";
    at(Some(asset), Diagnostic::error(codes::UNKNOWN_REFERENCE, message).with_help(help))
}

/// The hash of a file, or of all files of a folder with their names.
fn hash_of(folder: &Path, path: &str) -> Result<Fingerprint, String> {
    let file = connector("file").ok_or("there is no connector `file`")?;
    let mut parts = Vec::new();
    collect(folder, path.trim_end_matches('/'), file, &mut parts)?;
    Ok(Fingerprint::of(parts))
}

fn collect(folder: &Path, path: &str, file: &dyn Connector, parts: &mut Vec<String>) -> Result<(), String> {
    let found = fs::metadata(folder.join(path)).map_err(|error| error.to_string())?;
    if found.is_dir() {
        let entries = fs::read_dir(folder.join(path)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| error.to_string())?;
        let mut names: Vec<String> =
            entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        return names.iter().try_for_each(|name| collect(folder, &format!("{path}/{name}"), file, parts));
    }
    let format = FileFormat { format: Format::Parquet, compression: Compression::None };
    let unit = Unit {
        root: folder.to_owned(),
        path: path.to_owned(),
        size: found.len(),
        modified_at: 0,
        format,
        remote: None,
    };
    parts.push(path.to_owned());
    parts.push(file.fingerprint(&unit).map_err(|error| error.to_string())?);
    Ok(())
}

/// A table's fingerprints and columns, from what is known of its inputs: each column comes from all that is read.
pub(super) fn resolved(
    name: &AssetName,
    table: &Table,
    step: &CommandStep,
    upstream: &BTreeMap<String, Upstream>,
) -> Result<(TableFingerprints, Analysis), Vec<SqlProblem>> {
    if step.inputs.iter().any(|input| input == name) {
        return Err(vec![SqlProblem::somewhere(format!("`{name}` reads itself: a table cannot be its own input"))]);
    }
    let read_by = kept::handed(name, table).map_err(|problem| vec![problem])?;
    let inputs: Vec<(&String, &Upstream)> =
        read_by.iter().filter_map(|input| upstream.get_key_value(input.as_str())).collect();
    let read: BTreeSet<(String, String)> = inputs
        .iter()
        .flat_map(|(input, known)| known.schema.fields().iter().map(|field| ((*input).clone(), field.name().clone())))
        .collect();
    let fields = returned_schema(table);
    let fields = fields.fields().iter().filter(|field| !is_system_column(field.name()));
    let schema: Vec<(String, DataType, bool)> =
        fields.map(|field| (field.name().clone(), field.data_type().clone(), true)).collect();
    let rows = rows_fingerprint(step, &schema, inputs.into_iter());
    let column = |(column, kind, _): &(String, DataType, bool)| {
        let print = Fingerprint::of([rows.as_str(), column, &kind.to_string()]);
        (column.clone(), print)
    };
    let analysis = Analysis {
        column_lineage: schema.iter().map(|(column, ..)| (column.clone(), read.clone())).collect(),
        row_lineage: read,
        reads: read_by,
        // It is handed the clock; what comes of it is its own affair, as with the time of day.
        reads_clock: false,
        schema: schema.clone(),
    };
    Ok((TableFingerprints { columns: schema.iter().map(column).collect(), rows }, analysis))
}

/// What decides the rows: the command, its environment by reference, the files, and all columns of the inputs. How long it
/// may take and how much memory it has decides nothing.
fn rows_fingerprint<'u>(
    step: &CommandStep,
    schema: &[(String, DataType, bool)],
    inputs: impl Iterator<Item = (&'u String, &'u Upstream)>,
) -> Fingerprint {
    let columns: Vec<(&String, String)> = schema.iter().map(|(name, kind, _)| (name, kind.to_string())).collect();
    let said =
        json!(["command", step.command, step.inputs, step.files, step.output, step.environment, step.image, columns]);
    let inputs = inputs.flat_map(|(input, known)| {
        let columns = known.fingerprints.columns.iter().map(|(column, print)| format!("{column} {}", print.as_str()));
        let rows = format!("{input} {}", known.fingerprints.rows.as_str());
        [rows].into_iter().chain(columns).collect::<Vec<_>>()
    });
    let files = step.keeps_files.then(|| "kept as files".to_owned());
    Fingerprint::of([said.to_string()].into_iter().chain(files).chain(inputs))
}
