#!/usr/bin/env python3
"""Writes SCP-ECG (EN 1064) files of a synthetic ECG in every encoding, and what
a reader must make of them.

    make_scp.py OUT [--small]

    1-second-differences.scp   default Huffman table; measurements and statements
    2-raw.scp                  plain 16-bit values, no section 2
    3-first-differences.scp    default Huffman table, sections out of order
    4-own-tables.scp           two Huffman tables of its own that switch to each other
    5-subtracted.scp           reference beat subtracted; its unit differs from the rhythm's
    6-decimated.scp            the same, and decimated outside the QRS complexes
    7-gbk.scp                  the patient's name in GBK, not declared
    expected.json              {"files": {file: samples}, "samples": {...: {lead: [count]}}}

--small: 2 s of eight leads, as kept in testdata/scp. The decoders here are not
those of rdc: what expected.json holds is computed from the model.
"""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ecg_model  # noqa: E402

LEAD_IDS = {'I': 1, 'II': 2, 'V1': 3, 'V2': 4, 'V3': 5, 'V4': 6, 'V5': 7, 'V6': 8,
            'III': 61, 'aVR': 62, 'aVL': 63, 'aVF': 64}
RATE, BPM = 500, 72
NV = 2500            # per count where nothing is subtracted
NV_RHYTHM = 10000    # of what is left after subtraction
NV_BEAT = 2500       # of the reference beat
FACTOR = 4           # of decimation
BEFORE, AFTER = 100, 210   # samples of the reference beat around its fiducial point
ZONE = 24            # samples around a fiducial point that stay at the full rate


# --- bits -------------------------------------------------------------------

def pack(bits):
    """First bit = most significant; filled with zeros to whole bytes."""
    bits += '0' * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def signed(value, bits):
    assert -(1 << bits - 1) <= value < 1 << bits - 1, (value, bits)
    return format(value & (1 << bits) - 1, f'0{bits}b')


def default_code(v):
    """EN 1064 table 5."""
    if v == 0:
        return '0'
    if abs(v) <= 8:
        return '1' * abs(v) + '0' + ('1' if v < 0 else '0')
    if -128 <= v < 128:
        return '1111111110' + signed(v, 8)
    return '1111111111' + signed(v, 16)


# Two tables of (prefix, literal bits, base value or None = switch, target table).
OWN_TABLES = (
    (('0', 0, 0), ('10', 0, 1), ('110', 0, -1), ('1110', 6, 0), ('11110', 16, 0), ('11111', None, 2)),
    (('00', 9, 0), ('01', 16, 0), ('10', 0, 40), ('11', None, 1)),
)


def own_codes(values):
    """Calm stretches in the first table, steep ones in the second."""
    table, out = 1, []
    for v in values:
        wanted = 2 if abs(v) > 31 else 1 if abs(v) <= 8 else table
        if wanted != table:
            out.append('11111' if table == 1 else '11')
            table = wanted
        if table == 1:
            out.append({0: '0', 1: '10', -1: '110'}.get(v) or
                       ('1110' + signed(v, 6) if abs(v) < 32 else '11110' + signed(v, 16)))
        elif v == 40:
            out.append('10')
        else:
            out.append('00' + signed(v, 9) if abs(v) < 256 else '01' + signed(v, 16))
    return ''.join(out)


def own_section():
    """u16 tables; each u16 codes, then per code u8 prefix bits, u8 all bits, u8 mode,
    i16 base value, u32 base code with its first bit lowest."""
    out = struct.pack('<H', len(OWN_TABLES))
    for table in OWN_TABLES:
        out += struct.pack('<H', len(table))
        for prefix, literal, value in table:
            code = int(prefix[::-1], 2)
            out += struct.pack('<BBBhI', len(prefix), len(prefix) + (literal or 0),
                               0 if literal is None else 1, value, code)
    return out


def differences(x, order):
    if order == 0:
        return list(x)
    if order == 1:
        return [x[0]] + [b - a for a, b in zip(x, x[1:])]
    return list(x[:2]) + [c - 2 * b + a for a, b, c in zip(x, x[1:], x[2:])]


def encode(x, order, coding):
    d = differences(x, order)
    if coding == 'raw':
        return struct.pack(f'<{len(d)}h', *d)
    return pack(own_codes(d) if coding == 'own' else ''.join(default_code(v) for v in d))


# --- file -------------------------------------------------------------------

def crc(data):
    c = 0xffff
    for byte in data:
        c ^= byte << 8
        for _ in range(8):
            c = (c << 1 ^ 0x1021 if c & 0x8000 else c << 1) & 0xffff
    return c


def section(number, body):
    body += b'\0' * (len(body) % 2)
    head = struct.pack('<HIBB', number, 16 + len(body), 20, 20)
    head += b'SCPECG' if number == 0 else bytes(6)
    return struct.pack('<H', crc(head + body)) + head + body


def assemble(bodies, order=None):
    """bodies: {number: bytes}; order: how the sections lie in the file."""
    order = order or sorted(bodies)
    parts, at = {n: section(n, bodies[n]) for n in order}, 7 + 16 + 12 * 10
    places = {0: (16 + 12 * 10, 7)}
    for number in order:
        places[number] = (len(parts[number]), at)
        at += len(parts[number])
    pointers = b''.join(struct.pack('<HII', n, *places.get(n, (0, 0))) for n in range(12))
    data = section(0, pointers) + b''.join(parts[n] for n in order)
    data = struct.pack('<I', 6 + len(data)) + data
    return struct.pack('<H', crc(data)) + data


def field(tag, value):
    return struct.pack('<BH', tag, len(value)) + value


def patient(name, number):
    """Section 1."""
    machine = bytes(6) + bytes([1, 255]) + b'MODEL\0' + bytes([20, 0xa0, 0, 0xc0, 1]) + bytes(16)
    machine += bytes([4]) + b'1.0\0' + b'SN-17\0' + b'2.1\0' + b'rdc\0' + 'testdata'.encode() + b'\0'
    out = field(0, name + b'\0') + field(2, number.encode() + b'\0')
    out += field(5, struct.pack('<HBB', 1961, 4, 30)) + field(8, b'\2')
    out += field(14, machine) + field(25, struct.pack('<HBB', 2026, 1, 5)) + field(26, bytes([9, 30, 15]))
    out += field(27, struct.pack('<H', 5)) + field(28, struct.pack('<H', 150)) + field(29, b'\2')
    out += field(34, struct.pack('<hH', 480, 0) + b'\0')
    return out + field(255, b'')


def leads_section(names, count, subtracted):
    flags = (1 if subtracted else 0) | 4 | min(len(names), 31) << 3
    return struct.pack('<BB', len(names), flags) + b''.join(
        struct.pack('<IIB', 1, count, LEAD_IDS[name]) for name in names)


def data_section(nv, interval, order, bimodal, encoded):
    return (struct.pack('<HHBB', nv, interval, order, bimodal) +
            b''.join(struct.pack('<H', len(e)) for e in encoded) + b''.join(encoded))


def statement(number, text):
    return struct.pack('<BH', number, len(text) + 1) + text.encode() + b'\0'


def findings(names, statements):
    """Sections 7, 8 and 10."""
    head = struct.pack('<BBHH', 1, 0, 833, 29999)
    head += struct.pack('<5H3h', 40, 138, 200, 296, 580, 52, 47, 38)
    head += struct.pack('<HHHHBH', 0, 72, 29999, 416, 1, 0)
    texts = bytes([0]) + struct.pack('<HBB', 2026, 1, 5) + bytes([9, 31, 0, len(statements)])
    texts += b''.join(statement(i + 1, t) for i, t in enumerate(statements))
    values = [98, 160, 96, 380] + [29999] * 5 + [-50, 1200, -200] + [29999] * 19
    leads = struct.pack('<HH', len(names), 0)
    for name in names:
        leads += struct.pack(f'<HH{len(values)}h', LEAD_IDS[name], 2 * len(values), *values)
    return {7: head, 8: texts, 10: leads}


# --- the encodings ----------------------------------------------------------

def simple(record, name, number, order, coding, layout=None):
    names, count = list(record), len(next(iter(record.values())))
    bodies = {1: patient(name, number), 3: leads_section(names, count, False),
              6: data_section(NV, 1000000 // RATE, order, 0,
                              [encode(record[n], order, coding) for n in names])}
    if coding != 'raw':
        bodies[2] = own_section() if coding == 'own' else struct.pack('<H', 19999)
    bodies.update(findings(names, ['Sinus rhythm', 'Normal ECG']))
    return assemble(bodies, layout)


def mean_beat(x, peaks):
    """In counts of NV_BEAT, over the beats whose window lies inside."""
    windows = [x[p - BEFORE:p + AFTER] for p in peaks]
    return [round(sum(column) * NV / NV_BEAT / len(windows)) for column in zip(*windows)]


def trunc_div(a, b):
    return a // b if a >= 0 else -(-a // b)


def shrink(x, zones):
    """Decimates outside the zones (first, past); what is left of a gap after whole
    steps is kept as it is. Returns what is stored and what becomes of it."""
    stored, restored, at = [], [], 0
    for first, past in zones + [(len(x), len(x))]:
        gap = x[at:first]
        steps = len(gap) // FACTOR
        means = [round(sum(gap[i * FACTOR:(i + 1) * FACTOR]) / FACTOR) for i in range(steps)]
        rest = gap[steps * FACTOR:]
        if steps:
            restored += [means[0]] * (FACTOR // 2)
            for a, b in zip(means, means[1:]):
                restored += [a + trunc_div((b - a) * j, FACTOR) for j in range(FACTOR)]
            restored += [means[-1]] * (FACTOR - FACTOR // 2)
        stored += means + rest + x[first:past]
        restored += rest + x[first:past]
        at = past
    return stored, restored


def subtracted(record, peaks, decimate):
    """Beats but the second are of type 0, whose mean was subtracted."""
    names, count = list(record), len(next(iter(record.values())))
    inside = [p for p in peaks if p >= BEFORE and p + AFTER <= count]
    kinds = [1 if i == 1 else 0 for i in range(len(inside))]
    zones = [(p - ZONE, p + ZONE + 1) for p in inside]
    beats, rhythm, expected = [], [], {}
    for name in names:
        beat = mean_beat(record[name], inside)
        full = [v * NV for v in record[name]]
        for p, kind in zip(inside, kinds):
            for i in range(BEFORE + AFTER if kind == 0 else 0):
                full[p - BEFORE + i] -= beat[i] * NV_BEAT
        rest = [round(v / NV_RHYTHM) for v in full]
        stored, restored = shrink(rest, zones) if decimate else (rest, rest)
        out = [v * (NV_RHYTHM // NV_BEAT) for v in restored]
        for p, kind in zip(inside, kinds):
            for i in range(BEFORE + AFTER if kind == 0 else 0):
                out[p - BEFORE + i] += beat[i]
        beats.append(encode(beat, 2, 'default'))
        rhythm.append(encode(stored, 2, 'default'))
        expected[name] = out
    interval = 1000000 // RATE
    four = struct.pack('<HHH', (BEFORE + AFTER) * 1000 // RATE, BEFORE + 1, len(inside))
    for p, kind in zip(inside, kinds):
        four += struct.pack('<HIII', kind, p - BEFORE + 1 if kind == 0 else 1, p + 1,
                            p + AFTER if kind == 0 else 1)
    four += b''.join(struct.pack('<II', first + 1, past) for first, past in zones)
    bodies = {1: patient(b'TEST', 'SCP0001'), 2: struct.pack('<H', 19999),
              3: leads_section(names, count, True), 4: four,
              5: data_section(NV_BEAT, interval, 2, 0, beats),
              6: data_section(NV_RHYTHM, interval * (FACTOR if decimate else 1), 2,
                              1 if decimate else 0, rhythm)}
    return assemble(bodies), expected


def write(out, small):
    seconds = 2.6 if small else 10
    names = [n for n in ecg_model.LEADS if LEAD_IDS[n] < 9 or not small]
    model = ecg_model.record(seconds, RATE, BPM)
    record = {n: [round(v * 1000 / NV) for v in model[n]] for n in names}
    peaks = [round(t * RATE) for t in ecg_model.beats(seconds, BPM)]
    beat, beat_expected = subtracted(record, peaks, False)
    thin, thin_expected = subtracted(record, peaks, True)
    files = {
        '1-second-differences.scp': ('plain', simple(record, b'TEST', 'SCP0001', 2, 'default')),
        '2-raw.scp': ('plain', simple(record, b'TEST', 'SCP0001', 0, 'raw')),
        '3-first-differences.scp': ('plain', simple(record, b'TEST', 'SCP0001', 1, 'default',
                                                    [7, 6, 1, 10, 3, 8, 2])),
        '4-own-tables.scp': ('plain', simple(record, b'TEST', 'SCP0001', 1, 'own')),
        '5-subtracted.scp': ('subtracted', beat),
        '6-decimated.scp': ('decimated', thin),
        '7-gbk.scp': ('plain', simple(record, '测试一'.encode('gbk'), 'SCP0007', 2, 'default')),
    }
    os.makedirs(out, exist_ok=True)
    for name, (_, data) in files.items():
        with open(os.path.join(out, name), 'wb') as f:
            f.write(data)
    with open(os.path.join(out, 'expected.json'), 'w', encoding='ascii') as f:
        json.dump({'files': {name: kind for name, (kind, _) in files.items()},
                   'samples': {'plain': record, 'subtracted': beat_expected,
                               'decimated': thin_expected}}, f, separators=(',', ':'))
    print(f'{len(files)} files in {out}')


def main():
    arguments = [a for a in sys.argv[1:] if a != '--small']
    if len(arguments) != 1 or arguments[0].startswith('-'):
        sys.exit(__doc__)
    write(arguments[0], '--small' in sys.argv)


if __name__ == '__main__':
    main()
