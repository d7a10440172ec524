"""dlt on the same rows, into Parquet files of a folder: its fastest way for each form. Only the pipeline is timed, not
imports. CDC is no part of its package: there the changes are only read, by psycopg2, and thrown away."""
import json, os, pathlib, resource, subprocess, sys, tempfile, time

data, what = pathlib.Path(sys.argv[1]), sys.argv[3]
ROWS = {'cdc': 500_000}.get(what, 4_000_000)

os.environ.update({'RUNTIME__DLTHUB_TELEMETRY': 'false', 'RUNTIME__LOG_LEVEL': 'ERROR'})


def usage():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used), used[0].ru_maxrss / 1024


def timed(work):
    (before, _), start = usage(), time.perf_counter()
    work()
    seconds, (after, peak) = time.perf_counter() - start, usage()
    print(json.dumps({'seconds': seconds, 'cpu_seconds': after - before, 'peak_mib': peak, 'items': ROWS}))


def server(kind):
    bench = data.parent / 'release' / 'baton-bench'
    child = subprocess.Popen([bench, 'ingest-server', '--what', kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return child, child.stdout.readline().strip()


def load(resource, folder):
    import dlt

    pipeline = dlt.pipeline(
        'orders', pipelines_dir=f'{folder}/state', dataset_name='shop',
        destination=dlt.destinations.filesystem(bucket_url=f'file://{folder}/out'),
    )

    def run():
        pipeline.run(resource, table_name='orders', loader_file_format='parquet')
        counts = pipeline.last_trace.last_normalize_info.row_counts
        assert counts['orders'] == ROWS, counts

    timed(run)


def of_files(folder):
    from dlt.sources.filesystem import filesystem, read_csv_duckdb, read_jsonl, read_parquet

    files = filesystem(bucket_url=f'file://{data}/ingest', file_glob=f'rows.{what}')
    readers = {
        'csv': lambda: read_csv_duckdb(use_pyarrow=True, chunk_size=100_000),
        'jsonl': lambda: read_jsonl(chunksize=50_000),
        'parquet': lambda: read_parquet(use_pyarrow=True, chunksize=100_000),
    }
    load(files | readers[what](), folder)


def of_table(folder):
    from dlt.sources.sql_database import sql_table

    child, url = server('full')
    url = url.replace('postgres://postgres@', 'postgresql+psycopg2://postgres:postgres@')
    load(sql_table(credentials=url, table='orders', schema='public', backend='pyarrow', chunk_size=100_000), folder)
    child.stdin.close()
    child.wait()


def of_changes(_folder):
    import psycopg2
    from psycopg2.extras import LogicalReplicationConnection

    child, url = server('cdc')
    with psycopg2.connect(url) as plain, plain.cursor() as cursor:
        cursor.execute('create publication changes for table orders')
    replication = psycopg2.connect(url, connection_factory=LogicalReplicationConnection)
    cursor = replication.cursor()
    cursor.create_replication_slot('reader', output_plugin='pgoutput')
    child.stdin.write('\n')
    child.stdin.flush()
    assert child.stdout.readline().strip() == 'changed'

    class Enough(Exception):
        pass

    def read():
        seen = 0

        def take(message):
            nonlocal seen
            seen += message.payload[:1] in (b'I', b'U')
            if seen == ROWS:
                raise Enough

        cursor.start_replication(slot_name='reader', options={'proto_version': '1', 'publication_names': 'changes'}, decode=False)
        try:
            cursor.consume_stream(take)
        except Enough:
            pass

    timed(read)
    replication.close()
    child.stdin.close()
    child.wait()


with tempfile.TemporaryDirectory(dir=data) as folder:
    {'postgres': of_table, 'cdc': of_changes}.get(what, of_files)(folder)
