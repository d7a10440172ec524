{{ config(materialize='incremental', time='scheduled_at', grain=['flight_id'], batch='1d', lookback='3d') }}
-- What became of each flight that landed: the labels.
select
    flight_id,
    carrier,
    origin,
    dest,
    route,
    scheduled_at,
    dep_delay,
    arr_delay,
    arr_delay > 15 as is_late
from flights
where arr_delay is not null
