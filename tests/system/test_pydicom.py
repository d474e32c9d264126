"""The files of Debian's python3-pydicom, which were collected for being odd: each that is
a storable object is taken by C-STORE, upload and STOW-RS, and comes back byte for byte;
each that is none is refused with its reason."""
import collections
import concurrent.futures
import glob
import hashlib
import os
import struct
import unittest
import zlib

import dicom_scu
from rdc_system import PASSWORD, Client, SystemTest, place, tool
from stored import stored_file
from test_upload import multipart, read

FOLDER = '/usr/lib/python3/dist-packages/pydicom/data'
NOT_FILES = ('.py', '.pyc', '.txt', '.json', '.dump', '.md', 'README')

NO_CLASS = r'SOPClassUID \(0008,0016\) is missing'
DIRECTORY = 'it is a DICOMDIR, the list of the files on a medium; send those files'
NOT_STORABLE = {
    # Fragments of data sets, without the UIDs that say whose they are.
    'charset_files/chrSQEncoding.dcm': NO_CLASS,
    'charset_files/chrSQEncoding1.dcm': NO_CLASS,
    'test_files/UN_sequence.dcm': NO_CLASS,
    'test_files/empty_charset_LEI.dcm': NO_CLASS,
    'test_files/nested_priv_SQ.dcm': NO_CLASS,
    'test_files/no_meta_group_length.dcm': NO_CLASS,
    'test_files/priv_SQ.dcm': NO_CLASS,
    # The same, and its meta group is without transfer syntax.
    'test_files/meta_missing_tsyntax.dcm': r'file meta group: no Transfer Syntax UID \(0002,0010\)',
    # It begins with a stray byte, so that no element is where it should be.
    'test_files/no_meta.dcm': 'neither DICOM nor an ECG format',
    # gzip
    'test_files/zipMR.gz': 'it is an archive, or compressed: unpack it',
}
# Objects of nobody: PS3.4 GG, a service of its own.
NOT_STORABLE.update({f'palettes/{n}.dcm': r'StudyInstanceUID \(0020,000D\) is missing' for n in (
    'fall', 'hotiron', 'hotmetalblue', 'pet', 'pet20step', 'spring', 'summer', 'winter')})
NOT_STORABLE.update({f'test_files/dicomdirtests/{n}': DIRECTORY for n in (
    'DICOMDIR', 'DICOMDIR-bigEnd', 'DICOMDIR-empty.dcm', 'DICOMDIR-implicit', 'DICOMDIR-nooffset',
    'DICOMDIR-nopatient', 'DICOMDIR-reordered', 'TINY_ALPHA/DICOMDIR')})

# Not as PS3.10 and PS3.5 want them, and taken all the same.
IMPLICIT, EXPLICIT = dicom_scu.IMPLICIT_LE, dicom_scu.EXPLICIT_LE
BIG_ENDIAN, DEFLATED = '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'
WITHOUT_META = {'test_files/ExplVR_LitEndNoMeta.dcm': EXPLICIT, 'test_files/ExplVR_BigEndNoMeta.dcm': BIG_ENDIAN,
                'test_files/rtstruct.dcm': IMPLICIT}
IMPLICIT_IN_JPEG = 'test_files/SC_rgb_jpeg.dcm'

LONG = (b'OB', b'OW', b'OF', b'OD', b'OL', b'OV', b'SQ', b'UC', b'UR', b'UT', b'UN', b'SV', b'UV')


def files():
    """{path below FOLDER: whole path}"""
    out = {}
    for base, _, names in os.walk(FOLDER):
        for n in names:
            if not n.endswith(NOT_FILES):
                path = os.path.join(base, n)
                out[os.path.relpath(path, FOLDER)] = path
    return dict(sorted(out.items()))


def part10(path):
    """(transfer syntax, data set) of a file, by rules of our own."""
    data = read(path)
    if data[128:132] != b'DICM':
        return WITHOUT_META[os.path.relpath(path, FOLDER)], data
    _, _, syntax, dataset = dicom_scu.part10(path)
    return syntax, dataset


def uids(syntax, data):
    """{tag: value} of SOP class, SOP instance and study, which stand at the top level."""
    if syntax == DEFLATED:
        data = zlib.decompress(data, -15)
    order = '>' if syntax == BIG_ENDIAN else '<'
    explicit = data[4:6].isalpha()
    out, at, depth = {}, 0, 0
    while at + 8 <= len(data):
        group, number = struct.unpack_from(order + 'HH', data, at)
        tag, vr, head = group << 16 | number, data[at + 4:at + 6], 8
        if group == 0xfffe or not explicit:
            n = struct.unpack_from(order + 'I', data, at + 4)[0]
        elif vr in LONG:
            n, head = struct.unpack_from(order + 'I', data, at + 8)[0], 12
        else:
            n = struct.unpack_from(order + 'H', data, at + 6)[0]
        at += head
        if depth == 0 and tag > 0x0020000d:
            break
        if tag in (0xfffee00d, 0xfffee0dd):
            depth -= 1
        elif n == 0xffffffff:
            depth += 1
        elif tag == 0xfffee000 and depth:
            pass  # its elements follow at this level; none of them is at the top
        elif depth == 0 and tag in (0x00080016, 0x00080018, 0x0020000d):
            out.setdefault(tag, data[at:at + n].decode().rstrip('\0 '))
            at += n
        else:
            at += n
    return out


Sample = collections.namedtuple('Sample', 'path syntax dataset sop_class sop_instance study')


def sample(path):
    syntax, dataset = part10(path)
    u = uids(syntax, dataset)
    return Sample(path, syntax, dataset, u[0x00080016], u[0x00080018], u[0x0020000d])


def digest(data):
    return hashlib.sha256(data).hexdigest()


class TheFilesOfPydicom(SystemTest):
    @classmethod
    def setUpClass(cls):
        if not os.path.isdir(FOLDER):
            raise unittest.SkipTest(f'{FOLDER} is not there: install python3-pydicom')
        super().setUpClass()
        cls.rdc.cli('org', 'add', 'XISHAN', '--name', '西山社区卫生服务中心', '--kind', 'centre')
        cls.rdc.cli('user', 'add', 'tech3', '--org', 'XISHAN', '--role', 'technician', '--name', 'Test tech3',
                    '--password-stdin', input=PASSWORD + '\n')
        found = files()
        cls.refused = {n: found[n] for n in NOT_STORABLE}
        cls.samples = {n: sample(p) for n, p in found.items() if n not in NOT_STORABLE}

    def exported(self, centre):
        """(SOP Instance UID, path) of what `rdc export` writes of all studies."""
        def export(numbered):
            folder = os.path.join(place().folder, f'pydicom-{centre}-{numbered[0]}')
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            self.rdc.cli('export', numbered[1], '-o', folder, '--centre', centre)
            return glob.glob(folder + '/*.dcm')
        studies = sorted({s.study for s in self.samples.values()})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for paths in pool.map(export, enumerate(studies)):
                for path in paths:
                    yield os.path.basename(path).removesuffix('.dcm').partition('-')[0], path

    def stored(self, centre):
        """The same of the files in the store, since an export for each way would take long."""
        for uid, location in self.rdc.sql(
                'select i.sop_uid, o.location from instance i join object o on o.id = i.object_id '
                f"join organisation c on c.id = i.centre_id where c.code = '{centre}'"):
            yield uid, stored_file(self.rdc, location)

    def all_are_there(self, found):
        """These files have exactly the data sets of the samples."""
        wanted, got = collections.defaultdict(set), collections.defaultdict(set)
        for s in self.samples.values():
            wanted[s.sop_instance].add((s.syntax, digest(s.dataset)))
        for uid, path in found:
            _, instance, syntax, dataset = dicom_scu.part10(path)
            self.assertEqual(uid, instance)
            got[instance].add((syntax, digest(dataset)))
        self.assertEqual(got, wanted)
        self.note(f'{len(self.samples)} files, {sum(map(len, got.values()))} different objects, '
                  f'{len({x for v in got.values() for x, _ in v})} transfer syntaxes')

    def test_are_taken_by_c_store_in_their_own_transfer_syntax(self):
        kinds = collections.defaultdict(list)
        for s in self.samples.values():
            kinds[s.sop_class, s.syntax].append(s)
        contexts = [(2 * n + 1, c, [t]) for n, (c, t) in enumerate(kinds)]
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=contexts)
        self.addCleanup(a.close)
        self.assertEqual(set(a.accepted.values()), {0})
        for (number, sop_class, _), group in zip(contexts, kinds.values()):
            a.ids[sop_class] = number
            for s in group:
                with self.subTest(file=s.path):
                    self.assertEqual(a.store(sop_class, s.sop_instance, s.dataset), 0, s.path)
        a.release()
        self.all_are_there(self.exported('QINGHE'))

    def test_are_taken_by_upload(self):
        client = Client(self.rdc, 'tech2')
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = pool.map(client.upload, [s.path for s in self.samples.values()])
            for name, answer in zip(self.samples, answers, strict=True):
                with self.subTest(file=name):
                    self.assertIn(answer.status, (200, 201), answer)
        self.all_are_there(self.stored('DONGSHAN'))

    def test_are_taken_by_stow(self):
        kind, body = multipart([read(s.path) for s in self.samples.values()])
        answer = Client(self.rdc, 'tech3').request('POST', '/dicom-web/studies', body, {'Content-Type': kind})
        self.assertEqual(answer.status, 200, answer)
        self.all_are_there(self.stored('XISHAN'))

    def test_that_are_no_objects_are_refused_with_the_reason(self):
        client, number = Client(self.rdc, 'tech'), 'select count(*) from object'
        before = self.rdc.sql(number)
        for name, reason in NOT_STORABLE.items():
            with self.subTest(file=name):
                answer = client.upload(self.refused[name])
                self.assertIn(answer.status, (415, 422), answer)
                self.assertRegex(answer.json()['detail'], reason)
        kind, body = multipart([read(p) for p in self.refused.values()])
        answer = client.request('POST', '/dicom-web/studies', body, {'Content-Type': kind})
        self.assertEqual(answer.status, 409, answer)
        refused = [answer.json().get(t, {}).get('Value', []) for t in ('0008119A', '00081198')]
        self.assertEqual(len(refused[0]) + len(refused[1]), len(NOT_STORABLE), answer)
        self.assertEqual(self.rdc.sql(number), before)

    def test_in_implicit_vr_under_a_syntax_that_is_explicit_are_indexed(self):
        s = self.samples[IMPLICIT_IN_JPEG]
        self.assertFalse(s.dataset[4:6].isalpha())
        Client(self.rdc, 'tech').upload(s.path)
        rows = self.rdc.sql(f"select count(*) from instance where sop_uid = '{s.sop_instance}'")
        self.assertNotEqual(rows, [['0']])

    def test_leave_store_and_index_in_agreement(self):
        for s in self.samples.values():
            if s.path.endswith(('truncated.dcm', 'SC_rgb_jpeg.dcm', 'image_dfl.dcm')):
                Client(self.rdc, 'tech').upload(s.path)
        self.rdc.cli('fsck')
