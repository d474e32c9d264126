"""What the benchmarks read of the machine: CPU and memory of processes, and what disk and
CPU allow for the same bytes (floor.c)."""
import json
import os
import subprocess

import rdc_system  # whoever imports us made it known

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FLOOR = os.path.join(ROOT, 'build/release/tests/bench_floor')
CORES = len(os.sched_getaffinity(0))


def _stat(pid):
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rpartition(')')[2].split()


def cpu_seconds(pids, ended=False):
    """User and system time; ended: also of children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = _stat(pid)
        except OSError:
            continue
        total += sum(int(x) for x in fields[11:15 if ended else 13])
    return total / os.sysconf('SC_CLK_TCK')


def _sum_kib(pids, file, field):
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/{file}') as f:
                total += sum(int(x.split()[1]) for x in f if x.startswith(field))
        except OSError:
            pass
    return total


def peak_mib(pids):
    """The sum of each one's peak since reset_peak; pages they share count in each."""
    return _sum_kib(pids, 'status', 'VmHWM') / 1024


def reset_peak(pids):
    for pid in pids:
        try:
            with open(f'/proc/{pid}/clear_refs', 'w') as f:
                f.write('5')
        except OSError:
            pass  # then it is the peak of its whole life


def pss_kib(pids):
    """Memory, with a page that n processes share counted as 1/n in each."""
    return _sum_kib(pids, 'smaps_rollup', 'Pss:')


def available_mib():
    with open('/proc/meminfo') as f:
        return next(int(x.split()[1]) for x in f if x.startswith('MemAvailable')) / 1024


class Session(rdc_system.Session):
    """One whose backend is known."""

    def __init__(self, place, database):
        super().__init__(place, database)
        self.pid = int(self.one('select pg_backend_pid()'))

    def one(self, query):
        """The only field of the only row."""
        return self.ask(query)[0]


def floor(kind, folder, *args):
    out = subprocess.run([FLOOR, kind, folder, *map(str, args)], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def rows_ms(session, objects):
    """PostgreSQL's CPU for the rows of one object and their indexes alone: set-based, in batches of
    64, without foreign keys, triggers or functions of ours."""
    session.one("""
        create temp table floor_n as select n, md5(n::text) as h from generate_series(1, 64) n;
        create table if not exists floor_object (like object including indexes including identity including defaults);
        create table if not exists floor_instance
            (like instance including indexes including identity including defaults);
        create or replace procedure floor_rows(batches int) language plpgsql as $$ begin
            for b in 1 .. batches loop
                insert into floor_object (location, sha256, size, media)
                    select 'w0-' || h || '/0/' || b, sha256((b || h)::bytea), 1, 'application/dicom' from floor_n;
                insert into floor_instance (centre_id, study_id, series_id, sop_uid, sop_class,
                        transfer_syntax, number, object_id, metadata)
                    select 1, b, b, '1.2.826.0.1.3680043.' || b || '.' || n, '1.2.840.10008.5.1.4.1.1.2',
                        '1.2.840.10008.1.2.1', n, n, jsonb_build_object('a', repeat(h, 20)) from floor_n;
                commit;
            end loop; end $$;
        select 1""")
    batches = max(objects // 64, 1)
    before = cpu_seconds([session.pid])
    session.one(f'call floor_rows({batches}); select 1')
    took = cpu_seconds([session.pid]) - before
    session.one('drop table floor_object, floor_instance, floor_n; drop procedure floor_rows; select 1')
    return took * 1000 / (batches * 64)
