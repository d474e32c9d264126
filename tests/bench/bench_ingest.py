#!/usr/bin/python3
"""Objects per second over C-STORE: rdc beside storescp, and Orthanc where it is installed.

bench_ingest.py [--quick]   800 CT slices of 128 x 128 in 4 associations; quick: 40

Each is measured with senders as they come (DCMTK leaves Nagle's algorithm on: the
end of an object waits for the ACK of what came before) and with TCP_NODELAY.
rdc syncs file and folder and commits the rows before it answers; storescp does
neither, Orthanc writes its own index. Prints one JSON line for each.
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
import make_dicom  # noqa: E402

LANES = 4


def make_files(count):
    """count / LANES files in a folder for each lane; the pixels are made once."""
    folders = []
    slices = [make_dicom.ct_slice('bench', n) for n in range(1, 5)]
    for lane in range(LANES):
        folder = os.path.join(place().folder, f'bench-{lane}')
        folders.append(folder)
        for number in range(count // LANES):
            d = slices[number % 4]
            d.add(0x00080018, 'UI', make_dicom.uid(f'bench {lane} {number}'))
            d.add(0x0020000d, 'UI', make_dicom.uid(f'bench study {lane} {number // 50}'))
            d.add(0x0020000e, 'UI', make_dicom.uid(f'bench series {lane} {number // 50}'))
            make_dicom.write(f'{folder}/{number}.dcm', d)
    return folders


def send(folders, port, called, count, who, nodelay):
    environment = dict(os.environ, TCP_NODELAY='1' if nodelay else '0')
    began = time.monotonic()
    lanes = [subprocess.Popen(['storescu', '-aet', 'QH_CT', '-aec', called, '127.0.0.1', str(port), '+sd', f],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
             for f in folders]
    errors = [lane.communicate()[1] for lane in lanes]
    seconds = time.monotonic() - began
    ok = not any(lane.returncode for lane in lanes)
    if not ok:
        print(b''.join(errors)[-1000:].decode(errors='replace'), file=sys.stderr)
    print(json.dumps({'bench': 'ingest', 'who': who, 'nodelay': nodelay, 'objects': count, 'lanes': LANES,
                      'ok': ok, 'seconds': round(seconds, 2), 'per_second': round(count / seconds)}),
          flush=True)
    return ok


def rdc(folders, count, nodelay):
    server = Rdc().people().start()
    ok = send(folders, server.dicom_port, 'RDC', count, 'rdc', nodelay)
    stored = int(server.sql('select count(*) from instance')[0][0])
    if stored != count:
        print(f'{stored} of {count} objects are indexed', file=sys.stderr)
    server.stop()
    return ok and stored == count


def storescp(folders, count, nodelay):
    os.environ['TCP_NODELAY'] = '1'
    server = StoreScp(f'bench-storescp-{nodelay}', fork=True).start()
    send(folders, server.port, server.aet, count, 'storescp', nodelay)
    server.stop()


def orthanc(folders, count, nodelay):
    if not shutil.which('Orthanc'):
        print(json.dumps({'bench': 'ingest', 'who': 'Orthanc', 'skipped': 'not installed'}))
        return
    folder = os.path.join(place().folder, f'orthanc-{nodelay}')
    os.makedirs(folder)
    port = free_port()
    with open(f'{folder}/orthanc.json', 'w') as f:
        json.dump({'StorageDirectory': folder, 'IndexDirectory': folder, 'DicomPort': port, 'DicomAet': 'ORTHANC',
                   'HttpServerEnabled': False, 'DicomAlwaysAllowStore': True, 'Plugins': []}, f)
    with open(f'{folder}/log', 'w') as log:
        process = subprocess.Popen(['Orthanc', f'{folder}/orthanc.json'], stdout=log, stderr=log,
                                   env=dict(os.environ, TCP_NODELAY='1'))
    try:
        wait_for('Orthanc to answer', lambda: subprocess.run(
            ['echoscu', '-aec', 'ORTHANC', '127.0.0.1', str(port)], check=False,
            stderr=subprocess.DEVNULL).returncode == 0)
        send(folders, port, 'ORTHANC', count, 'Orthanc', nodelay)
    finally:
        process.terminate()
        process.wait()


def main():
    count = 40 if '--quick' in sys.argv[1:] else 800
    folders = make_files(count)
    ok = True
    for nodelay in (False, True):
        ok = rdc(folders, count, nodelay) and ok
        storescp(folders, count, nodelay)
        orthanc(folders, count, nodelay)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
