#!/usr/bin/python3
"""How soon a critical ECG stands as STAT on the worklist, while a district sends.

bench_stat.py [--quick]

An exam of 20 CT slices arrives each second, 17 times the 5,000 exams a day of a district; beside
them critical ECGs are uploaded over HTTP, one after another. Each is timed from before the first
byte leaves until the cardiologist's worklist has it as STAT, asked every 20 ms. One JSON line:
median and worst in seconds. Fails when one takes more than 2 s (--quick: not for that).
"""
import json
import os
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
import options  # noqa: E402
from rdc_system import Client, Rdc, place, wait_for  # noqa: E402
import make_dicom  # noqa: E402

LOAD = os.path.join(ROOT, 'build/release/tests/bench_load')
LIMIT_S = 2


def district(rdc, over, failures):
    """An exam of 20 slices each second."""
    run = int(time.time()) % 1000000
    while not over.wait(max(0, 1 - time.time() % 1)):
        run += 1
        out = subprocess.run([LOAD, '--port', str(rdc.dicom_port), '--calling', 'QH_CT', '--called', 'RDC', '--set', 'ct',
                              '--lanes', '2', '--objects', '20', '--run', str(run)], capture_output=True, text=True,
                             check=False)
        if out.returncode or json.loads(out.stdout)['failed']:
            failures.append(out.stdout + out.stderr)


def critical(tech, reader, name):
    """Seconds until the ECG is STAT on the worklist."""
    path = os.path.join(place().own, name + '.dcm')
    make_dicom.write(path, make_dicom.ecg12(name, accession='', bpm=30))
    uid = make_dicom.uid('study ' + name)
    began = time.monotonic()
    answer = tech.upload(path)
    if answer.status != 201:
        raise AssertionError(str(answer))
    while not any(e['study_uid'] == uid and e['priority'] == 'stat' for e in reader.worklist()):
        if time.monotonic() > began + 60:
            raise AssertionError(f'{name} is not STAT after a minute')
        time.sleep(0.02)
    return time.monotonic() - began


def main():
    quick = options.parse(__doc__).quick
    count = 3 if quick else 30
    rdc = Rdc({'workers': 0, 'database.connections': None}).start()
    over, failures = threading.Event(), []
    tech, reader = Client(rdc, 'tech'), Client(rdc, 'reader1')
    sender = threading.Thread(target=district, args=(rdc, over, failures))
    sender.start()
    try:
        wait_for('the first exam', lambda: rdc.sql('select count(*) from exam')[0][0] != '0')
        seconds = [critical(tech, reader, f'critical {n}') for n in range(count)]
        exams = int(rdc.sql('select count(*) from exam')[0][0])
    finally:
        over.set()
        sender.join()
        rdc.stop()
    print(json.dumps({'bench': 'stat', 'ecgs': count, 'beside_exams': exams - count,
                      'seconds': round(statistics.median(seconds), 2), 'worst': round(max(seconds), 2),
                      'aim': LIMIT_S}), flush=True)
    if failures:
        print(failures[0], file=sys.stderr)
    return not failures and (quick or max(seconds) <= LIMIT_S)


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
