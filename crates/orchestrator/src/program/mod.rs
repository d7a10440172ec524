//! Tables that a command makes: its inputs written as Parquet files, the command run, the rows that it wrote read back.
//!
//! A command sees `BATON_INPUT_<TABLE>` for each input, `BATON_INPUTS` and `BATON_OUTPUTS` (folders), the clock, and what it
//! declares; nothing else of the environment but where programs are. It is run for a table that is not recorded yet: the
//! same command over the same inputs and files is never run twice.

mod error;
mod files;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use baton_connectors::{
    Contract, ContractColumn, DiscoverRequest, OnSchemaChange, ReadReport, SchemaChange, Unit, connector,
    resolve_secrets,
};
use baton_core::Fingerprint;
use baton_core::asset::CommandStep;
use baton_core::ports::{LogLine, RunChange};
use baton_engine::{AVAILABLE_AT, BuildOptions, Engine, EngineOptions, SessionInput, TableInput};
use baton_lake::ParquetExport;
use futures::TryStreamExt as _;
use serde_json::{Map, Value};

pub use self::error::ProgramError;
use self::files::written_files as kept_files;
pub(crate) use self::files::{are_files, columns_of_files, write_files};
use self::process::Program;
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::Journal;
use crate::for_each::values;
use crate::python::{TableCall, returned_schema};
use crate::steps::arrow_type;
use crate::tracked::Hosting;
use crate::values::micros_at;

/// Clocks of files are this coarse.
const WRITTEN: std::time::Duration = std::time::Duration::from_millis(20);
/// How long docker's service may take to say that it is there.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(5);
/// Variables that a command has from the machine.
const FROM_MACHINE: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// The rows that the command of a table makes of `tables`, in the declared columns, with since when each is known. A command
/// that is run for each of some values, and is asked for none of them, is run for all, one after the other.
///
/// # Errors
/// [`ProgramError`], and those of engine, lake and connectors.
pub(crate) async fn rows_of(
    call: &TableCall<'_>,
    step: &CommandStep,
    tables: BTreeMap<String, TableInput>,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    if let (Some(each), None) = (&call.table.for_each, call.each) {
        let mut rows = Vec::new();
        for value in values(call, each, &tables).await? {
            let one = TableCall { each: Some(&value), ..*call };
            let handed = handed(step, &tables);
            rows.extend(Box::pin(rows_of(&one, step, handed)).await?.1);
        }
        return Ok((returned_schema(call.table), rows));
    }
    let (rows, _) = Box::pin(rows_of_all(call, step, tables, &[])).await?;
    Ok((returned_schema(call.table), rows))
}

/// As [`rows_of`], with the rows of other tables that the same command makes: those that it wrote.
///
/// # Errors
/// As [`rows_of`].
pub(crate) async fn rows_of_all(
    call: &TableCall<'_>,
    step: &CommandStep,
    tables: BTreeMap<String, TableInput>,
    others: &[(&TableCall<'_>, &CommandStep)],
) -> Result<(Vec<RecordBatch>, Vec<Option<Vec<RecordBatch>>>), RunError> {
    let scratch = Scratch::make(call)?;
    let newest = write_inputs(call, step, tables, &scratch).await?;
    // From within an image this machine's own address cannot be reached.
    let hosting = if step.image.is_none() { Hosting::begin(call).await } else { None };
    let tracking = hosting.as_ref().map(Hosting::variables).unwrap_or_default();
    let (variables, secrets) = environment(call, step, &scratch, tracking)?;
    let program = Program {
        table: call.asset.as_str(),
        command: &step.command,
        folder: &call.services.folder,
        scratch: &scratch.0,
        variables,
        secrets,
        timeout: step.timeout,
        memory_limit: step.memory_limit,
        container: container(call, step).await?,
    };
    let began = SystemTime::from(call.services.clock.now());
    let said = run(call, &program).await;
    if let Some(hosting) = hosting {
        hosting.end(said.is_ok()).await;
    }
    let said = said?;
    let rows = known_since(call, newest, take_written(call, step, &scratch, began, said).await?)?;
    let mut beside = Vec::new();
    for (call, step) in others {
        beside.push(match take_written(call, step, &scratch, began, Vec::new()).await {
            Ok(rows) => Some(known_since(call, newest, rows)?),
            // Its own step says so.
            Err(RunError::Program(ProgramError::NoOutput { .. })) => None,
            Err(error) => return Err(error),
        });
    }
    Ok((rows, beside))
}

/// What a command wrote for one table: the rows of its files, or the files themselves.
async fn take_written(
    call: &TableCall<'_>,
    step: &CommandStep,
    scratch: &Scratch,
    began: SystemTime,
    lines: Vec<String>,
) -> Result<Vec<RecordBatch>, RunError> {
    if step.keeps_files {
        return kept_files(call, step, scratch, began, lines);
    }
    let (root, output) = written(call, step, scratch, began, lines)?;
    read_rows(call, &root, &output).await
}

/// Rows with since when they are known.
fn known_since(
    call: &TableCall<'_>,
    newest: Option<i64>,
    rows: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, RunError> {
    let schema = returned_schema(call.table);
    let known = |batch: RecordBatch| {
        let known: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![newest; batch.num_rows()]).with_timezone("UTC"));
        RecordBatch::try_new(schema.clone(), batch.columns().iter().cloned().chain([known]).collect())
    };
    rows.into_iter().map(known).collect::<Result<_, _>>().map_err(RunError::rows(call.asset))
}

/// Of `tables`, those that a command is handed.
pub(crate) fn handed(step: &CommandStep, tables: &BTreeMap<String, TableInput>) -> BTreeMap<String, TableInput> {
    let is_handed = |name: &String| step.inputs.iter().any(|input| input.as_str() == name);
    tables.iter().filter(|(name, _)| is_handed(name)).map(|(name, table)| (name.clone(), table.clone())).collect()
}

/// Names and values.
type Variables = Vec<(String, String)>;

/// The folder of a command's files; it goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn make(call: &TableCall<'_>) -> Result<Self, RunError> {
        let staging = call.services.lake.warehouse().join(".staging");
        let nanos = call.services.clock.now().timestamp_nanos_opt().unwrap_or_default();
        let value = call.each.map_or(String::new(), |value| format!("-{}", Fingerprint::of([value]).short()));
        let folder = staging.join(format!("{}-{}-{nanos}{value}", call.asset, std::process::id()));
        let made = ["inputs", "outputs"].into_iter().try_for_each(|name| fs::create_dir_all(folder.join(name)));
        let failed =
            |error: std::io::Error| ProgramError::Folder { table: call.asset.to_string(), reason: error.to_string() };
        made.and_then(|()| fs::canonicalize(&folder)).map(Self).map_err(|error| failed(error).into())
    }

    fn input(&self, name: &str) -> PathBuf {
        self.0.join("inputs").join(format!("{name}.parquet"))
    }

    /// Where the files of an input stand that are files themselves.
    fn input_folder(&self, name: &str) -> PathBuf {
        self.0.join("inputs").join(name)
    }

    fn outputs(&self) -> PathBuf {
        self.0.join("outputs")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be deleted now is collected with other staged files.
        let _collected_later = fs::remove_dir_all(&self.0);
    }
}

/// Writes what each input holds, as known at the clock; answers since when the newest of these rows is known.
async fn write_inputs(
    call: &TableCall<'_>,
    step: &CommandStep,
    tables: BTreeMap<String, TableInput>,
    scratch: &Scratch,
) -> Result<Option<i64>, RunError> {
    // One thread, so that rows keep their order.
    let options = EngineOptions { threads: 1, ..call.services.engine.options().clone() };
    let session = Engine::new(options)?.session(SessionInput { tables, as_of: Some(call.as_of) })?;
    let mut newest = None;
    for input in &step.inputs {
        let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
        let mut rows = session.execute(&format!("select * from {}", quoted(input)), &options).await?;
        let schema = rows.schema();
        let known = schema.index_of(AVAILABLE_AT).ok();
        let visible: Vec<usize> = (0..schema.fields().len()).filter(|column| Some(*column) != known).collect();
        let seen = Arc::new(schema.project(&visible).map_err(RunError::rows(call.asset))?);
        let mut file = InputFile::create(scratch, input, seen)?;
        while let Some(batch) = rows.try_next().await? {
            if let Some(column) = known.map(|column| batch.column(column)) {
                newest = (0..batch.num_rows()).filter_map(|row| micros_at(column, row)).max().max(newest);
            }
            file.write(&batch.project(&visible).map_err(RunError::rows(call.asset))?)?;
        }
        file.finish()?;
    }
    Ok(newest)
}

/// What a command is handed of an input: a file with its rows, or a folder with the files that they are.
enum InputFile {
    Rows(Box<ParquetExport>),
    Folder(PathBuf),
}

impl InputFile {
    fn create(scratch: &Scratch, input: &str, schema: SchemaRef) -> Result<Self, RunError> {
        if !are_files(&schema) {
            return Ok(Self::Rows(Box::new(ParquetExport::create(&scratch.input(input), schema)?)));
        }
        let folder = scratch.input_folder(input);
        let made = fs::create_dir_all(&folder);
        made.map_err(|error| RunError::Project(format!("{} cannot be made: {error}", folder.display())))?;
        Ok(Self::Folder(folder))
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<(), RunError> {
        match self {
            Self::Rows(file) => Ok(file.write(rows)?),
            Self::Folder(folder) => write_files(folder, rows).map_err(RunError::Project),
        }
    }

    fn finish(self) -> Result<(), RunError> {
        match self {
            Self::Rows(file) => file.finish().map(drop).map_err(RunError::from),
            Self::Folder(_) => Ok(()),
        }
    }
}

/// All variables that a command sees, and those values of them that are secrets.
fn environment(
    call: &TableCall<'_>,
    step: &CommandStep,
    scratch: &Scratch,
    tracking: Variables,
) -> Result<(Variables, Vec<String>), RunError> {
    let variable = |name: &str| (call.services.variables)(name);
    let mut variables: Variables =
        FROM_MACHINE.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))).collect();
    for input in &step.inputs {
        let name = format!("BATON_INPUT_{}", input.to_uppercase());
        let folder = scratch.input_folder(input);
        let path = if folder.is_dir() { folder } else { scratch.input(input) };
        variables.push((name, path.display().to_string()));
    }
    variables.push(("BATON_INPUTS".to_owned(), scratch.0.join("inputs").display().to_string()));
    variables.push(("BATON_OUTPUTS".to_owned(), scratch.outputs().display().to_string()));
    variables.push(("BATON_TABLE".to_owned(), call.asset.to_string()));
    if let (Some(each), Some(value)) = (&call.table.for_each, call.each) {
        variables.push((format!("BATON_{}", each.name.to_uppercase()), value.to_owned()));
    }
    variables.push(("BATON_AS_OF".to_owned(), call.as_of.to_rfc3339()));
    variables.extend(tracking);
    let declared: Map<String, Value> =
        step.environment.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let resolved = resolve_secrets(&declared, &call.services.folder, &variable)?;
    let mut secrets = Vec::new();
    for (name, value) in resolved {
        let value = value.as_str().unwrap_or_default().to_owned();
        if step.environment.get(&name) != Some(&value) {
            secrets.push(value.clone());
        }
        variables.push((name, value));
    }
    Ok((variables, secrets))
}

/// What runs the image, if one is asked for: docker, or podman where there is no docker, or nobody behind it.
async fn container<'s>(call: &TableCall<'_>, step: &'s CommandStep) -> Result<Option<(PathBuf, &'s str)>, RunError> {
    let Some(image) = &step.image else { return Ok(None) };
    let search = (call.services.variables)("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&search).collect();
    let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    let found = match (find("docker"), find("podman")) {
        (Some(docker), Some(podman)) => Some(if answers(&docker).await { docker } else { podman }),
        (docker, podman) => docker.or(podman),
    };
    match found {
        Some(runner) => Ok(Some((runner, image))),
        None => Err(ProgramError::NoContainers { table: call.asset.to_string(), image: image.clone() }.into()),
    }
}

/// Whether the service behind docker's client is there; asked for only where podman could stand in.
async fn answers(docker: &Path) -> bool {
    let mut asked = tokio::process::Command::new(docker);
    asked.arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(ANSWER, asked.status()).await;
    answer.is_ok_and(|status| status.is_ok_and(|status| status.success()))
}

/// Runs the command; what it says goes to those who watch, and with the run into its log.
async fn run(call: &TableCall<'_>, program: &Program<'_>) -> Result<Vec<String>, RunError> {
    let TableCall { services, asset, run, .. } = call;
    let journal = Journal::begin(Arc::clone(&services.operations));
    let mut hear = |level: &'static str, text: &str| {
        services.progress.logged(asset, level, text);
        if let Some(run) = run {
            let (run, asset) = ((*run).to_owned(), call.label());
            let (level, text) = (level.to_owned(), text.to_owned());
            journal.note(RunChange::Log(LogLine { run, asset, at: services.clock.now(), level, text }));
        }
    };
    let ran = program.run(&mut hear).await;
    journal.end().await?;
    Ok(ran?)
}

/// The folder and what below it the command wrote: its own folder first, then the project's. That is a file, or a glob of
/// files.
fn written(
    call: &TableCall<'_>,
    step: &CommandStep,
    scratch: &Scratch,
    began: SystemTime,
    lines: Vec<String>,
) -> Result<(PathBuf, String), RunError> {
    let output = match step.output.strip_suffix('/') {
        Some(folder) => format!("{folder}/**/*"),
        None => step.output.clone(),
    };
    if scratch.outputs().join(&output).is_file() {
        return Ok((scratch.outputs(), output));
    }
    if output.contains(['*', '?', '[', '{']) {
        return written_files(call, scratch, began, output, lines);
    }
    // One that lies there from before is not what the command wrote.
    let path = call.services.folder.join(&output);
    match fs::metadata(&path).and_then(|found| found.modified()) {
        Ok(at) if at + WRITTEN >= began => Ok((call.services.folder.clone(), output)),
        _ => Err(ProgramError::NoOutput { table: call.asset.to_string(), output, lines }.into()),
    }
}

/// The folder and the glob of files that the command wrote: those of its own folder, else those of the project's, which must
/// all be new.
fn written_files(
    call: &TableCall<'_>,
    scratch: &Scratch,
    began: SystemTime,
    output: String,
    lines: Vec<String>,
) -> Result<(PathBuf, String), RunError> {
    let file = connector("file").ok_or_else(|| RunError::Project("there is no connector `file`".to_owned()))?;
    for root in [scratch.outputs(), call.services.folder.clone()] {
        let request = DiscoverRequest { root: root.clone(), location: output.clone(), options: BTreeMap::new() };
        // A folder that is not there has no files.
        let units = file.discover(&request).unwrap_or_default();
        let is_new = |unit: &Unit| {
            let at = fs::metadata(root.join(&unit.path)).and_then(|found| found.modified());
            at.is_ok_and(|at| at + WRITTEN >= began)
        };
        if !units.is_empty() && units.iter().all(is_new) {
            return Ok((root, output));
        }
    }
    Err(ProgramError::NoOutput { table: call.asset.to_string(), output, lines }.into())
}

/// The rows of a file in the declared columns.
async fn read_rows(call: &TableCall<'_>, root: &Path, output: &str) -> Result<Vec<RecordBatch>, RunError> {
    let columns: Vec<ContractColumn> = call
        .table
        .columns
        .iter()
        .filter_map(|column| {
            let data_type = arrow_type(column.data_type?);
            Some(ContractColumn { name: column.name.clone(), data_type, nullable: true })
        })
        .collect();
    let contract = Contract {
        select: Some(columns.iter().map(|column| column.name.clone()).collect()),
        columns,
        // Other ways to write a type are cast; what is missing is refused below.
        on_schema_change: OnSchemaChange::Evolve,
        ..Contract::default()
    };
    let request = DiscoverRequest { root: root.to_owned(), location: output.to_owned(), options: BTreeMap::new() };
    let table = call.asset.to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let missing = || RunError::Project("there is no connector `file`".to_owned());
        let file = connector("file").ok_or_else(missing)?;
        let mut batches = Vec::new();
        for unit in file.discover(&request)? {
            let report = file.read(&unit, &contract, &mut |batch| {
                batches.push(batch);
                Ok(())
            })?;
            refuse_rejected(&table, &unit, &report)?;
        }
        Ok::<_, RunError>(batches)
    });
    reading.await.map_err(|error| RunError::Worker(error.to_string()))?
}

/// A file that lacks a column, or has rows that cannot be read in the declared types, is not what the table promises.
fn refuse_rejected(table: &str, unit: &Unit, report: &ReadReport) -> Result<(), RunError> {
    let lacks = report.schema_changes.iter().find_map(|change| match change {
        SchemaChange::Removed { column, .. } => Some(column.clone()),
        _ => None,
    });
    if let Some(column) = lacks {
        let (table, output) = (table.to_owned(), unit.path.clone());
        return Err(ProgramError::Lacks { table, output, column }.into());
    }
    let Some(first) = report.rejected.first() else { return Ok(()) };
    Err(ProgramError::Rejected {
        table: table.to_owned(),
        output: unit.path.clone(),
        count: report.rejected_total,
        first: first.to_string(),
    }
    .into())
}
