"""What a device says about its work: MPPS, and completeness by it."""
import os

import dicom_scu
import make_dicom
from dicom_scu import COMMITMENT, MPPS
from rdc_system import Client, SystemTest, place, wait_for

CT = '1.2.840.10008.5.1.4.1.1.2'
CREATE, SET = 0x0140, 0x0120
CONTEXTS = [(1, MPPS, [dicom_scu.IMPLICIT_LE]), (3, COMMITMENT, [dicom_scu.IMPLICIT_LE]),
            (5, CT, [dicom_scu.EXPLICIT_LE])]


def slices(name, count):
    """Files of `count` CT images of one study; their paths and SOP Instance UIDs."""
    folder = os.path.join(place().folder, 'evidence')
    paths = [os.path.join(folder, f'{name}-{n}.dcm') for n in range(count)]
    for n, path in enumerate(paths):
        make_dicom.write(path, make_dicom.ct_slice(name, n, size=16))
    return paths, [dicom_scu.part10(p)[1] for p in paths]


def created(study, **more):
    return {(0x8, 0x60): 'CT', (0x40, 0x241): 'QH_CT', (0x40, 0x244): '20260131', (0x40, 0x245): '1200',
            (0x40, 0x252): 'IN PROGRESS', (0x40, 0x253): 'PPS1',
            (0x40, 0x270): [{(0x20, 0xd): study}], **more}


def ended(state, uids):
    refs = [{(0x8, 0x1150): CT, (0x8, 0x1155): u} for u in uids]
    return {(0x40, 0x250): '20260131', (0x40, 0x251): '1201', (0x40, 0x252): state,
            (0x40, 0x340): [{(0x20, 0xe): '1.2.3', (0x18, 0x1030): 'P', (0x8, 0x1140): refs}]}


class ADevice(SystemTest):
    def setUp(self):
        super().setUp()
        self.rdc.sql("update device set quiet_seconds = 3600, limit_seconds = 3600")
        self.doctor = Client(self.rdc, 'doctor')

    def associate(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=CONTEXTS)
        self.addCleanup(a.close)
        return a

    def completeness(self, study):
        """State and counts of the exam of this study."""
        for row in self.doctor.get('/api/v1/exams').json()['exams']:
            if row['study_uid'] == study:
                exam = self.doctor.exam(row['id'])
                c = exam['completeness']
                return exam['state'], c['grade'], c['expected'], c['present']
        return None

    def test_tells_by_mpps_how_many_objects_there_will_be(self):
        paths, uids = slices('mpps five', 5)
        study, step = make_dicom.uid('study mpps five'), make_dicom.uid('step five')
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.rdc.storescu(*paths[:3])
        self.assertEqual(self.completeness(study), ('arriving', None, None, 3))
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', uids))[0], 0)
        self.assertEqual(self.completeness(study), ('arriving', None, 5, 3))
        self.rdc.storescu(paths[3])
        self.assertEqual(self.completeness(study), ('arriving', None, 5, 4))
        self.rdc.storescu(paths[4])
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', 5, 5))
        a.release()

    def test_is_given_up_at_its_limit_and_completed_by_a_late_object(self):
        paths, uids = slices('mpps late', 3)
        study, step = make_dicom.uid('study mpps late'), make_dicom.uid('step late')
        self.rdc.sql("update device set quiet_seconds = 0, limit_seconds = 1")
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', uids))[0], 0)
        self.rdc.storescu(*paths[:2])
        wait_for('the exam to move on', lambda: self.completeness(study) == ('waiting', 'given_up', 3, 2))
        self.rdc.storescu(paths[2])
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', 3, 3))

    def test_that_stops_early_sends_what_it_has(self):
        paths, _ = slices('mpps stopped', 2)
        study, step = make_dicom.uid('study mpps stopped'), make_dicom.uid('step stopped')
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.rdc.storescu(*paths)
        self.assertEqual(a.request(MPPS, SET, step, ended('DISCONTINUED', []))[0], 0)
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', None, 2))

    def test_is_told_what_is_wrong_with_its_step(self):
        a = self.associate()
        study, step = make_dicom.uid('study mpps wrong'), make_dicom.uid('step wrong')
        status, response = a.request(MPPS, CREATE, step, {**created(study), (0x40, 0x252): 'COMPLETED'})
        self.assertEqual((status, response[0x1005]), (0x0106, b'\x40\x00\x52\x02'))
        data = created(study)
        del data[0x40, 0x253]
        status, response = a.request(MPPS, CREATE, step, data)
        self.assertEqual((status, response[0x1005]), (0x0120, b'\x40\x00\x53\x02'))
        self.assertIn(b'PerformedProcedureStepID', response[0x902])
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', []))[0], 0x0112)
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0x0111)
        self.assertEqual(a.request(MPPS, SET, step, {(0x40, 0x280): 'not created'})[0], 0x0105)
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', []))[0], 0)
        status, response = a.request(MPPS, SET, step, ended('COMPLETED', []))
        self.assertEqual((status, response[0x903]), (0x0110, b'\x10\xa7'))
        # without a UID of its own, it is given one
        status, response = a.request(MPPS, CREATE, None, created(study))
        self.assertEqual(status, 0)
        self.assertTrue(response[0x1000].startswith(b'2.25.'))
        # not a data set at all
        a.message += 1
        a.send_data(1, dicom_scu.command((0x002, MPPS), (0x100, CREATE), (0x110, a.message), (0x800, 1),
                                         (0x1000, '1.2.3')), True)
        a.send_data(1, b'\x08\x00\x60\x00\xff\xff\x00\x00CT', False)
        self.assertEqual(a.status(), 0x0110)
        a.release()
