#!/usr/bin/python3
"""Runs fuzz targets until they find nothing new; see scripts/fuzz, which builds them.

What counts is `cov` of libFuzzer, the edges reached, and the CPU time of the fuzzer itself,
so that a busy machine only takes longer.
"""
import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = f'{ROOT}/build/fuzz-corpus'
TICK = os.sysconf('SC_CLK_TCK')
COV = re.compile(r'^#(\d+)\s.*?\bcov: (\d+)')
DONE = re.compile(r'^stat::number_of_executed_units:\s*(\d+)')
MAX_LEN = {'zip': 8192, 'http': 8192, 'hl7': 8192}
MAX_LEN_DEFAULT = 4096
KEEP_MAX = 2048  # bytes of an input for the corpus of the checkout
# Of the wall clock, during which the machine may do other things or the fuzzer be stopped.
TIMEOUT_S = 600


def cpu_seconds(pid):
    """Of a child; 0 when it is gone."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            words = f.read().rpartition(')')[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICK


def command(name, extra):
    dictionary = f'{HERE}/dict/{name}.dict'
    options = [f'-max_len={MAX_LEN.get(name, MAX_LEN_DEFAULT)}', f'-timeout={TIMEOUT_S}',
               f'-report_slow_units={TIMEOUT_S}', '-rss_limit_mb=2048',
               f'-artifact_prefix={WORK}/{name}.crash-']
    if os.path.exists(dictionary):
        options.append(f'-dict={dictionary}')
    return [f'{ROOT}/build/fuzz/tests/fuzz_{name}', *options, *extra]


def environment():
    suppressions = f'{ROOT}/tests/lsan.supp'
    return dict(os.environ, LSAN_OPTIONS=f'suppressions={suppressions}:print_suppressions=0')


class Run:
    """A target under way: what its output says, and when it said something new."""

    def __init__(self, name):
        found = f'{WORK}/{name}'
        os.makedirs(found, exist_ok=True)
        self.cov, self.executions, self.cpu, self.new_at = 0, 0, 0.0, 0.0
        self.log = open(f'{WORK}/{name}.log', 'w', encoding='utf-8')
        self.process = subprocess.Popen(
            command(name, ['-print_final_stats=1', found, f'{HERE}/corpus/{name}']),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True,
            errors='replace')
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.log.write(line)
            self.log.flush()
            seen, done = COV.match(line), DONE.match(line)
            if done or seen:
                self.executions = int((done or seen)[1])
            if seen and int(seen[2]) > self.cov:
                self.cov, self.new_at = int(seen[2]), cpu_seconds(self.process.pid)

    def quiet(self):
        return self.cpu - self.new_at

    def watch(self, dry, most):
        """Until dry, or most minutes are used, or it ended by itself: then it crashed."""
        while self.process.poll() is None:
            time.sleep(1)
            self.cpu = cpu_seconds(self.process.pid) or self.cpu
            if self.quiet() > dry * 60 or self.cpu > most * 60:
                self.process.send_signal(signal.SIGINT)
                break
        crashed = self.process.poll() is not None
        self.process.wait()
        self.reader.join()
        self.log.close()
        return 'CRASH' if crashed else 'dry' if self.quiet() > dry * 60 else 'not dry'


def edges(name, folders):
    out = subprocess.run(command(name, ['-runs=0'] + folders), check=False, capture_output=True,
                         text=True, errors='replace', env=environment()).stderr
    seen = [int(m[2]) for m in map(COV.match, out.splitlines()) if m]
    return max(seen, default=0)


def merge(name, into, folders, *options):
    """Copies to `into` what reaches more than what is there, the smallest inputs that do."""
    subprocess.run(command(name, ['-merge=1', *options, into, *folders]), check=True,
                   capture_output=True, env=environment())


def keep(name, n):
    """Adds up to n inputs that reach new edges to the corpus. Edges before, now, and of all."""
    corpus, found, small = f'{HERE}/corpus/{name}', f'{WORK}/{name}', f'{WORK}/{name}.small'
    shutil.rmtree(small, ignore_errors=True)
    os.makedirs(small)
    merge(name, small, [corpus, found])
    shutil.rmtree(found)
    os.rename(small, found)
    # Without counters how often an edge is taken makes no difference.
    shutil.copytree(corpus, small)
    merge(name, small, [found], '-use_counters=0')
    new = sorted(set(glob.glob(f'{small}/*')) - {f'{small}/{f}' for f in os.listdir(corpus)},
                 key=os.path.getsize)
    before = edges(name, [corpus])
    for path in new[:n]:
        if os.path.getsize(path) <= KEEP_MAX:
            shutil.copy(path, f'{corpus}/found_{os.path.basename(path)[:12]}')
    shutil.rmtree(small)
    return before, edges(name, [corpus]), edges(name, [found])


def main():
    names = sorted(os.path.basename(f)[len('fuzz_'):-len('.c')] for f in glob.glob(f'{HERE}/fuzz_*.c'))
    a = argparse.ArgumentParser(prog='scripts/fuzz')
    a.add_argument('--dry', type=float, default=10)
    a.add_argument('--most', type=float, default=60)
    a.add_argument('--keep', type=int, default=0)
    a.add_argument('targets', nargs='*', metavar='TARGET', help=', '.join(names))
    o = a.parse_args()
    for name in o.targets:
        if name not in names:
            a.error(f'no target {name}; there are {", ".join(names)}')
    os.makedirs(WORK, exist_ok=True)
    print('| target | CPU min | executions | cov | min since last new | outcome |\n|---|---|---|---|---|---|')
    bad = False
    for name in o.targets or names:
        run = Run(name)
        outcome = run.watch(o.dry, o.most)
        bad |= outcome == 'CRASH'
        print(f'| {name} | {run.cpu / 60:.1f} | {run.executions:,} | {run.cov:,} | '
              f'{run.quiet() / 60:.1f} | {outcome} |', flush=True)
        if outcome == 'CRASH':
            print(f'  see {WORK}/{name}.log', file=sys.stderr)
        elif o.keep:
            before, after, all_found = keep(name, o.keep)
            print(f'  corpus of {name}: {before} edges before, {after} now, {all_found} of all found',
                  file=sys.stderr)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
