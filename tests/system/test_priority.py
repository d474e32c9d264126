"""What is urgent overtakes bulk that came before it, at every queue inside. By order, not by
time: each sync is made slow, so that the bulk waits in the queue of the disk."""
import select
import unittest

import dicom_scu
import make_dicom
from faults import Shim
from rdc_system import Client, wait_for
from test_way import scp_file

CT, ECG = make_dicom.CT, make_dicom.ECG12
BULK = 60
PADDING = bytes(1 << 20)


class TheUrgent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shim = Shim({'workers': '1', 'pool.disk-threads': '1', 'pool.cpu-threads': '1'})
        cls.rdc = cls.shim.rdc
        cls.addClassCleanup(cls.rdc.stop)
        cls.rdc.cli('device', 'add', 'QH_ECG', '--org', 'QINGHE')
        cls.reader, cls.tech = Client(cls.rdc, 'reader1'), Client(cls.rdc, 'tech')

    def setUp(self):
        self.notes = []

    def associate(self, calling, sop_class):
        return dicom_scu.Association(self.rdc.dicom_port, calling, timeout=120,
                                     contexts=dicom_scu.store_context(sop_class))

    def overtakes(self, name, send):
        """send() stores an ECG, while bulk that came before waits; its accession number is name.
        The ECG's exam stands on the reader's worklist while a good part of the bulk is not answered."""
        encode = make_dicom.plain('gb18030')
        bulk = [self.associate('QH_CT', CT) for _ in range(BULK)]
        self.shim.set('sync-ms', 150)
        try:
            for i, a in enumerate(bulk):
                # Data Set Trailing Padding: what is over a mebibyte has a file and a sync of its own.
                d = make_dicom.ct_slice(f'bulk {name} {i}', i % 9 + 1, size=16).add(0xfffcfffc, 'OB', PADDING)
                a.store_begin(CT, d.elements[0x00080018][1][0])
                a.send_data(1, d.encode(encode), False)
            wait_for('the first of the bulk', lambda: self.answered(bulk), 60)
            send()
            listed = [e for e in self.reader.worklist() if e['line'] == 'ecg' and e['accession'] == name]
            before = self.answered(bulk)
            self.assertEqual([e['priority'] for e in listed], ['stat'])
        finally:
            self.shim.set('sync-ms', None)
        self.assertLess(before, BULK * 3 // 4, 'the bulk was done first')
        self.assertEqual([a.status() for a in bulk], [0] * BULK)
        self.notes.append(f'{before} of {BULK} bulk objects were answered before it')
        for a in bulk:
            a.release()

    def answered(self, bulk):
        return len(select.select([a.socket for a in bulk], [], [], 0)[0])

    def ecg(self, name, **elements):
        """A C-STORE of a 12-lead ECG with this accession number."""
        d = make_dicom.ecg12(f'urgent {name}', accession=name, seconds=2)
        for tag, vr, value in elements.values():
            d.add(tag, vr, value)
        a = self.associate('QH_ECG', ECG)
        self.assertEqual(a.store(ECG, d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030'))), 0)
        a.release()

    def test_is_what_a_stat_order_asked_for(self):
        three = make_dicom.THREE
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--patient-id', three.id, '--patient-name', '测试三',
                     '--modality', 'ECG', '--accession', 'URG1', '--priority', 'stat')
        wait_for('the worker to know the order', self.knows_an_order, 20)
        self.overtakes('URG1', lambda: self.ecg('URG1'))

    def knows_an_order(self):
        text = Client(self.rdc).get('/metrics').body.decode()
        return '\nrdc_stat_orders_known 0\n' not in text

    def test_is_what_says_so_of_itself(self):
        self.overtakes('URG2', lambda: self.ecg('URG2', priority=(0x00401003, 'SH', 'STAT')))

    def test_is_an_upload_with_priority_stat(self):
        def send():
            answer = self.tech.upload(scp_file('urgent-scp'), priority='stat', accession='URG3', patient_id='URGENT3',
                                      patient_name='TEST^URGENT')
            self.assertEqual(answer.status, 201, answer)

        self.overtakes('URG3', send)
