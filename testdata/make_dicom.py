#!/usr/bin/python3
"""Makes DICOM files for the demo and the tests: phantoms and invented people.

make_dicom.py OUT                 all of these, in folders of OUT:
    ct/*.dcm       a CT series, 8 slices of 128 x 128
    cr/*.dcm       one CR image, 512 x 512
    ecg/*.dcm      a 12-lead ECG, 10 s at 500 Hz
    charset/*.dcm  the same person's name in GB18030, GBK, ISO 2022 IR 58,
                   UTF-8, and in GBK that is declared as ISO_IR 100 or not at all
    coded/*.dcm    the CR image in JPEG baseline and RLE (with DCMTK's tools)
make_dicom.py OUT --only NAME     only that folder
make_dicom.py OUT --many N        N small CT objects in N / 10 studies, for load

Written as explicit VR little endian with python's standard library alone, from
fixed names, so that the same call makes the same bytes and the same UIDs.
"""
import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import ecg_model  # noqa: E402

EXPLICIT_LE = '1.2.840.10008.1.2.1'
CT, CR = '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.1'
ECG12 = '1.2.840.10008.5.1.4.1.1.9.1.1'
LONG_VR = ('OB', 'OW', 'SQ', 'UN', 'UT')
TEXT_VR = ('SH', 'LO', 'ST', 'LT', 'UT', 'PN', 'UC')  # those that follow (0008,0005)


def uid(name):
    """PS3.5 B.2: a UID from a UUID, here from a name, so that it repeats."""
    return '2.25.' + str(uuid.uuid5(uuid.UUID('6ba7b812-9dad-11d1-80b4-00c04fd430c8'),
                                    'rdc testdata ' + name).int)


class DataSet:
    """Elements by tag; text is encoded with `encode` when written."""

    def __init__(self):
        self.elements = {}

    def add(self, tag, vr, *values):
        self.elements[tag] = (vr, values)
        return self

    def encode(self, encode):
        out = bytearray()
        for tag in sorted(self.elements):
            vr, values = self.elements[tag]
            data = self._value(vr, values, encode)
            if len(data) % 2:
                data += b'\0' if vr in ('UI', 'OB') else b' '
            out += struct.pack('<HH2s', tag >> 16, tag & 0xffff, vr.encode())
            out += struct.pack('<HI', 0, len(data)) if vr in LONG_VR else struct.pack('<H', len(data))
            out += data
        return bytes(out)

    @staticmethod
    def _value(vr, values, encode):
        packed = {'US': 'H', 'SS': 'h', 'UL': 'I', 'FL': 'f', 'FD': 'd'}
        if vr == 'SQ':
            items = (item.encode(encode) for item in values)
            return b''.join(struct.pack('<HHI', 0xfffe, 0xe000, len(i)) + i for i in items)
        if vr in ('OB', 'OW'):
            return values[0]
        if vr in packed:
            return struct.pack(f'<{len(values)}{packed[vr]}', *values)
        text = '\\'.join(str(v) for v in values)
        return encode(text, vr) if vr in TEXT_VR else text.encode('ascii')


# --- character sets ---------------------------------------------------------

def plain(codec):
    return lambda text, vr: text.encode(codec)


def ir58(text, vr):
    """ISO 2022 IR 58: GB 2312 in G1, designated anew after each delimiter (PS3.5 6.1.2.5.3)."""
    out, delimiters, designated = bytearray(), '^=\\' if vr == 'PN' else '\\\r\n\t\f', False
    for c in text:
        if ord(c) < 128:
            out += c.encode()
            designated = designated and c not in delimiters
            continue
        if not designated:
            out += b'\x1b$)A'
            designated = True
        out += c.encode('gb2312')
    return bytes(out)


# name of the file: (Specific Character Set or None, encoder)
CHARSETS = {
    'gb18030': ('GB18030', plain('gb18030')),
    'gbk': ('GBK', plain('gbk')),
    'ir58': ('\\ISO 2022 IR 58', ir58),
    'utf8': ('ISO_IR 192', plain('utf-8')),
    'gbk-under-ir100': ('ISO_IR 100', plain('gbk')),
    'gbk-undeclared': (None, plain('gbk')),
}


# --- objects ----------------------------------------------------------------

class Person:
    def __init__(self, number, name, birth, sex):
        self.id, self.name, self.birth, self.sex = f'TEST{number:04d}', name, birth, sex


ONE = Person(1, 'TEST^ONE=测试^一', '19500101', 'M')
TWO = Person(2, 'TEST^TWO=测试^二', '19620202', 'F')
THREE = Person(3, 'TEST^THREE=测试^三', '19740303', 'M')


def base(sop_class, name, person, modality, accession, charset='gb18030', study=None):
    """What every composite object has: patient, study, series, equipment, SOP common."""
    declared = CHARSETS[charset][0]
    d = DataSet()
    if declared is not None:
        d.add(0x00080005, 'CS', declared)
    d.add(0x00080016, 'UI', sop_class).add(0x00080018, 'UI', uid('instance ' + name))
    d.add(0x00080020, 'DA', '20260105').add(0x00080030, 'TM', '093000')
    d.add(0x00080023, 'DA', '20260105').add(0x00080033, 'TM', '093000')
    d.add(0x00080050, 'SH', accession).add(0x00080060, 'CS', modality)
    d.add(0x00080070, 'LO', 'rdc test data').add(0x00080090, 'PN')
    d.add(0x00081090, 'LO', 'phantom').add(0x00181000, 'LO', '1').add(0x00181020, 'LO', '1')
    d.add(0x00080080, 'LO', '清河社区卫生服务中心')
    d.add(0x00081030, 'LO', {'CT': '胸部 CT 平扫', 'CR': '胸部正位片', 'ECG': '12 导联心电图'}[modality])
    d.add(0x00100010, 'PN', person.name).add(0x00100020, 'LO', person.id)
    d.add(0x00100030, 'DA', person.birth).add(0x00100040, 'CS', person.sex)
    d.add(0x0020000d, 'UI', uid('study ' + (study or name)))
    d.add(0x0020000e, 'UI', uid('series ' + (study or name)))
    d.add(0x00200010, 'SH', accession).add(0x00200011, 'IS', 1).add(0x00200013, 'IS', 1)
    return d


def pixels(d, rows, columns, stored, signed, values):
    """Image Pixel, one 16-bit MONOCHROME2 frame; `values` row by row."""
    d.add(0x00280002, 'US', 1).add(0x00280004, 'CS', 'MONOCHROME2')
    d.add(0x00280010, 'US', rows).add(0x00280011, 'US', columns)
    allocated = 8 if stored <= 8 else 16
    d.add(0x00280100, 'US', allocated).add(0x00280101, 'US', stored)
    d.add(0x00280102, 'US', stored - 1).add(0x00280103, 'US', int(signed))
    code = {(8, False): 'B', (16, False): 'H', (16, True): 'h'}[allocated, signed]
    d.add(0x7fe00010, 'OW', struct.pack(f'<{rows * columns}{code}', *values))


def inside(x, y, cx, cy, rx, ry):
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


def ct_pixels(size, level):
    """A chest-like phantom in Hounsfield units; the lungs shrink from slice to slice."""
    noise = random.Random(level)
    for row in range(size):
        y = 2 * row / size - 1
        for column in range(size):
            x = 2 * column / size - 1
            hu = -1000
            if inside(x, y, 0, 0, 0.92, 0.68):
                hu = 40
                lung = 0.5 - 0.02 * level
                if inside(x, y, -0.42, -0.05, 0.33, lung) or inside(x, y, 0.42, -0.05, 0.33, lung):
                    hu = -820
                if inside(x, y, 0.30 - 0.01 * level, 0.12, 0.05, 0.05):
                    hu = 60  # a round lesion to be found
                if inside(x, y, 0, 0.42, 0.12, 0.14):
                    hu = 700
            yield max(-1024, min(3071, hu + noise.randrange(-12, 13)))


def ct_slice(name, number, person=ONE, accession='CT0001', size=128, study=None, charset='gb18030'):
    d = base(CT, f'{name} {number}', person, 'CT', accession, charset, study or name)
    d.add(0x00080008, 'CS', 'ORIGINAL', 'PRIMARY', 'AXIAL')
    d.add(0x00180015, 'CS', 'CHEST').add(0x00180050, 'DS', 5).add(0x00180060, 'DS', 120)
    d.add(0x00185100, 'CS', 'HFS').add(0x00200013, 'IS', number).add(0x00200012, 'IS', 1)
    d.add(0x00200052, 'UI', uid('frame ' + (study or name))).add(0x00201040, 'LO')
    half = 175.0
    d.add(0x00200032, 'DS', -half, -half, -5.0 * number)
    d.add(0x00200037, 'DS', 1, 0, 0, 0, 1, 0)
    d.add(0x00280030, 'DS', f'{2 * half / size:.6f}', f'{2 * half / size:.6f}')
    d.add(0x00281050, 'DS', -400).add(0x00281051, 'DS', 1500)
    d.add(0x00281052, 'DS', 0).add(0x00281053, 'DS', 1).add(0x00281054, 'LO', 'HU')
    pixels(d, size, size, 16, True, ct_pixels(size, number))
    return d


def cr_pixels(size, top):
    noise = random.Random(2)
    for row in range(size):
        y = 2 * row / size - 1
        rib = 0.06 * top if (y * 9 + 9) % 1 < 0.35 else 0
        for column in range(size):
            x = 2 * column / size - 1
            v = 0.15 * top
            if abs(x) < 0.85:
                v = 0.72 * top
                if inside(x, y, -0.42, 0, 0.34, 0.72) or inside(x, y, 0.42, 0, 0.34, 0.72):
                    v = 0.30 * top + rib
                if inside(x, y, 0.15, 0.35, 0.36, 0.34):
                    v = 0.66 * top
                if abs(x) < 0.07:
                    v = 0.88 * top
            yield max(0, min(top, int(v) + noise.randrange(-top // 100 - 1, top // 100 + 2)))


def cr_image(name='cr', person=TWO, accession='CR0001', size=512, stored=12, charset='gb18030'):
    d = base(CR, name, person, 'CR', accession, charset)
    d.add(0x00080008, 'CS', 'ORIGINAL', 'PRIMARY').add(0x00180015, 'CS', 'CHEST')
    d.add(0x00185101, 'CS', 'PA').add(0x00200020, 'CS', 'L', 'F')
    d.add(0x00181164, 'DS', '0.2', '0.2')
    top = (1 << stored) - 1
    d.add(0x00281050, 'DS', top // 2).add(0x00281051, 'DS', top)
    d.add(0x00181404, 'US', 300).add(0x00281052, 'DS', 0).add(0x00281053, 'DS', 1)
    d.add(0x00281054, 'LO', 'US')
    pixels(d, size, size, stored, False, cr_pixels(size, top))
    return d


def code(value, scheme, meaning):
    return DataSet().add(0x00080100, 'SH', value).add(0x00080102, 'SH', scheme).add(
        0x00080104, 'LO', meaning)


# CID 3001 of PS3.16, ISO/IEEE 11073-10101 codes.
LEAD_CODES = {'I': '2:1', 'II': '2:2', 'III': '2:61', 'aVR': '2:62', 'aVL': '2:63', 'aVF': '2:64',
              'V1': '2:3', 'V2': '2:4', 'V3': '2:5', 'V4': '2:6', 'V5': '2:7', 'V6': '2:8'}


def ecg12(name='ecg', person=THREE, accession='ECG0001', seconds=10, rate=500, bpm=72):
    """PS3.3 A.34.3: one multiplex group, twelve channels, 5 µV a unit."""
    d = base(ECG12, name, person, 'ECG', accession)
    d.add(0x0008002a, 'DT', '20260105093000').add(0x00400555, 'SQ')
    d.add(0x00200200, 'UI', uid('clock ' + name)).add(0x0018106a, 'CS', 'NO TRIGGER')
    d.add(0x00181800, 'CS', 'N')
    record = ecg_model.record(seconds, rate, bpm)
    channels = []
    for lead in record:
        channel = DataSet().add(0x003a0203, 'SH', 'Lead ' + lead)
        channel.add(0x003a0208, 'SQ', code(LEAD_CODES[lead], 'MDC', 'Lead ' + lead))
        channel.add(0x003a0210, 'DS', 5).add(0x003a0211, 'SQ', code('uV', 'UCUM', 'microvolt'))
        channel.add(0x003a0212, 'DS', 1).add(0x003a0213, 'DS', 0).add(0x003a0215, 'DS', 0)
        channel.add(0x003a021a, 'US', 16)
        channel.add(0x003a0220, 'DS', '0.05').add(0x003a0221, 'DS', 150)
        channels.append(channel)
    frames = zip(*([round(v / 5) for v in record[lead]] for lead in record))
    group = DataSet().add(0x003a0004, 'CS', 'ORIGINAL').add(0x003a0005, 'US', 12)
    group.add(0x003a0010, 'UL', seconds * rate).add(0x003a001a, 'DS', rate)
    group.add(0x003a0020, 'SH', 'RHYTHM').add(0x003a0200, 'SQ', *channels)
    group.add(0x54001004, 'US', 16).add(0x54001006, 'CS', 'SS')
    group.add(0x54001010, 'OW', b''.join(struct.pack('<12h', *f) for f in frames))
    d.add(0x54000100, 'SQ', group)
    return d


# --- files ------------------------------------------------------------------

def write(path, d, charset='gb18030'):
    """A Part 10 file (PS3.10 7.1)."""
    meta = DataSet().add(0x00020001, 'OB', b'\0\1')
    meta.add(0x00020002, 'UI', d.elements[0x00080016][1][0])
    meta.add(0x00020003, 'UI', d.elements[0x00080018][1][0])
    meta.add(0x00020010, 'UI', EXPLICIT_LE).add(0x00020012, 'UI', uid('implementation'))
    meta.add(0x00020013, 'SH', 'RDC_TESTDATA')
    body = meta.encode(plain('ascii'))
    length = DataSet().add(0x00020000, 'UL', len(body)).encode(None)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(b'\0' * 128 + b'DICM' + length + body + d.encode(CHARSETS[charset][1]))


def make_ct(out):
    for number in range(1, 9):
        write(f'{out}/ct/{number:03d}.dcm', ct_slice('ct', number))


def make_cr(out):
    write(f'{out}/cr/001.dcm', cr_image())


def make_ecg(out):
    write(f'{out}/ecg/001.dcm', ecg12())


def make_charset(out):
    for charset in CHARSETS:
        person = Person(58, 'CESHI^YI=测试^一', '19500101', 'M')
        write(f'{out}/charset/{charset}.dcm',
              ct_slice('charset ' + charset, 1, person, 'CS0001', 16, charset=charset), charset)


def make_coded(out):
    if not shutil.which('dcmcjpeg'):
        print('coded/ not made: dcmcjpeg (Debian package dcmtk) is not installed', file=sys.stderr)
        return
    source = f'{out}/coded/source.dcm'
    write(source, cr_image('coded', size=256, stored=8))
    subprocess.run(['dcmcjpeg', '+eb', '+un', source, f'{out}/coded/jpeg-baseline.dcm'], check=True)
    subprocess.run(['dcmcrle', '+un', source, f'{out}/coded/rle.dcm'], check=True)


def make_many(out, count):
    """Objects of one person per study, ten in each; the file is named by its UID."""
    for number in range(count):
        study = number // 10
        person = Person(1000 + study, f'LOAD^{study}', '19600101', 'O')
        d = ct_slice(f'load {number}', number % 10 + 1, person, f'L{study:05d}', 16, f'load {study}')
        write(f'{out}/{d.elements[0x00080018][1][0]}.dcm', d)


def main():
    kinds = {n[5:]: f for n, f in globals().items() if n.startswith('make_') and n != 'make_many'}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', choices=sorted(kinds))
    parser.add_argument('--many', type=int)
    args = parser.parse_args()
    if args.many:
        make_many(args.out, args.many)
        return
    for name, make in kinds.items():
        if args.only in (None, name):
            make(args.out)


if __name__ == '__main__':
    main()
