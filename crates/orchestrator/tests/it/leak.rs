//! Nothing that was not known at prediction time reaches a feature, a training row, a model or a prediction.
//!
//! The whole future of an instant is changed: outcomes of flights that become known after it, and all later weather.
//! What was computed for the time before must stay the same to the last bit. A change of the past must not go unseen.

use std::collections::BTreeMap;

use baton_core::Timestamp;
use baton_orchestrator::{ModelVersion, model_versions, query};

use crate::flights::{Flights, day, lines};

/// What a world led to, as far as it was decided before the instant.
#[derive(Debug, PartialEq)]
struct Before {
    /// Digest of the training set of a model trained at the instant.
    training_rows: String,
    /// Digest of that model.
    model: String,
    /// Predictions made before the instant, with their features.
    predictions: Vec<String>,
    /// Features by flight, of predictions before the instant, in a training set that is made a day later.
    features: BTreeMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_leak_test_changing_the_future_changes_nothing_before_it() {
    let instant: Timestamp = "2013-03-08T15:30:00Z".parse().unwrap();
    let untouched = before(&world().await, instant).await;
    assert!(untouched.predictions.len() > 1_500, "{}", untouched.predictions.len());

    let other_future = world().await;
    change_future(&other_future, instant).await;
    let same = before(&other_future, instant).await;
    assert_eq!(untouched.training_rows, same.training_rows, "a training row saw the future");
    assert_eq!(untouched.model, same.model, "the model saw the future");
    assert_same(&untouched.predictions, &same.predictions);
    let shared: Vec<&String> = untouched.features.keys().filter(|key| same.features.contains_key(*key)).collect();
    assert!(shared.len() > 25_000, "{}", shared.len());
    for flight in shared {
        assert_eq!(untouched.features[flight], same.features[flight], "a feature of {flight} saw the future");
    }

    let other_past = world().await;
    change_past(&other_past, instant).await;
    let different = before(&other_past, instant).await;
    assert_ne!(untouched.training_rows, different.training_rows);
    assert_ne!(untouched.model, different.model);
    assert_ne!(untouched.predictions, different.predictions);
    assert_ne!(untouched.features, different.features);
}

async fn world() -> Flights {
    Flights::small(&["2013-02", "2013-03"]).await
}

/// Trains and serves some days before the instant, looks at it, and looks again a day later.
async fn before(flights: &Flights, instant: Timestamp) -> Before {
    let later = instant + chrono::TimeDelta::days(1);
    let prepared = flights.applied("prod", day("2013-03-06")).await;
    flights.ticks(&prepared, "prod", &[instant, later]).await;
    flights.applied("now", instant).await;
    flights.applied("later", later).await;
    let versions = model_versions(&flights.services, "arrival_delay").await.unwrap();
    let trained_at = |clock: Timestamp| versions.iter().find(|version| version.as_of == clock).unwrap();
    let sql = format!("select * from delay_predictions where predicted_at < '{instant}' order by prediction_id");
    let predictions = lines(query(&flights.services, "prod", None, &sql).await.unwrap());
    let trained = trained_at(instant);
    let snapshot = flights.services.lake.snapshot(&trained.training_set).await.unwrap();
    Before {
        training_rows: snapshot.digest().to_string(),
        model: trained.digest.clone(),
        predictions,
        features: features(flights, trained_at(later), instant).await,
    }
}

/// Everything but the label of training rows whose prediction would have been made before the instant.
async fn features(flights: &Flights, version: &ModelVersion, instant: Timestamp) -> BTreeMap<String, String> {
    let session = flights.session([("training", flights.files(&version.training_set).await)]);
    let sql = format!("select * except (is_late) from training where predicted_at < '{instant}'");
    let rows = lines(session.query(&sql).await.unwrap());
    rows.into_iter().map(|row| (row.split(',').next().unwrap().to_owned(), row)).collect()
}

/// When a departure and an arrival are known, in seconds: as `sources.yml` declares it.
const DEPARTED: &str = "(date_part('epoch', to_timestamp(time_hour)) + (minute + coalesce(dep_delay, 1440)) * 60)";
const ARRIVED: &str = "(date_part('epoch', to_timestamp(time_hour)) + (minute + coalesce(dep_delay + air_time + 70
    + ((arr_time / 100 * 60 + arr_time % 100 - dep_time / 100 * 60 - dep_time % 100 - air_time - 10 + 6000) % 60), 2880)) * 60)";

/// Other outcomes for all flights whose outcome is not known at the instant, and other weather after it. All of it
/// stays unknown: each change makes an outcome known later, never earlier.
async fn change_future(flights: &Flights, instant: Timestamp) {
    let clock = instant.timestamp();
    let sql = format!(
        "select * replace (
            case when {DEPARTED} > {clock} then coalesce(dep_delay + 47, 1500) else dep_delay end as dep_delay,
            case when {DEPARTED} > {clock} then 1234 else dep_time end as dep_time,
            case when {ARRIVED} > {clock} then 2359 else arr_time end as arr_time,
            case when {ARRIVED} > {clock} then coalesce(arr_delay, 0) + 100 else arr_delay end as arr_delay,
            case when {ARRIVED} > {clock} then air_time + 60 else air_time end as air_time
        ) from delivery"
    );
    flights.rewrite("landing/flights/2013-03.parquet", &sql, day("2013-02-28")).await;
    let sql = format!(
        "select * replace (
            case when {later} then 20 + temp / 2 else temp end as temp,
            case when {later} then 50.0 else humid end as humid,
            case when {later} then wind_speed + 10 else wind_speed end as wind_speed,
            case when {later} then 1.0 else precip end as precip,
            case when {later} then 5.0 else visib end as visib
        ) from delivery",
        later = format_args!("to_timestamp(time_hour) > '{instant}'")
    );
    flights.rewrite("landing/weather.parquet", &sql, day("2012-12-30")).await;
}

/// Later departures in the two weeks before, whose outcomes were known: in rows that are learnt from and in rows that
/// are predicted.
async fn change_past(flights: &Flights, instant: Timestamp) {
    let (from, until) = (instant.timestamp() - 14 * 86_400, instant.timestamp() - 86_400);
    let sql = format!(
        "select * replace (
            case when {ARRIVED} between {from} and {until} then dep_delay + 30 else dep_delay end as dep_delay
        ) from delivery"
    );
    for (month, arrival) in [("2013-02", "2013-01-31"), ("2013-03", "2013-02-28")] {
        flights.rewrite(&format!("landing/flights/{month}.parquet"), &sql, day(arrival)).await;
    }
}

fn assert_same(before: &[String], after: &[String]) {
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(after) {
        assert_eq!(one, other, "a prediction saw the future");
    }
}
