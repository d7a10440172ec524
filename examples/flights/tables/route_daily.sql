{{ config(materialize='incremental', time='day_end', grain=['route', 'day_end'], batch='1d', lookback='3d') }}
-- How late each route was, by day of schedule.
with daily as (
    select
        route,
        date_trunc('day', scheduled_at) + interval '1 day' as day_end,
        count(*) as flights_1d,
        avg(arr_delay) as arr_delay_1d,
        avg(case when is_late then 1 else 0 end) as late_share_1d
    from outcomes
    group by route, date_trunc('day', scheduled_at)
)
select
    route,
    day_end,
    flights_1d,
    arr_delay_1d,
    avg(arr_delay_1d) over recent as arr_delay_14d,
    avg(late_share_1d) over recent as late_share_14d
from daily
window recent as (partition by route order by day_end rows between 13 preceding and current row)
