//! What a run tells receivers of OpenLineage: each step begins and ends, with schema, column lineage and checks.
//!
//! Events go into the outbox together with the run's record, so that none is lost; forms are those of the specification
//! 2-0-2 and of its facets.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_core::asset::Source;
use baton_core::channel::Channel;
use baton_core::check::{CheckResult, Severity};
use baton_core::ports::NewMessage;
use baton_core::{AssetName, Definition, EventKind, Fingerprint, NewEvent, Timestamp};
use serde_json::{Map, Value, json};

use super::Execution;
use crate::error::RunError;
use crate::report::{StepReport, StepState};
use crate::schedule::deliver_lineage;

/// Who says so.
const PRODUCER: &str = concat!("https://baton.dev/", env!("CARGO_PKG_VERSION"));
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
/// How long the end of a run waits for receivers; what they did not take by then waits in the outbox.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a run or step comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Start,
    Complete,
    Fail,
    Abort,
}

impl Moment {
    /// The moment of a step that ended so; `None` for one that was never begun.
    pub(super) fn of(state: StepState) -> Option<Self> {
        match state {
            StepState::Done | StepState::Reused | StepState::UpToDate => Some(Self::Complete),
            StepState::Failed => Some(Self::Fail),
            StepState::Skipped | StepState::Waiting => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Complete => "COMPLETE",
            Self::Fail => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

/// The namespace of a project's jobs and datasets in an environment.
pub(crate) fn namespace(project: &str, environment: &str) -> String {
    format!("baton://{project}/{environment}")
}

/// A dataset outside of Baton: where the rows of a source come from.
pub(crate) fn origin(source: &Source, folder: &std::path::Path) -> (String, String) {
    match &source.pull {
        None => ("file".to_owned(), folder.join(&source.path).display().to_string()),
        Some(pull) => {
            let text = |key: &str| pull.options.get(key).and_then(Value::as_str);
            // An address may hold a password, and a reference to one says nothing.
            let server = text("url").filter(|url| !url.contains("${")).and_then(server_of);
            let name = text("table").or_else(|| text("query")).or_else(|| text("path")).unwrap_or("rows");
            (server.unwrap_or_else(|| source.connector.clone()), name.to_owned())
        }
    }
}

/// `postgres://host:port` of an address, without who logs in and to what.
fn server_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    Some(format!("{scheme}://{}", authority.rsplit('@').next()?))
}

impl Execution<'_> {
    /// Tells of a moment of the run itself, of which its steps are parts.
    pub(super) fn tell_run(&self, moment: Moment, reason: Option<String>) {
        if !self.has_receivers() {
            return;
        }
        let mut event = self.base_event(moment, &self.run_id(), &self.job_of_run());
        event["run"]["facets"] = Value::Object(self.facets_of_run(moment, reason.as_deref()));
        event["job"]["facets"] = json!({"jobType": job_type("RUN")});
        self.post_event(moment, &self.run_id(), &event);
    }

    /// Tells of a moment of a step.
    pub(super) fn tell_step(&self, moment: Moment, verb: &str, asset: &AssetName, step: Option<&StepReport>) {
        if !self.has_receivers() {
            return;
        }
        let id = uuid_of(self.began, &[&self.run, verb, asset]);
        let mut event = self.base_event(moment, &id, &format!("{verb}.{asset}"));
        let reason = step.filter(|_| moment == Moment::Fail).map(|step| step.detail.as_str());
        let mut facets = self.facets_of_run(moment, reason);
        let parent = json!({"namespace": self.lineage_namespace(), "name": self.job_of_run()});
        let run = json!({"runId": self.run_id()});
        let root = json!({"run": run, "job": parent});
        facets.insert(
            "parent".to_owned(),
            facet("1-2-0/ParentRunFacet", json!({"run": run, "job": parent, "root": root})),
        );
        if let Some(tests) = self.tests_of(asset) {
            facets.insert("test".to_owned(), facet("1-0-1/TestRunFacet", json!({"tests": tests})));
        }
        event["run"]["facets"] = Value::Object(facets);
        event["job"]["facets"] = self.facets_of_job(verb, asset);
        event["inputs"] = Value::Array(self.inputs_of_step(asset));
        event["outputs"] = Value::Array(vec![self.output_of_step(moment, asset, step)]);
        self.post_event(moment, &id, &event);
    }

    /// Sends what waits, once the run has ended.
    pub(super) async fn send_lineage(&self) -> Result<(), RunError> {
        if !self.has_receivers() {
            return Ok(());
        }
        Ok(deliver_lineage(self.services, &self.prepared.project.channels, PATIENCE).await?)
    }

    fn receivers(&self) -> impl Iterator<Item = &Channel> {
        self.prepared.project.channels.iter().filter(|channel| !channel.way.hears_notices())
    }

    fn has_receivers(&self) -> bool {
        self.receivers().next().is_some()
    }

    fn post_event(&self, moment: Moment, id: &str, event: &Value) {
        let Some(journal) = &self.journal else { return };
        for channel in self.receivers() {
            journal.tell(NewMessage {
                environment: self.environment.clone(),
                channel: channel.name.to_string(),
                cause: format!("{id} {}", moment.word()),
                ends: false,
                at: self.services.clock.now(),
                body: event.clone(),
            });
        }
    }

    fn lineage_namespace(&self) -> String {
        namespace(&self.prepared.project.name, &self.environment)
    }

    fn run_id(&self) -> String {
        uuid_of(self.began, &[&self.run])
    }

    /// The schedule that asked for the run, else its command.
    pub(super) fn job_of_run(&self) -> String {
        let command = self.reason.split_whitespace().next().unwrap_or("run").to_owned();
        self.services.asked.schedule.clone().map_or(command, |schedule| format!("schedule.{schedule}"))
    }

    fn base_event(&self, moment: Moment, id: &str, job: &str) -> Value {
        json!({
            "eventType": moment.word(),
            "eventTime": self.services.clock.now().to_rfc3339(),
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "run": {"runId": id},
            "job": {"namespace": self.lineage_namespace(), "name": job},
            "inputs": [],
            "outputs": [],
        })
    }

    fn facets_of_run(&self, moment: Moment, reason: Option<&str>) -> Map<String, Value> {
        let engine = json!({"version": env!("CARGO_PKG_VERSION"), "name": "baton"});
        let nominal = json!({"nominalStartTime": self.as_of.to_rfc3339()});
        let mut facets = Map::new();
        facets.insert("processing_engine".to_owned(), facet("1-1-1/ProcessingEngineRunFacet", engine));
        facets.insert("nominalTime".to_owned(), facet("1-0-1/NominalTimeRunFacet", nominal));
        let given = &self.services.asked.parameters;
        if !given.is_empty() {
            let shown =
                |(name, value): (&String, &Value)| json!({"key": name, "value": baton_core::parameter::shown(value)});
            let parameters: Vec<Value> = given.iter().map(shown).collect();
            let content = json!({"parameters": parameters});
            facets.insert("executionParameters".to_owned(), facet("1-0-0/ExecutionParametersRunFacet", content));
        }
        if let Some(reason) = reason.filter(|_| moment == Moment::Fail) {
            let content = json!({"message": reason, "programmingLanguage": "SQL"});
            facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet", content));
        }
        facets
    }

    fn facets_of_job(&self, verb: &str, asset: &AssetName) -> Value {
        let mut facets = json!({"jobType": job_type(&verb.to_uppercase())});
        let known = self.prepared.project.assets.get(asset).map(|asset| &asset.definition);
        if let Some(Definition::Table(table)) = known
            && table.python.is_none()
            && table.command.is_none()
        {
            facets["sql"] = facet("1-1-0/SQLJobFacet", json!({"query": table.sql, "dialect": "datafusion"}));
        }
        facets
    }

    fn inputs_of_step(&self, asset: &AssetName) -> Vec<Value> {
        if let Some(Definition::Source(source)) = self.prepared.project.assets.get(asset).map(|found| &found.definition)
        {
            let (namespace, name) = origin(source, &self.services.folder);
            return vec![json!({"namespace": namespace, "name": name, "facets": {}})];
        }
        let input = |input: &AssetName| {
            let mut facets = self.schema_of(input);
            if let Some(pin) = self.working.get(input) {
                facets.insert("version".to_owned(), version(&pin.version.to_string()));
            }
            json!({"namespace": self.lineage_namespace(), "name": input, "facets": facets})
        };
        self.prepared.graph.inputs(asset).map(input).collect()
    }

    fn output_of_step(&self, moment: Moment, asset: &AssetName, step: Option<&StepReport>) -> Value {
        let mut facets = self.schema_of(asset);
        let mut output = json!({"namespace": self.lineage_namespace(), "name": asset});
        if let Some(lineage) = self.column_lineage(asset) {
            facets.insert(
                "columnLineage".to_owned(),
                facet("1-2-0/ColumnLineageDatasetFacet", json!({"fields": lineage})),
            );
        }
        if let Some(owner) = self.prepared.project.assets.get(asset).and_then(|found| found.owner.as_ref()) {
            let owners = json!({"owners": [{"name": owner, "type": "OWNER"}]});
            facets.insert("ownership".to_owned(), facet("1-0-1/OwnershipDatasetFacet", owners));
        }
        if let (Moment::Complete, Some(pin)) = (moment, self.working.get(asset)) {
            facets.insert("version".to_owned(), version(&pin.version.to_string()));
            if let Some(rows) = step.and_then(|step| step.rows).or(pin.rows) {
                let statistics = facet("1-0-2/OutputStatisticsOutputDatasetFacet", json!({"rowCount": rows}));
                output["outputFacets"] = json!({"outputStatistics": statistics});
            }
        }
        if let Some(assertions) = self.assertions_of(asset) {
            let content = json!({"assertions": assertions});
            facets
                .insert("dataQualityAssertions".to_owned(), facet("1-1-0/DataQualityAssertionsDatasetFacet", content));
        }
        output["facets"] = Value::Object(facets);
        output
    }

    fn schema_of(&self, asset: &AssetName) -> Map<String, Value> {
        let Some(schema) = self.prepared.schemas.get(asset) else { return Map::new() };
        let field = |(position, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
            json!({
                "name": field.name(),
                "type": baton_connectors::type_name(field.data_type()),
                "ordinal_position": position + 1,
            })
        };
        let fields: Vec<Value> = schema.fields().iter().enumerate().map(field).collect();
        Map::from_iter([("schema".to_owned(), facet("1-2-0/SchemaDatasetFacet", json!({"fields": fields})))])
    }

    /// By column, the columns that it is computed from; those that decide which rows there are stand with none of them.
    fn column_lineage(&self, asset: &AssetName) -> Option<BTreeMap<String, Value>> {
        let analysis = self.prepared.analyses.get(asset)?;
        let of_column = |(column, from): (&String, &std::collections::BTreeSet<(String, String)>)| {
            let input = |(table, field): &(String, String)| {
                json!({
                    "namespace": self.lineage_namespace(),
                    "name": table,
                    "field": field,
                    "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION", "description": "", "masking": false}],
                })
            };
            (column.clone(), json!({"inputFields": from.iter().map(input).collect::<Vec<_>>()}))
        };
        Some(analysis.column_lineage.iter().map(of_column).collect())
    }

    fn tests_of(&self, asset: &AssetName) -> Option<Vec<Value>> {
        let results = self.checks_told(asset);
        let test = |result: &CheckResult| {
            let status = if result.passed { "pass" } else { "fail" };
            json!({
                "name": result.check,
                "status": status,
                "severity": severity(result),
                "expected": "0",
                "actual": result.failed_rows.to_string(),
                "description": result.message,
            })
        };
        (!results.is_empty()).then(|| results.iter().map(test).collect())
    }

    fn assertions_of(&self, asset: &AssetName) -> Option<Vec<Value>> {
        let results = self.checks_told(asset);
        let assertion = |result: &CheckResult| {
            let mut told = json!({
                "assertion": result.check,
                "success": result.passed,
                "severity": severity(result),
                "name": result.check,
                "expected": "0",
                "actual": result.failed_rows.to_string(),
            });
            if let Some(column) = &result.column {
                told["column"] = json!(column);
            }
            told
        };
        (!results.is_empty()).then(|| results.iter().map(assertion).collect())
    }

    /// Results of this run's checks of an asset.
    fn checks_told(&self, asset: &AssetName) -> Vec<CheckResult> {
        let mut newest = self.pending.iter().rev();
        let of_asset =
            |event: &&NewEvent| event.kind == EventKind::ChecksEvaluated && event.asset.as_ref() == Some(asset);
        let results = newest.find(of_asset).and_then(|event| event.body.get("results").cloned()).unwrap_or_default();
        serde_json::from_value(results).unwrap_or_default()
    }
}

fn severity(result: &CheckResult) -> &'static str {
    match result.severity {
        Severity::Error => "error",
        _ => "warn",
    }
}

fn job_type(word: &str) -> Value {
    facet("2-0-4/JobTypeJobFacet", json!({"processingType": "BATCH", "integration": "BATON", "jobType": word}))
}

fn version(text: &str) -> Value {
    facet("1-0-1/DatasetVersionDatasetFacet", json!({"datasetVersion": text}))
}

/// A facet of the form `1-0-1/NameOfFacet`.
fn facet(form: &str, mut content: Value) -> Value {
    let name = form.rsplit('/').next().unwrap_or(form);
    content["_producer"] = json!(PRODUCER);
    content["_schemaURL"] = json!(format!("https://openlineage.io/spec/facets/{form}.json#/$defs/{name}"));
    content
}

/// A UUID of version 7 that is the same for the same parts: its time is that of the run's begin, the rest their hash.
fn uuid_of(began: Timestamp, parts: &[&str]) -> String {
    let hash = Fingerprint::of(parts);
    let millis = began.timestamp_millis().max(0) & 0xffff_ffff_ffff;
    let (time, hash) = (format!("{millis:012x}"), hash.as_str());
    format!("{}-{}-7{}-8{}-{}", &time[..8], &time[8..], &hash[..3], &hash[3..6], &hash[6..18])
}

#[cfg(test)]
mod tests {
    use baton_core::time::parse_instant;

    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7() {
        let began = parse_instant("2026-11-21T06:00:00Z").unwrap();
        let id = uuid_of(began, &["run", "build", "days"]);
        assert_eq!(id, uuid_of(began, &["run", "build", "days"]));
        assert_ne!(id, uuid_of(began, &["run", "build", "weeks"]));
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((parts, &id[14..15], &id[19..20]), (vec![8, 4, 4, 4, 12], "7", "8"));
        assert!(id.starts_with("01a1fcb0"), "{id}");
    }

    #[test]
    fn servers_are_named_without_who_logs_in() {
        assert_eq!(server_of("postgres://ada:secret@db:5432/shop?x=1").as_deref(), Some("postgres://db:5432"));
        assert_eq!(server_of("shop.db"), None);
    }
}
