#!/usr/bin/env python3
"""Writes the fuzz corpus of the WFDB reader: testdata/make_wfdb.py FOLDER.

Each file is a header, a 0 byte, the header of a segment (or nothing), a 0 byte,
and bytes that serve as signals and as annotations (tests/fuzz/fuzz_wfdb.c)."""
import os
import struct
import sys


def words(n):
    return b''.join(struct.pack('<h', (i * 37) % 4000 - 2000) for i in range(n))


def annotations():
    beats = b''.join(struct.pack('<HHH', code << 10 | 100, 61 << 10 | 1, 63 << 10 | 2) + b'(N' for code in (1, 5, 8))
    return struct.pack('<Hhh', 59 << 10, 0, 2000) + beats + b'\0\0'


def corpus():
    data = annotations() + words(48) + annotations()
    for form in (8, 16, 24, 32, 61, 80, 160, 212, 310, 311):
        signals = ''.join(f'r.dat {form} 200(1)/mV 12 0 -5 77 0 {lead}\n' for lead in ('I', 'MLII'))
        yield f'format-{form}', f'r 2 250 12 10:00:00 01/02/2026\n{signals}# 69 M 1085\n', '', data
    yield ('frames', 'r 2 100/360(5) 4\r\nr.dat 16x3:2+4 10/uV 16 0 0 0 0 V1\r\nr.dat 16 1/mmHg 16 0 0 0 0 ABP\r\n'
           '#<age>: 51 <sex>: F\r\n#<diagnoses>:\r\n#none\r\n', '', data)
    yield 'series', 'r/4 1 250 30\ns 10\n~ 8\ns 10\nt 2\n', 's 1 250 10\ns.dat 212 200/mV 12 0 0 0 0 I\n', data
    yield 'layout', 'r/3 2 250 20\ns 0\n~ 5\ns 15\n', 's 2 250 0\n~ 0 200 12 0 0 0 0 I\n~ 0 2 12 0 0 0 0 II\n', data
    yield 'flac', 'r 1 250 4\nr.dat 516 200/mV 16 0 0 0 0 I\n', '', b'fLaC\x80\0\0\x22' + words(60)


def main():
    for name, header, segment, data in corpus():
        with open(os.path.join(sys.argv[1], name), 'wb') as f:
            f.write(header.encode() + b'\0' + segment.encode() + b'\0' + data)


if __name__ == '__main__':
    main()
