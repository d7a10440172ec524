{{ config(materialize='incremental', time='hour_end', grain=['origin', 'hour_end'], batch='1h', lookback='1d') }}
-- Departures of each hour by airport, counted when planes left: known at the end of the hour.
with departed as (
    select
        origin,
        dep_delay,
        date_trunc('hour', time_hour + arrow_cast((minute + dep_delay) * 60, 'Duration(Second)')) + interval '1 hour' as hour_end
    from departures
    where dep_delay is not null
)
select
    origin,
    hour_end,
    count(*) as departures_1h,
    sum(dep_delay) as dep_delay_sum_1h,
    sum(case when dep_delay > 15 then 1 else 0 end) as late_1h
from departed
group by origin, hour_end
