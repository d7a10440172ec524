"""Dagster on steps that do nothing: a graph of ops executed in one process, recorded in the SQLite storage that it has by
default. Only the execution is timed, not imports and definitions."""
import json, resource, sys, tempfile, time

from dagster import DagsterInstance, In, Nothing, graph, op

# The lines that it would print for each step are not what is measured.
QUIET = {'loggers': {'console': {'config': {'log_level': 'ERROR'}}}}

shape, count = sys.argv[3], int(sys.argv[4])
width = count // 10


def reads(step):
    if shape == 'chain':
        return [step - 1] if step else []
    before, place = step // width - 1, step % width
    return [] if before < 0 else sorted({before * width + place, before * width + (place + 1) % width})


def step_op(step):
    inputs = {f'in{number}': In(Nothing) for number, _ in enumerate(reads(step))}

    @op(name=f't{step}', ins=inputs)
    def nothing():
        pass

    return nothing


ops = [step_op(step) for step in range(count)]


@graph
def steps():
    made = []
    for step, each in enumerate(ops):
        made.append(each(**{f'in{number}': made[read] for number, read in enumerate(reads(step))}))


with tempfile.TemporaryDirectory() as folder, DagsterInstance.local_temp(folder) as instance:
    job = steps.to_job()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = job.execute_in_process(instance=instance, run_config=QUIET)
    seconds = time.perf_counter() - start
    assert result.success and len(result.get_step_success_events()) == count
    after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({'seconds': seconds, 'cpu_seconds': cpu, 'peak_mib': after.ru_maxrss / 1024, 'items': count}))
