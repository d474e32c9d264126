#!/usr/bin/env python3
"""Writes the fuzz corpora of the readers of binary ECG files, each in a folder of its
name: testdata/make_ecg_binary.py FOLDER (as tests/fuzz/corpus)."""
import os
import struct
import sys


def edf(name, channels, data, reserved='', records=2, duration='1', bdf=False):
    """channels: (label, unit, samples per record)."""
    def fields(values, size):
        return b''.join(v.encode().ljust(size) for v in values)
    least = '-8388608' if bdf else '-32768'
    most = '8388607' if bdf else '32767'
    count = len(channels)
    head = (b'\xffBIOSEMI' if bdf else b'0'.ljust(8)) + fields(('P-9 F 02-MAY-1951 测试_一', ), 80 - 6)
    head = head.ljust(88) + b'Startdate 31-DEC-2025 A77 T1 M'.ljust(80) + b'31.12.2523.59.58'
    head += fields((str(256 * (count + 1)), ), 8) + fields((reserved, ), 44) + fields((str(records), duration), 8)
    head += fields((str(count), ), 4)
    for values, size in (([c[0] for c in channels], 16), ([''] * count, 80), ([c[1] for c in channels], 8),
                         (['-3,2'] * count, 8), (['3.2'] * count, 8), ([least] * count, 8), ([most] * count, 8),
                         (['HP:0.05Hz LP:150Hz N:50Hz'] * count, 80), ([str(c[2]) for c in channels], 8),
                         ([''] * count, 32)):
        head += fields(values, size)
    return 'edf', name, head[:256 * (count + 1)] + data


def edf_files():
    words = b''.join(struct.pack('<h', i * 37 - 900) for i in range(40))
    marks = ('EDF Annotations', '', 20)
    yield edf('plain', [('ECG I', 'mV', 3), ('Resp', '', 1)], words[:16])
    yield edf('bdf', [('V1', 'uV', 4), ('Status', '', 2)], words[:36], bdf=True)
    lists = [('+%g\x14\x14\0+%g\x150.1\x14beat\x14normal beat@@ECG I\x14\0' % (t, t)).encode()[:40].ljust(40, b'\0')
             for t in (0.5, 1.5, 4.5)]
    yield edf('plus', [('ECG II', 'mV', 2), marks], b''.join(words[:4] + x for x in lists[:2]), 'EDF+C')
    yield edf('gaps', [('V6', 'uV', 2), marks], b''.join(words[:4] + x for x in lists), 'EDF+D', records=-1)


def main():
    for folder, name, data in edf_files():
        os.makedirs(os.path.join(sys.argv[1], folder), exist_ok=True)
        with open(os.path.join(sys.argv[1], folder, name), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    main()
