"""The way of a study: sent, waiting, claimed, written, signed, delivered."""
import concurrent.futures
import glob
import os
import signal
import struct
import subprocess
import sys

import dicom_scu
import make_dicom
from rdc_system import (Client, ROOT, StoreScp, SystemTest, children, dciodvfy_errors, dump, needs, place, tool,
                        wait_for)
from stored import stored_file

ENCAPSULATED_PDF = '1.2.840.10008.5.1.4.1.1.104.1'
REPORT = {'findings': '双肺纹理清晰，右肺上叶见一圆形结节影。', 'impression': '右肺上叶结节，建议复查。'}


def folder(name):
    path = os.path.join(place().folder, 'files', name)
    os.makedirs(path, exist_ok=True)
    return path


def ct_series(name, person=make_dicom.ONE, count=4, charset='gb18030', size=32):
    out = []
    for number in range(1, count + 1):
        out.append(os.path.join(folder(name), f'{number}.dcm'))
        make_dicom.write(out[-1], make_dicom.ct_slice(name, number, person, 'ACC' + name[:8], size,
                                                      charset=charset), charset)
    return out


def wfdb_record(rdc, name, where):
    """Writes NAME.hea, NAME.dat and NAME.atr into that folder."""
    subprocess.run([rdc.program, 'ecg', 'convert', scp_file(name + '-scp'), '-o', os.path.join(where, name + '.hea'),
                    '--to', 'wfdb'], check=True, capture_output=True)
    return sorted(os.listdir(where))


def scp_file(name='scp'):
    """One SCP-ECG file of testdata/make_scp.py."""
    out = folder(name)
    subprocess.run([sys.executable, os.path.join(ROOT, 'testdata/make_scp.py'), out], check=True,
                   stdout=subprocess.DEVNULL)
    return sorted(glob.glob(out + '/**/*.scp', recursive=True))[0]


class Way(SystemTest):
    """Shared steps; its subclasses hold the tests."""

    def waiting(self, study_uid, client, seconds=30):
        """The worklist's row of this study, when it is waiting."""
        def row():
            found = [e for e in client.worklist() if e['study_uid'] == study_uid]
            return found[0] if found and found[0]['state'] == 'waiting' else None
        return wait_for(f'{study_uid} on the worklist', row, seconds)

    def sign(self, exam, reader, report=None):
        lease = reader.post(f'/api/v1/exams/{exam}/claim')
        self.assertEqual(lease.status, 200, lease)
        number = lease.json()['lease']
        self.assertIsInstance(number, int)
        answer = reader.put(f'/api/v1/exams/{exam}/draft', {'lease': number, 'report': report or REPORT})
        self.assertEqual(answer.status, 200, answer)
        answer = reader.post(f'/api/v1/exams/{exam}/sign',
                             {'lease': number, 'objects_digest': lease.json()['objects_digest']})
        self.assertEqual(answer.status, 200, answer)


class AnArchiveThatWarns(Way):
    def test_has_what_it_said_kept_with_the_delivery(self):
        peer = dicom_scu.Peer()
        self.addCleanup(peer.listener.close)
        self.rdc.cli('destination', 'add', 'WARNS', '--org', 'QINGHE', '--dicom', f'WARNS@127.0.0.1:{peer.port}')
        reader = Client(self.rdc, 'reader1')
        self.rdc.storescu(*ct_series('warns'))
        row = self.waiting(make_dicom.uid('study warns'), reader)
        self.sign(row['id'], reader)
        peer.accept(syntax=dicom_scu.EXPLICIT_LE)
        uids = []
        for status, comment in ((0xB000, 'Patient ID was changed'), (0xB006, None)):
            context, request, _ = peer.read_message()
            uids.append(request[0x1000].rstrip(b'\0').decode())
            peer.respond(context, request, status, comment)
        self.assertTrue(peer.finish())
        delivery = wait_for('the delivery to be acknowledged', lambda: [
            d for d in Client(self.rdc, 'doctor').exam(row['id'])['deliveries'] if d['state'] == 'acknowledged'])[0]
        self.assertEqual((delivery['last_error'], delivery['warning']), (
            None, f'status B000 (it changed values) to {uids[0]}: Patient ID was changed; '
            f'status B006 (it left values out) to {uids[1]}'))
        self.assertIn('Patient ID was changed', self.rdc.cli('delivery', 'list'))


class AStudy(Way):
    conf = {'delivery.retry-min-seconds': 1, 'delivery.retry-max-seconds': 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.centre = StoreScp('centre')
        cls.addClassCleanup(cls.centre.stop)
        cls.rdc.cli('destination', 'add', 'QINGHE-IN', '--org', 'QINGHE', '--dicom',
                    f'{cls.centre.aet}@127.0.0.1:{cls.centre.port}')
        cls.tech, cls.doctor = Client(cls.rdc, 'tech'), Client(cls.rdc, 'doctor')
        cls.reader1, cls.reader2 = Client(cls.rdc, 'reader1'), Client(cls.rdc, 'reader2')

    def test_sent_by_storescu_is_read_signed_and_comes_back_as_sr_and_pdf(self):
        needs('storescu', 'dsrdump', 'pdftotext')
        self.rdc.storescu(*ct_series('way'))
        row = self.waiting(make_dicom.uid('study way'), self.reader1)
        self.assertEqual(row['objects'], 4)
        self.assertEqual(row['patient']['id'], 'TEST0001')
        self.assertIn('测试', row['patient']['name'])
        self.assertEqual((row['line'], row['centre']), ('radiology', 'QINGHE'))
        self.sign(row['id'], self.reader1)
        self.assertEqual(self.reader1.exam(row['id'])['state'], 'final')

        # The centre is down: the delivery waits, with its attempts counted.
        def deliveries():
            return self.doctor.exam(row['id']).get('deliveries') or []
        wait_for('a failed attempt to deliver', lambda: [d for d in deliveries() if d['attempts'] > 0])
        uids = f'select sr_uid, pdf_uid from report where exam_id = {row["id"]}'
        before = self.rdc.sql(uids)
        # It comes up, but breaks off each time before it acknowledges.
        self.centre.start('-d', '--abort-after')
        wait_for('two more attempts',
                 lambda: len([u for u in self.centre.offered() if u in before[0]]) > 1)
        made = {uid for row in self.rdc.sql('select sr_uid, pdf_uid from report') for uid in row}
        self.assertLessEqual(set(self.centre.offered()), made)
        self.centre.stop()
        self.centre.start()
        wait_for('the delivery to be acknowledged',
                 lambda: [d for d in deliveries() if d['state'] == 'acknowledged'], 90)
        self.assertEqual(before, self.rdc.sql(uids))
        received = self.received()
        self.assertEqual(sorted(received), sorted(before[0]))
        self.note(f'acknowledged after {deliveries()[0]["attempts"]} attempts')

        sr, pdf = received[before[0][0]], received[before[0][1]]
        for path in (sr, pdf):
            self.assertEqual(dciodvfy_errors(path), [])
            self.assertEqual(dump(path, '0020,000d')['0020,000d'], make_dicom.uid('study way'))
        text = tool('dsrdump', '+U8', '+Pl', sr)
        for part in REPORT.values():
            self.assertIn(part, text)
        self.check_pdf(row['id'], pdf)

    def test_whose_uids_have_empty_components_comes_back_as_sr_and_pdf(self):
        """As a toolkit writes them: taken, so the report must go all the way, too."""
        d = make_dicom.ct_slice('odd uids', 1, size=16)
        for tag, uid in ((0x0008_0018, '1.2.826.0.9..1'), (0x0020_000d, '1.2.826.0.9.'), (0x0020_000e, '1.2.826.0.9..2')):
            d.elements[tag] = (d.elements[tag][0], (uid,))
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(make_dicom.CT))
        self.assertEqual(a.store(make_dicom.CT, '1.2.826.0.9..1', d.encode(make_dicom.plain('gb18030'))), 0)
        a.release()
        row = self.waiting('1.2.826.0.9.', self.reader1)
        self.sign(row['id'], self.reader1)
        self.centre.start()
        wait_for('the delivery to be acknowledged', lambda: [
            d for d in self.doctor.exam(row['id']).get('deliveries') or [] if d['state'] == 'acknowledged'], 90)
        studies = [dump(f, '0020,000d').get('0020,000d') for f in self.centre.files()]
        self.assertEqual(studies.count('1.2.826.0.9.'), 2)
        self.centre.stop()

    def received(self, study='study way'):
        """{SOP Instance UID: file} of what the centre has of this study."""
        found = [(dump(f, '0008,0018', '0020,000d'), f) for f in self.centre.files()]
        return {d['0008,0018']: f for d, f in found if d.get('0020,000d') == make_dicom.uid(study)}

    def check_pdf(self, exam, encapsulated):
        answer = self.doctor.get(f'/api/v1/exams/{exam}/report.pdf')
        self.assertEqual(answer.status, 200, answer)
        path = os.path.join(folder('pdf'), 'report.pdf')
        with open(path, 'wb') as f:
            f.write(answer.body)
        text = ''.join(tool('pdftotext', '-enc', 'UTF-8', path, '-').split())
        self.assertIn('测试一TESTONE', text)
        self.assertIn('右肺上叶结节，建议复查。', text)
        self.assertEqual(dump(encapsulated, '0008,0016')['0008,0016'], ENCAPSULATED_PDF)
        with open(encapsulated, 'rb') as f:
            self.assertIn(answer.body[:200], f.read())

    def test_goes_to_one_reader_only(self):
        self.rdc.storescu(*ct_series('claim', make_dicom.TWO))
        exam = self.waiting(make_dicom.uid('study claim'), self.reader1)['id']
        lease = self.reader1.post(f'/api/v1/exams/{exam}/claim').json()
        second = self.reader2.post(f'/api/v1/exams/{exam}/claim')
        self.assertEqual(second.status, 409, second)
        self.assertEqual(second.headers['Content-Type'].split(';')[0], 'application/problem+json')
        # Neither another person nor an older number may write.
        draft = {'lease': lease['lease'], 'report': REPORT}
        self.assertEqual(self.reader2.put(f'/api/v1/exams/{exam}/draft', draft).status, 409)
        stale = {'lease': lease['lease'] - 1, 'report': REPORT}
        self.assertEqual(self.reader1.put(f'/api/v1/exams/{exam}/draft', stale).status, 409)
        self.assertEqual(self.reader1.post(f'/api/v1/exams/{exam}/sign', {'lease': lease['lease'] - 1}).status,
                         409)

    def test_is_given_to_one_of_many_who_ask_at_once(self):
        self.rdc.storescu(*ct_series('race', make_dicom.TWO, 1))
        exam = self.waiting(make_dicom.uid('study race'), self.reader1)['id']
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda n: (self.reader1, self.reader2)[n % 2].post(
                f'/api/v1/exams/{exam}/claim').status, range(10)))
        self.assertEqual(sorted(answers), [200] + [409] * 9)

    def test_of_a_contract_with_two_steps_is_signed_by_another_than_its_author(self):
        self.rdc.cli('contract', 'change', '--centre', 'QINGHE', '--hospital', 'SHIYI', '--line', 'radiology',
                     '--two-step')
        self.addCleanup(self.rdc.cli, 'contract', 'change', '--centre', 'QINGHE', '--hospital', 'SHIYI',
                        '--line', 'radiology', '--one-step')
        self.rdc.storescu(*ct_series('steps', make_dicom.TWO, 1))
        exam = self.waiting(make_dicom.uid('study steps'), self.reader1)['id']
        path = f'/api/v1/exams/{exam}/'

        def claim(reader, status=200):
            answer = reader.post(path + 'claim')
            self.assertEqual(answer.status, status, answer)
            return answer.json() if status == 200 else None

        def act(reader, verb, lease, status=200, **more):
            answer = reader.post(path + verb, {'lease': lease, **more})
            self.assertEqual(answer.status, status, answer)
            return self.reader1.exam(exam)['state']

        def submit(reader):
            lease = claim(reader)['lease']
            self.assertEqual(reader.put(path + 'draft', {'lease': lease, 'report': REPORT}).status, 200)
            act(reader, 'sign', lease, 409)
            self.assertEqual(act(reader, 'submit', lease), 'written')
            return lease

        old = submit(self.reader1)
        claim(self.reader1, 409)  # the reviewer is not the author
        act(self.reader1, 'sign', old, 409)
        # Rejected with a reason, and the draft is there for the next try.
        lease = claim(self.reader2)['lease']
        self.assertEqual(self.reader1.exam(exam)['state'], 'reviewing')
        act(self.reader2, 'reject', lease, 422)
        self.assertEqual(act(self.reader2, 'reject', lease, reason='描述不完整'), 'waiting')
        self.assertEqual(self.reader1.exam(exam)['reason'], '描述不完整')
        again = claim(self.reader1)
        self.assertEqual(again['draft'], REPORT)
        self.assertEqual(act(self.reader1, 'submit', again['lease']), 'written')
        # Taken back by its author, submitted again, and signed by the other.
        lease = self.reader1.post(path + 'recall').json()['lease']
        self.assertEqual(act(self.reader1, 'submit', lease), 'written')
        shown = claim(self.reader2)
        self.assertEqual(act(self.reader2, 'sign', shown['lease'], objects_digest=shown['objects_digest']), 'final')
        report = self.reader1.exam(exam)['reports'][0]
        self.assertEqual((report['author'], report['signer']), ('Test reader1', 'Test reader2'))

    def test_that_changed_after_the_claim_is_not_signed_unseen(self):
        first, second = ct_series('late', make_dicom.TWO, 2)
        self.rdc.storescu(first)
        exam = self.waiting(make_dicom.uid('study late'), self.reader1)['id']
        lease = self.reader1.post(f'/api/v1/exams/{exam}/claim').json()
        self.reader1.put(f'/api/v1/exams/{exam}/draft', {'lease': lease['lease'], 'report': REPORT})
        self.rdc.storescu(second)
        answer = self.reader1.post(f'/api/v1/exams/{exam}/sign',
                                   {'lease': lease['lease'], 'objects_digest': lease['objects_digest']})
        self.assertEqual(answer.status, 409, answer)
        now = self.reader1.exam(exam)
        self.assertEqual(now['objects'], 2)
        answer = self.reader1.post(f'/api/v1/exams/{exam}/sign',
                                   {'lease': lease['lease'], 'objects_digest': now['objects_digest']})
        self.assertEqual(answer.status, 200, answer)

    def test_sent_twice_is_stored_once(self):
        files = ct_series('twice', make_dicom.TWO, 3)
        for _ in range(2):
            self.rdc.storescu(*files)
        row = self.waiting(make_dicom.uid('study twice'), self.reader1)
        self.assertEqual(row['objects'], 3)
        uid = make_dicom.uid('study twice')
        self.assertEqual(self.rdc.sql(f"""select count(*) from instance i join study s on s.id = i.study_id
                                          where s.study_uid = '{uid}'"""), [['3']])

    def test_is_shown_as_png(self):
        path = os.path.join(folder('png'), 'cr.dcm')
        d = make_dicom.cr_image('png', size=64)
        make_dicom.write(path, d)
        self.rdc.storescu(path)
        self.waiting(make_dicom.uid('study png'), self.reader1)
        answer = self.reader1.get(f'/api/v1/instances/{make_dicom.uid("instance png")}/rendered')
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.body[:8], b'\x89PNG\r\n\x1a\n')
        self.assertEqual(struct.unpack('>II', answer.body[16:24]), (64, 64))

    def test_has_its_names_in_utf8_whatever_was_declared(self):
        for charset in make_dicom.CHARSETS:
            person = make_dicom.Person(58, 'CESHI^YI=测试^一', '19500101', 'M')
            person.id = 'CS-' + charset
            self.rdc.storescu(*ct_series('cs ' + charset, person, 1, charset))
            row = self.waiting(make_dicom.uid('study cs ' + charset), self.reader1)
            with self.subTest(charset):
                self.assertIn('测试', row['patient']['name'])
                guessed = self.rdc.sql("select charset_guessed from patient "
                                       f"where patient_id = '{person.id}'")
                self.assertEqual(guessed, [['t' if 'under' in charset or 'undeclared' in charset else 'f']])

    def test_of_compressed_images_is_stored_as_received(self):
        needs('dcmcjpeg', 'dcmcrle')
        out = folder('coded')
        make_dicom.make_coded(out)
        self.rdc.storescu(out + '/coded/jpeg-baseline.dcm', options=['-xy'])
        row = self.waiting(make_dicom.uid('study coded'), self.reader1)
        self.assertEqual(self.rdc.sql(
            f"select transfer_syntax from instance i join study s on s.id = i.study_id "
            f"where s.study_uid = '{row['study_uid']}'"), [['1.2.840.10008.1.2.4.50']])
        uid = dump(out + '/coded/jpeg-baseline.dcm', '0008,0018')['0008,0018']
        self.assertEqual(self.reader1.get(f'/api/v1/instances/{uid}/rendered').body[1:4], b'PNG')


class AnEcg(Way):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech, cls.reader1 = Client(cls.rdc, 'tech'), Client(cls.rdc, 'reader1')

    def test_uploaded_as_scp_is_an_exam_with_a_dicom_object_and_a_sheet(self):
        answer = self.tech.upload(scp_file(), patient_id='ECG-1', patient_name='测试^三', accession='E1')
        self.assertEqual(answer.status, 201, answer)
        row = self.waiting(answer.json()['study_uid'], self.reader1)
        self.assertEqual((row['line'], row['objects']), ('ecg', 1))
        self.assertEqual(row['patient']['id'], 'ECG-1')
        uid = self.rdc.sql("select i.sop_uid from instance i join study s on s.id = i.study_id "
                           f"where s.study_uid = '{row['study_uid']}' and i.original_id is not null")
        self.assertEqual(len(uid), 1, 'the original file is kept beside the DICOM object')
        sheet = self.reader1.get(f'/api/v1/instances/{uid[0][0]}/rendered')
        self.assertEqual(sheet.status, 200, sheet)
        self.assertEqual(sheet.body[1:4], b'PNG')
        location = self.rdc.sql("select o.location from instance i join object o on o.id = i.object_id "
                                f"where i.sop_uid = '{uid[0][0]}'")[0][0]
        self.assertEqual(dciodvfy_errors(stored_file(self.rdc, location)), [])

    def test_uploaded_twice_is_the_same_exam(self):
        path = scp_file()
        first = self.tech.upload(path, patient_id='ECG-2')
        second = self.tech.upload(path, patient_id='ECG-2')
        for key in ("study_uid", "exam"):
            self.assertEqual(first.json()[key], second.json()[key])

    def test_sent_as_dicom_is_readable_at_once(self):
        path = os.path.join(folder('ecg'), 'ecg.dcm')
        make_dicom.write(path, make_dicom.ecg12('system ecg', seconds=10))
        self.rdc.storescu(path)
        row = self.waiting(make_dicom.uid('study system ecg'), self.reader1, 10)
        sheet = self.reader1.get(f'/api/v1/instances/{make_dicom.uid("instance system ecg")}/rendered')
        self.assertEqual((sheet.status, sheet.body[1:4]), (200, b'PNG'), sheet)
        uid = make_dicom.uid('instance system ecg')
        words = self.words(uid, '&gain=20&marks=yes')
        for word in ('未确认 unconfirmed', '20 mm/mV', '建议'):
            self.assertIn(word, words)
        wrong = self.reader1.get(f'/api/v1/instances/{uid}/rendered?speed=30')
        self.assertEqual(wrong.status, 400, wrong)
        self.assertIn('25 or 50 mm/s', wrong.json()['detail'])
        self.sign(row['id'], self.reader1, {'findings': '窦性心律。', 'impression': '正常心电图。'})
        # Who asks at once waits until it is rendered.
        report = self.tech.get(f'/api/v1/exams/{row["id"]}/report.pdf')
        self.assertEqual((report.status, report.body[:5]), (200, b'%PDF-'), report)
        words = self.words(uid)
        self.assertIn('已确认 confirmed: ', words)
        self.assertNotIn('unconfirmed', words)

    def words(self, uid, more=''):
        """What pdftotext reads on the sheet."""
        needs('pdftotext')
        sheet = self.reader1.get(f'/api/v1/instances/{uid}/rendered?type=pdf{more}')
        self.assertEqual((sheet.status, sheet.body[:5]), (200, b'%PDF-'), sheet)
        return subprocess.run(['pdftotext', '-layout', '-', '-'], input=sheet.body, capture_output=True, check=True,
                              timeout=60).stdout.decode()

    def measured(self, exam):
        """The exam once its ECG is measured."""
        return wait_for('the measurement', lambda: (x := self.tech.exam(exam))['ecg'] and x, 30)

    def test_is_measured_and_raised_to_stat_when_critical(self):
        for name, bpm, priority, alarms in (('usual ecg', 72, 'routine', []),
                                            ('slow ecg', 30, 'stat', ['alarm_bradycardia'])):
            path = os.path.join(folder('ecg'), name + '.dcm')
            make_dicom.write(path, make_dicom.ecg12(name, accession=name[:5], bpm=bpm))
            self.rdc.storescu(path)
            exam = self.measured(self.waiting(make_dicom.uid('study ' + name), self.reader1, 10)['id'])
            found = exam['ecg'][0]
            self.assertEqual(found['instance'], make_dicom.uid('instance ' + name))
            self.assertFalse(found['confirmed'])
            self.assertAlmostEqual(found['hr_bpm'], bpm, delta=2)
            self.assertEqual([a['code'] for a in found['alarms']], alarms)
            self.assertEqual((exam['priority'], exam['advice']), (priority, []))
            row = self.waiting(exam['study_uid'], self.reader1, 10)
            self.assertEqual(row['priority'], priority)
            self.assertEqual([e['event'] for e in exam['events'] if e['event'] == 'ecg_alarm'], ['ecg_alarm'] * len(alarms))
        path = f'/api/v1/exams/{exam["id"]}/priority'
        self.assertEqual(self.tech.post(path, {'priority': 'routine'}).status, 422, 'without a reason')
        self.assertEqual(self.tech.post(path, {'priority': 'routine', 'reason': 'an artefact'}).status, 200)
        self.assertEqual(self.waiting(exam['study_uid'], self.reader1, 10)['priority'], 'routine')

    def helpers(self):
        """pids of the processes that measure."""
        return [p for w in self.rdc.workers() for p in children(w)
                if b'measure' in open(f'/proc/{p}/cmdline', 'rb').read().split(b'\0')]

    def test_is_measured_also_after_one_that_cannot_be_and_one_that_crashed_the_process(self):
        def send(name, waveforms=True):
            path = os.path.join(folder('ecg'), name + '.dcm')
            ecg = make_dicom.ecg12(name, accession=name[:5])
            if not waveforms:
                ecg.add(0x54000100, 'SQ')
            make_dicom.write(path, ecg)
            self.rdc.storescu(path)
            return self.waiting(make_dicom.uid('study ' + name), self.reader1, 10)['id']
        empty = send('empty ecg', False)
        self.measured(send('after empty ecg'))
        self.assertEqual([a['code'] for a in self.tech.exam(empty)['ecg'][0]['retake']], ['ecg_damaged'])
        before = self.helpers()
        self.assertTrue(before)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        self.measured(send('after a crash ecg'))
        self.assertFalse(set(before) & set(self.helpers()))
        self.assertEqual(self.rdc.sql("select count(*) from job where kind = 'measure'"), [['0']])

    def test_in_other_waveform_classes_is_one_too(self):
        for number, modality in (('9.1.4', 'ECG'), ('9.2.1', 'HD')):
            name = f'ecg of {number}'
            path = os.path.join(folder('ecg'), name + '.dcm')
            ecg = make_dicom.ecg12(name, accession=number)
            ecg.add(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.' + number).add(0x00080060, 'CS', modality)
            make_dicom.write(path, ecg)
            # storescu of Debian 12 has no presentation context for 32-bit waveforms.
            exam = self.tech.upload(path).json()['exam']
            self.assertAlmostEqual(self.measured(exam)['ecg'][0]['hr_bpm'], 72, delta=2)
            row = self.waiting(make_dicom.uid('study ' + name), self.reader1)
            self.assertEqual(row['line'], 'ecg')
            sheet = self.reader1.get(f'/api/v1/instances/{make_dicom.uid("instance " + name)}/rendered')
            self.assertEqual((sheet.status, sheet.body[1:4]), (200, b'PNG'), sheet)

    def test_limits_of_alarms_are_the_operators(self):
        self.rdc.sql("update ecg_limit set value = 90 where name = 'brady_bpm'")
        try:
            path = os.path.join(folder('ecg'), 'limit.dcm')
            make_dicom.write(path, make_dicom.ecg12('limit ecg', accession='limit'))
            self.rdc.storescu(path)
            exam = self.measured(self.waiting(make_dicom.uid('study limit ecg'), self.reader1, 10)['id'])
            self.assertEqual([a['figures'] for a in exam['ecg'][0]['alarms']], ['HR 72/min < 90'])
        finally:
            self.rdc.sql("update ecg_limit set value = 35 where name = 'brady_bpm'")

    def test_is_compared_with_the_one_before_of_the_same_patient_only(self):
        def send(name, person, bpm):
            path = os.path.join(folder('ecg'), name + '.dcm')
            make_dicom.write(path, make_dicom.ecg12(name, person, name[:5], bpm=bpm))
            self.rdc.storescu(path)
            exam = self.measured(self.waiting(make_dicom.uid('study ' + name), self.reader1, 10)['id'])
            return exam['id'], exam['ecg'][0]['comparison']
        person, twin = (make_dicom.Person(n, 'TEST^SERIAL=测试^随访', '19510131', 'F') for n in (31, 32))
        first, comparison = send('first ecg', person, 60)
        self.assertIsNone(comparison)
        # who has the same name and birthday may be somebody else
        self.assertIsNone(send('twin ecg', twin, 72)[1])
        exam, comparison = send('second ecg', person, 84)
        self.assertEqual((comparison['exam'], comparison['instance']), (first, make_dicom.uid('instance first ecg')))
        changes = {c['code']: c['figures'] for c in comparison['changes']}
        self.assertRegex(changes['rate_faster'], r'^HR (60|61) to 8[3-5] /min$')
        self.assertNotIn('rhythm_changed', changes)
        uid = make_dicom.uid('instance second ecg')
        sheets = [self.reader1.get(f'/api/v1/instances/{uid}/rendered').body for _ in range(2)]
        self.assertEqual(sheets[0], sheets[1])
        self.rdc.sql(f"update exam set state = 'withdrawn' where id = {first}")
        self.assertIsNone(self.tech.exam(exam)['ecg'][0]['comparison'])
        # the comparison stood on the sheet as well
        alone = self.reader1.get(f'/api/v1/instances/{uid}/rendered')
        self.assertEqual(alone.status, 200, alone)
        self.assertNotEqual(alone.body, sheets[0])

    def test_that_is_too_short_is_told_before_the_patient_leaves(self):
        answer = self.tech.upload(os.path.join(ROOT, 'testdata/scp/1-second-differences.scp'), patient_id='ECG-3')
        exam = self.measured(answer.json()['exam'])
        self.assertEqual([(a['code'], a['detail']) for a in exam['advice']], [('ecg_short', '2.6 s')])

    def test_that_is_no_ecg_is_refused_with_the_reason(self):
        path = os.path.join(folder('none'), 'x.scp')
        with open(path, 'wb') as f:
            f.write(b'this is no ECG at all')
        answer = self.tech.upload(path, patient_id='ECG-3')
        self.assertIn(answer.status, (400, 415, 422), answer)
        self.assertEqual(answer.headers['Content-Type'].split(';')[0], 'application/problem+json')
