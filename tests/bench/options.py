"""The command line of the benchmarks: the same words in all, and nothing runs on a word that is unknown."""
import argparse


def parse(doc, only=(), rounds=None):
    """`--quick`; where a benchmark has them, `--only PART` and `--rounds N`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='the short form, which only shows that all works')
    if only:
        parser.add_argument('--only', choices=only, metavar='PART', help=', '.join(only))
    if rounds:
        parser.add_argument('--rounds', type=int, help=f'of each cell (default {rounds}; --quick: 1)')
    return parser.parse_args()
