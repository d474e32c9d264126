#!/usr/bin/python3
"""Runs tests/system/test_*.py, each test on one line with its seconds.

run.py [--jobs N] [WORD...]   only tests whose name contains one of the words

N processes (2; most tests wait more than they compute) take one class after the
other, each with a cluster of its own. The last line is "N passed, N failed, N
skipped". RDC_TEST_PROGRAM names the program to test (default build/release/rdc).
"""
import argparse
import fcntl
import itertools
import os
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import rdc_system  # noqa: E402

# What takes longest begins first, so that no process works alone at the end.
FIRST = ('AFailover', 'ScriptsRun', 'ADisk', 'TheDatabase', 'WatchTest')


def sentence(test):
    """test_what_is_shown in class AStudy -> "AStudy: what is shown"."""
    if not hasattr(test, '_testMethodName'):
        return str(test)
    words = test._testMethodName[len('test_'):].replace('_', ' ')
    return f'{type(test).__name__}: {words}'


class Result(unittest.TestResult):
    """Prints each outcome when it is known, and what a test measured (test.notes)."""

    passed = 0

    def __init__(self, lock):
        super().__init__()
        self.lock = lock  # of the output, whose lines belong together

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

    def addSuccess(self, test):
        self.passed += 1
        self.line(test, 'ok')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, 'FAILED', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, 'ERROR', self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            failed = issubclass(err[0], test.failureException)
            self.line(test, 'FAILED' if failed else 'ERROR',
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
    """Runs the classes whose numbers come out of this pipe; the counts."""
    result = Result(lock)
    while number := os.read(numbers, 4):
        unittest.TestSuite(classes[int(number)]).run(result)
    return result.counts()


def work_beside(classes, numbers, lock, sums):
    """The same in a process of its own, which writes its counts; its pid."""
    pid = os.fork()
    if pid == 0:
        os.write(sums, '{} {} {}\n'.format(*work(classes, numbers, lock)).encode())
        sys.exit(0)
    return pid


def run_all(classes, jobs):
    """All classes in so many processes; the counts."""
    numbers, deal = os.pipe()
    os.write(deal, b''.join(b'%4d' % n for n in range(len(classes))))
    os.close(deal)
    with tempfile.TemporaryFile() as lock:
        if jobs == 1:
            return work(classes, numbers, lock)
        rdc_system.template()
        sums, write = os.pipe()
        pids = [work_beside(classes, numbers, lock, write) for _ in range(jobs)]
        os.close(write)
        failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
        for pid in failed:
            print(f'process {pid} of the runner ended before its work')
        with os.fdopen(sums) as f:
            counts = [list(map(int, line.split())) for line in f]
        return map(sum, zip(*counts, (0, len(failed), 0)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('words', nargs='*')
    args = parser.parse_args()
    tests = tests_in(unittest.defaultTestLoader.discover(HERE, 'test_*.py'))
    if args.words:
        tests = (t for t in tests if any(w in f'{t.id()} {sentence(t)}' for w in args.words))
    classes = by_class(tests)
    passed, failed, skipped = run_all(classes, max(1, min(args.jobs, len(classes))))
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
