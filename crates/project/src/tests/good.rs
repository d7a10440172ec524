//! Whole projects without mistakes: what must come out.

use expect_test::expect_file;

use super::*;
use crate::EnvironmentSpec;

/// The project of the design, with a feature view in place of the bare table column.
const FLIGHTS: &str = r#"-- /baton.yml
project: flights
environments:
  dev:
  prod: {protected: true}
memory_limit: 2GiB
server: {port: 8500}
vars: {late_minutes: 15}
-- /sources.yml
sources:
  - name: flights
    owner: data@example.com
    description: Every departure from New York.
    connector: file
    path: landing/flights/*.parquet
    load: append
    time: time_hour
    available_at: arrived_at
    freshness: {warn_after: 36h, error_after: 72h}
    select: [tailnum, dep_delay, carrier]
    columns:
      - {name: tailnum, type: string, tags: [identifier]}
      - {name: dep_delay, type: int, checks: [{between: [-120, 2000], severity: warn}]}
      - name: carrier
        checks:
          - not_null
          - {accepted_values: [UA, AA], tolerance: 1%}
          - {relationships: {to: airlines, field: carrier}, where: carrier is not null}
    checks:
      - unique: [tailnum, time_hour]
      - {row_count: {min: 1}}
      - {freshness: {warn_after: 1d}}
      - {sql: "select * from flights where dep_delay < -120", name: not_too_early}
    on_schema_change: freeze
  - {name: airlines, path: landing/airlines.csv, load: replace, null_values: ['-'], available_at: "loaded + interval '1 hour'"}
-- /tables/flight_outcomes.sql
{{ config(materialize='incremental', time='scheduled_at',
          grain=['flight_id'], lookback='2d') }}
select *, arr_delay > {{ var('late_minutes') }} as is_late from {{ ref('flights') }}
-- /tables/daily/carrier_daily.sql
select carrier, day_end, avg(dep_delay) as mean_delay from flights group by carrier, day_end
-- /tables/tables.yml
tables:
  - name: carrier_daily
    owner: ops@example.com
    grain: [carrier, day_end]
    columns: [{name: mean_delay, description: In minutes., checks: [{between: {min: -60}}]}]
-- /ml.yml
features:
  - name: carrier_delays
    entity: [carrier]
    from: carrier_daily
    time: day_end
    ttl: 3d
    online: true
models:
  - name: arrival_delay
    task: binary_classification
    labels: {from: flight_outcomes, time: scheduled_at, target: is_late, keys: [flight_id, carrier], predict_before: 2h}
    features: [carrier_delays.*]
    split: {by: time, test: 30d, validate: 14d}
    train: {algorithm: auto, trials: 5}
    gates:
      - roc_auc >= 0.65
      - {load_test: {rps: 200, p99_ms: 20}}
    slices: carrier
    retrain: {cron: "0 6 * * 1", on: [drift, performance], cooldown: 14d}
endpoints:
  - name: delay
    model: arrival_delay@champion
    canary: {model: arrival_delay@challenger, traffic: 10%}
    shadow: []
    score: {from: flight_outcomes}
monitors:
  - name: delay_health
    endpoint: delay
    drift: {method: auto}
    performance: {label: flight_outcomes.is_late, metric: roc_auc, min: 0.60}
    then: [alert, retrain]
    runbook: runbooks/delay.md
    severity: warn
exposures:
  - {name: board, depends_on: [delay, carrier_daily], url: "https://example.com"}
"#;

#[test]
fn the_project_of_the_design_loads() {
    let project = load_good(FLIGHTS);
    assert_eq!(project.name, "flights");
    assert_eq!(project.environments["prod"], EnvironmentSpec { protected: true });
    assert_eq!(project.environments["dev"], EnvironmentSpec { protected: false });
    assert_eq!(project.settings.memory_limit, Some(2 << 30));
    assert_eq!((project.settings.bind.as_str(), project.settings.port), ("127.0.0.1", 8500));
    assert_eq!(project.settings.warehouse, ".baton/warehouse");
    let assets = serde_json::to_string_pretty(&project.assets).unwrap();
    expect_file!["goldens/flights.json"].assert_eq(&assets);
}

#[test]
fn the_graph_joins_yaml_and_sql() {
    let project = load_good(FLIGHTS);
    let reads = sql_reads(&[("flight_outcomes", &["flights"]), ("carrier_daily", &["flights"])]);
    let (graph, diagnostics) = crate::graph(&project.assets, &reads);
    assert!(diagnostics.is_empty());
    let inputs = |asset: &str| graph.inputs(asset).map(AssetName::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(inputs("flights"), "");
    assert_eq!(inputs("carrier_daily"), "flights");
    assert_eq!(inputs("carrier_delays"), "carrier_daily");
    assert_eq!(inputs("arrival_delay"), "carrier_delays flight_outcomes");
    assert_eq!(inputs("delay"), "arrival_delay flight_outcomes");
    assert_eq!(inputs("delay_health"), "delay flight_outcomes");
    assert_eq!(inputs("board"), "carrier_daily delay");
}

#[test]
fn the_schema_names_every_key_with_its_meaning() {
    let schema = serde_json::to_string_pretty(&crate::json_schema()).unwrap();
    expect_file!["goldens/schema.json"].assert_eq(&schema);
    let tree = crate::json_schema();
    let described = |value: &serde_json::Value| {
        let properties = value["properties"].as_object().unwrap();
        properties.values().all(|key| key["description"].as_str().is_some_and(|text| text.len() > 10))
    };
    assert!(described(&tree));
    let source = &tree["properties"]["sources"]["anyOf"][1];
    assert!(described(source) && source["required"] == serde_json::json!(["name"]));
}

#[test]
fn a_project_cut_off_anywhere_is_read_without_failing() {
    for end in 0..FLIGHTS.len() {
        let (project, diagnostics) = load_texts(files(&format!("{}\n", &FLIGHTS[..end])));
        project.render(&diagnostics, false);
        assert!(end > 0 || !diagnostics.is_empty());
    }
}

#[test]
fn artifacts_of_clients_may_be_in_a_folder_or_a_bucket() {
    let folder = load_good(&with_head("tracking: {artifacts: /mnt/artifacts}\n-- /tables/one.sql\nselect 1 as a\n"))
        .settings
        .tracking;
    assert_eq!((folder.artifacts.as_deref(), folder.options.len()), (Some("/mnt/artifacts"), 0));
    let bucket = load_good(&with_head(
        "tracking:
  artifacts: s3://bucket/mlflow
  endpoint: https://minio.example
  access_key_id: ${env:KEY}
  secret_access_key: ${file:secret}
  path_style: false
-- /tables/one.sql
select 1 as a
",
    ));
    let options: Vec<String> =
        bucket.settings.tracking.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        options,
        [
            "access_key_id=${env:KEY}",
            "endpoint=https://minio.example",
            "path_style=false",
            "secret_access_key=${file:secret}"
        ]
    );
}

#[test]
fn places_of_artifacts_that_are_none_are_told() {
    for (settings, told) in [
        ("{artifacts: gs://bucket}", "`artifacts` of `tracking` is neither a folder nor in a bucket"),
        ("{artifacts: folder, region: eu-west-1}", "`region` of `tracking` goes with `artifacts: s3://…`"),
        ("{artifacts: s3://b, access_key_id: key}", "`tracking` has half a key"),
        ("{artefacts: s3://b}", "has unknown key `artefacts`"),
    ] {
        let (project, diagnostics) = load_texts(files(&with_head(&format!("tracking: {settings}\n"))));
        let shown = project.render(&diagnostics, false);
        assert_eq!(diagnostics.len(), 1, "{shown}");
        assert!(shown.contains(told), "{shown}");
    }
}
