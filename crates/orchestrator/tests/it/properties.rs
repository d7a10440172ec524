//! What holds of any project: order does not matter, an applied plan is done, a rollback moves everything.

use std::collections::BTreeMap;

use baton_core::scalar::{Scalar, entity_key};
use baton_core::{Commit, Fingerprint, Version};
use baton_orchestrator::{endpoint_parts, plan, rollback};

use crate::flights::{Flights, day, lines};

#[tokio::test(flavor = "multi_thread")]
async fn relay_order_of_files_and_assets_changes_nothing() {
    let as_of = day("2013-03-02");
    let plain = Flights::small(&["2013-02"]).await;
    let (expected, digests) = applied(&plain).await;

    let shuffled = Flights::small(&["2013-02"]).await;
    for (number, file) in ["sources.yml", "tables.yml", "features.yml"].into_iter().enumerate() {
        reverse_assets(&shuffled, file);
        std::fs::rename(shuffled.path(file), shuffled.path(&format!("{}.yml", 9 - number))).unwrap();
    }
    let (found, found_digests) = applied(&shuffled).await;
    assert_eq!(expected, found);
    assert_eq!(digests, found_digests);
    assert!(digests.len() >= 14, "{digests:?}");

    // The same project again, in another environment and another order of work: everything is there already.
    let prepared = shuffled.applied("again", as_of).await;
    assert!(plan(&shuffled.services, &prepared, "again", as_of).await.unwrap().is_empty());
    assert_eq!(table_digests(&head(&shuffled, "again").await), digests);
}

/// Applies, holds that nothing is left to plan, and answers with fingerprints and digests by asset.
async fn applied(flights: &Flights) -> (BTreeMap<String, (Fingerprint, Fingerprint)>, BTreeMap<String, String>) {
    let as_of = day("2013-03-02");
    let prepared = flights.applied("prod", as_of).await;
    let again = plan(&flights.services, &prepared, "prod", as_of).await.unwrap();
    assert!(again.is_empty(), "{}", baton_plan::render_text(&again));
    let desired = &prepared.desired.assets;
    let prints = desired.iter().map(|(name, found)| (name.to_string(), (found.content(), found.metadata.clone())));
    (prints.collect(), table_digests(&head(flights, "prod").await))
}

/// Digests of tables, sources and models.
fn table_digests(commit: &Commit) -> BTreeMap<String, String> {
    let digests = commit.assets.iter().filter_map(|(name, pin)| Some((name.to_string(), pin.digest.clone()?)));
    digests.collect()
}

/// Puts the assets of a YAML file in the opposite order.
fn reverse_assets(flights: &Flights, file: &str) {
    let text = std::fs::read_to_string(flights.path(file)).unwrap();
    let mut parts: Vec<&str> = text.split("\n  - name:").collect();
    let head = parts.remove(0);
    parts.reverse();
    let assets: String = parts.iter().map(|part| format!("\n  - name:{}\n", part.trim_end())).collect();
    std::fs::write(flights.path(file), format!("{head}{assets}")).unwrap();
}

async fn head(flights: &Flights, environment: &str) -> Commit {
    flights.services.ledger.head(environment).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_rollback_moves_data_features_model_and_endpoint_together() {
    let flights = Flights::small(&["2013-02", "2013-03"]).await;
    let first_day = day("2013-03-05");
    let prepared = flights.applied("prod", first_day).await;
    let old = head(&flights, "prod").await;
    let old_online = online_values(&flights, &old);
    let old_rows = count(&flights, "outcomes").await;
    let reader = flights.session([("outcomes", flights.files(old.assets["outcomes"].version.table().unwrap()).await)]);

    // New data, another transform, another model.
    flights.ticks(&prepared, "prod", &[day("2013-03-07")]).await;
    flights.edit("tables/origin_hourly.sql", "dep_delay > 15", "dep_delay > 30");
    let prepared = flights.applied("prod", day("2013-03-08")).await;
    let new = head(&flights, "prod").await;
    for changed in ["outcomes", "origin_congestion", "congestion", "carrier_delays", "arrival_delay", "delay"] {
        assert_ne!(old.assets[changed].version, new.assets[changed].version, "{changed} should have moved");
    }
    assert_ne!(old_online, online_values(&flights, &new));
    assert!(count(&flights, "outcomes").await > old_rows);
    assert_eq!(served(&flights, &prepared).await, "arrival_delay@2");

    let commit = rollback(&flights.services, &prepared, "prod", Some(old.id.short())).await.unwrap().commit;
    assert_eq!(head(&flights, "prod").await, commit);
    assert_eq!(commit.as_of, first_day);
    for (name, pin) in &old.assets {
        match (&pin.version, &commit.assets[name].version) {
            (Version::FeatureView { table, .. }, Version::FeatureView { table: back, .. }) => assert_eq!(table, back),
            (before, back) => assert_eq!(before, back, "{name}"),
        }
        assert_eq!(pin.digest, commit.assets[name].digest, "{name}");
    }
    assert_eq!(commit.assets.len(), old.assets.len(), "what came later is gone");
    assert_eq!(old_online, online_values(&flights, &commit), "online values are those of the commit");
    assert_eq!(served(&flights, &prepared).await, "arrival_delay@1");
    assert_eq!(count(&flights, "outcomes").await, old_rows);

    // A reader that began before all this has seen the first state throughout, rows that were not known yet included.
    let seen = lines(reader.query("select count(*) from outcomes").await.unwrap());
    assert_eq!(seen, [old.assets["outcomes"].rows.unwrap().to_string()]);

    // And forward again: the old project is planned as a change back, and reaches the same digests.
    flights.edit("tables/origin_hourly.sql", "dep_delay > 30", "dep_delay > 15");
    let prepared = flights.prepared("prod", first_day).await;
    let again = plan(&flights.services, &prepared, "prod", first_day).await.unwrap();
    assert!(again.is_empty(), "{}", baton_plan::render_text(&again));
}

async fn count(flights: &Flights, table: &str) -> u64 {
    let sql = format!("select count(*) from {table}");
    lines(baton_orchestrator::query(&flights.services, "prod", None, &sql).await.unwrap())[0].parse().unwrap()
}

async fn served(flights: &Flights, prepared: &baton_orchestrator::Prepared) -> String {
    let commit = flights.services.ledger.head("prod").await.unwrap().unwrap();
    let parts = endpoint_parts(&flights.services, prepared, &commit, "delay").await.unwrap();
    format!("{}@{}", parts.main.model, parts.main.version)
}

/// What the online store answers for some entities of the views that move by the hour and by the day.
fn online_values(flights: &Flights, commit: &Commit) -> BTreeMap<String, Vec<String>> {
    let asked = [
        ("congestion", ["EWR", "JFK", "LGA"]),
        ("carrier_delays", ["UA", "B6", "DL"]),
        ("route_delays", ["JFK-LAX", "LGA-ATL", "EWR-ORD"]),
        ("origin_weather", ["EWR", "JFK", "LGA"]),
    ];
    let read = |(view, entities): (&str, [&str; 3])| {
        let Version::FeatureView { online: Some(namespace), .. } = &commit.assets[view].version else {
            panic!("{view} is not online");
        };
        let keys: Vec<Vec<u8>> = entities.iter().map(|key| entity_key(&[Scalar::Text((*key).to_owned())])).collect();
        let rows = flights.services.online.read(namespace, &keys).unwrap();
        assert!(rows.iter().all(Option::is_some), "{view} lacks an entity");
        (view.to_owned(), rows.iter().map(|row| format!("{row:?}")).collect())
    };
    asked.into_iter().map(read).collect()
}
