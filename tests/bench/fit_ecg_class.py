#!/usr/bin/python3
"""Fits the model of ventricular beats in ecg/analysis/ecg_class.c.

fit_ecg_class.py

Reads the MIT-BIH records in the folder that RDC_ECG_DATA names, through build/release; needs numpy
(package python3-numpy). Prints Se and +P by the score from which a beat is called ventricular: with each
record left out of the fit in turn, and of the fit to all; then the constants of the latter.

Logistic regression with a ridge penalty, by Newton's method, on terms of mean 0 and deviation 1. A
record's beats of a class count by the power 0.7 of their number together, so that 800 ventricular beats of
one patient do not outweigh 20 of the next by as much.
"""
import glob
import json
import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCORE = os.path.join(ROOT, 'build/release/tests/bench_ecg_score')
PACED = ('102', '104', '107', '217')
RIDGE = 50
POWER = 0.7
WEIGHT = 20000  # of all beats together


def fit(x, y, weight):
    x = np.hstack([x, np.ones((len(x), 1))])
    penalty = np.full(x.shape[1], float(RIDGE))
    penalty[-1] = 0
    b = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        curve = (x * (weight * p * (1 - p) + 1e-9)[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, x.T @ (weight * (p - y)) + penalty * b)
        b -= step
        if np.abs(step).max() < 1e-5:
            break
    return b


def weights(ventricular):
    n = np.where(ventricular, ventricular.sum(), (~ventricular).sum())
    return n ** (POWER - 1.0)


def measure(records, scores, least):
    """EC57: fusion and unclassifiable beats are no errors."""
    true = missed = false = 0
    for r, score in zip(records, scores):
        called = score > least
        true += (called & (r['class'] == 'V')).sum()
        missed += (~called & (r['class'] == 'V')).sum() + r['missed']
        false += (called & np.isin(r['class'], ['N', 'S', 'O'])).sum()
    return f'Se {100 * true / (true + missed):.2f} +P {100 * true / (true + false):.2f}'


def main():
    data = os.environ.get('RDC_ECG_DATA')
    if not data:
        sys.exit('fit_ecg_class: RDC_ECG_DATA names no folder with recordings')
    files = [f for f in sorted(glob.glob(os.path.join(data, 'wfdb/mitdb/*.hea')))
             if os.path.basename(f)[:3] not in PACED]
    out = subprocess.run([SCORE, 'terms', *files], capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in out.splitlines()]
    for r in records:
        r['class'] = np.array([b[0] for b in r['beats']])
        r['x'] = np.array([b[1:] for b in r['beats']])
        r['fit'] = np.isin(r['class'], ['N', 'S', 'V'])
    every = np.vstack([r['x'][r['fit']] for r in records])
    mean, deviation = every.mean(0), every.std(0)
    total = sum(weights(r['class'][r['fit']] == 'V').sum() for r in records)
    for r in records:
        r['x'] = (r['x'] - mean) / deviation

    def fit_to(some):
        y = np.concatenate([r['class'][r['fit']] == 'V' for r in some])
        weight = np.concatenate([weights(r['class'][r['fit']] == 'V') for r in some]) * WEIGHT / total
        return fit(np.vstack([r['x'][r['fit']] for r in some]), y, weight)

    apart = []
    for r in records:
        b = fit_to([other for other in records if other is not r])
        apart.append(r['x'] @ b[:-1] + b[-1])
    b = fit_to(records)
    scores = [r['x'] @ b[:-1] + b[-1] for r in records]
    for least in np.arange(-1, 1.26, 0.25):
        print(f'{least:5.2f}: left out: {measure(records, apart, least)}; of all: {measure(records, scores, least)}')
    print(f'FIXED = {b[-1] - (b[:-1] * mean / deviation).sum():.3f}F')
    print('OF_TERM = {' + ', '.join(f'{w:.3f}F' for w in b[:-1] / deviation) + '}')


if __name__ == '__main__':
    main()
