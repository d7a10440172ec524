{{ config(materialize='incremental', time='day_end', grain=['route', 'day_end'], batch='1h', lookback='3d') }}
-- How late each route was, by the day on which a landing became known, as sums.
select
    route,
    date_trunc('day', known_at) + interval '1 day' as day_end,
    count(*) as flights_1d,
    sum(arr_delay) as arr_delay_sum_1d,
    sum(case when is_late then 1 else 0 end) as late_1d
from outcomes
group by route, date_trunc('day', known_at)
