#!/usr/bin/python3
"""Runs tests/system/test_*.py, each test on one line with its seconds.

run.py [--jobs N] [WORD...]   only tests whose name contains one of the words

N processes (2; most tests wait more than they compute) take one class after the
other, each with a cluster of its own. What failed, where that is not
many, is run once more, one by one: a test that passes then is counted as passed
and called unsteady, with what it said first above. The last line is "N passed, N failed, N skipped".
RDC_TEST_PROGRAM names the program to test (default build/release/rdc).
"""
import argparse
import fcntl
import itertools
import os
import re
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import rdc_system  # noqa: E402

# What takes longest begins first, so that no process works alone at the end.
FIRST = ('AFailover', 'ScriptsRun', 'ADisk', 'TheDatabase', 'WatchTest')
NOT_MANY = 6  # more failures than these are no accident


def sentence(test):
    """test_what_is_shown in class AStudy -> "AStudy: what is shown"."""
    if not hasattr(test, '_testMethodName'):
        return str(test)
    words = test._testMethodName[len('test_'):].replace('_', ' ')
    return f'{type(test).__name__}: {words}'


class Result(unittest.TestResult):
    """Prints each outcome when it is known, and what a test measured (test.notes)."""

    passed = 0

    def __init__(self, lock, good='ok'):
        super().__init__()
        self.lock = lock  # of the output, whose lines belong together
        self.good = good
        self.failed = []  # ids of tests, or of classes that could not begin

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, test, word, text=''):
        seconds = time.monotonic() - getattr(self, 'began', time.monotonic())
        lines = [f'{word:6} {seconds:6.1f} s  {sentence(test)}',
                 *(f'                 {note}' for note in getattr(test, 'notes', [])),
                 *(f'    {x}' for x in text.splitlines())]
        fcntl.lockf(self.lock, fcntl.LOCK_EX)
        print('\n'.join(lines), flush=True)
        fcntl.lockf(self.lock, fcntl.LOCK_UN)

    def counts(self):
        return self.passed, len(self.failures) + len(self.errors), len(self.skipped)

    def sum(self):
        """One line for the process that asked: counts, then who failed."""
        return ' '.join(map(str, (*self.counts(), *dict.fromkeys(self.failed))))

    def bad(self, test, word, text):
        # "setUpClass (test_x.AClass)" is the id of what fails before a class begins.
        self.failed.append(re.sub(r'^\w+ \((.*)\)$', r'\1', test.id()))
        self.line(test, word, text)

    def addSuccess(self, test):
        self.passed += 1
        self.line(test, self.good)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, 'FAILED', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, 'ERROR', self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            failed = issubclass(err[0], test.failureException)
            self.bad(test, 'FAILED' if failed else 'ERROR',
                     f'{subtest._subDescription()}\n{(self.failures if failed else self.errors)[-1][1]}')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, 'skip', reason)


def tests_in(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def by_class(tests):
    """Lists of the tests of one class each."""
    out = [list(group) for _, group in itertools.groupby(tests, type)]
    out.sort(key=lambda group: type(group[0]).__name__ not in FIRST)
    return out


def work(classes, numbers, lock):
    """Runs the classes whose numbers come out of this pipe; what Result.sum says."""
    result = Result(lock)
    while number := os.read(numbers, 4):
        unittest.TestSuite(classes[int(number)]).run(result)
    return result.sum()


def work_beside(classes, numbers, lock, sums):
    """The same in a process of its own, which writes its sum; its pid."""
    pid = os.fork()
    if pid == 0:
        os.write(sums, f'{work(classes, numbers, lock)}\n'.encode())
        sys.exit(0)
    return pid


def run_all(classes, jobs, lock):
    """All classes in so many processes; the sum of each, and how many processes broke down."""
    numbers, deal = os.pipe()
    os.write(deal, b''.join(b'%4d' % n for n in range(len(classes))))
    os.close(deal)
    if jobs == 1:
        return [work(classes, numbers, lock)], 0
    rdc_system.template()
    sums, write = os.pipe()
    pids = [work_beside(classes, numbers, lock, write) for _ in range(jobs)]
    os.close(write)
    broken = [pid for pid in pids if os.waitpid(pid, 0)[1]]
    for pid in broken:
        print(f'process {pid} of the runner ended before its work')
    with os.fdopen(sums) as f:
        return f.read().splitlines(), len(broken)


def run_again(names, lock):
    """What failed once more, one by one: (passed, failed, skipped)."""
    print(f'once more, one by one: {len(names)}', flush=True)
    result = Result(lock, good='unsteady')
    unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    return result.counts()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('words', nargs='*')
    args = parser.parse_args()
    tests = tests_in(unittest.defaultTestLoader.discover(HERE, 'test_*.py'))
    if args.words:
        tests = (t for t in tests if any(w in f'{t.id()} {sentence(t)}' for w in args.words))
    classes = by_class(tests)
    with tempfile.TemporaryFile() as lock:
        sums, broken = run_all(classes, max(1, min(args.jobs, len(classes))), lock)
        fields = [line.split() for line in sums]
        passed, failed, skipped = (sum(int(f[n]) for f in fields) for n in range(3))
        names = [name for f in fields for name in f[3:]]
        if 0 < len(names) <= NOT_MANY:
            again, failed, _ = run_again(names, lock)
            passed += again
    failed += broken
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
