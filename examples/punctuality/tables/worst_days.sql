{{ config(grain=['carrier']) }}
select carrier, count(*) as alarm_days, max(above_usual) as above_usual
from alarms
where alarm
group by carrier
