//! Random edits of flights: the places where people edit it, and values from the seed.

use super::Files;
use super::random::Random;

/// A file, what is written there, and what to write instead; `#` stands for a random number.
const EDITS: [(&str, &str, &str); 26] = [
    ("tables/origin_hourly.sql", "dep_delay > 15", "dep_delay > #"),
    ("tables/origin_hourly.sql", "where dep_delay is not null", "where dep_delay is not null and dep_delay < 1#"),
    (
        "tables/origin_hourly.sql",
        "    count(*) as departures_1h,",
        "    count(*) as departures_1h,\n    max(dep_delay) + # as worst_1h,",
    ),
    ("tables/origin_congestion.sql", "between 2 preceding", "between # preceding"),
    ("tables/origin_congestion.sql", "order by hour_end rows", "order by hour_end asc rows"),
    ("tables/outcomes.sql", "arr_delay > 15 as is_late", "arr_delay > # as is_late"),
    ("tables/outcomes.sql", "arr_delay > 15 as is_late", "15 < arr_delay as is_late"),
    ("tables/outcomes.sql", "    dest,\n", "    dest,\n    air_time + # as padded,\n"),
    ("tables/outcomes.sql", "from flights\n", "from flights as all_of_them -- as before #\n"),
    ("tables/outcomes.sql", "where arr_delay is not null", "where arr_delay is not null and arr_delay < 3#"),
    ("tables/flights.sql", "    a.air_time,\n", "    a.air_time + # as air_time,\n"),
    ("tables/flights.sql", "    s.tailnum,\n", "    lower(s.tailnum) as tailnum,\n"),
    ("tables/flights.sql", "    s.tailnum,\n", ""),
    ("tables/flights.sql", "left join arrivals a", "join arrivals a"),
    (
        "tables/route_daily.sql",
        "    count(*) as flights_1d,",
        "    count(*) as flights_1d,\n    min(arr_delay) - # as best_1d,",
    ),
    ("tables/route_recent.sql", "13 preceding", "# preceding"),
    ("tables/carrier_daily.sql", "avg(dep_delay) as", "avg(dep_delay + #) as"),
    ("tables/carrier_daily.sql", "select\n    carrier,\n", "select carrier, -- #\n"),
    ("tables/scheduled_flights.sql", "left join planes p", "join planes p"),
    ("tables/scheduled_flights.sql", "    p.seats,", "    coalesce(p.seats, #) as seats,"),
    ("tables/scheduled_flights.sql", "    s.minute,\n", "    s.minute,\n    p.year + # as retires,\n"),
    ("sources.yml", "      - {name: seats, type: int}", "      - {name: seats, type: float}"),
    ("sources.yml", "owner: weather@example.com", "owner: weather#@example.com"),
    ("sources.yml", "coalesce(dep_delay, 1440)", "coalesce(dep_delay, 14#)"),
    ("features.yml", "    ttl: 8h", "    ttl: #h"),
    (
        "features.yml",
        "features: [temp, humid, wind_speed, precip, visib]",
        "features: [temp, humid, wind_speed, visib]",
    ),
];

/// One of them; `None` when the text is not there.
pub(crate) fn edit(files: &Files, random: &mut Random) -> Option<(String, Files)> {
    let (file, from, to) = random.of(&EDITS);
    let to = to.replace('#', &random.between(20, 60).to_string());
    let text = files.get(*file).filter(|text| text.contains(from)).unwrap_or_else(|| panic!("{file} has no {from}"));
    let mut edited = files.clone();
    edited.insert((*file).to_owned(), text.replacen(from, &to, 1));
    Some((format!("{file}: {} -> {}", from.trim(), to.trim()), edited))
}
