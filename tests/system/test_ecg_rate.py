"""ECG files of any sampling frequency and any number of leads become exams."""
import os
import random
import struct
import subprocess

import dicom_scu
import ecg_model
import make_dicom
from rdc_system import Client, SystemTest, needs, wait_for
from test_way import folder

TWELVE_LEAD, GENERAL, AMBULATORY, GENERAL_32BIT = ('1.2.840.10008.5.1.4.1.1.9.1.%d' % n for n in (1, 2, 3, 4))
HAEMODYNAMIC = '1.2.840.10008.5.1.4.1.1.9.2.1'
LEADS = ecg_model.LEADS


def edf(leads, name, seconds=10, model=ecg_model.record):
    """leads: (label, Hz). In records of two seconds, so that half a hertz has its place."""
    records = {hz: model(seconds, hz) for hz in {hz for _, hz in leads}}
    rows = [(label, int(2 * hz), records[hz]) for label, hz in leads]
    fields = (([label for label, _, _ in rows], 16), ([''] * len(rows), 80), (['uV'] * len(rows), 8),
              (['-32768'] * len(rows), 8), (['32767'] * len(rows), 8), (['-32768'] * len(rows), 8),
              (['32767'] * len(rows), 8), ([''] * len(rows), 80), ([str(n) for _, n, _ in rows], 8),
              ([''] * len(rows), 32))
    head = (f'{0:<8}{name:<80}{"":<80}05.01.2609.30.00{256 * (len(rows) + 1):<8}{"":<44}{seconds // 2:<8}{2:<8}'
            f'{len(rows):<4}') + ''.join(f'{value:<{size}}' for values, size in fields for value in values)
    data = b''
    for i in range(seconds // 2):
        for label, n, record in rows:
            data += struct.pack(f'<{n}h', *record[label if label in LEADS else 'V2'][i * n:(i + 1) * n])
    return head.encode() + data


def line(noise_uv):
    """A model of no heart."""
    noise = random.Random(9)
    return lambda seconds, hz: {lead: [noise.randint(-noise_uv, noise_uv) for _ in range(seconds * hz)] for lead in LEADS}


def figures(ecg):
    return {'heart_rate': ecg['hr_bpm'], **{m['name']: m['value'] for m in ecg['measurements']}}


class EcgRate(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech, cls.reader = Client(cls.rdc, 'tech'), Client(cls.rdc, 'reader1')

    def upload(self, name, content):
        answer = self.tech.request('POST', f'/api/v1/uploads?patient_id=RATE-{name}', content)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    def object_of(self, answer):
        """(SOP class, UID, bytes of the original)"""
        [row] = self.rdc.sql('select i.sop_class, i.sop_uid, o.size::text from instance i join study s on s.id = '
                             'i.study_id join object o on o.id = i.original_id '
                             f"where s.study_uid = '{answer['study_uid']}'")
        return row

    def measured(self, answer):
        exam = wait_for('the measurement', lambda: (x := self.tech.exam(answer['exam']))['ecg'] and x, 30)
        [ecg] = exam['ecg']
        return ecg

    def sheet_words(self, uid):
        sheet = self.reader.get(f'/api/v1/instances/{uid}/rendered?type=pdf')
        self.assertEqual(sheet.status, 200, sheet)
        return subprocess.run(['pdftotext', '-layout', '-', '-'], input=sheet.body, capture_output=True, check=True,
                              timeout=60).stdout.decode()

    def test_above_1000_hz_is_measured_and_drawn_like_any_other(self):
        usual = figures(self.measured(self.upload('500', edf([(lead, 500) for lead in LEADS], '500'))))
        for hz in (1024, 2000, 8000):
            with self.subTest(hz):
                content = edf([(lead, hz) for lead in LEADS], str(hz))
                answer = self.upload(hz, content)
                self.assertNotIn('damage', answer)
                sop_class, uid, size = self.object_of(answer)
                self.assertEqual((sop_class, int(size)), (GENERAL_32BIT, len(content)))
                found = figures(self.measured(answer))
                for what in ('heart_rate', 'pr', 'qrs', 'qt'):
                    self.assertAlmostEqual(found[what], usual[what], delta=6, msg=what)
                sheet = self.reader.get(f'/api/v1/instances/{uid}/rendered')
                self.assertEqual((sheet.status, sheet.body[1:4]), (200, b'PNG'), sheet)

    def test_in_other_formats_too(self):
        made = folder('rate')
        with open(f'{made}/a.edf', 'wb') as f:
            f.write(edf([(lead, 2000) for lead in LEADS], 'formats'))
        for ending, to in (('csv', 'csv'), ('scp', 'scp'), ('xml', 'aecg')):
            with self.subTest(ending):
                subprocess.run([self.rdc.program, 'ecg', 'convert', f'{made}/a.edf', '-o', f'{made}/a.{ending}', '--to',
                                to], check=True, capture_output=True)
                with open(f'{made}/a.{ending}', 'rb') as f:
                    answer = self.upload(ending, f.read())
                self.assertEqual(self.object_of(answer)[0], GENERAL_32BIT)
                self.assertAlmostEqual(self.measured(answer)['hr_bpm'], 72, delta=2)

    def test_of_any_kind_there_is_a_class_that_holds_all_leads(self):
        more = [f'ECG {n}' for n in range(13, 25)]
        cases = (('half', [(lead, 257.5) for lead in LEADS], 10, TWELVE_LEAD),
                 ('mixed', [(lead, 2000 if lead == 'II' else 500) for lead in LEADS], 10, GENERAL_32BIT),
                 ('several', [(lead, (250, 500, 1000)[i % 3]) for i, lead in enumerate(LEADS)], 10, TWELVE_LEAD),
                 ('24', [(lead, 500) for lead in (*LEADS, *more)], 10, GENERAL),
                 ('fast-24', [(lead, 2000) for lead in (*LEADS, *more)], 4, GENERAL_32BIT),
                 ('long', [(lead, 1000) for lead in LEADS], 20, GENERAL),
                 ('slow', [(lead, 100) for lead in LEADS], 10, AMBULATORY))
        for name, leads, seconds, sop_class in cases:
            with self.subTest(name):
                answer = self.upload(name, edf(leads, name, seconds))
                self.assertNotIn('damage', answer)
                self.assertEqual(self.object_of(answer)[0], sop_class)
                self.assertAlmostEqual(self.measured(answer)['hr_bpm'], 72, delta=3)

    def test_that_is_too_slow_to_be_measured_is_an_exam_all_the_same_and_says_why(self):
        needs('pdftotext')
        for hz in (40, 10, 1):
            with self.subTest(hz):
                answer = self.upload(f'slow-{hz}', edf([('I', hz), ('II', hz)], str(hz)))
                sop_class, uid, _ = self.object_of(answer)
                self.assertEqual(sop_class, GENERAL_32BIT)
                found = self.measured(answer)
                self.assertIn('50 Hz to 20 kHz', found['error'])
                [advice] = self.tech.exam(answer['exam'])['advice']
                self.assertEqual((advice['code'], advice['detail']), ('ecg_sampling_rate', f'I: {hz} Hz, not 50 to 20000'))
                self.assertIn('采样率', advice['text_zh'])
                self.assertIn('record again', advice['text_en'])
                sheet = self.reader.get(f'/api/v1/instances/{uid}/rendered')
                self.assertEqual((sheet.status, sheet.body[1:4]), (200, b'PNG'), sheet)
                words = self.sheet_words(uid)
                self.assertIn('采样率不适合测量', words)
                self.assertNotIn('分析', words)

    def test_at_rest_is_a_whole_exam_and_one_of_many_objects_is_not(self):
        self.rdc.cli('device', 'add', 'SLOWLY', '--org', 'QINGHE', '--quiet', '600')
        for sop_class, state in ((TWELVE_LEAD, 'waiting'), (GENERAL, 'waiting'), (GENERAL_32BIT, 'waiting'),
                                 (AMBULATORY, 'arriving'), (HAEMODYNAMIC, 'arriving')):
            with self.subTest(sop_class):
                made = f"{folder('rate')}/{sop_class}.dcm"
                data_set = make_dicom.ecg12(sop_class, accession='REST')
                make_dicom.write(made, data_set.add(0x00080016, 'UI', sop_class))
                _, instance, syntax, data = dicom_scu.part10(made)
                association = dicom_scu.Association(self.rdc.dicom_port, 'SLOWLY', contexts=[(1, sop_class, [syntax])])
                self.assertEqual(association.store(sop_class, instance, data), 0)
                association.close()
                self.assertEqual(self.rdc.sql('select e.state from exam e join instance i on i.study_id = e.study_id '
                                              f"where i.sop_uid = '{instance}'"), [[state]])

    def pressures(self):
        """As a haemodynamic system stores them: channels in mmHg."""
        made = f"{folder('rate')}/pressure.dcm"
        data_set = make_dicom.ecg12('pressure', accession='PRESSURE')
        data_set.add(0x00080016, 'UI', HAEMODYNAMIC)
        for channel in data_set.elements[0x54000100][1][0].elements[0x003a0200][1]:
            channel.add(0x003a0211, 'SQ', make_dicom.code('mm[Hg]', 'UCUM', 'mmHg'))
        make_dicom.write(made, data_set)
        with open(made, 'rb') as f:
            return f.read()

    def test_without_an_ecg_or_without_a_beat_says_so(self):
        all_leads = [(lead, 500) for lead in LEADS]
        cases = (('pressure', self.pressures(), ['ecg_no_lead'], 'routine'),
                 ('short', edf(all_leads, 'short', 2), ['ecg_short'], 'routine'),
                 ('off', edf(all_leads, 'off', model=line(0)), ['ecg_no_signal'], 'routine'),
                 ('still', edf(all_leads, 'still', model=line(9)), ['ecg_no_signal'], 'stat'))
        for name, content, codes, priority in cases:
            with self.subTest(name):
                answer = self.upload(name, content)
                self.measured(answer)
                exam = self.tech.exam(answer['exam'])
                self.assertEqual(([a['code'] for a in exam['advice']], exam['priority']), (codes, priority))

    def test_with_more_leads_than_any_class_holds_names_those_that_are_left_out(self):
        answer = self.upload('97', edf([(f'ECG {n}', 2000) for n in range(1, 98)], '97', 4))
        told = 'DICOM has no place for leads: 97 (2000 Hz)'
        self.assertEqual(answer['damage'], [told])
        found = self.measured(answer)
        self.assertEqual([(note['damage'], note['text']) for note in found['notes']], [(False, told)])
