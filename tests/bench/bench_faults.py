#!/usr/bin/python3
"""Faults: mutated byte streams under the sanitizers, and all that can break while sending.

bench_faults.py [--quick]   10,000 streams for each entry, 20 kills and 20 rounds of every
                            fault of tests/system/faults.py; quick: 300, 150, 2 and none,
                            since scripts/test has them as system tests. And 100,000 mutations of
                            ECG recordings of all formats (quick: 5,000), of ours and, where RDC_ECG_DATA
                            names them, by others: as many released, where memory is counted to the byte,
                            as under the sanitizers.
bench_faults.py --only WORD   streams, ecg, live, kills, outages, or a class of faults.py

Streams go twice through ASan and UBSan: into the fuzz targets, and over sockets
into a running `rdc serve`, which must still answer afterwards, with no worker
ended, no leak and no file left open. Prints JSON lines; the exit status is 1
when anything crashed, hung or was lost.
"""
import glob
import json
import math
import os
import signal
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
from rdc_system import Rdc  # noqa: E402  (it makes testdata/ known)
import faults  # noqa: E402
import live_streams  # noqa: E402
import options  # noqa: E402
from load import Objects, Senders, missing  # noqa: E402


def streams(count):
    ok = True
    subprocess.run(['bash', '-c', '. "$0/scripts/lib.sh"; build_preset asan', ROOT], check=True,
                   stdout=sys.stderr)
    for source in sorted(glob.glob(f'{ROOT}/tests/fuzz/fuzz_*.c')):
        name = os.path.basename(source)[len('fuzz_'):-len('.c')]
        corpus = f'{ROOT}/tests/fuzz/corpus/{name}'
        files = len(os.listdir(corpus)) if os.path.isdir(corpus) else 0
        each = math.ceil(count / max(files, 1))
        began = time.monotonic()
        out = subprocess.run([f'{ROOT}/build/asan/tests/fuzz_{name}', corpus, str(each)], check=False,
                             capture_output=True, text=True, timeout=3600, errors='replace')
        if out.returncode:
            print(out.stderr[-3000:], file=sys.stderr)
            ok = False
        print(json.dumps({'bench': 'faults', 'target': name, 'corpus': files, 'streams': each * files,
                          'ok': out.returncode == 0, 'seconds': round(time.monotonic() - began, 1)}),
              flush=True)
    return ok


ECG_OTHERS = ('scp', 'aecg', 'dicom', 'muse', 'philips', 'edf', 'wfdb/cinc2017', 'wfdb/cinc2021', 'wfdb/qtdb')


def ecg(count):
    """No crash, no hang, no leak, no more than 1 MiB and 16 bytes for each sample returned."""
    folders, data = [f'{ROOT}/tests/fuzz/corpus', f'{ROOT}/testdata'], os.environ.get('RDC_ECG_DATA')
    folders += [f'{data}/{name}' for name in ECG_OTHERS if data]
    ok = True
    for preset in ('release', 'asan'):
        subprocess.run(['bash', '-c', '. "$0/scripts/lib.sh"; build_preset "$1" ecg_mutations', ROOT, preset],
                       check=True, stdout=sys.stderr)
        began = time.monotonic()
        out = subprocess.run([f'{ROOT}/build/{preset}/tests/ecg_mutations', str(count), *folders], check=False,
                             capture_output=True, text=True, errors='replace')
        if out.returncode:
            print(out.stderr[-3000:], file=sys.stderr)
            ok = False
        print(json.dumps({'bench': 'faults', 'ecg': preset, 'mutations': count, 'ok': out.returncode == 0,
                          'says': out.stdout.strip(), 'seconds': round(time.monotonic() - began, 1)}), flush=True)
    return ok


def live(count):
    """The same against the program itself, over its ports."""
    ok = True
    rdc = Rdc(program=f'{ROOT}/build/asan/rdc').start()
    for kind, seconds, wrong in live_streams.run(rdc, count):
        ok = ok and not wrong
        for text in wrong[:20]:
            print(f'{kind}: {text}', file=sys.stderr)
        print(json.dumps({'bench': 'faults', 'live': kind, 'streams': count, 'ok': not wrong,
                          'seconds': round(seconds, 1)}), flush=True)
    offset = rdc.log_size()
    status = rdc.stop()  # the leak check runs as the workers end
    wrong = live_streams.bad_lines(rdc, offset)
    for text in wrong:
        print(f'at the end: {text}', file=sys.stderr)
    return ok and status == 0 and not wrong


def kills(count):
    """Every second kill takes a worker, the others the supervisor and all workers."""
    rdc = faults.as_installed().start()
    objects = Objects('faults', 100 * count)
    began, all_ok = time.monotonic(), True
    senders = Senders(rdc, objects)
    for n in range(1, count + 1):
        senders.wait_acknowledged(n * 80)
        if n % 2:
            os.kill(rdc.workers()[n % len(rdc.workers())], signal.SIGKILL)
        else:
            rdc.kill_all()
            rdc.start()
        lost = missing(rdc, dict(senders.acknowledged))
        all_ok = all_ok and not lost
        for uid, why in lost[:5]:
            print(f'lost: {uid}: {why}', file=sys.stderr)
    senders.finish()
    lost = missing(rdc, senders.acknowledged)
    doubled = rdc.sql('select sop_uid from instance group by sop_uid having count(*) > 1')
    rdc.stop()
    print(json.dumps({'bench': 'faults', 'kills': count, 'acknowledged': len(senders.acknowledged),
                      'broken_off': senders.broken, 'refused': len(senders.refused), 'lost': len(lost),
                      'doubled': len(doubled),
                      'seconds': round(time.monotonic() - began, 1)}), flush=True)
    return all_ok and not lost and not doubled and not senders.refused


OUTAGES = ((faults.PowerCut, ('round', 'own_files')), (faults.LostCache, ('round', 'own_files')),
           (faults.Database, ('killed', 'backend_killed', 'stopped', 'commit_unknown')),
           (faults.Failover, ('killed', 'lagging', 'returns')),
           (faults.Workers, ('worker_killed', 'all_killed', 'supervisor_killed', 'same_study')),
           (faults.FullDisk, ('round',)), (faults.SharedDisk, ('round',)),
           (faults.DatabaseDisk, ('round',)), (faults.ReadOnly, ('round',)),
           (faults.Shim, ('sync_fails', 'slow', 'clock')))


def outage(kind, name, fault, count):
    """`count` rounds of one fault, as one line."""
    began, done, why = time.monotonic(), 0, None
    try:
        for done in range(count):
            getattr(fault, name)(done)
        done = count
    except (AssertionError, OSError, subprocess.SubprocessError) as e:
        why = str(e)[:2000]
    print(json.dumps({'bench': 'faults', 'outage': f'{kind.__name__} {name}', 'rounds': count, 'ok': done == count,
                      'why': why, 'seconds': round(time.monotonic() - began, 1)}), flush=True)
    return done == count


def outages(count, only=None):
    """Each round sends, breaks, repairs, and ends with everything acknowledged there
    and rdc fsck clean."""
    ok = True
    for kind, names in OUTAGES:
        if only not in (None, kind.__name__):
            continue
        try:
            fault = kind()
        except unittest.SkipTest as e:
            print(json.dumps({'bench': 'faults', 'outage': kind.__name__, 'skipped': str(e)}), flush=True)
            continue
        for name in names:
            ok = outage(kind, name, fault, count) and ok
        fault.close()
    return ok


PARTS = ((streams, 300, 10000), (ecg, 5000, 100000), (live, 150, 10000), (kills, 2, 20), (outages, 0, 20))


def main():
    kinds = [kind.__name__ for kind, _ in OUTAGES]
    asked = options.parse(__doc__, [part.__name__ for part, _, _ in PARTS] + kinds)
    ok = True
    for part, few, many in PARTS:
        count = few if asked.quick else many
        if count and asked.only in (None, part.__name__):
            ok = part(count) and ok
    if asked.only in kinds:
        ok = outages(2 if asked.quick else 20, asked.only)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
