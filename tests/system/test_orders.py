"""Orders: entered by people and operators, shown to whom they concern."""
import json

from rdc_system import Client, SystemTest


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
                             ({'sex': 'M'}, 409)):
            with self.subTest(more):
                self.order()
                self.assertEqual(self.order(**more).status, status)

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

    def test_is_hidden_from_other_centres(self):
        order = self.order().json()
        other = Client(self.rdc, 'doctor2')
        self.assertEqual(other.get(f"/api/v1/orders/{order['id']}").status, 404)
        reader = Client(self.rdc, 'reader1')
        self.assertEqual(reader.get(f"/api/v1/orders/{order['id']}").status, 200)
        self.assertEqual(reader.post('/api/v1/orders', {'patient_name': 'X', 'modality': 'CT'}).status, 403)
