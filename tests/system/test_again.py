"""An object that comes again under its UID: the same, in another encoding, changed, or elsewhere."""
import concurrent.futures
import hashlib
import os
import shutil

import dicom_scu
from rdc_system import Client, SystemTest, dump, needs, place, tool, wait_for
from stored import Stored
import make_dicom  # rdc_system knows where it is


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
        """The exam once all jobs that follow an object are done."""
        wait_for('the jobs', lambda: self.rdc.sql('select count(*) from job where kind <> $$render$$') == [['0']], 30)
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

    def test_of_another_centre_is_kept_apart_and_flagged(self):
        path = self.image('again3')
        self.rdc.storescu(path)
        self.rdc.storescu(path, aet='DS_CT')
        self.assertEqual(self.settled(path)['conflicts'], [])
        theirs = Client(self.rdc, 'tech2')
        exams = theirs.get('/api/v1/exams').json()['exams']
        self.assertEqual([[c['cause'] for c in theirs.exam(e['id'])['conflicts']] for e in exams], [['centre']])
