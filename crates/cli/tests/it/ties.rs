//! Tracked runs and the data, code and environment behind them: programs that log to MLflow, trainings, notebooks, what `show run` tells.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::path::Path;
use std::process::Command;

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers;
use crate::serve::{Server, canteen};
use crate::shop::{at, deliver_more, shop};
use crate::tracking::python;

/// A model of scikit-learn, logged by itself.
const GUESSES: &str = "\
import mlflow
import pandas as pd
from sklearn.linear_model import LinearRegression

config = dict(columns={'customer': 'string', 'guess': 'float'})

def table(customers: pd.DataFrame):
    mlflow.sklearn.autolog(log_models=False, silent=True)
    model = LinearRegression().fit(customers[['orders']], customers['amount'])
    return pd.DataFrame({'customer': customers['customer'], 'guess': model.predict(customers[['orders']])})
";

/// Tracks nothing.
const PLAIN: &str = "\
import pandas as pd

config = dict(columns={'customer': 'string'})

def table(customers: pd.DataFrame):
    return customers[['customer']]
";

/// A script as it was before it came into the project: it chooses its experiment, and begins two runs.
const SCRIPT: &str = "\
import os
import mlflow

mlflow.set_experiment('own')
with mlflow.start_run():
    mlflow.log_param('kind', 'first')
    mlflow.log_metric('loss', 0.5, step=1)
    mlflow.log_metric('loss', 0.25, step=2)
    mlflow.log_text('by hand', 'notes/a.txt')
with mlflow.start_run():
    mlflow.log_param('kind', 'second')
with open(os.path.join(os.environ['BATON_OUTPUTS'], 'out.csv'), 'w') as file:
    file.write('customer\\nann\\n')
";

fn project() -> TestProject {
    let python = python();
    let python = Path::new(&python).display();
    let head = format!(
        "project: shop\nenvironments:\n  dev: {{}}\n  prod: {{}}\npython: {{interpreter: '{python}', lock: lock.txt}}\n"
    );
    let scripted = format!(
        "tables:
  - name: scripted
    command: {python} fit.py
    inputs: [customers, fit.py]
    output: out.csv
    env: {{MLFLOW_DISABLE_TELEMETRY: 'true', MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0'}}
    columns: [{{name: customer, type: string}}]
"
    );
    shop()
        .file("baton.yml", &head)
        .file("lock.txt", "scikit-learn==1\n")
        .file("scripted.yml", &scripted)
        .file("fit.py", SCRIPT)
        .file("tables/guesses.py", GUESSES)
        .file("tables/plain.py", PLAIN)
}

fn ok(project: &TestProject, arguments: &[&str]) -> String {
    later(project, &at(arguments))
}

fn later(project: &TestProject, arguments: &[&str]) -> String {
    let arguments = [arguments, &["-e", "dev"]].concat();
    let mut command = project.command(&arguments);
    let output = command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn rows(project: &TestProject, sql: &str) -> Value {
    serde_json::from_str(&ok(project, &["query", sql, "-o", "json"])).unwrap()
}

#[test]
fn what_programs_log_lands_in_runs_that_say_what_they_read() {
    let project = project();
    ok(&project, &["apply", "--yes"]);
    let runs = rows(
        &project,
        "select r.experiment, r.name, r.status, i.name as read, i.context
         from baton.runs r join baton.inputs i on i.run_id = r.run_id and i.source_type = 'delta_table'
         order by r.experiment, r.name = 'scripted' desc",
    );
    let run = |experiment: &str, name: &str| json!({"experiment": experiment, "name": name, "status": "FINISHED", "read": "customers", "context": "input"});
    assert_eq!(runs[0], run("own", "scripted"));
    // The second run of the script has a name of its own, and is tied likewise.
    assert_eq!((&runs[1]["experiment"], &runs[1]["read"]), (&json!("own"), &json!("customers")));
    assert_eq!(runs[2], run("shop/guesses", "guesses"));
    assert_eq!(runs.as_array().unwrap().len(), 3, "{runs}");
    let logged = rows(
        &project,
        "select p.value, m.value as loss, m.step from params p join metrics m on m.run_id = p.run_id and m.key = 'loss'
         where p.key = 'kind' order by m.step",
    );
    assert_eq!(
        logged,
        json!([{"value": "first", "loss": 0.5, "step": 1}, {"value": "first", "loss": 0.25, "step": 2}])
    );
    let fitted = rows(
        &project,
        "select p.value from params p join runs r on r.run_id = p.run_id where r.name = 'guesses' and p.key = 'fit_intercept'",
    );
    assert_eq!(fitted, json!([{"value": "True"}]));
    // What tracks nothing has no run; what is there already is not run again, and tracks nothing more.
    ok(&project, &["apply", "--yes"]);
    assert_eq!(rows(&project, "select count(*) as n from baton.runs"), json!([{"n": 3}]));
}

#[test]
fn show_run_tells_code_data_and_environment_and_what_has_changed_since() {
    let project = project();
    ok(&project, &["apply", "--yes"]);
    let shown = |project: &TestProject| -> Value {
        serde_json::from_str(&ok(project, &["show", "run", "guesses", "-o", "json"])).unwrap()
    };
    let before = shown(&project);
    assert_eq!((&before["asset"], &before["experiment"]), (&json!("guesses"), &json!("shop/guesses")));
    assert_eq!((&before["data"][0]["name"], &before["data"][0]["now"]["same"]), (&json!("customers"), &json!(true)));
    assert!(before["runtime"]["lock"].as_str().unwrap().starts_with("lock.txt "), "{before}");
    assert!(!before["runtime"]["platform"].as_str().unwrap().is_empty());
    assert_eq!((&before["status"], &before["changed"]), (&json!("FINISHED"), &json!([])));
    // More orders, another lock, another function; the run is as it was.
    let project = deliver_more(project).file("lock.txt", "scikit-learn==2\n");
    let project = project.file("tables/guesses.py", &GUESSES.replace("silent=True", "silent=True, disable=True"));
    later(&project, &["apply", "--yes", "--as-of", "2024-01-08"]);
    let told = later(&project, &["show", "run", "guesses"]);
    for expected in [
        "data: `customers` has a newer version",
        "definition: what decides `guesses` was changed",
        "environment: lock.txt was changed",
        "fit_intercept",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn a_failed_program_ends_its_run_as_failed() {
    let project =
        project().file("fit.py", "import mlflow\nmlflow.start_run()\nmlflow.log_param('a', 1)\nraise SystemExit(3)\n");
    let failed = project.output(&[&at(&["apply", "--yes"])[..], &["-e", "dev"]].concat());
    assert_ne!(failed.code, Some(0));
    let runs = rows(&project, "select experiment, status from runs where name = 'scripted'");
    assert_eq!(runs, json!([{"experiment": "shop/scripted", "status": "FAILED"}]));
}

#[test]
fn a_training_is_a_run_with_figures_inputs_and_its_model() {
    let project = canteen();
    let asked = ["-e", "prod", "--as-of", "2024-02-10"];
    answers::ok(&project, &[&["apply", "--yes"][..], &asked].concat());
    let query = |sql: &str| answers::json(&project, &[&["query", sql, "-o", "json"][..], &asked].concat());
    let found = query(
        "select r.status, v.version, v.aliases, m.value > 0.5 as good from model_versions v join runs r on r.run_id = v.run_id
         join latest_metrics m on m.run_id = r.run_id and m.key = 'roc_auc' where v.model = 'late_payer'",
    );
    assert_eq!(found, json!([{"status": "FINISHED", "version": 1, "aliases": "champion", "good": true}]));
    let read = query(
        "select distinct i.name, i.context from inputs i join runs r using (run_id) order by i.context desc, i.name",
    );
    let input = |name: &str, context: &str| json!({"name": name, "context": context});
    let expected =
        [input("late_payer__training", "training"), input("payments", "labels"), input("habits", "features")];
    assert_eq!(read, json!(expected));
    let server = Server::start_by(project.command(&["serve", "-e", "prod", "--port", "0", "--no-scheduler"]));
    let script = format!(
        "import mlflow\nclient = mlflow.MlflowClient('http://{}')\nmlflow.set_tracking_uri('http://{}')\n\
         version = client.get_model_version('late_payer', '1')\nrun = client.get_run(version.run_id)\n\
         assert run.data.params['algorithm'] == 'boosted_trees', run.data.params\n\
         assert run.inputs.dataset_inputs[0].dataset.name == 'late_payer__training', run.inputs\n\
         logged = client.get_logged_model(run.outputs.model_outputs[0].model_id)\n\
         assert logged.source_run_id == run.info.run_id\n\
         mlflow.xgboost.load_model(logged.artifact_location)\n",
        server.address, server.address
    );
    client(&script);
    server.predict();
    drop(server);
    // A model's run, joined with what the model answered.
    let answered = query(
        "select v.run_id is not null as tied, p.is_scheduled, count(*) > 0 as answered from predictions p
         join model_versions v on v.model = p.model and v.version = p.model_version group by 1, 2",
    );
    assert_eq!(answered, json!([{"tied": true, "is_scheduled": false, "answered": true}]));
}

fn client(script: &str) {
    let mut client = Command::new(python());
    client.arg("-c").arg(script).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0").env("MLFLOW_DISABLE_TELEMETRY", "true");
    let output = client.env("DO_NOT_TRACK", "true").env("PYTHONWARNINGS", "ignore").output().unwrap();
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}\n{told}");
}

#[test]
fn a_notebook_that_reads_through_baton_is_tied_to_what_it_read() {
    let project = shop();
    answers::ok(&project, &at(&["apply", "-e", "prod", "--yes"]));
    let server = Server::start_by(project.command(&["serve", "-e", "prod", "--port", "0", "--no-scheduler"]));
    // As the guide has it.
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/mlflow.md")).unwrap();
    let helper = guide.split("```python\n").find(|part| part.contains("def table(")).unwrap();
    let helper =
        helper.split("```").next().unwrap().replace("http://127.0.0.1:8080", &format!("http://{}", server.address));
    let script = format!(
        "{helper}\nimport mlflow\nmlflow.set_tracking_uri('http://{address}')\n\
         with mlflow.start_run() as run:\n    rows = table('select customer, customers.amount from customers join days on true')\n\
         \x20   assert list(rows.columns) == ['customer', 'amount'] and len(rows) > 0, rows\n\
         run = mlflow.get_run(run.info.run_id)\n\
         read = {{read.dataset.name: read.dataset for read in run.inputs.dataset_inputs}}\n\
         assert sorted(read) == ['customers', 'days'], read\n\
         source = mlflow.data.get_source(read['days'])\n\
         assert source.path.endswith(source.to_dict()['path']) and source.delta_table_version is not None\n",
        address = server.address
    );
    client(&script);
    drop(server);
    let asked = ["-e", "prod", "-o", "json"];
    let read =
        answers::json(&project, &[&["query", "select name, context from inputs order by name"][..], &asked].concat());
    assert_eq!(read, json!([{"name": "customers", "context": "query"}, {"name": "days", "context": "query"}]));
    let run = answers::json(&project, &[&["query", "select run_id from runs"][..], &asked].concat());
    let run = run[0]["run_id"].as_str().unwrap().to_owned();
    answers::ok(&project, &["query", "select 1 from orders", "--run-id", &run, "-e", "prod"]);
    let read = answers::json(&project, &[&["query", "select count(*) as n from inputs"][..], &asked].concat());
    assert_eq!(read, json!([{"n": 3}]));
}

#[test]
fn records_are_tables_and_a_projects_own_table_goes_before_them() {
    let project = shop().file("tables/commits.sql", "select 'own' as commit_id\n");
    let asked = ["-e", "prod", "-o", "json"];
    answers::ok(&project, &at(&["apply", "-e", "prod", "--yes"]));
    let query = |sql: &str| answers::json(&project, &[&["query", sql][..], &asked].concat());
    assert_eq!(query("select commit_id from commits"), json!([{"commit_id": "own"}]));
    let found = query(
        "select c.environment, c.reason, count(*) > 3 as several from baton.commits c join commit_assets a on a.commit_id = c.commit_id group by 1, 2",
    );
    assert_eq!(found, json!([{"environment": "prod", "reason": "apply", "several": true}]));
    let found = query("select distinct passed from checks where asset = 'orders'");
    assert_eq!(found, json!([{"passed": true}]));
    let found = query(
        "select s.state, s.rows > 0 as made from steps s join pipeline_runs p on p.run = s.run where s.asset = 'customers' and p.command = 'apply'",
    );
    assert_eq!(found, json!([{"state": "done", "made": true}]));
    // Nothing is tracked, trained or served yet.
    for table in [
        "experiments",
        "runs",
        "metrics",
        "latest_metrics",
        "params",
        "tags",
        "inputs",
        "models",
        "model_versions",
        "predictions",
    ] {
        assert_eq!(query(&format!("select count(*) as n from {table}")), json!([{"n": 0}]), "{table}");
    }
    assert!(!project.path(".baton/tracking.db").exists());
}
