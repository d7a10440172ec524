//! `why` finds each class of fault first, at the asset where it began. Faults are put into the deliveries of real flights
//! from a day on, and the relay runs over it for a week before anybody asks.

use std::sync::Arc;

use baton_core::incident::{Cause, CauseClass};
use baton_core::ports::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot, OnlineStore, UpsertReport};
use baton_orchestrator::{Prepared, WhyReport, why};

use crate::flights::{Flights, day, days};

const FLIGHTS: &str = "landing/flights/2013-03.parquet";
const WEATHER: &str = "landing/weather.parquet";
/// The first day with the fault.
const FAULT: &str = "2013-03-08";
/// When somebody asks.
const ASKED: &str = "2013-03-16";

async fn world() -> Flights {
    Flights::small(&["2013-01", "2013-02", "2013-03"]).await
}

/// Changes March's flights from the day of the fault on; they arrive as before.
async fn change_flights(flights: &Flights, sql: &str) {
    flights.rewrite(FLIGHTS, sql, day("2013-02-28")).await;
}

async fn change_weather(flights: &Flights, sql: &str) {
    flights.rewrite(WEATHER, sql, day("2012-12-30")).await;
}

/// Runs from before the fault until somebody asks what is wrong with the endpoint's health.
async fn asked(flights: &Flights) -> WhyReport {
    let prepared = flights.applied("prod", day("2013-03-02")).await;
    flights.ticks(&prepared, "prod", &days("2013-03-02", ASKED, 2)).await;
    ask(flights, &prepared).await
}

async fn ask(flights: &Flights, prepared: &Prepared) -> WhyReport {
    let report = why(&flights.services, prepared, "prod", Some("delay_health"), None).await.unwrap();
    println!("asked at {} of {:?}", report.at, report.incident);
    for cause in &report.causes {
        println!("{:.2} {:?} {} {:?} {}", cause.score, cause.class, cause.asset, cause.columns, cause.summary);
        cause.evidence.iter().for_each(|fact| println!("       {fact}"));
    }
    report
}

fn first(report: &WhyReport) -> &Cause {
    &report.causes[0]
}

#[track_caller]
fn assert_first(report: &WhyReport, class: CauseClass, asset: &str) {
    let cause = first(report);
    assert_eq!((cause.class, cause.asset.as_str()), (class, asset), "{:#?}", report.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_blames_no_data_when_nothing_is_wrong() {
    let report = asked(&world().await).await;
    assert!(matches!(first(&report).class, CauseClass::ModelDrift | CauseClass::Unknown), "{:#?}", report.causes);
    assert_eq!(report.runbook.as_deref(), Some("runbooks/delay.md"));
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_weather_that_comes_late() {
    let flights = world().await;
    change_weather(&flights, &format!("select * from delivery where time_hour < '{FAULT}'")).await;
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::LateData, "weather");
    assert_eq!(first(&report).owner.as_deref(), Some("weather@example.com"));
    assert!(first(&report).since.unwrap() < day(FAULT));
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_labels_that_stop() {
    let flights = world().await;
    let columns = ["arr_time", "arr_delay", "air_time"];
    let emptied = columns.map(|name| format!("case when time_hour < '{FAULT}' then {name} end as {name}")).join(", ");
    change_flights(&flights, &format!("select * replace ({emptied}) from delivery")).await;
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::MissingLabels, "arrivals");
    assert_eq!(first(&report).owner.as_deref(), Some("dataops@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_a_renamed_column() {
    let flights = world().await;
    let (prepared, report) =
        with_other_weather(&flights, "select * except (temp), temp as temperature from delivery").await;
    assert_first(&report, CauseClass::SchemaChange, "weather");
    assert!(first(&report).summary.contains("`temp`"), "{}", first(&report).summary);
    drop(prepared);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_a_retyped_column() {
    let flights = world().await;
    let (_, report) = with_other_weather(&flights, "select * replace (concat(temp, ' F') as temp) from delivery").await;
    assert_first(&report, CauseClass::SchemaChange, "weather");
    assert!(first(&report).summary.contains("temp"), "{}", first(&report).summary);
}

/// Runs until the fault, delivers other weather, and runs on.
async fn with_other_weather(flights: &Flights, sql: &str) -> (Prepared, WhyReport) {
    let prepared = flights.applied("prod", day("2013-03-02")).await;
    flights.ticks(&prepared, "prod", &days("2013-03-02", FAULT, 2)).await;
    flights.rewrite(WEATHER, sql, day(FAULT)).await;
    flights.ticks(&prepared, "prod", &days(FAULT, ASKED, 2)).await;
    let report = ask(flights, &prepared).await;
    (prepared, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_departures_that_thin_out() {
    let flights = world().await;
    let sources = std::fs::read_to_string(flights.path("sources.yml")).unwrap();
    let (before, departures) = sources.split_once("- name: departures").unwrap();
    let own_folder = departures.replacen("landing/flights/", "landing/departures/", 1);
    std::fs::write(flights.path("sources.yml"), format!("{before}- name: departures{own_folder}")).unwrap();
    for (month, arrival) in [("2013-01", "2012-12-31"), ("2013-02", "2013-01-31"), ("2013-03", "2013-02-28")] {
        let (from, to) = (format!("landing/flights/{month}.parquet"), format!("landing/departures/{month}.parquet"));
        let sql = format!("select * from delivery where time_hour < '{FAULT}' or flight % 5 < 2");
        flights.derive(&from, &to, &sql, day(arrival)).await;
    }
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::VolumeDrop, "departures");
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_a_broken_transform_and_its_author() {
    let mut flights = world().await;
    let prepared = flights.applied("prod", day("2013-03-02")).await;
    flights.ticks(&prepared, "prod", &days("2013-03-02", FAULT, 2)).await;
    flights.services.author = "bob@example.com".to_owned();
    flights.edit("tables/origin_congestion.sql", "cast(dep_delay_sum_1h as", "cast(dep_delay_sum_1h * 10 as");
    let prepared = flights.applied("prod", day(FAULT)).await;
    flights.services.author = "ada@example.com".to_owned();
    flights.ticks(&prepared, "prod", &days(FAULT, ASKED, 2)).await;
    let report = ask(&flights, &prepared).await;
    assert_first(&report, CauseClass::BrokenTransform, "origin_congestion");
    assert_eq!(first(&report).owner.as_deref(), Some("bob@example.com"));
    assert_eq!(first(&report).since, Some(day(FAULT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_delays_that_shift_at_their_source() {
    let flights = world().await;
    let sql = format!(
        "select * replace (case when time_hour < '{FAULT}' then dep_delay else dep_delay + 60 end as dep_delay) from delivery"
    );
    change_flights(&flights, &sql).await;
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::ColumnShift, "departures");
    assert_eq!(first(&report).columns, ["dep_delay"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_temperatures_in_celsius() {
    let flights = world().await;
    let sql = format!(
        "select * replace (case when time_hour < '{FAULT}' then temp else (temp - 32) / 1.8 end as temp) from delivery"
    );
    change_weather(&flights, &sql).await;
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::ColumnShift, "weather");
    assert_eq!(first(&report).columns, ["temp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_why_finds_online_features_that_are_left_behind() {
    let mut flights = world().await;
    let prepared = flights.applied("prod", day("2013-03-02")).await;
    flights.ticks(&prepared, "prod", &days("2013-03-02", FAULT, 2)).await;
    flights.services.online = Arc::new(PartlyFull { inner: flights.services.online.clone(), full: "/congestion/" });
    flights.ticks(&prepared, "prod", &days(FAULT, ASKED, 2)).await;
    let report = ask(&flights, &prepared).await;
    assert_first(&report, CauseClass::StaleFeatures, "congestion");
    assert!(first(&report).summary.contains("no space left"), "{}", first(&report).summary);
}

/// The relation between features and labels is gone, and no column of any source has changed its distribution.
#[tokio::test(flavor = "multi_thread")]
async fn relay_why_says_model_drift_when_only_the_relation_changed() {
    let flights = world().await;
    let moved = format!("arr_delay is not null and time_hour >= '{FAULT}'");
    let sql = format!(
        "select * replace (case when {moved} then coalesce(lead(arr_delay) over (partition by {moved} order by
            md5(concat(carrier, flight, origin, dest, time_hour))), arr_delay) else arr_delay end as arr_delay) from delivery"
    );
    change_flights(&flights, &sql).await;
    let report = asked(&flights).await;
    assert_first(&report, CauseClass::ModelDrift, "delay_health");
    assert!(first(&report).summary.contains("roc_auc"), "{}", first(&report).summary);
}

/// An online store that cannot write one namespace any more.
struct PartlyFull {
    inner: Arc<dyn OnlineStore>,
    full: &'static str,
}

impl OnlineStore for PartlyFull {
    fn upsert(&self, namespace: &str, rows: &[OnlineRow]) -> Result<UpsertReport, OnlineError> {
        if namespace.contains(self.full) {
            let (action, reason) = (format!("write to {namespace}"), "no space left on device".to_owned());
            return Err(OnlineError::Storage { action, reason });
        }
        self.inner.upsert(namespace, rows)
    }

    fn snapshot(&self) -> Result<Arc<dyn OnlineSnapshot>, OnlineError> {
        self.inner.snapshot()
    }

    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError> {
        self.inner.drop_namespace(namespace)
    }

    fn namespaces(&self) -> Result<Vec<NamespaceUse>, OnlineError> {
        self.inner.namespaces()
    }

    fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        self.inner.count(namespace)
    }
}
