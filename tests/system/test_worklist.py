"""The modality worklist as DCMTK's findscu sees it."""
import os
import re
import subprocess

from rdc_system import SystemTest, free_port, needs, place, tool, wait_for

WORD = {'UTF-8': 'utf-8', 'GB18030': 'gb18030', 'GBK': 'gbk', 'ISO 2022 IR 58': 'gb2312', 'ASCII': 'ascii'}


class TheModalityWorklist(SystemTest):
    @classmethod
    def setUpClass(cls):
        needs('findscu', 'dump2dcm', 'dcmdump')
        super().setUpClass()
        def order(accession, name, at, *more, org='QINGHE', modality='CT'):
            cls.rdc.cli('order', 'add', '--org', org, '--accession', accession, '--patient-name', name,
                        '--patient-id', 'M-' + accession, '--modality', modality, '--at', at, *more)
        order('W1', '测试一', '2030-01-31T08:30', '--birth', '19800102', '--sex', 'F',
              '--description', '胸部平扫', '--procedure-code', 'CHEST', '--station', 'QH_CT')
        order('W2', 'Li^Si=李^四', '2030-01-31T10:00', '--priority', 'stat', '--description', 'CT head')
        order('W3', 'Wang^Wu', '2030-02-01T09:15', modality='US')
        order('W4', 'Other^Centre', '2030-01-31T08:30', org='DONGSHAN')
        order('W5', 'Yester^Day', '2026-01-01T08:30')
        for name in WORD:
            cls.rdc.cli('device', 'add', 'DEV_' + name.replace(' ', '_')[:12], '--org', 'QINGHE',
                        '--charset', name)

    def find(self, *keys, aet='QH_CT', asked=('0008,0050', '0020,000d', '0010,0010', '0032,1060')):
        """The answers of findscu -W as dcmdump texts, in their order, and what it says."""
        folder = os.path.join(place().folder, f'find-{self.id()}-{aet}')
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        args = []
        for key in (*asked, '0040,0100[0].0008,0060', '0040,0100[0].0040,0001', '0040,0100[0].0040,0002',
                    *keys):
            args += ['-k', key]
        said = tool('findscu', '-v', '-W', '-X', '-od', folder, '-aet', aet, '-aec', 'RDC', *args,
                    '127.0.0.1', str(self.rdc.dicom_port), check=False)
        files = sorted(os.listdir(folder))
        return [open(os.path.join(folder, f), 'rb').read() for f in files], said, \
               [tool('dcmdump', '-q', '+L', '-M', os.path.join(folder, f)) for f in files]

    def accessions(self, *keys, **more):
        _, said, dumps = self.find(*keys, **more)
        self.last = said
        return [re.search(r'\(0008,0050\) SH \[(\w+)', d).group(1) for d in dumps]

    def test_has_the_open_orders_of_the_callers_centre_stat_first(self):
        self.assertEqual(self.accessions(), ['W2', 'W1', 'W3'])
        self.assertIn('Success', self.last)
        self.assertEqual(self.accessions(aet='DS_CT'), ['W4'])

    def test_matches_on_each_key(self):
        step = '0040,0100[0].'
        for key, found in ((f'{step}0008,0060=CT', ['W2', 'W1']), (f'{step}0040,0001=QH_CT', ['W2', 'W1', 'W3']),
                           (f'{step}0040,0002=20300131', ['W2', 'W1']), (f'{step}0040,0002=20300201-', ['W3']),
                           (f'{step}0040,0003=0800-0900', ['W1']), ('0010,0010=li*', ['W2']),
                           ('0010,0010=ce*', ['W1']), ('0010,0020=M-W3', ['W3']), ('0008,0050=W?', ['W2', 'W1', 'W3']),
                           ('0010,0030=19800102', ['W1']), ('0040,1003=STAT', ['W2']),
                           ('0032,1064[0].0008,0100=CHEST', ['W1']), ('0010,0020=nobody', [])):
            with self.subTest(key):
                self.assertEqual(self.accessions(key), found)
        self.assertEqual(self.accessions(f'{step}0040,0002=20300131', f'{step}0040,0003=0900-'), ['W2'])

    def test_says_when_a_key_was_not_matched_or_is_wrong(self):
        self.assertEqual(self.accessions('0038,0500=ill'), ['W2', 'W1', 'W3'])
        self.assertRegex(self.last, 'Pending|WarningUnsupportedOptionalKeys')
        self.assertEqual(self.accessions('0040,0100[0].0040,0002=tomorrow'), [])
        self.assertRegex(self.last, r'(?i)a900|DataSetDoesNotMatchSOPClass|Failed')

    def test_always_gives_a_patient_id(self):
        """A return key of type 1 (PS3.4 Table K.6-1), also where the order has none."""
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'W7', '--patient-name', 'X' * 70 + '=李', '--modality', 'PT',
                     '--at', '2030-01-01')
        [dump] = self.find('0040,0100[0].0008,0060=PT', '0010,0010=^^', asked=('0008,0050', '0010,0020'))[2]
        self.assertIn('(0010,0020) LO [RDC-W7', dump)
        self.assertRegex(dump, r'PN \[X{64}=')
        self.rdc.cli('order', 'cancel', 'W7', '--org', 'QINGHE')
        self.assertIn('charset', self.rdc.cli('device', 'change', 'QH_CT', '--charset', 'KLINGON', check=False))

    def test_always_gives_a_study_uid(self):
        for dump in self.find(asked=('0008,0050',))[2]:
            self.assertRegex(dump, r'\(0020,000d\) UI \[2\.25\.\d+\]')

    def test_speaks_the_character_set_of_each_device(self):
        for name, codec in WORD.items():
            with self.subTest(name):
                files = self.find('0008,0050=W1', aet='DEV_' + name.replace(' ', '_')[:12])[0]
                self.assertEqual(len(files), 1)
                # A Hanzi under ISO 2022 IR 58 stands behind its escape (PS3.5 K).
                text = '测试一' if codec != 'ascii' else 'CE^SHIYI'
                self.assertIn((b'\x1b$)A' if codec == 'gb2312' else b'') + text.encode(codec), files[0])
                self.assertIn(('胸部平扫' if codec != 'ascii' else 'XIONG BU PING SAO').encode(codec), files[0])

    def test_matches_chinese_names_in_each_character_set(self):
        """findscu passes the bytes of -k on as they are; a key of another set than ASCII
        needs the set beside it."""
        for term, codec, escape in (('ISO_IR 192', 'utf-8', b''), ('GB18030', 'gb18030', b''), ('GBK', 'gbk', b''),
                                    ('\\ISO 2022 IR 58', 'gb2312', b'\x1b$)A')):
            for key, found in (('测试一', ['W1']), ('测*', ['W1']), ('*试*', ['W1']), ('测?一', ['W1']), ('*', ['W2', 'W1', 'W3']),
                               ('李*', ['W2']), ('李^四', ['W2']), ('张*', [])):
                with self.subTest(set=term, key=key):
                    # PS3.5 6.1.2.5.3: the designation ends with each delimiter of a name.
                    value = b'0010,0010=' + b'^'.join((escape if p != '*' else b'') + p.encode(codec)
                                                      for p in key.split('^'))
                    files, _, dumps = self.find('0008,0005=' + term, value)
                    self.assertEqual([re.search(r'\(0008,0050\) SH \[(\w+)', d).group(1) for d in dumps], found)
                    for f in files:
                        self.assertIn(term.encode(), f)

    def test_matches_a_character_whose_second_byte_is_a_delimiter(self):
        """In GBK some Hanzi end in the byte of backslash, of ^ or of |."""
        name = ''.join(bytes([0x85, trail]).decode('gbk') for trail in b'\\^|')
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'W8', '--patient-name', name, '--modality', 'MG',
                     '--at', '2030-01-01')
        for term, codec in (('GB18030', 'gb18030'), ('GBK', 'gbk')):
            for key in (name, name[0] + '*', '*' + name[1:], name[0] + '?' + name[2]):
                with self.subTest(set=term, key=key):
                    files = self.find('0008,0005=' + term, b'0010,0010=' + key.encode(codec),
                                      '0040,0100[0].0008,0060=MG')[0]
                    self.assertEqual(len(files), 1)
                    self.assertIn(name.encode(codec), files[0])
        self.rdc.cli('order', 'cancel', 'W8', '--org', 'QINGHE')

    def test_answers_as_wlmscpfs_does(self):
        """DCMTK's worklist server on the entries that rdc gave, with the same queries. Keys
        that it does not match on (K.6-1 optional ones) are left out."""
        needs('wlmscpfs')
        step = '0040,0100[0].'
        everything = ('0008,0050', '0008,0080', '0008,0090', '0010,0010', '0010,0020', '0010,0030', '0010,0040',
                      '0020,000d', '0032,1032', '0032,1060', '0038,0010', '0040,1001', '0040,1003', '0040,1004',
                      step + '0040,0003', step + '0040,0006', step + '0040,0007', step + '0040,0009',
                      step + '0040,0010', step + '0040,0011', '0010,1030', '0010,2000', '0038,0050', '0038,0300')
        given = self.find(asked=everything)[0]
        self.assertEqual(len(given), 3)
        place_ = os.path.join(place().folder, 'wlmscpfs')
        os.makedirs(os.path.join(place_, 'RDC'), exist_ok=True)
        open(os.path.join(place_, 'RDC', 'lockfile'), 'w').close()
        for i, data in enumerate(given):
            with open(os.path.join(place_, 'RDC', f'{i}.wl'), 'wb') as f:
                f.write(data)
        port, ours = free_port(), self.rdc.dicom_port
        with open(place_ + '.log', 'w') as log:
            peer = subprocess.Popen(['wlmscpfs', '-s', '-dfr', '-csk', '-dfp', place_, str(port)], stdout=log, stderr=log)
        try:
            wait_for('wlmscpfs', lambda: 'Success' in tool('echoscu', '-v', '-aec', 'RDC', '127.0.0.1', str(port), check=False))
            for keys in ((), (step + '0008,0060=CT',), (step + '0008,0060=US',), (step + '0040,0002=20300131',),
                         (step + '0040,0002=20300131-',), (step + '0040,0002=-20300131',),
                         (step + '0040,0002=20300101-20300131',), (step + '0040,0002=20300131', step + '0040,0003=0800-0900'),
                         (step + '0040,0001=QH_CT',), ('0010,0020=M-W3',), ('0010,0010=Wang*',), ('0010,0010=Li^Si*',),
                         ('0010,0010=Nobody',), (step + '0040,0002=20300131', step + '0008,0060=CT', '0010,0020=M-W2')):
                found = []
                for where in (ours, port):
                    self.rdc.dicom_port = where
                    found.append(sorted(self.accessions(*keys)))
                self.note(f'{" ".join(keys) or "all"}: {found[0]}')
                self.assertEqual(*found, keys)
        finally:
            self.rdc.dicom_port = ours
            peer.terminate()
            peer.wait()

    def test_forgets_what_was_cancelled_or_is_over(self):
        self.assertNotIn('W5', self.accessions())
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'W9', '--patient-name', 'X', '--modality', 'XA',
                     '--at', '2030-01-01')
        self.assertEqual(self.accessions('0040,0100[0].0008,0060=XA'), ['W9'])
        self.rdc.cli('order', 'cancel', 'W9', '--org', 'QINGHE')
        self.assertEqual(self.accessions('0040,0100[0].0008,0060=XA'), [])
