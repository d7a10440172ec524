//! Lineage told to others and by others in OpenLineage, held against the classes of `openlineage-python`.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the package `openlineage-python`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use baton_testkit::project::TestProject;
use baton_testkit::python::printed;
use serde_json::Value;

use crate::shop::{at, deliver_more, shop};

/// Builds each event and each facet with the client's classes, which are made from the published schemas: a key that they
/// do not have, one that they need and have not, or a text of another form is an exception.
const VALIDATE: &str = r#"
import importlib, json, pkgutil, sys
import openlineage.client.generated as generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

classes = {}
for module in pkgutil.iter_modules(generated.__path__):
    for name, found in vars(importlib.import_module('openlineage.client.generated.' + module.name)).items():
        if isinstance(found, type):
            classes.setdefault(name, found)

def facets(found):
    built = {}
    for key, content in (found or {}).items():
        content = dict(content)
        url = content.pop('_schemaURL')
        assert content.pop('_producer').startswith('https://'), content
        kind = classes[url.rsplit('/', 1)[1]]
        built[key] = kind(**content)
        assert built[key]._schemaURL == url, (built[key]._schemaURL, url)
        nested(built[key], content)
    return built

def nested(facet, content):
    module = sys.modules[type(facet).__module__]
    for key, name in [('fields', 'SchemaDatasetFacetFields'), ('tests', 'TestExecution'), ('assertions', 'Assertion'),
                      ('owners', 'Owner'), ('parameters', 'ExecutionParameter')]:
        if isinstance(content.get(key), list):
            for item in content[key]:
                getattr(module, name)(**item)
    if isinstance(content.get('fields'), dict):
        for field in content['fields'].values():
            for item in module.Fields(**field).inputFields:
                [module.Transformation(**found) for found in module.InputField(**item).transformations]

count = 0
for line in open(sys.argv[1]):
    event = json.loads(line)
    count += len(facets(event['run'].get('facets'))) + len(facets(event['job'].get('facets')))
    for key, kind, more in [('inputs', InputDataset, 'inputFacets'), ('outputs', OutputDataset, 'outputFacets')]:
        for dataset in event[key]:
            built = facets(dataset.get('facets'))
            count += len(built) + len(facets(dataset.get(more)))
            kind(namespace=dataset['namespace'], name=dataset['name'], facets=built)
    RunEvent(
        eventType=RunState[event['eventType']], eventTime=event['eventTime'], producer=event['producer'],
        run=Run(runId=event['run']['runId']),
        job=Job(namespace=event['job']['namespace'], name=event['job']['name']),
    )
print(count)
"#;

fn channel(url: &str) -> String {
    format!("channels:\n  - {{name: marquez, kind: openlineage, url: '{url}', token: '${{env:MARQUEZ_TOKEN}}'}}\n")
}

fn told(project: &TestProject) -> (String, TestProjectEvents) {
    let path = project.path("lineage.ndjson");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (path.display().to_string(), events)
}

type TestProjectEvents = Vec<Value>;

fn run(project: &TestProject, arguments: &[&str]) -> Option<i32> {
    let mut command = project.command(&[arguments, &["-e", "dev"]].concat());
    command.env("MARQUEZ_TOKEN", "sesame-open").output().unwrap().status.code()
}

fn kinds(events: &[Value], job: &str) -> String {
    let of_job = events.iter().filter(|event| event["job"]["name"] == job);
    of_job.map(|event| event["eventType"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_step_is_told_with_schema_column_lineage_and_checks() {
    let project = shop();
    let url = format!("file://{}", project.path("lineage.ndjson").display());
    project.write("channels.yml", &channel(&url));
    assert_eq!(run(&project, &at(&["apply", "--yes"])), Some(0));
    let (path, events) = told(&project);
    for job in ["apply", "ingest.orders", "build.days", "build.customers"] {
        assert_eq!(kinds(&events, job), "START COMPLETE", "{job}");
    }
    let facets: usize = printed(VALIDATE, &[&path]).trim().parse().unwrap();
    assert!(facets > 40, "{facets} facets were held against their classes");
    let built = events.iter().find(|event| event["job"]["name"] == "build.days" && event["eventType"] == "COMPLETE");
    let built = built.unwrap();
    assert_eq!(built["outputs"][0]["name"], "days");
    assert_eq!(built["outputs"][0]["namespace"], "baton://shop/dev");
    let facets = &built["outputs"][0]["facets"];
    assert_eq!(facets["schema"]["fields"][1]["name"], "amount");
    let from = &facets["columnLineage"]["fields"]["amount"]["inputFields"][0];
    assert_eq!((&from["name"], &from["field"]), (&"orders".into(), &"amount".into()));
    assert_eq!(built["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 2);
    let landed =
        events.iter().find(|event| event["job"]["name"] == "ingest.orders" && event["eventType"] == "COMPLETE");
    let landed = landed.unwrap();
    let assertions = landed["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"].as_array().unwrap();
    assert_eq!(assertions.len(), 5, "{assertions:?}");
    assert!(assertions.iter().all(|assertion| assertion["success"] == true));
    assert_eq!(landed["inputs"][0]["namespace"], "file");
    let parent = events.iter().find(|event| event["job"]["name"] == "apply").unwrap();
    assert_eq!(built["run"]["facets"]["parent"]["run"]["runId"], parent["run"]["runId"]);
    assert!(!events.iter().any(|event| event.to_string().contains("sesame")));
}

#[test]
fn failures_are_told_and_nothing_is_lost_while_the_receiver_is_away() {
    let project = shop();
    project.write("channels.yml", &channel("http://127.0.0.1:9"));
    assert_eq!(run(&project, &at(&["apply", "--yes"])), Some(0), "a receiver that is away keeps nothing from running");
    let url = format!("file://{}", project.path("lineage.ndjson").display());
    project.write("channels.yml", &channel(&url));
    project.write("tables.yml", "tables:\n  - {name: days, checks: [{row_count: {max: 2}}]}\n");
    let project = deliver_more(project);
    // The receiver is tried again after a pause that begins at a second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(run(&project, &["run", "--as-of", "2024-01-08"]), Some(1));
    let (path, events) = told(&project);
    assert_eq!(kinds(&events, "build.days"), "START COMPLETE START FAIL");
    assert_eq!(kinds(&events, "run"), "START FAIL");
    printed(VALIDATE, &[&path]);
    let failed =
        events.iter().find(|event| event["eventType"] == "FAIL" && event["job"]["name"] == "build.days").unwrap();
    let facets = &failed["run"]["facets"];
    assert!(facets["errorMessage"]["message"].as_str().unwrap().contains("expected at most 2"), "{facets}");
    assert_eq!(facets["test"]["tests"][0]["status"], "fail", "{facets}");
    assert_eq!(facets["test"]["tests"][0]["severity"], "error");
}

/// Speaks as an Airflow task that writes where a source reads, and as a Spark job that reads a table.
const OTHERS: &str = r#"
import sys
from datetime import datetime, timezone
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import job_type_job, schema_dataset
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
from openlineage.client.uuid import generate_new_uuid

url, token, landing = sys.argv[1:4]
config = HttpConfig(url=url, auth=ApiKeyTokenProvider({'apiKey': token}))
client = OpenLineageClient(transport=HttpTransport(config))

def tell(tool, namespace, name, inputs, outputs):
    kind = job_type_job.JobTypeJobFacet(processingType='BATCH', integration=tool, jobType='TASK')
    job = Job(namespace=namespace, name=name, facets={'jobType': kind})
    run = Run(runId=str(generate_new_uuid()))
    for state in [RunState.START, RunState.COMPLETE]:
        now = datetime.now(timezone.utc).isoformat()
        client.emit(RunEvent(eventType=state, eventTime=now, run=run, job=job, inputs=inputs, outputs=outputs,
                             producer='https://example.com/tests'))

fields = [schema_dataset.SchemaDatasetFacetFields(name='order_id', type='int')]
schema = {'schema': schema_dataset.SchemaDatasetFacet(fields=fields)}
for _ in range(2):
    tell('AIRFLOW', 'airflow', 'shop.export_orders',
         [InputDataset(namespace='postgres://db:5432', name='shop.public.orders', facets=schema)],
         [OutputDataset(namespace='file', name=landing)])
tell('SPARK', 'spark', 'forecast', [InputDataset(namespace='baton://shop/dev', name='days')],
     [OutputDataset(namespace='s3://forecasts', name='daily')])
print('told')
"#;

/// What `/api/v1/assets` lists of others, as `baton ls` does.
const LISTED: &str = r#"
import json, sys, urllib.request
listed = json.load(urllib.request.urlopen(sys.argv[1] + '/api/v1/assets'))
for asset in listed['assets']:
    if asset['kind'].startswith('external'):
        print(asset['kind'], asset['name'], asset['description'] or 'null')
"#;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn serve(project: &TestProject) -> (Server, String) {
    let mut command = project.command(&["serve", "-e", "dev", "--port", "0"]);
    let stderr = File::create(project.path("server.txt")).unwrap();
    let mut process = command.env("BATON_TOKEN", "open-sesame").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    (Server(process), url)
}

#[test]
fn jobs_and_datasets_of_others_stand_in_lists_and_lineage() {
    let project = shop();
    assert_eq!(run(&project, &at(&["apply", "--yes"])), Some(0));
    let (_server, url) = serve(&project);
    let landing = std::fs::canonicalize(project.path("landing")).unwrap().display().to_string();
    assert_eq!(printed(OTHERS, &[&url, "open-sesame", &landing]).trim(), "told");
    let list = project.output(&["ls", "-e", "dev", "-o", "json"]).stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    let external: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["kind"].as_str().unwrap().starts_with("external"))
        .map(|line| format!("{} {} {}", line["kind"], line["name"], line["description"]).replace('"', ""))
        .collect();
    let expected = [
        "external dataset postgres://db:5432/shop.public.orders order_id",
        "external dataset s3://forecasts/daily null",
        "external job airflow/shop.export_orders AIRFLOW",
        "external job spark/forecast SPARK",
    ];
    assert_eq!(external, expected);
    let api = printed(LISTED, &[&url]);
    assert_eq!(api.lines().collect::<Vec<_>>(), expected, "the API lists them, too");
    let up = project.output(&["lineage", "days", "-e", "dev"]).stdout;
    let expected = "\
days table
└─ orders source
   └─ airflow/shop.export_orders external job
      └─ postgres://db:5432/shop.public.orders external dataset
";
    assert_eq!(up, expected);
    let down = project.output(&["lineage", "orders", "--down", "-e", "dev"]).stdout;
    assert!(
        down.contains("   └─ spark/forecast external job\n      └─ s3://forecasts/daily external dataset"),
        "{down}"
    );
    let log = project.output(&["query", "-e", "dev", "select 1"]);
    assert_eq!(log.code, Some(0));
}
