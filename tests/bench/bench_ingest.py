#!/usr/bin/python3
"""Objects per second over C-STORE: rdc beside Orthanc with PostgreSQL and storescp --fork.

bench_ingest.py [--quick] [--rounds N] [--only ct|ecg|dx|object|idle]

For each set (CT 0.5 MiB, ECG 120 KiB, DX 15 MiB) and number of associations: the best of the
rounds of each server, the worst in brackets, and rdc's ratio to the others. All get the same data
from the same generator (load.c), cell by cell in turn, so that what else the machine does hits all
alike; before each the disk is given time to take what the one before has left to the page cache. rdc runs as installed: synced, committed, one worker for two cores. Its time ends when its objects are
acknowledged, indexed, on the worklist, and no job of ingest is left; ECGs are then analysed, behind ingest, and how
long all took until that was done stands as analysed_per_second. The peers run with their own
defaults and TCP_NODELAY, without which DCMTK's sockets add 40 ms to each response; storescp syncs
nothing.

Then, of rdc: the CPU of workers and of PostgreSQL for each object; the peak memory of all workers;
and what the machine allows (floor.c): objects of the same size and log appended and synced by as many
threads as there are associations, right after each run of rdc, since the disk's speed is another one a minute later;
and the CPU that client, receiving, SHA-256, writing and the bare rows take. The scarcer of the two is what rdc
can be compared with: its share, the middle one of the rounds.

Last, one native object of almost 4 GiB, and idle associations with C-ECHO beside them.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
import machine  # noqa: E402
import options  # noqa: E402
from rdc_system import Rdc, StoreScp, free_port, place, wait_for  # noqa: E402

LOAD = os.path.join(ROOT, 'build/release/tests/bench_load')
PLUGIN = '/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so'
# set, associations, one association for each object, objects in full and in quick runs
CELLS = [('ct', 8, False, 600, 16), ('ct', 64, False, 900, 64), ('ecg', 8, False, 1500, 32),
         ('ecg', 64, False, 2000, 64), ('ecg', 16, True, 800, 16), ('dx', 8, False, 48, 2)]
IDLE = 2000
IDLE_AT_A_TIME = (1, 16)  # one device after the other, and as many as call a centre that comes back
FORKED_MIB = 8  # that a process of storescp may take
_run = int(time.time()) % 1000000


def children(pid):
    out = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(pid)], capture_output=True, text=True, check=False)
    return [int(x) for x in out.stdout.split()]


def postgres_pids():
    with open(os.path.join(place().folder, 'pg/postmaster.pid')) as f:
        pid = int(f.readline())
    return [pid, *children(pid)]


class RdcServer:
    name = 'rdc'

    def __init__(self):
        # As an installation has them.
        self.rdc = Rdc({'workers': 0, 'database.connections': None, 'store.segment': '256M'}).start()
        self.port, self.called = self.rdc.dicom_port, 'RDC'
        self.session = machine.Session(place(), self.rdc.database)

    def pids(self):
        return self.rdc.workers()

    def settle(self, kinds=('metadata', 'check')):
        """No job of these kinds, those of ingest, is left. Asked every few ms, for up to two minutes."""
        end = time.monotonic() + 120
        left = f'select not exists (select from job where kind in {tuple(kinds)})'.replace(',)', ')')
        while self.session.one(left) != 't':
            if time.monotonic() > end:
                raise AssertionError('the queues did not empty')
            time.sleep(0.003)

    def count(self):
        """Objects that are indexed and whose exam is on the worklist or on its way there."""
        return int(self.session.one('select count(*) from instance i join exam e on e.study_id = i.study_id'))

    def log_at(self):
        return int(self.session.one("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def stop(self):
        self.session.close()
        self.rdc.stop()


class StoreScpServer:
    name = 'storescp --fork'

    def __init__(self):
        os.environ['TCP_NODELAY'] = '1'
        self.scp = StoreScp('bench-storescp', fork=True).start()
        self.port, self.called = self.scp.port, self.scp.aet

    def pids(self):
        return [self.scp.process.pid, *children(self.scp.process.pid)]

    def settle(self):
        pass

    def stop(self):
        self.scp.stop()


class OrthancServer:
    name = 'Orthanc + PostgreSQL'

    def __init__(self):
        self.folder = os.path.join(place().folder, 'orthanc')
        os.makedirs(self.folder)
        self.port, self.called = free_port(), 'ORTHANC'
        conf = {'StorageDirectory': self.folder, 'DicomPort': self.port, 'DicomAet': self.called,
                'HttpServerEnabled': False, 'DicomAlwaysAllowStore': True, 'Plugins': [PLUGIN],
                'PostgreSQL': {'EnableIndex': True, 'EnableStorage': False, 'Host': place().sockets, 'Port': 5432,
                               'Database': place().new_database(), 'Username': 'rdc', 'Password': '', 'Lock': False}}
        path = f'{self.folder}/orthanc.json'
        with open(path, 'w') as f:
            json.dump(conf, f)
        with open(f'{self.folder}/log', 'w') as log:
            self.process = subprocess.Popen(['Orthanc', path], stdout=log, stderr=log,
                                            env=dict(os.environ, TCP_NODELAY='1'))
        wait_for('Orthanc to answer', self.answers)

    def answers(self):
        if self.process.poll() is not None:
            with open(f'{self.folder}/log') as f:
                raise AssertionError('Orthanc ended:\n' + f.read()[-2000:])
        return subprocess.run(['echoscu', '-aec', self.called, '127.0.0.1', str(self.port)], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def pids(self):
        return [self.process.pid]

    def settle(self):
        pass

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(server, *options, **kw):
    return subprocess.Popen([LOAD, '--port', str(server.port), '--calling', 'QH_CT', '--called', server.called,
                             *map(str, options)], stdout=subprocess.PIPE, text=True, **kw)


def measure(server, cell, count):
    """One run of a cell: {per_second, cpu_ms, …}."""
    global _run
    _run += 1
    name, lanes, single = cell[:3]
    ours = server.name == RdcServer.name
    forked = server.name == StoreScpServer.name
    os.sync()
    own, database = server.pids(), [] if forked else postgres_pids()
    log = server.log_at() if ours else 0
    machine.reset_peak(own)
    before = machine.cpu_seconds(own), machine.cpu_seconds(database)
    options = ['--set', name, '--lanes', lanes, '--objects', count, '--run', _run]
    out = json.loads(load(server, *options, *(['--per-association', 1] if single else [])).communicate()[0])
    server.settle()
    seconds = time.monotonic() - out['began']
    if out['failed']:
        raise AssertionError(f'{server.name}: {out["failed"]} of {count} were not stored, status {out["status"]:x}')
    result = {'bench': 'ingest', 'who': server.name, 'set': name, 'associations': lanes, 'one_each': single,
              'objects': count, 'per_second': round(count / seconds, 1),
              'acknowledged_per_second': round(count / out['seconds'], 1), 'worst_ms': round(out['worst'] * 1000),
              'client_cpu_ms': round(out['client_cpu'] * 1000 / count, 3)}
    if not forked:
        result['server_cpu_ms'] = round((machine.cpu_seconds(own) - before[0]) * 1000 / count, 3)
        result['postgres_cpu_ms'] = round((machine.cpu_seconds(database) - before[1]) * 1000 / count, 3)
        result['peak_mib'] = round(machine.peak_mib(own), 1)
    if ours:
        result['bytes'] = out['bytes']
        result['log_bytes'] = (server.log_at() - log) // count
        server.settle(['measure'])
        result['analysed_per_second'] = round(count / (time.monotonic() - out['began']), 1)
    print(json.dumps(result), flush=True)
    return result


def floor_count(run, quick):
    return max(run['associations'], min(run['objects'], (64 << 20 if quick else 512 << 20) // run['bytes']))


def measure_ours(server, cell, count, quick):
    """A run of rdc, and what the disk allows at this moment."""
    run = measure(server, cell, count)
    floor = machine.floor('disk', server.rdc.place.folder, run['bytes'], cell[1], floor_count(run, quick),
                          run['log_bytes'])
    return {**run, 'disk_per_second': floor['per_second']}


def allowed(server, cell, runs, quick):
    """What disk and CPU allow for a cell, and the share of that which rdc reaches."""
    few = max(floor_count(runs[0], quick) // 4, 1)
    parts = {'client': min(r['client_cpu_ms'] for r in runs),
             **{k[:-3]: v for k, v in machine.floor('cpu', server.rdc.place.folder, runs[0]['bytes'], few).items()},
             'rows': machine.rows_ms(server.session, 256 if quick else 6400)}
    cpu = machine.CORES * 1000 / sum(parts.values())
    disk = statistics.median(r['disk_per_second'] for r in runs)
    result = {'bench': 'allowed', 'set': cell[0], 'associations': cell[1], 'one_each': cell[2],
              'disk_per_second': [r['disk_per_second'] for r in runs],
              'cpu_per_second': round(cpu, 1), 'cpu_ms': {k: round(v, 3) for k, v in parts.items()},
              'scarcer': 'disk' if disk < cpu else 'cpu',
              'share': round(statistics.median(r['per_second'] / min(r['disk_per_second'], cpu) for r in runs), 3)}
    print(json.dumps(result), flush=True)
    return result


def one_object(server, name):
    """A native object that no memory should hold."""
    global _run
    _run += 1
    machine.reset_peak(server.pids())
    out = json.loads(load(server, '--set', name, '--run', _run).communicate()[0])
    server.settle()
    seconds = time.monotonic() - out['began']
    print(json.dumps({'bench': 'one object', 'who': server.name, 'bytes': out['bytes'], 'stored': out['stored'],
                      'mib_per_second': round(out['bytes'] / seconds / (1 << 20), 1),
                      'peak_mib': round(machine.peak_mib(server.pids()), 1)}), flush=True)
    return out['stored'] == 1


def idle(server, count, lanes, seconds=0):
    """Idle associations: memory for each, how long they take to open, so many at a time, C-ECHO beside them."""
    before = machine.pss_kib(server.pids())
    process = load(server, '--idle', count, '--lanes', lanes, '--seconds', seconds, stdin=subprocess.PIPE)
    out = json.loads(process.stdout.readline())
    kib = (machine.pss_kib(server.pids()) - before) / max(out['idle'], 1)
    process.communicate('\n')
    result = {'bench': 'idle', 'who': server.name, 'at_a_time': lanes, 'opened': out['idle'], 'kib_each': round(kib, 1),
              'open_ms_each': round(out['open_seconds'] * 1000 / max(out['idle'], 1), 3),
              'echo_ms_alone': out['echo_ms_alone'], 'echo_ms': out['echo_ms']}
    print(json.dumps(result), flush=True)
    return result


def idle_both(ours, forked, count, lanes, rounds):
    """In turn, the best of each counts. Of storescp --fork only as many as the memory holds, and as it
    opens in half a minute."""
    fit = int(max(machine.available_mib() - 2048, 0) // FORKED_MIB)
    runs = [(idle(ours, count, lanes), idle(forked, min(count, fit), lanes, 30)) for _ in range(rounds)]
    opened = [[run[who]['open_ms_each'] for run in runs] for who in range(2)]
    alone, beside = (min(run[0][key] for run in runs) for key in ('echo_ms_alone', 'echo_ms'))
    print(json.dumps({'bench': 'idle', 'at_a_time': lanes, 'open_time_to_storescp': round(min(opened[0]) / min(opened[1]), 3),
                      'open_ms': [min(opened[0]), max(opened[0])], 'storescp_open_ms': [min(opened[1]), max(opened[1])],
                      'echo_to_alone': round(beside / alone, 2), 'storescp_opened': runs[0][1]['opened'],
                      'fits_in_memory': fit}), flush=True)
    return all(a['opened'] == count and a['echo_ms'] > 0 and b['opened'] > 0 for a, b in runs)  # -1: no C-ECHO


def best_of(results):
    rates = [r['per_second'] for r in results]
    return max(rates), min(rates)


def spread(rates):
    return f'{min(rates):.0f} to {max(rates):.0f}' if len(rates) > 1 else f'{rates[0]:.0f}'


def label(cell):
    return f'{cell[0].upper()}, n = {cell[1]}' + (', one each' if cell[2] else '')


def table(cells, found, servers):
    """Rows of cells: best (worst) of each server, rdc's ratio to each peer."""
    names = [s.name for s in servers]
    print('| objects/s, best (worst) | ' + ' | '.join(names) + ' | ' + ' | '.join(f'rdc : {n}' for n in names[1:]) + ' |')
    print('|---' * (2 * len(names)) + '|')
    for cell in cells:
        rates = [best_of(found[n, cell[:3]]) for n in names]
        ratios = [f'{rates[0][0] / r[0]:.2f}' for r in rates[1:]]
        print(f'| {label(cell)} | ' + ' | '.join(f'{b:.0f} ({w:.0f})' for b, w in rates) + ' | ' + ' | '.join(ratios) + ' |')


def table_of_rdc(cells, found, limits):
    """CPU, memory and shares of rdc; the CPU's parts are those that nobody can do without."""
    print('\n| rdc | workers CPU ms | PostgreSQL CPU ms | peak MiB | disk allows /s | CPU allows /s | its parts, ms | '
          'scarcer, share used |')
    print('|---' * 8 + '|')
    for cell, limit in zip(cells, limits):
        runs = found[RdcServer.name, cell[:3]]
        parts = ', '.join(f'{k} {v:.2f}' for k, v in limit['cpu_ms'].items())
        print(f'| {label(cell)} | {min(r["server_cpu_ms"] for r in runs):.2f} | '
              f'{min(r["postgres_cpu_ms"] for r in runs):.2f} | {max(r["peak_mib"] for r in runs):.0f} | '
              f'{spread(limit["disk_per_second"])} | {limit["cpu_per_second"]:.0f} | {parts} | '
              f'{limit["scarcer"]}, {limit["share"] * 100:.0f} % |')


def main():
    asked = options.parse(__doc__, ('ct', 'ecg', 'dx', 'object', 'idle'), rounds=3)
    quick, only = asked.quick, asked.only
    rounds = asked.rounds or (1 if quick else 3)
    cells = [c for c in CELLS if only in (None, c[0])]
    servers = [RdcServer()]
    if shutil.which('Orthanc') and os.path.exists(PLUGIN):
        servers.append(OrthancServer())
    servers.append(StoreScpServer())
    found, limits, expected, ok = {}, [], 0, True
    for cell in cells:
        count = cell[4] if quick else cell[3]
        for _ in range(rounds):
            for server in servers:
                ours = server is servers[0]
                run = measure_ours(server, cell, count, quick) if ours else measure(server, cell, count)
                found.setdefault((server.name, cell[:3]), []).append(run)
            expected += count
        limits.append(allowed(servers[0], cell, found[RdcServer.name, cell[:3]], quick))
    if only in (None, 'object'):
        ok = one_object(servers[0], 'large' if quick else 'huge')
        expected += 1
    stored = servers[0].count()
    if stored != expected:
        print(f'{stored} of {expected} objects are indexed and on the worklist', file=sys.stderr)
        ok = False
    if only in (None, 'idle'):
        for lanes in IDLE_AT_A_TIME:
            ok = idle_both(servers[0], servers[-1], 50 if quick else IDLE, lanes, rounds) and ok
    for server in servers:
        server.stop()
    if cells:
        table(cells, found, servers)
        table_of_rdc(cells, found, limits)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
