{{ config(materialize='incremental', time='scheduled_at', grain=['flight_id'], batch='1d', lookback='3d') }}
-- What became of each flight that landed: the labels.
select
    flight_id,
    carrier,
    origin,
    dest,
    route,
    scheduled_at,
    arrived_at + interval '1 hour' as known_at, -- as the source arrivals declares
    dep_delay,
    arr_delay,
    arr_delay > 15 as is_late
from flights
where arr_delay is not null
