"""An order and its images by programs of others that no other test has: python3-hl7,
node-hl7-client, dicomweb-client, CTN of the RSNA, one of the first toolkits, Odil and PixelMed, whose upper layers are their own."""
import glob
import json
import os
import subprocess

import make_dicom
from rdc_system import ROOT, Client, free_port, needs, place, tool
from test_evidence import node_modules
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

    def test_batch_of_orders(self):
        modules = node_modules('node-hl7-client')
        messages = [order(f'node{n}', n=n, control=control).strip('\r') for n, control in ((91, 'NW'), (92, 'NW'), (93, 'CA'))]
        said = tool('node', os.path.join(ROOT, 'tests/system/node_hl7_batch.js'), modules, str(self.hl7_port),
                    self.path('batch.json', json.dumps(messages)))
        self.assertEqual([json.loads(line) for line in said.splitlines()],
                         [['AA', 'node91'], ['AA', 'node92'], ['AE', 'node93']])

    def test_of_dicomweb_client_stow(self):
        modules = [node_modules(package) for package in ('dicomweb-client', 'xhr2')]
        paths = ct_series('dicomweb', make_dicom.TWO, 3)
        answer = json.loads(tool('node', os.path.join(ROOT, 'tests/system/dicomweb_stow.js'), str(self.rdc.http_port),
                                 self.rdc.tokens['tech'], *paths, env=dict(os.environ, NODE_PATH=':'.join(modules))))
        self.assertEqual(len(answer['00081199']['Value']), 3)
        self.assertEqual(self.waiting(make_dicom.uid('study dicomweb'), Client(self.rdc, 'reader1'))['objects'], 3)

    def test_of_pixelmed_echo_and_store(self):
        jars = glob.glob('/usr/share/java/*.jar')
        if not any('pixelmed' in jar for jar in jars):
            self.skipTest('libpixelmed-java is not installed')
        needs('java')
        def run(name, *args):
            return tool('java', '-cp', ':'.join(jars), f'com.pixelmed.network.{name}', '127.0.0.1', str(self.rdc.dicom_port),
                        'RDC', 'QH_CT', *args)
        # With a user and a password, which are negotiated and ignored.
        self.assertIn('was successful', run('VerificationSOPClassSCU', 'NONSECURE', 'user', 'secret'))
        for path in ct_series('pixelmed', make_dicom.TWO, 3):
            run('StorageSOPClassSCU', path, '0')
        self.assertEqual(self.waiting(make_dicom.uid('study pixelmed'), Client(self.rdc, 'reader1'))['objects'], 3)
