#!/usr/bin/python3
"""Runs tests/system/test_*.py, each test on one line with its seconds.

run.py [WORD...]   only tests whose name contains one of the words

The last line is "N passed, N failed, N skipped". RDC_TEST_PROGRAM names the
program to test (default build/release/rdc).
"""
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)


def sentence(test):
    """test_what_is_shown in class AStudy -> "AStudy: what is shown"."""
    if not hasattr(test, '_testMethodName'):
        return str(test)
    words = test._testMethodName[len('test_'):].replace('_', ' ')
    return f'{type(test).__name__}: {words}'


class Result(unittest.TestResult):
    """Prints each outcome when it is known, and what a test measured (test.notes)."""

    passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, test, word, text=''):
        seconds = time.monotonic() - getattr(self, 'began', time.monotonic())
        print(f'{word:6} {seconds:6.1f} s  {sentence(test)}')
        for note in getattr(test, 'notes', []):
            print(f'                 {note}')
        if text:
            print(''.join(f'    {x}\n' for x in text.splitlines()), end='')
        sys.stdout.flush()

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


def main():
    words = sys.argv[1:]
    suite = unittest.defaultTestLoader.discover(HERE, 'test_*.py')
    if words:
        suite = unittest.TestSuite(
            t for t in tests_in(suite) if any(w in f'{t.id()} {sentence(t)}' for w in words))
    result = Result()
    suite.run(result)
    failed = len(result.failures) + len(result.errors)
    print(f'{result.passed} passed, {failed} failed, {len(result.skipped)} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
