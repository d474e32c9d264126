"""An order and its images by programs of others that no other test has: python3-hl7, CTN
of the RSNA, one of the first toolkits, and Odil, whose upper layer is its own."""
import json
import os
import subprocess

import make_dicom
from rdc_system import ROOT, Client, free_port, needs, place, tool
from test_hl7 import order
from test_way import Way, ct_series

QUERY = '''(0008,0050) SH
(0010,0010) PN
(0020,000d) UI
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS [CT]
(0040,0001) AE
(fffe,e00d) -
(fffe,e0dd) -
'''


class OtherPeers(Way):
    @classmethod
    def setUpClass(cls):
        needs('mllp_send', 'mwlQuery', 'send_image', 'dicom_echo', 'dump2dcm')
        cls.hl7_port = free_port()
        cls.conf = {'hl7.address': f'127.0.0.1:{cls.hl7_port}'}
        super().setUpClass()
        cls.rdc.cli('hl7', 'add', 'HIS^QINGHE', '--org', 'QINGHE')

    def path(self, name, text):
        path = os.path.join(place().own, name)
        with open(path, 'w', encoding='utf-8', newline='') as f:
            f.write(text)
        return path

    def ctn(self, program, *args, aet='QH_CT', more=(), **kw):
        return tool(program, '-a', aet, '-c', 'RDC', *args, '127.0.0.1', str(self.rdc.dicom_port), *more, **kw)

    def test_order_query_and_send(self):
        now = order('PEER1', n=77).replace('202601311000', '')  # without a time: to be done now
        answer = tool('mllp_send', '--loose', '--file', self.path('order.hl7', now),
                      '--port', str(self.hl7_port), '127.0.0.1')
        self.assertIn('MSA|AA|PEER1', answer)
        query = self.path('query.txt', QUERY)
        tool('dump2dcm', '-F', '+ti', query, query + '.dcm')
        found = self.ctn('mwlQuery', '-f', query + '.dcm')
        self.assertIn('Accession Number//ACC77', found)
        self.assertIn('Scheduled Station AE Title//QH_CT', found)
        sent = self.ctn('send_image', '-q', more=ct_series('ctn', make_dicom.TWO, 3))
        self.assertEqual(sent.count('Status:         0000'), 3, sent)
        row = self.waiting(make_dicom.uid('study ctn'), Client(self.rdc, 'reader1'))
        self.assertEqual(row['objects'], 3)

    def test_echo(self):
        self.assertEqual(self.ctn('dicom_echo', '-r', '3').count('Verification Status:     0000'), 3)
        self.assertIn('Result:  1 Source  1 Reason  3', self.ctn('dicom_echo', aet='NOBODY', check=False))

    def test_of_odil_echo_store_and_find(self):
        python = '/usr/bin/python3'
        if subprocess.run([python, '-c', 'import odil'], capture_output=True, check=False).returncode:
            self.skipTest('python3-odil is not installed')
        answer = tool('mllp_send', '--loose', '--file', self.path('odil.hl7', order('ODIL', n=78).replace('202601311000', '')),
                      '--port', str(self.hl7_port), '127.0.0.1')
        self.assertIn('MSA|AA|ODIL', answer)
        image = os.path.join(place().own, 'odil.dcm')
        make_dicom.write(image, make_dicom.cr_image('odil', size=64))
        out = json.loads(tool(python, os.path.join(ROOT, 'tests/system/odil_device.py'), str(self.rdc.dicom_port), image, 'ACC78'))
        names = out.pop('names')
        self.assertEqual(out, {'echoes': 4, 'stored': 3})
        self.assertEqual([bytes.fromhex(x).decode('gb18030') for x in names], ['测试^一'])
