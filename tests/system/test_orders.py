"""Orders: entered by people and operators, shown to whom they concern."""
import json
import os

import make_dicom
from rdc_system import Client, SystemTest, place, wait_for


class AnOrder(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech = Client(cls.rdc, 'tech')

    def order(self, **more):
        return self.tech.post('/api/v1/orders', {
            'patient_id': 'O-1', 'patient_name': '测试一', 'birth_date': '1980-01-02', 'sex': 'F',
            'modality': 'CT', **more})

    def test_is_made_changed_and_cancelled(self):
        made = self.order(description='胸部平扫', scheduled_at='2026-01-31T08:30', accession='T1')
        self.assertEqual(made.status, 201, made)
        order = made.json()
        self.assertEqual(order['patient']['pinyin'], 'CE^SHIYI')
        self.assertTrue(order['study_uid'].startswith('2.25.'))
        path = f"/api/v1/orders/{order['id']}"
        self.assertEqual(made.headers['Location'], path)
        self.assertEqual(self.order(accession='T1').status, 409)
        changed = self.tech.request('PATCH', path, {'priority': 'stat'})
        self.assertEqual((changed.status, changed.json()['priority']), (200, 'stat'), changed)
        self.assertEqual(self.tech.post(path + '/cancel', {'reason': 'x'}).json()['state'], 'cancelled')
        self.assertEqual(self.tech.request('PATCH', path, {'priority': 'stat'}).status, 409)
        shown = self.tech.get(path).json()
        self.assertEqual([e['event'] for e in shown['events']], ['schedule', 'change', 'cancel'])
        listed = self.tech.get('/api/v1/orders?accession=T1').json()['orders']
        self.assertEqual([o['id'] for o in listed], [order['id']])

    def test_that_lacks_something_or_is_too_long_is_refused(self):
        for more, status in (({'modality': ''}, 422), ({'patient_name': None}, 422),
                             ({'accession': 'X' * 17}, 422), ({'scheduled_at': 'soon'}, 422),
                             ({'sex': 'M'}, 409),
                             # these would end a value of DICOM
                             ({'patient_id': 'O\\1'}, 422), ({'patient_id': 'O-9', 'patient_name': '测\\试'}, 422),
                             ({'patient_id': 'O-9', 'patient_name': '测\n试'}, 422)):
            with self.subTest(more):
                self.order()
                answer = self.order(**more)
                self.assertEqual(answer.status, status)
                self.assertNotIn('constraint', answer.json()['title'])
        self.assertIn('up to 16 characters', self.order(accession='X' * 17).json()['title'])

    def test_or_device_of_a_wrong_form_is_told_the_form_on_the_command_line(self):
        for args, said in ((('order', 'add', '--patient-name', 'X', '--modality', 'CT', '--accession', 'X' * 17), 'accession'),
                           (('device', 'add', 'X' * 17), 'AE title'), (('device', 'add', '测试'), 'AE title .*ASCII'),
                           (('device', 'add', 'SLOW', '--called', ' RDC'), 'called AE title'), (('device', 'add', 'SLOW', '--quiet', '90000'), '86400')):
            out = self.rdc.cli(*args, '--org', 'QINGHE', check=False)
            self.assertRegex(out.splitlines()[0], said)
            self.assertNotIn('constraint', out)

    def test_is_entered_on_the_command_line(self):
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--patient-id', 'O-2', '--patient-name', '欧阳测试',
                     '--birth', '19800102', '--sex', 'F', '--accession', 'K1', '--modality', 'ct',
                     '--description', '头颅平扫', '--at', '2026-01-31 09:00', '--priority', 'urgent')
        rows = json.loads(self.rdc.cli('order', 'list', '--json'))
        row = next(r for r in rows if r['accession'] == 'K1')
        self.assertEqual((row['patient_id'], row['modality'], row['priority']), ('O-2', 'CT', 'urgent'))
        self.rdc.cli('order', 'change', 'K1', '--org', 'QINGHE', '--priority', 'stat')
        self.rdc.cli('order', 'cancel', 'K1', '--org', 'QINGHE')
        self.assertEqual(self.rdc.sql("select state, priority, pinyin from exam_order o join patient p "
                                      "on p.id = o.patient_id where accession = 'K1'"),
                         [['cancelled', 'stat', 'OUYANG^CESHI']])
        # A name that was mistyped is mended where a person names the order; what stood there is kept.
        said = self.rdc.cli('order', 'add', '--org', 'QINGHE', '--patient-id', 'O-2', '--patient-name', '欧阳测验',
                            '--modality', 'CT', '--accession', 'K2', check=False)
        self.assertIn('patient O-2 is known with another name', said)
        self.assertIn('rdc order change', said)
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--patient-id', 'O-2', '--patient-name', '欧阳测试',
                     '--modality', 'CT', '--accession', 'K2')
        self.rdc.cli('order', 'change', 'K2', '--org', 'QINGHE', '--patient-name', '欧阳测验', '--birth', '19800103')
        self.assertEqual(self.rdc.sql("select p.name, p.birth_date, p.pinyin, c.before ->> 'name' from patient p "
                                      "join patient_correction c on c.patient_id = p.id where p.patient_id = 'O-2'"),
                         [['欧阳测验', '1980-01-03', 'OUYANG^CEYAN', '欧阳测试']])
        # What is odd about it is told to who enters it, and is no reason to refuse it.
        said = self.rdc.cli('order', 'add', '--org', 'QINGHE', '--patient-id', 'O-3', '--patient-name', '测试二',
                            '--resident-id', '110101199003070000', '--birth', '19900308', '--modality', 'CT')
        self.assertRegex(said, r'order R\d+: add\n')
        self.assertIn('note: the resident ID does not fit: checksum, birth date', said)

    def test_is_hidden_from_other_centres(self):
        order = self.order().json()
        other = Client(self.rdc, 'doctor2')
        self.assertEqual(other.get(f"/api/v1/orders/{order['id']}").status, 404)
        reader = Client(self.rdc, 'reader1')
        self.assertEqual(reader.get(f"/api/v1/orders/{order['id']}").status, 200)
        self.assertEqual(reader.post('/api/v1/orders', {'patient_name': 'X', 'modality': 'CT'}).status, 403)

    def send(self, name, accession):
        """A CT slice of make_dicom's first person under this accession number; its exam's id."""
        path = os.path.join(place().folder, f'order-{name}.dcm')
        make_dicom.write(path, make_dicom.ct_slice('order ' + name, 1, accession=accession, size=16))
        self.rdc.storescu(path)
        return int(self.rdc.sql('select e.id from exam e join study s on s.id = e.study_id '
                                f"where s.accession = '{accession}'")[0][0])

    def test_gives_its_patient_and_priority_to_what_answers_it(self):
        one = make_dicom.ONE
        self.assertEqual(self.tech.post('/api/v1/orders', {
            'patient_id': one.id, 'patient_name': '测试一', 'modality': 'CT', 'accession': 'A-STAT',
            'priority': 'stat'}).status, 201)
        exam = self.tech.exam(self.send('stat', 'A-STAT'))
        self.assertEqual((exam['priority'], exam['conflicts'], exam['quarantined_at']), ('stat', [], None))
        wait_for('the order to be done', lambda: self.rdc.sql(
            "select state from exam_order where accession = 'A-STAT'") == [['done']])

    def test_that_is_contradicted_keeps_its_exam_from_the_readers(self):
        self.assertEqual(self.tech.post('/api/v1/orders', {
            'patient_id': 'O-9', 'patient_name': '李四', 'modality': 'CT', 'accession': 'A-WRONG'}).status, 201)
        number = self.send('wrong', 'A-WRONG')
        exam = self.tech.exam(number)
        self.assertTrue(exam['quarantined_at'])
        self.assertEqual([c['cause'] for c in exam['conflicts']], ['patient_order'])
        wait_for('the exam to be complete', lambda: self.tech.exam(number)['state'] == 'waiting')
        reader = Client(self.rdc, 'reader1')
        self.assertNotIn(number, [e['id'] for e in reader.worklist()])
        self.assertEqual(reader.post(f'/api/v1/exams/{number}/claim').status, 409)
        path = f'/api/v1/exams/{number}/resolve'
        self.assertEqual(reader.post(path, {'patient': 'order', 'reason': 'x'}).status, 403)
        self.assertEqual(self.tech.post(path, {'patient': 'order'}).status, 422)
        done = self.tech.post(path, {'patient': 'order', 'reason': 'typed by hand'})
        self.assertEqual((done.status, done.json()['patient']['id']), (200, 'O-9'), done)
        self.assertIn(number, [e['id'] for e in reader.worklist()])
        self.assertEqual(reader.post(f'/api/v1/exams/{number}/claim').status, 200)

    def test_whose_patient_was_corrected_takes_what_the_device_had_read_before(self):
        """Where only one thing was wrong; else it may be an ID that was given twice."""
        one = make_dicom.ONE
        person = {'patient_id': one.id, 'patient_name': '测试^一', 'birth_date': one.birth, 'sex': one.sex, 'modality': 'CT'}
        for accession, change, aside in (('A-NAME', {'patient_name': '测试^壹'}, False),
                                         ('A-BIRTH', {'birth_date': '19500110'}, False),
                                         ('A-BOTH', {'patient_name': '测试^壹', 'birth_date': '19500110'}, True)):
            with self.subTest(accession):
                made = self.tech.post('/api/v1/orders', {**person, 'accession': accession, 'correct_patient': True})
                self.assertEqual(made.status, 201, made)
                changed = self.tech.request('PATCH', f"/api/v1/orders/{made.json()['id']}", {**change, 'correct_patient': True})
                self.assertEqual(changed.status, 200, changed)
                exam = self.tech.exam(self.send(accession, accession))
                self.assertEqual(([c['cause'] for c in exam['conflicts']], bool(exam['quarantined_at'])),
                                 (['patient_order' if aside else 'patient_corrected'], aside), exam['conflicts'])
        # It was corrected before the order was made, so that no device was told otherwise of it.
        made = self.tech.post('/api/v1/orders', {**person, 'patient_name': '测试^壹', 'accession': 'A-LATE', 'correct_patient': True})
        self.assertEqual(made.status, 201, made)
        self.assertTrue(self.tech.exam(self.send('late', 'A-LATE'))['quarantined_at'])
        made = self.tech.post('/api/v1/orders', {**person, 'accession': 'A-LAST', 'correct_patient': True})
        self.assertEqual(made.status, 201, made)

    def test_names_of_devices_get_their_pinyin(self):
        self.send('pinyin', 'A-PINYIN')
        wait_for('the pinyin of a name', lambda: self.rdc.sql(
            "select count(*) from patient where pinyin is null and name is not null") == [['0']])
