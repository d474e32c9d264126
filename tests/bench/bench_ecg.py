#!/usr/bin/python3
"""How fast ECG files are read and analysed: rdc beside BioSig, and beside open-and-read.

bench_ecg.py [--quick]

For the recordings of each format in the folder that RDC_ECG_DATA names (left out without it) and
for recordings that our own writers make. A sample counts when it stands decoded in memory (planar,
16 or 32 bits; in BioSig a double) and has been summed; samples are those that rdc finds, also where BioSig
repeats those of slow channels. Each reader in turn, in processes of its own that keep their heap,
CPU time of the process, best of the rounds (and the worst over the best, "spread"). Files that BioSig does
not read are left out, so both read the same; where it reads none of a format, rdc stands alone.

Then the CPU of the whole analysis of 12 leads of 10 s at 500 Hz and of a Holter recording of 24 hours of
three leads, best of a second, and of finding beats in the MIT-BIH records (two leads, 360 Hz).

--quick: two rounds of a few milliseconds, and a Holter recording of ten minutes.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import options

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SPEED = os.path.join(ROOT, 'build/release/tests/bench_ecg_speed')
SCORE = os.path.join(ROOT, 'build/release/tests/bench_ecg_score')
RAW_TARGET = 40  # percent of open-and-read

# name, files, least ratio to BioSig, raw samples (so RAW_TARGET counts)
SHARED = (('SCP-ECG', 'scp/*', 8, False), ('HL7 aECG', 'aecg/*.xml', 8, False), ('EDF', 'edf/*.edf', 10, True),
          ('BDF', 'edf/*.bdf', None, True), ('WFDB 212, MIT-BIH', 'wfdb/mitdb/*.hea', 12, True),
          ('WFDB 16, LUDB', 'wfdb/ludb/*.hea', None, True), ('DICOM', 'dicom/*', None, True),
          ('MFER', 'mfer/*', None, True), ('GE MUSE XML', 'muse/*', None, False),
          ('Philips XML', 'philips/*', None, False))
OWN = (('EDF, an hour', 'hour.edf', 10, True), ('WFDB 212, an hour', 'hour.hea', 12, True),
       ('HL7 aECG, an hour', 'hour.xml', 8, False), ('HL7 aECG, 10 s', 'resting.xml', 8, False),
       ('SCP-ECG, 10 s', 'resting.scp', None, False), ('EDF, 10 s', 'resting.edf', None, True),
       ('DICOM, 10 s', 'resting.dcm', None, True))


def run(*words):
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    if out.returncode or not out.stdout:
        print(out.stderr[-2000:], file=sys.stderr)
        return []
    return [json.loads(line) for line in out.stdout.splitlines()]


def row(name, files, target, raw, rounds, ms):
    """One line of the table, or None when rdc reads none of the files."""
    found = run(SPEED, 'read', str(rounds), str(ms), *files)
    if not found:
        return None
    d = found[0]
    samples, ours, plain = d['rdc']['samples'], min(d['rdc']['ns']), min(d['read']['ns'])
    peer = min(d['biosig']['ns']) if 'biosig' in d else None
    line = {'bench': 'ecg', 'set': name, 'files': d['files'], 'of': d['given'], 'samples': samples, 'bytes': d['bytes'],
            'rdc_msamples_s': round(samples / ours * 1e3, 1), 'rdc_spread': round(max(d['rdc']['ns']) / ours, 2),
            'us_per_file': round(ours / d['files'] / 1e3, 1),
            'biosig_msamples_s': round(samples / peer * 1e3, 1) if peer else None,
            'biosig_spread': round(max(d['biosig']['ns']) / peer, 2) if peer else None,
            'ratio': round(peer / ours, 2) if peer else None, 'target': target if peer else None,
            'of_read_percent': round(100 * plain / ours, 1), 'read_target': RAW_TARGET if raw else None}
    print(json.dumps(line), flush=True)
    return line


def verdict(value, target):
    return '' if value is None or target is None else 'met' if value >= target else 'short'


def table(lines):
    print('| set | files | rdc, Msamples/s (spread) | BioSig | ratio | target | of open-and-read | target |')
    print('|---|---|---|---|---|---|---|---|')
    for d in lines:
        peer = f"{d['biosig_msamples_s']:.0f} ({d['biosig_spread']})" if d['ratio'] else 'reads none'
        ratio = f"{d['ratio']:.1f}" if d['ratio'] else ''
        aim = f"{d['target']} {verdict(d['ratio'], d['target'])}" if d['target'] else ''
        read = f"{d['read_target']} % {verdict(d['of_read_percent'], d['read_target'])}" if d['read_target'] else ''
        print(f"| {d['set']} | {d['files']}/{d['of']} | {d['rdc_msamples_s']:.0f} ({d['rdc_spread']}) | {peer} | {ratio} "
              f"| {aim} | {d['of_read_percent']:.0f} % | {read} |")


def analysis(name, ms, target, what):
    met = ms <= target if target else None
    print(json.dumps({'bench': 'ecg', 'analysis': name, 'ms': round(ms, 3), 'target_ms': target, 'met': met, **what}),
          flush=True)


def analyses(folder, data, quick):
    for file, target in (('resting.dcm', 1.5), ('holter.hea', None if quick else 3000)):
        for d in run(SPEED, 'analysis', os.path.join(folder, file)):
            analysis(file, d['ms'], target, d)
    files = sorted(glob.glob(os.path.join(data, 'wfdb/mitdb/*.hea'))) if data else []
    scored = [r for _ in range(1 if quick else 3) for r in run(SCORE, 'beats', *(files[::10] if quick else files))]
    best = {}
    for r in scored:
        if r['record'] not in best or r['analysis_s'] < best[r['record']]['analysis_s']:
            best[r['record']] = r
    if best:
        hours = sum(r['hours'] for r in best.values())
        analysis('beats of an hour of two leads, 360 Hz', 1000 * sum(r['analysis_s'] for r in best.values()) / hours, 26,
                 {'records': len(best), 'open_ms': round(1000 * sum(r['open_s'] for r in best.values()) / hours, 1)})


def main():
    quick = options.parse(__doc__).quick
    rounds, ms, minutes = (2, 3, 10) if quick else (5, 80, 24 * 60)
    data = os.environ.get('RDC_ECG_DATA')
    lines = []
    with tempfile.TemporaryDirectory(prefix='rdc-bench-ecg-') as folder:
        if subprocess.run([SPEED, 'make', folder, str(minutes)], check=False).returncode:
            return 1
        if not data:
            print('ecg: recordings by others skipped: RDC_ECG_DATA names no folder with recordings')
        for name, pattern, target, raw in SHARED if data else ():
            files = sorted(glob.glob(os.path.join(data, pattern)))
            files = [f for f in files if not f.endswith(('.dat', '.md'))]
            lines.append(row(name, files[:3] if quick else files, target, raw, rounds, ms) if files else None)
        for name, file, target, raw in OWN:
            lines.append(row(name, [os.path.join(folder, file)], target, raw, rounds, ms))
        lines = [line for line in lines if line]
        if not any(line['ratio'] for line in lines):
            print('ecg: BioSig left out: libbiosig-dev was absent when this was built')
        table(lines)
        analyses(folder, data, quick)
    return 0 if len(lines) >= len(OWN) else 1


if __name__ == '__main__':
    sys.exit(main())
