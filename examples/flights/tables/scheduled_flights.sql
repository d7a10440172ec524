{{ config(materialize='table', time='scheduled_at', grain=['flight_id']) }}
-- Every planned flight, cleaned. Known in advance: the monthly file arrives on the eve of its month.
select
    concat(s.carrier, s.flight, '-', s.origin, '-', s.dest, '-', to_char(s.time_hour, '%Y%m%d%H'), lpad(cast(s.minute as varchar), 2, '0')) as flight_id,
    s.carrier,
    s.flight,
    s.tailnum,
    s.origin,
    s.dest,
    concat(s.origin, '-', s.dest) as route,
    s.distance,
    s.time_hour,
    s.minute,
    s.time_hour + arrow_cast(s.minute * 60, 'Duration(Second)') as scheduled_at,
    -- the eve of the (local) month
    date_trunc('month', s.time_hour - interval '5 hours') - interval '1 day' as published_at,
    -- local hhmm to minutes after local midnight; 2400 is midnight
    (s.sched_dep_time / 100) * 60 + s.sched_dep_time % 100 as local_minute,
    date_part('dow', s.time_hour - interval '5 hours') as local_weekday,
    (s.sched_arr_time / 100) * 60 + s.sched_arr_time % 100 as local_arrival_minute,
    p.seats,
    p.year as plane_year
from schedule s
left join planes p on p.tailnum = s.tailnum
