"""An object that comes again under its UID: the same, in another encoding, changed, or elsewhere."""
import concurrent.futures
import hashlib
import os
import shutil

import dicom_scu
from rdc_system import Client, SystemTest, dump, needs, place, tool, wait_for
from stored import Stored
from test_way import REPORT, folder
import make_dicom  # rdc_system knows where it is


def read(path):
    with open(path, 'rb') as f:
        return f.read()


class AnObjectAgain(SystemTest):
    def image(self, name):
        path = os.path.join(place().folder, name + '.dcm')
        make_dicom.write(path, make_dicom.ct_slice(name, 1, size=64))
        return path

    def exam(self, path):
        uid = dump(path, '0020,000d')['0020,000d']
        rows = self.rdc.sql(f"select e.id from exam e join study s on s.id = e.study_id where study_uid = '{uid}' "
                            "and s.centre_id = org_id('QINGHE')")
        return Client(self.rdc, 'tech').exam(int(rows[0][0]))

    def settled(self, path):
        """The exam once all jobs that follow an object are done, or have failed."""
        wait_for('the jobs', lambda: self.rdc.sql('select count(*) from job where kind <> $$render$$ '
                                                  'and attempts = 0') == [['0']], 30)
        return self.exam(path)

    def variant(self, path, name, *command):
        needs(command[0])
        out = os.path.join(place().folder, name + '.dcm')
        tool(*command, path, out)
        return out

    def test_in_another_encoding_is_noted_and_no_conflict(self):
        path = self.image('again1')
        self.rdc.storescu(path)
        variants = [self.variant(path, 'again1i', 'dcmconv', '+ti'), self.variant(path, 'again1b', 'dcmconv', '+tb'),
                    self.variant(path, 'again1r', 'dcmcrle'), self.variant(path, 'again1j', 'dcmcjpeg', '+e1'),
                    self.variant(path, 'again1l', 'dcmcjpls', '+el')]
        options = (['-xi'], ['-xb'], ['-xr'], ['-xs'], ['-xt'])
        for other, option in zip(variants, options):
            out = self.rdc.storescu(other, options=option)
            self.assertIn('Received Store Response (Success)', out)
        exam = self.settled(path)
        self.assertEqual(exam['conflicts'], [])
        noted = [e for e in exam['events'] if e['event'] == 'same_object']
        self.assertEqual(len(noted), len([i for i in exam['instances'] if i['variant'] > 0]))
        self.assertGreaterEqual(len(noted), 4)

    def test_at_the_same_time_in_many_forms_is_never_refused(self):
        path = self.image('again-race')
        with open(path, 'rb') as f:
            data = f.read()
        client = Client(self.rdc, 'tech')

        def send(n):
            # the last pixel differs; every second one comes twice
            return client.request('POST', '/api/v1/uploads', data[:-1] + bytes([n // 2])).status
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertLessEqual(set(pool.map(send, range(64))), {200, 201})
        uid = dump(path, '0008,0018')['0008,0018']
        self.assertEqual(self.rdc.sql(f"select count(*) from instance where sop_uid = '{uid}'"), [['32']])

    def test_large_takes_the_place_of_the_first_unread(self):
        sop_class, sop, syntax, data = dicom_scu.part10(self.image('again-large'))
        data += dicom_scu.private_tail(64 << 20) + bytes(64 << 20)
        places, before = [], self.rdc.log_size()
        self.rdc.cli('device', 'add', 'QH_WS', '--org', 'QINGHE')
        for device in ('QH_CT', 'QH_WS'):
            a = dicom_scu.Association(self.rdc.dicom_port, device, contexts=[(1, sop_class, [syntax])])
            self.assertEqual(a.store(sop_class, sop, data), 0)
            a.release()
            places += self.rdc.sql('select o.location, o.sha256 from object o join instance i on i.object_id = o.id '
                                   f"where i.sop_uid = '{sop}'")
            if len(places) == 1:  # what is not read need not be whole
                Stored(self.rdc.data, places[0][0]).change()
        self.assertEqual(len(places), 2)
        self.assertIn('event=object_replaced', self.rdc.log_from(before))
        self.assertEqual(self.rdc.sql(f"select aet from device d join instance i on i.device_id = d.id where sop_uid = '{sop}'"),
                         [['QH_CT']])
        self.assertEqual(places[0][1], places[1][1])
        self.assertNotEqual(places[0][0], places[1][0])
        wait_for('the first file to go', lambda: not os.path.exists(Stored(self.rdc.data, places[0][0]).path))
        whole = Stored(self.rdc.data, places[1][0]).read()
        self.assertEqual(hashlib.sha256(whole[-len(data):]).hexdigest(), places[1][1].replace('\\x', ''))

    def test_that_changed_stands_as_a_conflict(self):
        path = self.image('again2')
        changed = os.path.join(place().folder, 'again2c.dcm')
        shutil.copy(path, changed)
        needs('dcmodify')
        tool('dcmodify', '-nb', '-ma', '(0028,1050)=41', changed)
        self.rdc.storescu(path)
        self.rdc.storescu(changed)
        exam = self.settled(path)
        self.assertEqual([c['cause'] for c in exam['conflicts']], ['content'])
        self.assertEqual(len(exam['instances']), 2)

    def damaged(self):
        """(what, a damaged file, the whole one): as a transfer that broke off, or a bad card, leaves them."""
        def written(name, data):
            path = os.path.join(place().folder, name + '.dcm')
            with open(path, 'wb') as f:
                f.write(data)
            return path
        for n, share in enumerate((0.6, 0.99)):
            whole = self.image(f'again-cut{n}')
            data = read(whole)
            yield 'cut image', written(f'again-cut{n}-d', data[:int(len(data) * share) & ~1]), whole
        d = make_dicom.ct_slice('again-short', 1, size=64)
        whole, short = (os.path.join(place().folder, f'again-short{n}.dcm') for n in range(2))
        make_dicom.write(whole, d)
        vr, values = d.elements[0x7fe00010]
        d.elements[0x7fe00010] = (vr, (values[0][:-1000],))
        make_dicom.write(short, d)
        yield 'short pixel data', short, whole
        for coder, *option in (('dcmcjpeg', '+e1'), ('dcmcjpls', '+el'), ('dcmcrle',)):
            whole = self.variant(self.image('again-' + coder), 'again-w-' + coder, coder, *option)
            data = read(whole)
            yield coder + ' cut', written('again-c-' + coder, data[:len(data) // 2 & ~1]), whole
        whole = self.variant(self.image('again-code'), 'again-code-w', 'dcmcjpls', '+el')
        data = read(whole)
        at, end = len(data) * 3 // 4, len(data) - 64
        yield 'codestream', written('again-code-d', data[:at] + bytes(end - at) + data[end:]), whole
        whole = os.path.join(place().folder, 'again-ecg.dcm')
        make_dicom.write(whole, make_dicom.ecg12('again', accession='AGAIN'))
        data = read(whole)
        yield 'ECG', written('again-ecg-d', data[:len(data) * 8 // 10 & ~1]), whole

    def send(self, path):
        sop_class, sop, syntax, data = dicom_scu.part10(path)
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, sop_class, [syntax])])
        self.assertEqual(a.store(sop_class, sop, data), 0)
        a.release()
        return hashlib.sha256(data).hexdigest()

    def told(self, path, digest):
        """The exam once the conflict with what came last says which is damaged."""
        def ended():
            exam = self.exam(path)
            return exam if any('damaged' in c and c['sha256'] == digest for c in exam['conflicts']) else None
        return wait_for('the check', ended, 300)

    def test_whole_is_shown_in_place_of_a_damaged_one(self):
        for what, bad, good in self.damaged():
            with self.subTest(what):
                first, second = self.send(bad), self.send(good)
                exam = self.told(good, second)
                self.assertEqual({i['sha256']: i['variant'] for i in exam['instances']}, {second: 0, first: 1})
                conflict, = exam['conflicts']
                self.assertEqual((conflict['cause'], conflict['shown'], conflict['damaged']), ('content', second, [first]))
                self.assertTrue(conflict['why'])
                self.assertEqual(exam['objects'], 1)
                self.assertIn('whole_object', [e['event'] for e in exam['events']])
                out = os.path.join(folder('again'), first)
                os.chmod(folder('again'), 0o777)
                uids = dump(good, '0020,000d', '0008,0018')
                self.rdc.cli('export', uids['0020,000d'], '-o', out)
                self.assertEqual(dicom_scu.part10(os.path.join(out, uids['0008,0018'] + '.dcm'))[3], dicom_scu.part10(good)[3])

    def test_damaged_beside_a_whole_one_is_said_to_be_it(self):
        path = self.image('again-then-cut')
        good = self.send(path)
        cut = os.path.join(place().folder, 'again-then-cut-d.dcm')
        d = make_dicom.ct_slice('again-then-cut', 1, size=64)
        d.elements[0x7fe00010] = ('OW', (d.elements[0x7fe00010][1][0][:-2],))
        make_dicom.write(cut, d)
        bad = self.send(cut)
        exam = self.told(path, bad)
        conflict, = exam['conflicts']
        self.assertEqual((conflict['shown'], conflict['damaged']), (good, [bad]))
        self.assertEqual(conflict['why'], '8190 bytes of pixel data, 8192 stated')

    def test_of_an_ecg_is_measured_and_the_damage_no_longer_told(self):
        path = os.path.join(place().folder, 'again-cart.dcm')
        make_dicom.write(path, make_dicom.ecg12('again cart', accession='CART'))
        cut = os.path.join(place().folder, 'again-cart-d.dcm')
        with open(cut, 'wb') as f:
            f.write(read(path)[:os.path.getsize(path) * 8 // 10 & ~1])
        bad = self.send(cut)
        exam = wait_for('the measurement', lambda: (x := self.exam(path))['ecg'] and x, 30)
        self.assertEqual([a['code'] for a in exam['advice']], ['ecg_damaged', 'ecg_short'])
        reader = Client(self.rdc, 'reader1')
        claim = reader.post(f"/api/v1/exams/{exam['id']}/claim").json()
        good = self.send(path)
        self.told(path, good)
        exam = wait_for('the measurement', lambda: (x := self.exam(path))['ecg'] and x, 30)
        self.assertEqual((exam['advice'], [n for n in exam['ecg'][0]['notes'] if n['damage']]), ([], []))
        self.assertEqual(len(exam['ecg']), 1)
        # Who has claimed the exam looks at it again before signing.
        draft = reader.put(f"/api/v1/exams/{exam['id']}/draft", {'lease': claim['lease'], 'report': REPORT})
        self.assertEqual(draft.status, 200, draft)
        signed = reader.post(f"/api/v1/exams/{exam['id']}/sign", {'lease': claim['lease'],
                                                                  'objects_digest': claim['objects_digest']})
        self.assertEqual(signed.status, 409, signed)
        self.assertIn('objects', signed.json()['title'])
        sheet = reader.get(f"/api/v1/instances/{exam['ecg'][0]['instance']}/rendered?type=svg")
        self.assertEqual(sheet.status, 200)
        self.assertNotIn('文件损坏', sheet.body.decode())
        # A person may decide otherwise, with a reason, and it is kept who.
        tech = Client(self.rdc, 'tech')
        wrong = tech.post(f"/api/v1/exams/{exam['id']}/resolve", {'object': bad, 'patient': 'order', 'reason': 'x'})
        self.assertEqual(wrong.status, 422, wrong)
        self.assertEqual(tech.post(f"/api/v1/exams/{exam['id']}/resolve", {'object': '00', 'reason': 'x'}).status, 422)
        answer = tech.post(f"/api/v1/exams/{exam['id']}/resolve", {'object': bad, 'reason': 'the other is of the left arm'})
        self.assertEqual(answer.status, 200, answer)
        conflict, = answer.json()['conflicts']
        self.assertEqual((conflict['shown'], conflict['resolved'], conflict['reason']), (bad, bad, 'the other is of the left arm'))
        self.assertEqual([a['code'] for a in self.exam(path)['advice']], ['ecg_damaged', 'ecg_short'])
        self.assertEqual(self.exam(path)['events'][-1]['event'], 'resolve')

    def test_of_another_centre_is_kept_apart_and_flagged(self):
        path = self.image('again3')
        self.rdc.storescu(path)
        self.rdc.storescu(path, aet='DS_CT')
        self.assertEqual(self.settled(path)['conflicts'], [])
        theirs = Client(self.rdc, 'tech2')
        exams = theirs.get('/api/v1/exams').json()['exams']
        self.assertEqual([[c['cause'] for c in theirs.exam(e['id'])['conflicts']] for e in exams], [['centre']])
