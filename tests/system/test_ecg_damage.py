"""Damaged ECG files: what can be read becomes an exam, and everyone hears of the rest."""
import io
import json
import os
import subprocess
import zipfile

import dicom_scu
import make_dicom
from rdc_system import Client, PASSWORD, ROOT, needs, place, unprivileged, wait_for
from stored import stored_file
from test_way import Way, folder


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


class EcgDamage(Way):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech = Client(cls.rdc, 'tech')
        cls.reader = Client(cls.rdc, 'reader1')
        cls.made = folder('damage')
        cls.dicom = os.path.join(cls.made, 'whole.dcm')
        make_dicom.write(cls.dicom, make_dicom.ecg12('damage', accession='DAMAGE'))
        for name in ('a.scp', 'a.xml', 'a.edf', 'a.csv', 'rec.hea'):
            subprocess.run([cls.rdc.program, 'ecg', 'convert', cls.dicom, '-o', f'{cls.made}/{name}', '--to',
                            {'xml': 'aecg', 'hea': 'wfdb'}.get(name[-3:], name[-3:])], check=True, capture_output=True)

    def of_each_format(self):
        """(name, the whole file, a damaged one)."""
        for name in ('a.scp', 'a.xml', 'a.edf', 'a.csv'):
            data = read(f'{self.made}/{name}')
            yield name, data, data[:len(data) * 7 // 10]
        hea, dat = read(f'{self.made}/rec.hea'), read(f'{self.made}/rec.dat')
        yield 'wfdb', archive({'rec.hea': hea, 'rec.dat': dat}), archive({'rec.hea': hea, 'rec.dat': flipped(dat, 999)})
        scp = read(f'{self.made}/a.scp')
        yield 'checksum', scp + b' ', flipped(scp, len(scp) - 99)
        for name in ('muse-utf8.xml', 'philips-1.03.xml'):
            data = read(os.path.join(ROOT, 'testdata/ecg-xml', name))
            at = data.rindex(b'parsedwaveforms' if b'parsedwaveforms' in data else b'<WaveFormData')
            yield name, data, data[:at * 9 // 10]

    def upload(self, data, **query):
        path = os.path.join(self.made, 'upload')
        with open(path, 'wb') as f:
            f.write(data)
        return self.tech.upload(path, **query)

    def measured(self, exam):
        return wait_for('the measurement', lambda: (x := self.tech.exam(exam))['ecg'] and x, 30)

    def words(self, uid):
        """On the sheet."""
        sheet = self.reader.get(f'/api/v1/instances/{uid}/rendered?type=pdf')
        self.assertEqual(sheet.status, 200, sheet)
        return subprocess.run(['pdftotext', '-layout', '-', '-'], input=sheet.body, capture_output=True, check=True,
                              timeout=60).stdout.decode()

    def advice(self, exam):
        return {a['code']: a for a in exam['advice']}

    def test_is_told_to_technician_reader_and_whoever_reads_the_object_of_each_format(self):
        needs('pdftotext')
        for n, (name, whole, damaged) in enumerate(self.of_each_format()):
            good = self.upload(whole, patient_id=f'GOOD {n}', patient_name='TEST^ONE')
            self.assertEqual(good.status, 201, (name, good))
            self.assertNotIn('damage', good.json(), name)
            answer = self.upload(damaged, patient_id=f'BAD {n}', patient_name='TEST^ONE')
            self.assertEqual(answer.status, 201, (name, answer))
            damage = answer.json()['damage']
            self.assertTrue(damage and all(damage), name)
            exam = self.measured(answer.json()['exam'])
            said = self.advice(exam)['ecg_damaged']
            self.assertIn('文件损坏', said['text_zh'])
            self.assertIn(damage[0], said['detail'], name)
            self.assertTrue(said['instance'])
            notes = [note['text'] for note in exam['ecg'][0]['notes'] if note['damage']]
            self.assertEqual(notes[:len(damage)], damage, name)
            sheet = self.words(said['instance'])
            self.assertIn('文件损坏', sheet, name)
            self.assertIn('file damaged', sheet, name)
            # The object says it to any other program, and to ours that has only the object.
            location = self.rdc.sql("select o.location from instance i join object o on o.id = i.object_id "
                                    f"where i.sop_uid = '{said['instance']}'")[0][0]
            info = subprocess.run([self.rdc.program, 'ecg', 'info', stored_file(self.rdc, location), '--json'],
                                  check=True, capture_output=True, timeout=60)
            self.assertEqual([x['text'] for x in json.loads(info.stdout)['notes'] if x['damage']], notes, name)
            whole_one = self.measured(good.json()['exam'])
            self.assertNotIn('ecg_damaged', self.advice(whole_one), name)
            self.assertNotIn('文件损坏', self.words(whole_one['ecg'][0]['instance']), name)

    def report_of(self, exam):
        """Words of the PDF, and what dcmdump says of the SR."""
        self.sign(exam, self.reader)
        pdf = self.reader.get(f'/api/v1/exams/{exam}/report.pdf')
        self.assertEqual(pdf.status, 200, pdf)
        words = subprocess.run(['pdftotext', '-layout', '-', '-'], input=pdf.body, capture_output=True, check=True,
                               timeout=60).stdout.decode()
        [(location,)] = self.rdc.sql('select o.location from report r join object o on o.id = r.sr_object_id '
                                     f'where r.exam_id = {exam}')
        return words, read(stored_file(self.rdc, location)).decode('utf-8', 'replace')

    def test_is_told_in_the_report(self):
        needs('pdftotext')
        made = os.path.join(self.made, 'cut-image.dcm')
        make_dicom.write(made, make_dicom.cr_image())
        scp, image = read(f'{self.made}/a.scp'), read(made)
        for name, damaged, code in (('ecg', scp[:-501], 'ecg_damaged'),
                                    ('image', image[:len(image) * 7 // 10 & ~1], 'object_damaged')):
            with self.subTest(name):
                exam = self.upload(damaged, patient_id=f'REPORT {name}', patient_name='TEST^ONE').json()['exam']
                wait_for('the advice', lambda: code in self.advice(self.tech.exam(exam)), 30)
                words, sr = self.report_of(exam)
                for text in (words, sr):
                    self.assertIn('送检数据有损坏或缺失', text)
                    self.assertIn('damaged or incomplete', text)
                [report] = self.reader.exam(exam)['reports']
                self.assertTrue(report['damaged'])
        exam = self.upload(scp + b'   ', patient_id='REPORT WHOLE', patient_name='TEST^ONE').json()['exam']
        self.measured(exam)
        words, sr = self.report_of(exam)
        self.assertNotIn('损坏', words + sr)

    def test_of_a_dicom_ecg_that_a_device_sends_is_counted_for_the_device(self):
        sop_class, instance, syntax, data = dicom_scu.part10(self.dicom)
        association = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, sop_class, [syntax])])
        self.assertEqual(association.store(sop_class, instance, data[:len(data) * 8 // 10 & ~1]), 0)
        association.close()
        exam = wait_for('the exam', lambda: self.rdc.sql('select e.id from exam e join instance i on i.study_id = e.study_id '
                                                         f"where i.sop_uid = '{instance}'"))[0][0]
        exam = self.measured(int(exam))
        self.assertRegex(self.advice(exam)['ecg_damaged']['detail'], '5000 samples stated, [34][0-9]{3} are there')
        self.assertAlmostEqual(exam['ecg'][0]['hr_bpm'], 72, delta=2)
        doctor = self.tech.get('/api/v1/devices/QH_CT/doctor').json()
        self.assertEqual([a['count'] for a in doctor['advice'] if a['code'] == 'ecg_damaged'], [1])
        self.assertIn('文件损坏', self.rdc.cli('device', 'doctor', 'QH_CT'))

    def test_that_leaves_no_sample_is_told_as_well(self):
        path = os.path.join(self.made, 'none.dcm')
        make_dicom.write(path, make_dicom.ecg12('no sample', accession='NONE'))
        data = read(path)
        answer = self.upload(data[:data.index(b'RHYTHM') + 40])
        self.assertEqual(answer.status, 201, answer)
        exam = self.measured(answer.json()['exam'])
        self.assertIn('the file is cut', self.advice(exam)['ecg_damaged']['detail'])
        self.assertIn('the file is cut', exam['ecg'][0]['error'])

    def test_is_in_the_table_of_rdc_send_and_beside_a_file_of_a_watched_folder(self):
        scp = read(f'{self.made}/a.scp')
        top, watched = folder('damage-send'), folder('damage-watched')
        os.chmod(watched, 0o777)
        self.rdc.cli('device', 'add', 'CART', '--org', 'QINGHE', '--quiet', '1', '--watch', watched)
        for name, data in (('good.scp', scp + b'\0'), ('bad.scp', scp[:-500])):
            with open(f'{top}/{name}', 'wb') as f:
                f.write(data)
            with open(f'{watched}/.{name}', 'wb') as f:
                f.write(data + b'\0\0')
            os.chmod(f'{watched}/.{name}', 0o644)
            os.rename(f'{watched}/.{name}', f'{watched}/{name}')
        sent = subprocess.run(
            unprivileged([place().program, '--config', self.rdc.conf, 'send', '--journal', f'{watched}/.journal',
                          '--login', 'tech', '--patient-id', 'SENT', top]),
            input=PASSWORD + '\n', capture_output=True, text=True, cwd='/', timeout=120, check=False)
        self.assertEqual(sent.returncode, 0, sent)
        self.assertIn('2 taken, 0 taken before, 0 refused', sent.stdout)
        rows = [line for line in sent.stdout.splitlines() if '.scp' in line]
        self.assertEqual(len(rows), 1, sent.stdout)
        self.assertIn('bad.scp', rows[0])
        self.assertIn('SCP-ECG: the file says it has', rows[0])
        done = os.path.join(watched, '.done')
        wait_for('the folder to be empty', lambda: os.path.isdir(done) and len(os.listdir(done)) == 3, 60)
        self.assertEqual(sorted(os.listdir(done)), ['bad.scp', 'bad.scp.txt', 'good.scp'])
        self.assertIn('SCP-ECG: the file says it has', read(f'{done}/bad.scp.txt').decode())

    def test_leads_of_several_rates_are_an_exam_with_measurements(self):
        data = bytearray(read(f'{self.made}/a.edf'))
        count, at = int(data[252:256]), int(data[184:192])
        per = [int(data[256 + count * 216 + 8 * i:][:8]) for i in range(count)]
        leads = [i for i in range(count) if not data[256 + 16 * i:][:15].startswith(b'EDF Annotations')]
        halved = leads[6:]  # V1 to V6 have every second sample, and the last of them every tenth
        step = {i: 10 if i == halved[-1] else 2 for i in halved}
        body = bytearray()
        while at < len(data):
            for i in range(count):
                chunk = data[at:at + 2 * per[i]]
                at += 2 * per[i]
                for k in range(0, per[i], step.get(i, 1)):
                    body += chunk[2 * k:2 * k + 2]
        head = data[:int(data[184:192])]
        for i in halved:
            head[256 + count * 216 + 8 * i:256 + count * 216 + 8 * i + 8] = f'{per[i] // step[i]:<8}'.encode()
        answer = self.upload(bytes(head + body), patient_id='RATES', patient_name='TEST^TWO')
        self.assertEqual(answer.status, 201, answer)
        exam = self.measured(answer.json()['exam'])
        found = exam['ecg'][0]
        self.assertAlmostEqual(found['hr_bpm'], 72, delta=2)
        self.assertEqual([lead['rate_hz'] for lead in found['leads']], [500] * 6 + [250] * 5 + [50])
        self.assertEqual(found['notes'], [])
        self.assertNotIn('ecg_damaged', self.advice(exam))
