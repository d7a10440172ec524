{{ config(materialize='incremental', time='day_end', grain=['carrier', 'day_end'], batch='1h', lookback='3d') }}
-- How late each carrier was, counted on the day on which a landing became known: at the end of a day its row is complete,
-- and no straggler changes it afterwards. (By day of schedule, one late flight would hide the row from the past.)
select
    carrier,
    date_trunc('day', known_at) + interval '1 day' as day_end,
    count(*) as flights_1d,
    avg(dep_delay) as dep_delay_1d,
    avg(arr_delay) as arr_delay_1d,
    avg(case when is_late then 1 else 0 end) as late_share_1d
from outcomes
group by carrier, date_trunc('day', known_at)
