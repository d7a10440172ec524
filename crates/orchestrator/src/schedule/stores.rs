//! Objects of a store that schedules wait for. A store is asked now and then, beside everything else: it may be far and slow,
//! and takes money for each page of a listing. An object is there whole or not at all, so a listing counts at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use baton_connectors::{ConnectorError, DiscoverRequest, Unit, connector, resolve_secrets};
use baton_core::{Fingerprint, Timestamp};
use chrono::TimeDelta;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::files::Place;
use super::scheduler::Host;

/// The connector whose places begin with [`SCHEME`].
const CONNECTOR: &str = "s3";
const SCHEME: &str = "s3://";
/// Time from one listing to the next.
const LISTEN: TimeDelta = TimeDelta::seconds(10);

/// How stores are reached, by bucket: as the project's sources say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stores(BTreeMap<String, Map<String, Value>>);

/// What lies at a place of a store, as last heard.
#[derive(Default)]
pub(super) struct Listing {
    asked_at: Option<Timestamp>,
    asking: Option<JoinHandle<Result<String, ConnectorError>>>,
    digest: Option<String>,
}

impl Stores {
    /// As sources say that read these places with these options; of several that read one bucket, the first.
    pub fn of<'s>(sources: impl IntoIterator<Item = (&'s str, &'s Map<String, Value>)>) -> Self {
        let mut stores = BTreeMap::new();
        for (place, options) in sources {
            if let Some(bucket) = bucket_of(place) {
                stores.entry(bucket.to_owned()).or_insert_with(|| options.clone());
            }
        }
        Self(stores)
    }

    fn options(&self, location: &str) -> Map<String, Value> {
        bucket_of(location).and_then(|bucket| self.0.get(bucket)).cloned().unwrap_or_default()
    }
}

/// Whether a place is one of a store.
pub(super) fn is_of_store(location: &str) -> bool {
    location.starts_with(SCHEME)
}

fn bucket_of(location: &str) -> Option<&str> {
    location.strip_prefix(SCHEME)?.split('/').next()
}

impl Listing {
    /// The digest of what was there when the store last answered; asks it again when that is long enough ago.
    ///
    /// # Errors
    /// Why the store did not answer; what was there before stands.
    pub(super) async fn look(&mut self, place: &Place<'_>) -> Result<Option<String>, String> {
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            let answer = asking.await.map_err(|error| error.to_string());
            let listed = answer.and_then(|listed| listed.map_err(|error| error.to_string()));
            self.digest = Some(listed.map_err(|reason| format!("`files: {}` cannot be listed: {reason}", place.glob))?);
        }
        if self.asking.is_none() && self.asked_at.is_none_or(|at| place.now >= at + LISTEN) {
            self.asked_at = Some(place.now);
            let (root, location) = (place.folder.to_owned(), place.glob.to_owned());
            let (options, host) = (place.stores.options(&location), Arc::clone(place.host));
            self.asking = Some(tokio::task::spawn_blocking(move || listed(root, location, &options, &*host)));
        }
        Ok(self.digest.clone())
    }
}

fn listed(
    root: PathBuf,
    location: String,
    options: &Map<String, Value>,
    host: &dyn Host,
) -> Result<String, ConnectorError> {
    let Some(connector) = connector(CONNECTOR) else { return Ok(String::new()) };
    let variable = |name: &str| host.secret("env", name);
    let resolved = resolve_secrets(options, &root, &variable)?;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut options: BTreeMap<String, String> = resolved.into_iter().map(|(name, value)| (name, text(value))).collect();
    for (option, name) in connector.usual_variables(&options) {
        if let Some(value) = variable(name) {
            options.entry(option.to_owned()).or_insert(value);
        }
    }
    // What a file holds does not matter here: one that says that others are complete may hold nothing.
    options.insert("format".to_owned(), "csv".to_owned());
    let units = connector.discover(&DiscoverRequest { root, location: as_glob(&location), options })?;
    let state = |unit: &Unit| format!("{}\u{0}{}", unit.path, unit.fingerprint_as_listed().unwrap_or_default());
    Ok(Fingerprint::of(units.iter().map(state)).short().to_owned())
}

/// A name or folder as a glob: that nothing is there yet is no mistake of a glob.
fn as_glob(location: &str) -> String {
    match location.strip_suffix(|_: char| true) {
        Some(_) if location.contains(['*', '?', '[', '{']) => location.to_owned(),
        Some(_) if location.ends_with('/') => format!("{location}**"),
        Some(head) => format!("{head}[{}]", &location[head.len()..]),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_reached_as_the_first_source_of_its_bucket_says() {
        let options = |endpoint: &str| Map::from_iter([("endpoint".to_owned(), Value::from(endpoint))]);
        let (no, one, two) = (options("no"), options("one"), options("two"));
        let stores = Stores::of([
            ("landing/*.csv", &no),
            ("s3://landing/orders/*.csv", &one),
            ("s3://landing/days/*.csv", &two),
        ]);
        assert_eq!(stores.options("s3://landing/done/*")["endpoint"], "one");
        assert!(stores.options("s3://other/*.csv").is_empty());
        assert_eq!(as_glob("s3://landing/done"), "s3://landing/don[e]");
        assert_eq!(as_glob("s3://landing/days/"), "s3://landing/days/**");
        assert_eq!(as_glob("s3://landing/days/*.csv"), "s3://landing/days/*.csv");
        assert!(is_of_store("s3://other/*.csv") && !is_of_store("landing/s3/*.csv"));
    }
}
