select carrier, cast(day as timestamp) as day, flights, minutes
from delays
