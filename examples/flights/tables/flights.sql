{{ config(materialize='incremental', time='scheduled_at', grain=['flight_id'], batch='1d', lookback='3d') }}
-- Every flight with its outcome as far as it is known; local hhmm clocks become UTC timestamps.
-- A flight without departure was cancelled; a departure without arrival delay was diverted.
select
    s.flight_id,
    s.carrier,
    s.flight,
    s.tailnum,
    s.origin,
    s.dest,
    s.route,
    s.distance,
    s.scheduled_at,
    s.scheduled_at + arrow_cast(d.dep_delay * 60, 'Duration(Second)') as departed_at,
    s.scheduled_at + arrow_cast((d.dep_delay + a.air_time + 10
        + ((a.arr_time / 100 * 60 + a.arr_time % 100 - d.dep_time / 100 * 60 - d.dep_time % 100 - a.air_time - 10 + 6000) % 60)
      ) * 60, 'Duration(Second)') as arrived_at,
    d.dep_delay,
    a.arr_delay,
    a.air_time,
    d.dep_time is null as is_cancelled
from scheduled_flights s
join departures d
  on d.time_hour = s.time_hour and d.carrier = s.carrier and d.flight = s.flight
 and d.origin = s.origin and d.dest = s.dest and d.minute = s.minute
left join arrivals a
  on a.time_hour = s.time_hour and a.carrier = s.carrier and a.flight = s.flight
 and a.origin = s.origin and a.dest = s.dest and a.minute = s.minute
