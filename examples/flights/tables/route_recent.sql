{{ config(materialize='incremental', time='day_end', grain=['route', 'day_end'], batch='1h', lookback='3d') }}
-- How late each route has been over its last 14 days of service. Sums of whole numbers are exact in any order.
select
    route,
    day_end,
    flights_1d,
    cast(arr_delay_sum_1d as double) / flights_1d as arr_delay_1d,
    cast(sum(arr_delay_sum_1d) over recent as double) / sum(flights_1d) over recent as arr_delay_14d,
    cast(sum(late_1d) over recent as double) / sum(flights_1d) over recent as late_share_14d
from route_daily
window recent as (partition by route order by day_end rows between 13 preceding and current row)
