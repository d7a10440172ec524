{{ config(materialize='incremental', time='day_end', grain=['carrier', 'day_end'], batch='1d', lookback='3d') }}
-- How late each carrier was, by day of schedule.
select
    carrier,
    date_trunc('day', scheduled_at) + interval '1 day' as day_end,
    count(*) as flights_1d,
    avg(dep_delay) as dep_delay_1d,
    avg(arr_delay) as arr_delay_1d,
    avg(case when is_late then 1 else 0 end) as late_share_1d
from outcomes
group by carrier, date_trunc('day', scheduled_at)
