{{ config(materialize='incremental', time='hour_end', grain=['origin', 'hour_end'], batch='1d', lookback='1d') }}
-- How late the departures of each hour were, by airport, counted when planes left: known at the end of the hour.
with departed as (
    select
        origin,
        dep_delay,
        date_trunc('hour', time_hour + arrow_cast((minute + dep_delay) * 60, 'Duration(Second)')) + interval '1 hour' as hour_end
    from departures
    where dep_delay is not null
),
hourly as (
    select
        origin,
        hour_end,
        count(*) as departures_1h,
        avg(dep_delay) as dep_delay_1h,
        avg(case when dep_delay > 15 then 1 else 0 end) as late_share_1h
    from departed
    group by origin, hour_end
)
select
    origin,
    hour_end,
    departures_1h,
    dep_delay_1h,
    late_share_1h,
    avg(dep_delay_1h) over recent as dep_delay_3h,
    max(dep_delay_1h) over recent as dep_delay_max_3h
from hourly
window recent as (partition by origin order by hour_end rows between 2 preceding and current row)
