#!/usr/bin/python3
"""Objects per second over C-STORE: rdc beside Orthanc with PostgreSQL and storescp --fork.

bench_ingest.py [--quick] [--rounds N]

One table: for each set (CT 0.5 MiB, ECG 120 KiB, DX 15 MiB) and number of associations, the best of
the rounds of each server, its spread, and rdc's ratio to the others. All get the same data from the
same generator (load.c), cell by cell in turn, so that what else the machine does hits all alike.

rdc runs as installed: synced, committed, two workers. The time ends when its objects are
acknowledged, indexed and no job of ingest is left. The peers run with their own defaults and
TCP_NODELAY, without which DCMTK's sockets add 40 ms to each response; storescp syncs nothing.
"""
import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
from rdc_system import Rdc, StoreScp, free_port, place, wait_for  # noqa: E402

LOAD = os.path.join(ROOT, 'build/release/tests/bench_load')
PLUGIN = '/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so'
# set, associations, one association for each object, objects in full and in quick runs
CELLS = [('ct', 8, False, 600, 16), ('ct', 64, False, 900, 64), ('ecg', 8, False, 1500, 32),
         ('ecg', 64, False, 3000, 64), ('ecg', 16, True, 800, 16), ('dx', 8, False, 48, 2)]
IDLE = 2000
IDLE_FORKED = 200  # of storescp, whose processes take 6 MiB each
_run = int(time.time()) % 1000000


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/stat') as f:
                fields = f.read().rpartition(')')[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf('SC_CLK_TCK')


def memory_mib(pids, field):
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/status') as f:
                total += sum(int(x.split()[1]) for x in f if x.startswith(field))
        except OSError:
            pass
    return total / 1024


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
        self.rdc = Rdc().people().start()
        self.port, self.called = self.rdc.dicom_port, 'RDC'

    def pids(self):
        return self.rdc.workers()

    def settle(self):
        """No job of ingest is left."""
        wait_for('the queues to empty', lambda: self.rdc.sql(
            "select not exists (select from job where kind = 'metadata')")[0][0] == 't', 120)

    def count(self):
        return int(self.rdc.sql('select count(*) from instance')[0][0])

    def stop(self):
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
    watched = server.pids() + (postgres_pids() if server.name != StoreScpServer.name else [])
    before = cpu_seconds(watched)
    options = ['--set', name, '--lanes', lanes, '--objects', count, '--run', _run]
    out = json.loads(load(server, *options, *(['--per-association', 1] if single else [])).communicate()[0])
    server.settle()
    seconds = time.monotonic() - out['began']
    if out['failed']:
        raise AssertionError(f'{server.name}: {out["failed"]} of {count} were not stored, status {out["status"]:x}')
    forked = server.name == StoreScpServer.name
    cpu = None if forked else (cpu_seconds(watched) - before) * 1000 / count
    result = {'bench': 'ingest', 'who': server.name, 'set': name, 'associations': lanes, 'one_each': single,
              'objects': count, 'per_second': round(count / seconds, 1),
              'acknowledged_per_second': round(count / out['seconds'], 1), 'worst_ms': round(out['worst'] * 1000),
              'server_cpu_ms': None if cpu is None else round(cpu, 3),
              'client_cpu_ms': round(out['client_cpu'] * 1000 / count, 3)}
    print(json.dumps(result), flush=True)
    return result


def idle(server, count):
    """Idle associations: memory for each, how long they take to open, C-ECHO beside them."""
    before = memory_mib(server.pids(), 'VmRSS')
    process = load(server, '--idle', count, stdin=subprocess.PIPE)
    out = json.loads(process.stdout.readline())
    kib = (memory_mib(server.pids(), 'VmRSS') - before) * 1024 / max(out['idle'], 1)
    process.communicate('\n')
    result = {'bench': 'idle', 'who': server.name, 'opened': out['idle'], 'kib_each': round(kib, 1),
              'open_ms_each': round(out['open_seconds'] * 1000 / max(out['idle'], 1), 3),
              'echo_ms_alone': out['echo_ms_alone'], 'echo_ms': out['echo_ms']}
    print(json.dumps(result), flush=True)
    return out['idle'] == count


def best_of(results):
    rates = [r['per_second'] for r in results]
    return max(rates), min(rates)


def table(found, servers):
    """Rows of cells: best (worst) of each server, rdc's ratio to each peer."""
    names = [s.name for s in servers]
    print('| set | ' + ' | '.join(names) + ' | ' + ' | '.join(f'rdc : {n}' for n in names[1:]) + ' | CPU ms |')
    print('|---' * (2 * len(names) + 1) + '|')
    for cell in CELLS:
        key = cell[:3]
        rates = [best_of(found[n, key]) for n in names]
        ratios = [f'{rates[0][0] / r[0]:.2f}' for r in rates[1:]]
        cpu = min(r['server_cpu_ms'] for r in found[names[0], key])
        label = f'{cell[0].upper()}, n = {cell[1]}' + (', one each' if cell[2] else '')
        print(f'| {label} | ' + ' | '.join(f'{b:.0f} ({w:.0f})' for b, w in rates) + ' | ' + ' | '.join(ratios) +
              f' | {cpu:.2f} |')


def main():
    args = sys.argv[1:]
    quick = '--quick' in args
    rounds = int(args[args.index('--rounds') + 1]) if '--rounds' in args else 1 if quick else 3
    servers = [RdcServer()]
    if shutil.which('Orthanc') and os.path.exists(PLUGIN):
        servers.append(OrthancServer())
    servers.append(StoreScpServer())
    found, expected, ok = {}, 0, True
    for cell in CELLS:
        count = cell[4] if quick else cell[3]
        for _ in range(rounds):
            for server in servers:
                found.setdefault((server.name, cell[:3]), []).append(measure(server, cell, count))
            expected += count
    peak = memory_mib(servers[0].pids(), 'VmHWM')
    print(json.dumps({'bench': 'memory', 'who': 'rdc', 'peak_mib_of_all_workers': round(peak)}))
    stored = servers[0].count()
    if stored != expected:
        print(f'{stored} of {expected} objects are indexed', file=sys.stderr)
        ok = False
    ok = idle(servers[0], 50 if quick else IDLE) and ok
    ok = idle(servers[-1], 20 if quick else IDLE_FORKED) and ok
    for server in servers:
        server.stop()
    table(found, servers)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
