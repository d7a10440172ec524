"""Days on which a carrier's delays have piled up beyond what is usual for it."""

import pyarrow as pa
import pyarrow.compute

from shared.control import cumulated, usual

config = {
    "columns": {"carrier": "string", "day": "timestamp", "above_usual": "float", "alarm": "bool"},
    "grain": ["carrier", "day"],
    "reads": {"carrier_days": ["carrier", "day", "minutes"]},
    "lineage": {"carrier": ["carrier_days.carrier"], "day": ["carrier_days.day"]},
}


def table(ctx, carrier_days: pa.Table) -> pa.Table:
    threshold = ctx.var("threshold")
    columns = {name: [] for name in config["columns"]}
    for carrier in sorted(set(carrier_days["carrier"].to_pylist())):
        days = carrier_days.filter(pa.compute.equal(carrier_days["carrier"], carrier)).sort_by("day")
        minutes = days["minutes"].to_pylist()
        for day, above in zip(days["day"], cumulated(minutes, usual(minutes), slack=5.0)):
            columns["carrier"].append(carrier)
            columns["day"].append(day.as_py())
            columns["above_usual"].append(round(above, 2))
            columns["alarm"].append(above > threshold)
    ctx.log.info("%d carriers, %d alarms", len(set(columns["carrier"])), sum(columns["alarm"]))
    return pa.table(columns)
