#!/usr/bin/python3
"""How often the ECG analysis raises an alarm, where annotators have something to say and where not.

bench_ecg_alarms.py [--quick]

Reads all recordings in the folder that RDC_ECG_DATA names (skips, saying so, without it), long ones in
pieces of ten seconds, each analysed as if it were a recording. Prints a JSON line per alarm, a JSON
line per measure, and a table. Fails when an alarm is raised in a piece that annotators call normal:
MIT-BIH in rhythm N without a ventricular beat; CinC 2017, class N; LUDB, sinus rhythm of any kind without
pacing, block or infarct (STEMI, whose alarm is right).

A short pause or a slow rhythm is called normal by an annotator who names rhythms only: alarms of the
rate are counted apart, and have to be right by the beats that were annotated.

--quick: a tenth of the files.
"""
import glob
import json
import os
import subprocess
import sys

import options

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCORE = os.path.join(ROOT, 'build/release/tests/bench_ecg_score')
SETS = (('mitdb', 'wfdb/mitdb/*.hea', 'atr'), ('qtdb', 'wfdb/qtdb/*.hea', ''), ('ludb', 'wfdb/ludb/*.hea', ''),
        ('cinc2017', 'wfdb/cinc2017/*.hea', ''), ('cinc2021', 'wfdb/cinc2021/*.hea', ''), ('scp', 'scp/*.[sS]*', ''),
        ('aecg', 'aecg/*.xml', ''), ('dicom', 'dicom/*.dcm', ''), ('muse', 'muse/*.xml', ''),
        ('philips', 'philips/*', ''), ('mfer', 'mfer/*', ''))
RATE = ('alarm_asystole', 'alarm_bradycardia')
ABNORMAL = ('pacing', 'block', 'STEMI', 'flutter', 'fibrillation')
QUICK = 10


def pieces(data, quick):
    """Each piece of each recording; files meant to be refused are left out by the scorer."""
    for name, pattern, annotators in SETS:
        files = sorted(glob.glob(os.path.join(data, pattern)))[::QUICK if quick else 1]
        if files:
            out = subprocess.run([SCORE, 'alarms', annotators, *files], capture_output=True, text=True).stdout
            for line in out.splitlines():
                yield {'set': name, **json.loads(line)}


def ludb_normal(data, record):
    with open(os.path.join(data, f'wfdb/ludb/{record}.hea')) as f:
        text = f.read()
    return 'Rhythm: Sinus' in text and not any(word in text for word in ABNORMAL)


def normals(data):
    """A function that tells whether annotators call a piece normal."""
    path = os.path.join(data, 'wfdb/cinc2017/REFERENCE.csv')
    marked = {}
    if os.path.exists(path):
        with open(path) as f:
            marked = dict(line.strip().split(',') for line in f)

    def is_normal(piece):
        if piece['set'] == 'mitdb':
            return piece['rhythm'] == '(N' and not piece['rhythms'] and not piece['flutter'] and not piece['pvc']
        if piece['set'] == 'ludb':
            return ludb_normal(data, piece['record'])
        return piece['set'] == 'cinc2017' and marked.get(piece['record']) == 'N'
    return is_normal


def main():
    quick = options.parse(__doc__).quick
    data = os.environ.get('RDC_ECG_DATA')
    if not data:
        print('ecg-alarms: skipped: RDC_ECG_DATA names no folder with recordings')
        return 0
    is_normal = normals(data)
    total, normal, false, flutter, found = {}, {}, [], 0, 0
    counts = {}
    for piece in pieces(data, quick):
        alarms = [code for code in piece['findings'] if code.startswith('alarm_')]
        usual = is_normal(piece)
        total[piece['set']] = total.get(piece['set'], 0) + 1
        normal[piece['set']] = normal.get(piece['set'], 0) + usual
        flutter += piece['flutter']
        found += piece['flutter'] and any(a in alarms for a in ('alarm_vf', 'alarm_torsades', 'alarm_vt'))
        for code in alarms:
            print(json.dumps({'bench': 'ecg-alarms', 'set': piece['set'], 'record': piece['record'],
                              'from_s': piece['from_s'], 'rhythm': piece['rhythm'], 'flutter': piece['flutter'],
                              'normal': usual, 'alarm': code, 'figures': piece['findings'][code]}))
            row = counts.setdefault((piece['set'], code), [0, 0])
            row[0] += 1
            row[1] += usual
            if usual and code not in RATE:
                false.append(code)
    print(json.dumps({'bench': 'ecg-alarms', 'pieces': total, 'normal': normal, 'false': len(false),
                      'flutter': flutter, 'flutter_found': found}))
    print('| set | pieces | normal | alarm | raised | in normal ones |\n|---|---|---|---|---|---|')
    for (name, code), (n, wrong) in sorted(counts.items()):
        print(f'| {name} | {total[name]} | {normal[name]} | {code} | {n} | {wrong} |')
    print(f'ventricular flutter: {found} of {flutter} pieces with an alarm')
    return 1 if false else 0


if __name__ == '__main__':
    sys.exit(main())
