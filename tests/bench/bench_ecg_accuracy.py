#!/usr/bin/python3
"""How well the ECG analysis finds what annotators marked.

bench_ecg_accuracy.py [--quick] [--only accuracy | statements]

Reads the recordings in the folder that RDC_ECG_DATA names (skips, saying so, without it). Prints a
JSON line per record with the counts and the errors of detection, a JSON line per measure with its
target, and a table. Fails when a target that is marked as kept is missed.

QRS and PVC: MIT-BIH Arrhythmia Database, counted as ANSI/AAMI EC57 and its reference program bxb do
(ecg_score.c): from minute 5, within 150 ms, ventricular flutter left out; PVC without the paced
records 102 104 107 217.

Waves (ecg_score_waves.c): LUDB lead by lead; QTDB against q1c, one boundary per beat from both leads.
Global intervals: means per record of PR, QRS and QT against the earliest onset and latest end that
the cardiologists marked in any lead. Errors are found less marked, in ms: the mean and standard deviation
of all, and the mean of the records' standard deviations, as most papers on QTDB give it.

AF: CinC 2017, REFERENCE.csv: F1 of N against A, records of noise left out; and how much of "other"
is called so.

Statements: what is said of LUDB, CinC 2021 and 2017, and of MIT-BIH in pieces of ten seconds that are of one
rhythm, beside what headers, REFERENCE.csv and marks of rhythm say: how often both say it, and one alone.

--quick: a few records of each.
"""
import glob
import json
import math
import os
import subprocess
import sys

import options

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCORE = os.path.join(ROOT, 'build/release/tests/bench_ecg_score')
PACED = ('102', '104', '107', '217')
CLASSES = 'NSVFQ'
LUDB_LEADS = 'i ii iii avr avl avf v1 v2 v3 v4 v5 v6'
QUICK = 10  # one record of so many


def share(part, rest):
    return 100 * part / (part + rest) if part + rest else None


def qrs(records):
    def total(pick):
        return sum(n for r in records for pair, n in r['pairs'].items() if pick(pair))
    true = total(lambda p: 'O' not in p)
    return share(true, total(lambda p: p[1] == 'O')), share(true, total(lambda p: p[0] == 'O'))


def pvc(records):
    """EC57: a fusion or unclassifiable beat that is called ventricular is no error."""
    pairs = {}
    for r in records:
        if r['record'] not in PACED:
            for pair, n in r['pairs'].items():
                pairs[pair] = pairs.get(pair, 0) + n
    true = pairs.get('VV', 0)
    missed = sum(pairs.get('V' + c, 0) for c in CLASSES + 'O' if c != 'V')
    false = sum(pairs.get(c + 'V', 0) for c in 'NSO')
    return share(true, missed), share(true, false)


def run(files, *words):
    out = subprocess.run([SCORE, *words, *files], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def spread(n, total, squares):
    return math.sqrt(max(0, squares - total * total / n) / (n - 1)) if n > 1 else 0


def errors(records, point):
    """Mean and standard deviation of all errors, and the mean of the records' deviations."""
    parts = [r[point] for r in records if r[point][0] > 2]
    n, total, squares = (sum(p[i] for p in parts) for i in range(3))
    return total / n, spread(n, total, squares), sum(spread(*p) for p in parts) / len(parts)


def found(records, wave):
    true, missed, false = (sum(r[wave][i] for r in records) for i in range(3))
    return share(true, missed), share(true, false)


def wave_rows(records, name, targets, precise):
    """targets: least Se and +P per wave; most SD per point. precise: is +P counted?"""
    rows = []
    for wave in ('p', 'qrs', 't'):
        se, plus = found(records, wave)
        rows.append((f'{wave.upper()} Se %', name, se, targets[wave], False, False))
        if precise:
            rows.append((f'{wave.upper()} +P %', name, plus, targets[wave], False, False))
    for point in ('p_on', 'p_off', 'qrs_on', 'qrs_off', 't_off'):
        mean, sd, within = errors(records, point)
        rows.append((f'{point} mean ms', name, mean, targets['mean'], True, False))
        rows.append((f'{point} SD ms', name, sd, targets.get(point) if precise else None, True, False))
        rows.append((f'{point} SD within a record', name, within, None if precise else targets.get(point), True, False))
    return rows


def interval_rows(records, name):
    rows = []
    for interval, bias, deviation in (('pr', 10, 10), ('qrs', 10, 10), ('qt', 25, 30)):
        differences = [r[f'{interval}_ms'][1] - r[f'{interval}_ms'][0] for r in records if f'{interval}_ms' in r]
        n, total = len(differences), sum(differences)
        rows.append((f'{interval.upper()} mean ms', name, total / n, bias, True, False))
        rows.append((f'{interval.upper()} SD ms', name, spread(n, total, sum(d * d for d in differences)), deviation,
                     True, False))
    return rows


def waves(data, quick):
    rows = []
    files = sorted(glob.glob(os.path.join(data, 'wfdb/ludb/*.hea')))[::QUICK if quick else 1]
    if files:
        records, name = run(files, 'waves', LUDB_LEADS), f'LUDB, {len(files)} records'
        rows += wave_rows(records, name, {'p': 98, 'qrs': 99.9, 't': 98, 'mean': None, 'p_on': 12, 'p_off': 12,
                                          'qrs_on': 8, 'qrs_off': 8, 't_off': 16}, True)
        rows += interval_rows(records, name)
    files = sorted(glob.glob(os.path.join(data, 'wfdb/qtdb/*.hea')))[::QUICK if quick else 1]
    if files:
        rows += wave_rows(run(files, 'waves', 'q1c'), f'QTDB, {len(files)} records',
                          {'p': 97, 'qrs': 99.5, 't': 97, 'mean': 4, 'qrs_on': 10.8, 'qrs_off': 11.9, 't_off': 16.9},
                          False)
    return rows


def fibrillation(data, quick):
    folder = os.path.join(data, 'wfdb/cinc2017')
    files = sorted(glob.glob(folder + '/*.hea'))[::QUICK if quick else 1]
    if not files:
        return []
    with open(folder + '/REFERENCE.csv') as f:
        marked = dict(line.strip().split(',') for line in f)
    called = {r['record']: 'atrial_fibrillation' in r['findings'] for r in run(files, 'findings')}
    counts = {c: [sum(v for r, v in called.items() if marked.get(r) == c),
                  sum(marked.get(r) == c for r in called)] for c in 'NAO'}
    name = f'CinC 2017, {sum(n for _, n in counts.values())} records'
    true, false, missed = counts['A'][0], counts['N'][0], counts['A'][1] - counts['A'][0]
    return [('AF F1', name, 2 * true / max(1, 2 * true + false + missed), 0.95, False, False),
            ('AF called in other %', name, share(counts['O'][0], counts['O'][1] - counts['O'][0]), 10, True, False)]


SINUS = ('sinus_rhythm', 'sinus_bradycardia', 'sinus_tachycardia')
FLUTTER = ('atrial_flutter', 'possible_atrial_flutter_2_to_1')
# What is called so: ours, words of LUDB's headers, SNOMED codes of CinC 2021, class of CinC 2017, rhythm of MIT-BIH.
STATEMENTS = {
    'sinus rhythm': (SINUS, ('Rhythm: Sinus',), ('426783006', '426177001', '427084000', '427393009'), 'N', '(N'),
    'sinus bradycardia': (SINUS[1:2], ('Sinus bradycardia',), ('426177001',), None, None),
    'sinus tachycardia': (SINUS[2:], ('Sinus tachycardia',), ('427084000',), None, None),
    'atrial fibrillation': (('atrial_fibrillation',), ('Rhythm: Atrial fibrillation',), ('164889003',), 'A', '(AFIB'),
    'atrial flutter': (FLUTTER, ('Rhythm: Atrial flutter',), ('164890007',), None, '(AFL'),
    'no P waves': (('no_p_waves',), (), (), None, '(NOD'),
    'paced': (('paced',), ('pacing',), ('10370003',), None, '(P'),
    'ventricular premature': (('pvc',), ('Ventricular extrasystole',), ('427172004', '164884008', '17338001'), None, 'V'),
    'atrial premature': (('pac',), ('Atrial extrasystole',), ('284470004', '63593006'), None, None),
    'first degree block': (('av_block_1',), ('I degree AV',), ('270492004',), None, None),
    'second, third degree block': (('av_block_2_type_1', 'av_block_2_type_2', 'av_block_2_to_1', 'av_block_advanced',
                                    'av_block_3'), ('II degree',), ('195042002', '27885002'), None, '(BII'),
    'RBBB, complete': (('rbbb',), ('Complete right',), ('59118001', '713427006'), None, None),
    'RBBB, any': (('rbbb', 'incomplete_rbbb'), ('right bundle',), ('59118001', '713427006', '713426002'), None, None),
    'LBBB': (('lbbb',), ('Complete left', 'Incomplete left'), ('164909002', '733534002'), None, None),
    'left anterior fascicle': (('lafb',), ('Left anterior hemiblock',), ('445118002',), None, None),
}


def header_says(path, words):
    with open(path) as f:
        comments = [line[1:].strip() for line in f if line.startswith('#')]
    return any(comment.startswith(word) if word[0] == 'I' else word in comment for comment in comments
               for word in words)


def annotators_say(data, name, piece, words, codes, label, rhythm, marked):
    """None: they say nothing of the kind in that database."""
    if name == 'mitdb':
        if piece['rhythms'] or not rhythm:
            return None
        return piece['pvc'] > 0 if rhythm == 'V' else piece['rhythm'] == rhythm
    if name == 'cinc2017':
        return marked.get(piece['record']) == label if label and marked.get(piece['record']) in 'NAO' else None
    words = codes if name == 'cinc2021' else words
    return header_says(os.path.join(data, f'wfdb/{name}/{piece["record"]}.hea'), words) if words else None


def statements(data, quick):
    """Of each statement and database: said by both, by annotators only, by us only, by neither."""
    path = os.path.join(data, 'wfdb/cinc2017/REFERENCE.csv')
    marked = {}
    if os.path.exists(path):
        with open(path) as f:
            marked = dict(line.strip().split(',') for line in f)
    counts = {}
    for name in ('ludb', 'cinc2021', 'cinc2017', 'mitdb'):
        files = sorted(glob.glob(os.path.join(data, f'wfdb/{name}/*.hea')))[::QUICK if quick else 1]
        for piece in run(files, 'alarms', 'atr' if name == 'mitdb' else '') if files else []:
            for statement, (ours, *theirs) in STATEMENTS.items():
                true = annotators_say(data, name, piece, *theirs, marked)
                if true is None:
                    continue
                said = any(code in piece['findings'] for code in ours)
                row = counts.setdefault((statement, name), [0, 0, 0, 0])
                row[(0 if said else 1) if true else (2 if said else 3)] += 1
                if true != said and name != 'mitdb':
                    print(json.dumps({'bench': 'ecg-statements', 'set': name, 'record': piece['record'],
                                      'statement': statement, 'said': said}))
    print('| statement | database | both | annotators only | rdc only | neither |\n|---|---|---|---|---|---|')
    for (statement, name), row in counts.items():
        print(f'| {statement} | {name} | ' + ' | '.join(str(n) for n in row) + ' |')


def main():
    options_given = options.parse(__doc__, only=('accuracy', 'statements'))
    quick = options_given.quick
    data = os.environ.get('RDC_ECG_DATA')
    if not data:
        print('ecg-accuracy: skipped: RDC_ECG_DATA names no folder with recordings')
        return 0
    if options_given.only != 'accuracy':
        statements(data, quick)
    return 0 if options_given.only == 'statements' else accuracy(data, quick)


def accuracy(data, quick):
    files = sorted(glob.glob(os.path.join(data, 'wfdb/mitdb/*.hea')))
    if not files:
        print(f'ecg-accuracy: skipped: there is no wfdb/mitdb in {data}')
        return 0
    out = subprocess.run([SCORE, 'beats', *(files[::QUICK] if quick else files)], capture_output=True, text=True,
                         check=True).stdout
    print(out, end='')
    records = [json.loads(line) for line in out.splitlines()]
    hours = sum(r['hours'] for r in records)
    cpu = sum(r['analysis_s'] for r in records) / hours
    opened = sum(r['open_s'] for r in records) / hours
    set_name = f'MIT-BIH, {len(records)} records'
    # measure, data, value, target, lower is better, kept (a miss fails the benchmark)
    rows = [('QRS Se %', set_name, qrs(records)[0], 99.85, False, True),
            ('QRS +P %', set_name, qrs(records)[1], 99.85, False, True),
            ('PVC Se %', set_name, pvc(records)[0], 95, False, False),
            ('PVC +P %', set_name, pvc(records)[1], 97, False, False),
            ('CPU s per hour', set_name, cpu, 0.026, True, False),
            ('open and decode, for comparison', set_name, opened, None, True, False)]
    rows += waves(data, quick) + fibrillation(data, quick)
    failed = False
    lines = [f'| {"measure":32} | {"data":22} | {"reached":>8} | {"target":>7} | |', '|---|---|---|---|---|']
    for measure, where, value, target, lower, kept in rows:
        met = None if target is None or value is None else abs(value) <= target if lower else value >= target
        failed |= kept and met is False and not quick
        print(json.dumps({'bench': 'ecg-accuracy', 'measure': measure, 'data': where, 'value': value,
                          'target': target, 'met': met}))
        verdict = '' if met is None else 'met' if met else 'short'
        shown = '–' if value is None else f'{value:.4f}' if 'CPU' in measure or 'open' in measure else f'{value:.2f}'
        lines.append(f'| {measure:32} | {where:22} | {shown:>8} | {target or "":>7} | {verdict} |')
    print('\n'.join(lines))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
