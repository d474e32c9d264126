"""DCMTK's tools as devices: each way they speak, plain and over TLS, and what they make."""
import collections
import os
import struct

import dicom_scu
import make_dicom
from rdc_system import Client, SystemTest, dump, free_port, needs, tool, wait_for
from stored import stored_file
from test_pydicom import digest, sample
from test_tls import Authority
from test_upload import read
from test_way import ct_series, folder

JPEG = '1.2.840.10008.1.2.4.'
OK = 'Received Store Response (Success)'
STL = struct.pack('<80sI12fH', b'', 1, *range(12), 0)
CDA = '''<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:voc="urn:hl7-org:v3/voc"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><typeId root="2.16.840.1.113883.1.3"
 extension="POCD_HD000040"/><id root="1.2.3" extension="1"/><code code="11528-7" codeSystem="2.16.840.1.113883.6.1"
 displayName="Radiology Report"/><title>Test</title></ClinicalDocument>'''
PDF = b'%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n' \
      b'trailer<</Root 1 0 R>>\n%%EOF\n'


class Dcmtk(SystemTest):
    @classmethod
    def setUpClass(cls):
        needs('echoscu', 'storescu', 'dcmsend', 'findscu', 'dcmconv', 'openssl')
        authority = Authority('dcmtk')
        cert, key = authority.sign('server')
        pair = authority.sign('device')
        cls.tls_port = free_port()
        cls.conf = {'dicom-tls.address': f'127.0.0.1:{cls.tls_port}', 'tls.certificate': cert, 'tls.key': key,
                    'tls.client-ca': authority.ca}
        cls.tls = ['+tls', pair[1], pair[0], '+cf', authority.ca]
        super().setUpClass()

    def scu(self, program, *args, port=None, check=True):
        return tool(program, '-v', '-aet', 'QH_CT', '-aec', 'RDC', *args[:-1], '127.0.0.1',
                    str(port or self.rdc.dicom_port), *args[-1], check=check)

    def syntaxes(self, study):
        """How many objects of this study are there in each transfer syntax."""
        return dict((t, int(n)) for t, n in self.rdc.sql(
            'select i.transfer_syntax, count(*) from instance i join study s on s.id = i.study_id '
            f"where s.study_uid = '{study}' group by 1"))


class TheToolsOfDcmtk(Dcmtk):
    def test_echo_store_and_find_plain_and_over_tls(self):
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'D1', '--patient-name', '测试一',
                     '--patient-id', 'D-1', '--modality', 'CT', '--at', '2030-01-31T08:30')
        for name, options, port in (('plain', [], None), ('tls', self.tls, self.tls_port)):
            with self.subTest(name):
                out = self.scu('echoscu', *options, '--repeat', '5', [], port=port)
                self.assertEqual(out.count('Received Echo Response (Success)'), 5)
                paths = ct_series('dcmtk ' + name)
                self.assertEqual(self.scu('storescu', *options, paths, port=port).count(OK), 4)
                self.assertEqual(self.syntaxes(make_dicom.uid('study dcmtk ' + name)),
                                 {dicom_scu.EXPLICIT_LE: 4})
                out = self.scu('findscu', *options, '-W', '-k', '0008,0050=D1', '-k', '0010,0020', [], port=port)
                self.assertIn('D-1', out)
        # dcmsend of DCMTK 3.6.7 has no TLS.
        report = os.path.join(folder('dcmtk'), 'report.txt')
        self.scu('dcmsend', '+crf', report, ct_series('dcmtk dcmsend'))
        self.assertRegex(read(report).decode(), r'with status SUCCESS +: 4')

    def coded(self):
        """{storescu option: (file, its transfer syntax)}; the file converts itself where it can."""
        f = folder('coded')
        cr = os.path.join(f, 'cr.dcm')
        make_dicom.write(cr, make_dicom.cr_image('dcmtk coded'))
        out = {'-xi': (cr, dicom_scu.IMPLICIT_LE), '-xe': (cr, dicom_scu.EXPLICIT_LE)}
        for option, program, flag, syntax in (
                ('-xb', 'dcmconv', '+tb', '1.2.840.10008.1.2.2'), ('-xd', 'dcmconv', '+td', '1.2.840.10008.1.2.1.99'),
                ('-xs', 'dcmcjpeg', '+e1', JPEG + '70'), ('-xt', 'dcmcjpls', '+el', JPEG + '80'),
                ('-xu', 'dcmcjpls', '+en', JPEG + '81'), ('-xx', 'dcmcjpeg', '+ee', JPEG + '51'),
                ('-xr', 'dcmcrle', '-v', '1.2.840.10008.1.2.5')):
            path = os.path.join(f, option[1:] + '.dcm')
            tool(program, flag, cr, path)
            out[option] = path, syntax
        return out

    def test_store_in_every_transfer_syntax_they_can_make(self):
        for option, (path, syntax) in self.coded().items():
            with self.subTest(option):
                # Each is an object of a study of its own.
                study = make_dicom.uid('study dcmtk ' + option)
                tool('dcmodify', '-nb', '-m', '0020,000d=' + study, '-gin', path)
                out = self.scu('storescu', '-R', option, [path])
                self.assertEqual(out.count(OK), 1, out)
                wanted = dicom_scu.EXPLICIT_LE if option == '-xe' else syntax
                self.assertEqual(self.syntaxes(study), {wanted: 1})

    def test_offer_all_syntaxes_in_one_context_or_in_many(self):
        for name, options in (('many', ['+C']), ('split', []), ('required', ['--required'])):
            with self.subTest(name):
                out = self.scu('storescu', '+v', *options, ct_series('dcmtk ' + name, count=2))
                self.assertEqual(out.count(OK), 2, out)
                self.note(f"{name}: {out.count('Context ID')} contexts told")

    def test_send_in_small_and_in_large_pdus(self):
        for size in ('4096', '131072'):
            with self.subTest(size):
                name = 'dcmtk pdu ' + size
                out = self.scu('storescu', '-pdu', size, '--max-send-pdu', size, ct_series(name, size=256))
                self.assertEqual(out.count(OK), 4, out)
                self.scu('dcmsend', '-pdu', size, '--max-send-pdu', size, ct_series(name + ' s', size=256))
                self.assertEqual(self.syntaxes(make_dicom.uid(f'study {name} s')), {dicom_scu.EXPLICIT_LE: 4})

    def test_repeat_and_invent_uids(self):
        paths = ct_series('dcmtk repeat', count=2)
        self.assertEqual(self.scu('storescu', '--repeat', '3', paths).count(OK), 6)
        self.assertEqual(self.syntaxes(make_dicom.uid('study dcmtk repeat')), {dicom_scu.EXPLICIT_LE: 2})
        number = 'select count(*), count(distinct study_id), count(distinct series_id) from instance'
        before = [int(x) for x in self.rdc.sql(number)[0]]
        self.assertEqual(self.scu('storescu', '--repeat', '4', '+IR', '2', '+IS', '2', '+IP', '1', paths).count(OK), 8)
        after = [int(x) for x in self.rdc.sql(number)[0]]
        self.assertEqual(after[0] - before[0], 8)
        self.assertGreaterEqual(after[2] - before[2], 4)

    def test_send_the_good_files_of_a_folder_that_has_bad_ones(self):
        for program, options in (('storescu', ['+sd', '+r', '-nh']), ('dcmsend', ['+sd', '+r', '-nh'])):
            with self.subTest(program):
                name = 'dcmtk mixed ' + program
                paths = ct_series(name, count=5)
                root = folder(name)
                with open(os.path.join(root, '0.txt'), 'w') as f:
                    f.write('no DICOM\n' * 40)
                with open(os.path.join(root, 'short.dcm'), 'wb') as f:
                    f.write(read(paths[0])[:300])
                for n, tags in ((2, ['0020,000d']), (3, ['0020,000e'])):
                    tool('dcmodify', '-nb', '-imt', *(x for t in tags for x in ('-e', t)), paths[n])
                out = self.scu(program, *options, [root], check=False)
                self.assertEqual(self.syntaxes(make_dicom.uid('study ' + name)), {dicom_scu.EXPLICIT_LE: 3}, out)
                if program == 'storescu':
                    self.assertEqual((out.count(OK), out.count('CannotUnderstand')), (3, 2), out)
                    # The last refusal stands; the folder's order, which storescu takes, is the file system's.
                    self.assertRegex(self.doctor(), r'(Study|Series)InstanceUID \(0020,000[DE]\) is missing')

    def doctor(self):
        entry = [None]

        def told():
            out = self.rdc.cli('device', 'doctor', 'QH_CT')
            entry[0] = out
            return 'object_refused' in out
        wait_for('the doctor to be told', told, 10)
        return entry[0]


class WhatDcmtkMakes(Dcmtk):
    def made(self):
        """Files of each tool that makes objects, and odd forms of one object."""
        f = folder('made')
        out = []

        def make(name, *command, check=True):
            path = os.path.join(f, name + '.dcm')
            said = tool(*(path if x is None else x for x in command), check=check)
            self.assertTrue(os.path.exists(path), said)
            out.append(path)
            return path
        cr, pdf, stl, cda = (os.path.join(f, n) for n in ('cr.dcm', 'in.pdf', 'in.stl', 'in.xml'))
        make_dicom.write(cr, make_dicom.cr_image('dcmtk made'))
        out.append(cr)
        for path, data in ((pdf, PDF), (stl, STL), (cda, CDA.encode())):
            with open(path, 'wb') as g:
                g.write(data)
        jpg = os.path.join(f, 'in.jpg')
        tool('dcmj2pnm', '+oj', cr, jpg)
        make('img2dcm', 'img2dcm', '-k', 'PatientID=MADE', jpg, None)
        make('pdf2dcm', 'pdf2dcm', '+pi', 'MADE', pdf, None)
        make('stl2dcm', 'stl2dcm', '+pi', 'MADE', stl, None)
        make('cda2dcm', 'cda2dcm', '+pi', 'MADE', cda, None)
        sr = os.path.join(f, 'sr.dcm')
        xml = os.path.join(f, 'sr.xml')
        with open(os.path.join(f, 'sr.txt'), 'w') as g:
            g.write('(0008,0016) UI =BasicTextSRStorage\n(0008,0018) UI 1.2.276.0.1\n(0008,0023) DA 20300131\n(0008,0033) TM 120000\n(0008,0060) CS SR\n'
                    '(0010,0020) LO MADE\n(0020,000d) UI 1.2.276.0.2\n(0020,000e) UI 1.2.276.0.3\n'
                    '(0040,a040) CS CONTAINER\n(0040,a050) CS SEPARATE\n(0040,a491) CS PARTIAL\n(0040,a493) CS UNVERIFIED\n'
                    '(0040,a043) SQ\n(fffe,e000) na\n(0008,0100) SH 18748-4\n(0008,0102) SH LN\n'
                    '(0008,0104) LO Report\n(fffe,e00d) na\n(fffe,e0dd) na\n')
        tool('dump2dcm', '+te', os.path.join(f, 'sr.txt'), sr)
        with open(xml, 'w') as g:
            g.write(tool('dsr2xml', '-q', sr))
        make('xml2dsr', 'xml2dsr', xml, None)
        for name, options in {
                'implicit': ['+ti'], 'big-endian': ['+tb'], 'deflated': ['+td'], 'undefined': ['-e'],
                'group-lengths': ['+g'], 'padded': ['+p', '512', '64'], 'no-meta': ['-F'],
                'no-meta-implicit': ['-F', '+ti']}.items():
            make(name, 'dcmconv', *options, cr, None)
        odd = make('odd', 'dcmconv', cr, None)
        tool('dcmodify', '-nb', '-i', '0009,0010=TEST', '-i', '0009,1001=41\\42', '-i', '0010,4000=' + 'long ' * 40,
             '-i', '0010,0030=19800102', '-i', '0020,0013=007',
             '-i', '0018,0060=not a number', '-i', '0008,0005=ISO_IR 999', odd)
        for n, path in enumerate(out):
            # Each is an object of its own.
            if n and os.path.basename(path)[:-4] not in ('img2dcm', 'pdf2dcm', 'stl2dcm', 'cda2dcm', 'xml2dsr'):
                tool('dcmodify', '-nb', *(['-F'] if 'no-meta' in path else []), '-m', f'0008,0018=2.25.{1000 + n}', path)
        return out

    def test_is_taken_by_dcmsend_and_by_upload_and_kept_as_it_is(self):
        needs('img2dcm', 'pdf2dcm', 'stl2dcm', 'cda2dcm', 'xml2dsr', 'dsr2xml', 'dump2dcm', 'dcmodify', 'dcmj2pnm')
        paths = self.made()
        report = os.path.join(folder('made'), 'report.txt')
        out = self.scu('dcmsend', '+f', '-dn', '-nh', '+crf', report, paths, check=False)
        text = read(report).decode() if os.path.exists(report) else out
        self.assertRegex(text, rf'with status SUCCESS +: {len(paths)}')
        tech = Client(self.rdc, 'tech2')
        wanted = collections.Counter()
        for path in paths:
            with self.subTest(os.path.basename(path)):
                answer = tech.upload(path)
                self.assertEqual(answer.status, 201, answer)
            data = read(path)
            s = sample(path) if data[128:132] == b'DICM' else None
            wanted[digest(s.dataset if s else data)] += 1
        got = collections.Counter()
        for (location,) in self.rdc.sql(
                'select o.location from instance i join object o on o.id = i.object_id '
                "join organisation c on c.id = i.centre_id where c.code = 'DONGSHAN'"):
            got[digest(dicom_scu.part10(stored_file(self.rdc, location))[3])] += 1
        self.assertEqual(got, wanted)
        self.note(f'{len(paths)} files')
