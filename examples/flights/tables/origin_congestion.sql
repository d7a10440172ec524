{{ config(materialize='incremental', time='hour_end', grain=['origin', 'hour_end'], batch='1h', lookback='1d') }}
-- How late departures have been lately, by airport and hour. Sums of whole numbers are exact in any order.
select
    origin,
    hour_end,
    departures_1h,
    cast(dep_delay_sum_1h as double) / departures_1h as dep_delay_1h,
    cast(late_1h as double) / departures_1h as late_share_1h,
    cast(sum(dep_delay_sum_1h) over recent as double) / sum(departures_1h) over recent as dep_delay_3h,
    max(dep_delay_sum_1h / departures_1h) over recent as dep_delay_max_3h
from origin_hourly
window recent as (partition by origin order by hour_end rows between 2 preceding and current row)
