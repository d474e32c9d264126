#!/usr/bin/python3
"""Grows the trees that correct the boundaries of waves: ecg/analysis/ecg_edge_trees.c.

fit_ecg_edge.py [--write]

Reads the LUDB records in the folder that RDC_ECG_DATA names, through build/release; needs numpy
(package python3-numpy). Prints for each boundary the SD of its errors in ms by the rules, with a tenth of
the records left out of the fit in turn, and of the fit to all. --write: puts the latter into the source.

Gradient boosting of squared errors. Each tree has the same question in all branches of a level: of a few
terms drawn by lot the one that takes most off the error of a part of the records, drawn by lot as well,
whole ones: what holds in one record only is so seldom chosen. A lead counts by its marked beats, with their
mean as the target, and again in means of every other beat and of some leads only, where the rules put the
boundary elsewhere: what depends on that is not learned. By how much a beat is marked later than that mean,
trees of their own tell from its terms, and from how much more they are than those of the mean.
"""
import json
import glob
import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCORE = os.path.join(ROOT, 'build/release/tests/bench_ecg_score')
SOURCE = os.path.join(ROOT, 'ecg/analysis/ecg_edge_trees.c')
LEADS = 'i ii iii avr avl avf v1 v2 v3 v4 v5 v6'
NAMES = ('p_on', 'p_off', 'qrs_on', 'qrs_off', 't_off')
SAMPLE_MS = 2
FOLDS = 10
TREES = 450  # of leads
RATE = 0.05  # of what a tree finds that is added
RIDGE = 250  # beats that say nothing, in each leaf; a beat is in four or five examples
BEAT_TREES = 50
BEAT_RATE = 0.1
BEAT_RIDGE = 300
APART = 3  # marked beats of a lead from which on each is looked at
DEPTH = 3
BINS = 24
TERMS = 0.4  # shares that are drawn for a tree
RECORDS = 0.7


class Trees:
    """Of (questions [(term, limit)], what each branch adds)."""

    def __init__(self, x, y, weight, record, trees, rate, ridge):
        lots = np.random.RandomState(1)
        limits = [np.unique(np.floor(np.quantile(t, np.linspace(0, 1, BINS + 1)[1:-1]))) for t in x.T]
        bins = np.stack([np.searchsorted(limit, t, side='left') for limit, t in zip(limits, x.T)], 1)
        rest = y.astype(float).copy()
        records = np.unique(record)
        self.tree = []
        for _ in range(trees):
            drawn = np.isin(record, lots.choice(records, int(len(records) * RECORDS), replace=False))
            terms = lots.choice(x.shape[1], int(x.shape[1] * TERMS), replace=False)
            questions, branch = [], np.zeros(len(y), int)
            for _ in range(DEPTH):
                term, cut = self.best(bins[drawn][:, terms], branch[drawn], (rest * weight)[drawn], weight[drawn],
                                      [len(limits[t]) for t in terms], ridge)
                questions.append((terms[term], int(limits[terms[term]][cut])))
                branch = 2 * branch + (x[:, terms[term]] > questions[-1][1])
            n = 1 << DEPTH
            add = rate * np.bincount(branch[drawn], (rest * weight)[drawn], n) / (
                np.bincount(branch[drawn], weight[drawn], n) + ridge)
            add = np.rint(add * 100) / 100
            rest -= add[branch]
            self.tree.append((questions, add))

    @staticmethod
    def best(bins, branch, pull, weight, cuts, ridge):
        """The term and the cut after which what is left of the squares is least."""
        branches, terms = branch.max() + 1, bins.shape[1]
        place = ((branch[:, None] * terms + np.arange(terms)) * BINS + bins).ravel()
        shape = (branches, terms, BINS)
        a = np.bincount(place, np.repeat(pull, terms), branches * terms * BINS).reshape(shape).cumsum(2)
        n = np.bincount(place, np.repeat(weight, terms), branches * terms * BINS).reshape(shape).cumsum(2)
        gain = (a ** 2 / (n + ridge) + (a[:, :, -1:] - a) ** 2 / (n[:, :, -1:] - n + ridge)).sum(0)
        for term, cut in enumerate(cuts):
            gain[term, cut:] = -1
        return np.unravel_index(gain.argmax(), gain.shape)

    def later(self, x):
        out = np.zeros(len(x))
        for questions, add in self.tree:
            branch = np.zeros(len(x), int)
            for term, limit in questions:
                branch = 2 * branch + (x[:, term] > limit)
            out += add[branch]
        return out


def spread(marks, later, beats, each):
    errors = (np.rint(later)[beats.lead] + each * (beats.weight > 0)) * SAMPLE_MS - np.concatenate(marks)
    return f'{errors.mean():5.1f} +- {errors.std(ddof=1):4.1f}'


class Beats:
    """Those of leads with some, in a row."""

    def __init__(self, rows, marks, record):
        self.lead = np.concatenate([np.full(len(m), i) for i, m in enumerate(marks)])
        self.x = np.array([terms for r in rows for terms in r[5]])
        self.y = np.concatenate([m - m.mean() for m in marks]) / SAMPLE_MS
        self.weight = np.concatenate([np.full(len(m), float(len(m) >= APART)) for m in marks])
        self.record = record[self.lead]

    def fit(self, which):
        which = which & (self.weight > 0)
        return Trees(self.x[which], self.y[which], self.weight[which], self.record[which], BEAT_TREES,
                     BEAT_RATE, BEAT_RIDGE)


def grow(name, rows):
    """The trees of a boundary, of leads and of beats; prints what they are worth."""
    whole = [r for r in rows if r[5]]
    rows = whole + [r for r in rows if not r[5]]
    x = np.array([r[4] for r in rows])
    y = np.array([np.mean(r[3]) for r in rows]) / SAMPLE_MS
    weight = np.array([float(len(r[3])) for r in rows])
    records, record = np.unique([r[2] for r in rows], return_inverse=True)
    marks, of_whole = [np.array(r[3]) for r in whole], x[:len(whole)]
    beats = Beats(whole, marks, record)
    fold = np.random.RandomState(0).permutation(len(records))[record] % FOLDS
    apart, each_apart = np.zeros(len(whole)), np.zeros(len(beats.y))
    for k in range(FOLDS):
        rest, left_out, beat_rest = fold != k, fold[:len(whole)] == k, fold[beats.lead] != k
        trees = Trees(x[rest], y[rest], weight[rest], record[rest], TREES, RATE, RIDGE)
        apart[left_out] = trees.later(of_whole[left_out])
        each_apart[~beat_rest] = beats.fit(beat_rest).later(beats.x[~beat_rest])
    trees, of_beats = Trees(x, y, weight, record, TREES, RATE, RIDGE), beats.fit(beats.lead >= 0)
    fitted, each = trees.later(of_whole), of_beats.later(beats.x)
    print(f'{name:8} {len(whole)} leads of {len(records)} records: by rules {spread(marks, 0 * apart, beats, 0)}, '
          f'left out {spread(marks, apart, beats, 0)}, and each beat {spread(marks, apart, beats, each_apart)}, '
          f'fitted {spread(marks, fitted, beats, 0)}, and each beat {spread(marks, fitted, beats, each)}', flush=True)
    return trees, of_beats


def source(models):
    lines = ['/* Grown by tests/bench/fit_ecg_edge.py. */', '#include "ecg/analysis/ecg_edge_priv.h"', '',
             '/* clang-format off */']
    for name, trees in models.items():
        lines.append(f'static const struct ecg_edge_tree {name}[] = {{')
        trees = ['{' + ', '.join(f'{{{", ".join(str(int(v)) for v in part)}}}' for part in (
            [t for t, _ in questions], [limit for _, limit in questions], np.rint(add * 100))) + '},'
            for questions, add in trees.tree]
        lines += ['    ' + ' '.join(trees[i:i + 2]) for i in range(0, len(trees), 2)]
        lines += ['};', '']
    for array, prefix in (('ecg_edge_models', ''), ('ecg_edge_beat_models', 'beat_')):
        lines += [f'const struct ecg_edge_model {array}[ECG_EDGE_COUNT] = {{']
        lines += [f'    [ECG_EDGE_{name.upper()}] = {{{prefix}{name}, sizeof {prefix}{name} / sizeof *{prefix}{name}}},'
                  for name in NAMES]
        lines += ['};', '']
    return '\n'.join(lines)


def main():
    data = os.environ.get('RDC_ECG_DATA')
    if not data:
        sys.exit('fit_ecg_edge: RDC_ECG_DATA names no folder with recordings')
    files = sorted(glob.glob(os.path.join(data, 'wfdb/ludb/*.hea')))
    out = subprocess.run([SCORE, 'edges', LEADS, *files], capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    models = {}
    for which, name in enumerate(NAMES):
        models[name], models['beat_' + name] = grow(name, [r for r in rows if r[0] == which])
    if '--write' in sys.argv[1:]:
        with open(SOURCE, 'w', encoding='utf-8') as f:
            f.write(source(models))


if __name__ == '__main__':
    main()
