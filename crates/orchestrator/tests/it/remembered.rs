//! What is remembered of queries changes how long planning takes, never what it finds.

use crate::flights::{Flights, day};

#[tokio::test(flavor = "multi_thread")]
async fn relay_plans_the_same_with_and_without_what_is_remembered() {
    let as_of = day("2013-03-02");
    let flights = Flights::small(&["2013-02"]).await;
    let cache = flights.path(".baton/cache/queries.jsonl");
    let first = flights.prepared("prod", as_of).await;
    assert!(cache.is_file(), "nothing was remembered");
    let again = flights.prepared("prod", as_of).await;
    assert_eq!(first.desired, again.desired);
    assert_eq!(first.analyses, again.analyses);
    assert_eq!(first.schemas, again.schemas);

    // An edit upstream is followed by its readers, though their own text is remembered.
    flights.edit("tables/flights.sql", "    d.dep_delay,", "    d.dep_delay * 2 as dep_delay,");
    let edited = flights.prepared("prod", as_of).await;
    std::fs::remove_file(&cache).unwrap();
    let afresh = flights.prepared("prod", as_of).await;
    assert_eq!(edited.desired, afresh.desired);
    assert_eq!(edited.analyses, afresh.analyses);
    assert_ne!(first.desired.assets["outcomes"].columns, edited.desired.assets["outcomes"].columns);

    // A file that is no memory costs time and nothing else.
    std::fs::write(&cache, "{\"program\": 1").unwrap();
    assert_eq!(flights.prepared("prod", as_of).await.desired, afresh.desired);
}
