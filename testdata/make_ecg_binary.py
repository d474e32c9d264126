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


def tlv(tag, value):
    length = bytes([len(value)]) if len(value) < 128 else b'\x82' + struct.pack('>H', len(value))
    return (tag if isinstance(tag, bytes) else bytes([tag])) + length + value


def mfer_files():
    head = tlv(0x40, b'MFR Standard 12 leads ECG'.ljust(32))
    who = (tlv(0x03, b'UTF-8') + tlv(0x81, '测试^^一'.encode()) + tlv(0x82, b'P-9') + tlv(0x84, b'\2') +
           tlv(0x83, b'\x2a\xff\xff\x07\x9f\5\2') + tlv(0x85, b'\x07\xea\1\x1f\x08\x1e\x0f\0\xfa\0\1') +
           tlv(0x17, b'M^X1^2^S7') + tlv(0x11, b'HPF=0.05') + tlv(0x16, b'note') +
           tlv(0x41, b'\0\x80\0\0\0\1\0\0\0\2x') + tlv(0x42, b'\0\7\0\0\0\00082'))
    rate = tlv(0x0b, b'\1\xfd\2') + tlv(0x0c, b'\0\xfa\5')
    words = bytes(range(64))
    yield 'mfer', 'plain', head + who + rate + tlv(0x05, b'\2') + tlv(0x1e, words) + tlv(0x1e, words) + b'\x80\0'
    channels = tlv(b'\x3f\0', tlv(0x09, b'\2\0') + tlv(0x04, b'\2'))
    channels += b'\x3f\1\x80' + tlv(0x04, b'\1') + tlv(0x0b, b'\1\xfd\4') + tlv(0x0c, b'\1\xff\2') + b'\0\0'
    channels += tlv(b'\x3f\2', tlv(0x04, b'\1') + tlv(0x0b, b'\1\xfd\4') + tlv(0x0a, b'\4'))
    yield 'mfer', 'rates', head + tlv(1, b'\1') + rate + tlv(5, b'\3') + tlv(6, b'\4') + channels + tlv(0x1e, words)
    for kind in range(10):
        yield ('mfer', 'type-%d' % kind, head + rate + tlv(0x0a, bytes([kind])) + tlv(0x12, b'\x80\0') +
               tlv(0x0d, b'\0\1') + tlv(0x1e, words[:32]) + tlv(0x08, b'\0\x09') + tlv(0x1e, words[:16]))


def ishne(magic, data, leads=3):
    head = struct.pack('<iiii', 4, len(data) // 2 // leads, 522, 526) + struct.pack('<h', 1)
    head += b'ONE'.ljust(40, b'\0') + b'TEST'.ljust(40, b'\0') + b'P-9'.ljust(20, b'\0')
    head += struct.pack('<hh', 2, 0) + struct.pack('<9h', 2, 5, 1951, 31, 1, 2026, 1, 2, 2026)
    head += struct.pack('<3hh', 8, 30, 15, leads) + struct.pack('<12h', 5, 12, 4, *[-9] * 9)
    head += struct.pack('<12h', 1, 3, 5, *[-9] * 9) + struct.pack('<12h', 2500, 5000, 1000, *[-9] * 9)
    head += struct.pack('<h', 2) + b'digital'.ljust(40, b'\0') + struct.pack('<h', 200)
    head = head.ljust(522 - 10, b'\0') + b'text'
    crc = 0xffff
    for byte in head:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return magic + struct.pack('<H', crc) + head + data


def ishne_files():
    words = b''.join(struct.pack('<h', i * 37 - 900) for i in range(30))
    beats = ishne(b'ANN  1.0', struct.pack('<I', 3) + b'N\0\2\0V\0\1\0!\0\xff\xffX\0\1\0')
    beats = beats.ljust(-(-(len(beats) + 1) // 8) * 8 - 1, b'N')
    yield 'ishne', 'recording', b'\0' + ishne(b'ISHNE1.0', words)
    yield 'ishne', 'beats', bytes([(len(beats) + 1) // 8]) + beats + ishne(b'ISHNE1.0', words)


def csv_files():
    yield 'ecg_csv', 'two', b'sample (500 Hz),"I","V""1"\n0,2.5,\n1,-5,1e-3\n2,,123456789\n'
    yield 'ecg_csv', 'damaged', b'"sample (0.5 Hz)",x\r\n7,1\r\n8,2.25\r\n10,3\r\n'


def main():
    for folder, name, data in [*edf_files(), *mfer_files(), *ishne_files(), *csv_files()]:
        os.makedirs(os.path.join(sys.argv[1], folder), exist_ok=True)
        with open(os.path.join(sys.argv[1], folder, name), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    main()
