"""rdc fsck finds and repairs what was damaged on purpose, makes the index again
from the store alone, and rdc export gives back what was sent."""
import json
import os
import pty
import shutil
import socket
import subprocess
import threading

import dicom_scu
import make_dicom
from rdc_system import ROOT, Client, Rdc, dump, unprivileged, wait_for
from stored import Stored
from test_way import Way, ct_series, scp_file

OLD = 1_600_000_000  # a time long past, for files


class Checked(Way):
    def fsck(self, *args, rdc=None):
        """(exit status, the JSON answer)"""
        rdc = rdc or self.rdc
        out = subprocess.run(unprivileged([rdc.place.program, '--config', rdc.conf, 'fsck', '--json', *args]),
                             cwd='/', capture_output=True, text=True, timeout=120, check=False)
        self.assertIn(out.returncode, (0, 1), out.stderr)
        self.assertTrue(out.stdout, out.stderr)
        answer = json.loads(out.stdout)
        self.assertEqual(out.returncode == 0, answer['agree'], answer)
        return out.returncode, answer

    def clean(self, rdc=None):
        status, answer = self.fsck(rdc=rdc)
        self.assertEqual(status, 0, answer)
        return answer

    def stored(self, location, rdc=None):
        return Stored((rdc or self.rdc).data, location)

    def folder(self, name):
        """Of the store, made with its parent."""
        folder = os.path.join(self.rdc.data, 'store', name)
        os.makedirs(folder, exist_ok=True)
        for f in (folder, os.path.dirname(folder)):
            shutil.chown(f, 'rdc', 'rdc')
        return folder

    def settled(self, rdc=None):
        """All jobs are done or given up."""
        wait_for('all jobs to be done', lambda: (rdc or self.rdc).sql(
            "update job set run_at = now() where state = 'queued' and attempts > 0; "
            "select count(*) from job where state <> 'quarantined'") == [['0']])

    def locations(self, where='true'):
        return [r[0] for r in self.rdc.sql(
            f'select o.location from instance i join object o on o.id = i.object_id where {where} order by i.id')]


class Fsck(Checked):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech, cls.reader = Client(cls.rdc, 'tech'), Client(cls.rdc, 'reader1')

    def send(self, name):
        self.rdc.storescu(*ct_series(name))
        return make_dicom.uid('study ' + name)

    def test_is_clean_beside_workers_that_run(self):
        self.send('clean')
        self.settled()
        answer = self.clean()
        self.assertGreaterEqual(answer['objects'], 4)
        self.assertEqual(answer['workers'], 2)
        self.assertIn('store and index agree', self.rdc.cli('fsck'))

    def test_shows_its_progress_on_a_terminal_and_keeps_it_out_of_the_answer(self):
        self.send('progress')
        self.settled()
        # What takes no longer than half a second shows nothing: it waits for a table first,
        # until a second after a session asked for it that is younger than this.
        held = threading.Thread(target=self.rdc.sql, args=(
            "begin; lock table object in access exclusive mode; do $$ begin while not exists (select from pg_locks l "
            "join pg_stat_activity a using (pid) where not l.granted and l.relation = 'object'::regclass "
            "and a.backend_start > now()) loop perform pg_sleep(0.05), pg_stat_clear_snapshot(); end loop; end $$; "
            'select pg_sleep(1); commit',))
        held.start()
        wait_for('the table to be locked', lambda: self.rdc.sql(
            "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted "
            "and relation = 'object'::regclass") == [['1']])
        terminal, slave = pty.openpty()
        process = subprocess.Popen(unprivileged([self.rdc.program, '--config', self.rdc.conf, 'fsck', '--json']),
                                   cwd='/', stdout=subprocess.PIPE, stderr=slave, text=True)
        os.close(slave)
        answer = json.loads(process.communicate(timeout=60)[0])
        held.join()
        shown = os.read(terminal, 1 << 16).decode()
        os.close(terminal)
        self.assertTrue(answer['agree'], answer)
        self.assertRegex(shown, rf"^\rrdc fsck: 1 of {answer['objects']} objects, 0 of \d+ MiB, 0 files, 0 findings")
        self.assertTrue(shown.endswith('\r\x1b[K'), shown)

    def test_finds_a_file_that_changed_and_one_that_is_gone(self):
        uid = self.send('damaged')
        self.settled()
        locations = self.locations(f"study_id = (select id from study where study_uid = '{uid}')")[:3]
        whole = [(self.stored(x), self.stored(x).whole()) for x in locations]
        whole[0][0].change()
        whole[1][0].remove()
        whole[2][0].cut()
        status, answer = self.fsck()
        self.assertEqual((status, answer['open']), (1, 3), answer)
        found = {f['subject']: f['kind'] for f in answer['findings'] if f['state'] == 'open'}
        self.assertEqual([found[x] for x in locations], ['file_damaged', 'file_missing', 'file_damaged'])
        for stored, content in whole:
            stored.put_back(content)
        self.clean()

    def test_takes_nothing_for_lost_that_another_user_could_read(self):
        self.send('another-user')
        self.settled()
        store = os.path.join(self.rdc.data, 'store')
        objects = self.rdc.sql('select * from object order by id')
        os.chmod(store, 0)
        self.addCleanup(os.chmod, store, 0o750)
        out = subprocess.run(unprivileged([self.rdc.program, '--config', self.rdc.conf, 'fsck', '--json']), cwd='/',
                             capture_output=True, text=True, check=False)
        os.chmod(store, 0o750)
        self.assertEqual(out.returncode, 1, out)
        self.assertIn('not permitted', out.stdout + out.stderr)
        self.assertEqual(self.rdc.sql('select * from object order by id'), objects)
        self.clean()

    def test_marks_nothing_and_nothing_serves_where_the_store_is_not_mounted(self):
        self.send('not-mounted')
        self.settled()
        store = os.path.join(self.rdc.data, 'store')
        objects = self.rdc.sql('select * from object order by id')
        self.rdc.stop()
        os.rename(store, store + '-away')
        os.mkdir(store)
        said = [subprocess.run(unprivileged([self.rdc.place.program, '--config', self.rdc.conf, command]), cwd='/',
                               capture_output=True, text=True, timeout=30, check=False)
                for command in ('fsck', 'serve')]
        left = os.listdir(store)
        shutil.rmtree(store)
        os.rename(store + '-away', store)
        self.rdc.start()
        for out in said:
            self.assertEqual(out.returncode, 1, out)
            self.assertIn('Is it mounted?', out.stderr)
            self.assertIn('--store-lost', out.stderr)
        self.assertEqual(left, [])
        self.assertEqual(self.rdc.sql('select * from object order by id'), objects)
        self.clean()

    def test_waits_for_the_database_before_anything_serves_what_may_be_another_store(self):
        self.send('not-asked')
        self.settled()
        store = os.path.join(self.rdc.data, 'store')
        self.rdc.stop()
        os.rename(store, store + '-away')
        os.mkdir(store)
        os.chmod(store, 0o777)
        dead = self.folder('20200101T000000-0123456789abcdef-0')  # which a sweep would remove
        try:
            for end, status in ((lambda p: self.rdc.let_connect(True), 1), (lambda p: p.terminate(), 0)):
                self.rdc.let_connect(False)
                before = self.rdc.log_size()
                self.rdc.launch()
                wait_for('the database to be asked', lambda b=before: 'database_awaited' in self.rdc.log_from(b))
                wait_for('both workers', lambda: len(self.rdc.workers()) == 2)
                socket.create_connection(('127.0.0.1', self.rdc.dicom_port)).close()
                end(self.rdc.process)
                self.assertEqual(self.rdc.process.wait(30), status, self.rdc.tail())
                self.assertEqual('Is it mounted?' in self.rdc.log_from(before), status == 1)
                self.assertEqual(os.listdir(store), [os.path.basename(dead)])
        finally:
            shutil.rmtree(store)
            os.rename(store + '-away', store)
            self.rdc.let_connect(True)
            self.rdc.start()
        self.clean()

    def test_is_not_waited_for_when_the_server_is_told_to_end(self):
        self.rdc.stop()
        with socket.create_server(('127.0.0.1', 0)) as silent:
            silent.settimeout(30)
            database = f'host=127.0.0.1 port={silent.getsockname()[1]} dbname=x connect_timeout=600'
            try:
                for workers in (0, 2):
                    before = self.rdc.log_size()
                    self.rdc.launch('--database', database, '--stop.timeout', '600s')
                    asked = silent.accept()
                    wait_for('workers', lambda n=workers, b=before: self.rdc.log_from(b).count('worker_started') >= n)
                    self.rdc.process.terminate()
                    self.assertEqual(self.rdc.process.wait(30), 0, self.rdc.log_from(before))
                    asked[0].close()
            finally:
                if self.rdc.process.poll() is None:
                    self.rdc.kill_all()
                self.rdc.start()

    def test_needs_no_run_before_what_is_sent_again_takes_the_place_of_what_is_damaged(self):
        uid, scp = self.send('again'), scp_file('again-scp')
        self.assertEqual(self.tech.upload(scp).status, 201)
        self.settled()
        locations = self.locations(f"study_id = (select id from study where study_uid = '{uid}')")
        originals = [r[0] for r in self.rdc.sql(
            'select location from object where id = (select max(original_id) from instance)')]
        self.stored(locations[0]).change()
        self.stored(locations[1]).remove()
        self.stored(originals[0]).cut()
        self.send('again')
        self.assertEqual(self.tech.upload(scp).json()['outcome'], 'stored')
        now = self.locations(f"study_id = (select id from study where study_uid = '{uid}')")
        self.assertEqual([a == b for a, b in zip(locations, now)], [False, False, True, True])
        self.assertEqual(self.clean()['open'], 0)
        self.assertEqual(self.tech.upload(scp).json()['outcome'], 'duplicate')

    def test_moves_what_a_dead_worker_left_and_leaves_what_a_living_one_writes(self):
        self.send('orphan')
        self.settled()
        alive = self.folder(self.locations()[-1].split('/')[0] + '/99')
        dead = self.folder('20200101T000000-0123456789abcdef-0/0')
        for name in (f'{alive}/99999.dcm', f'{dead}/1.dcm', f'{dead}/2.dcm'):
            with open(name, 'w') as f:
                f.write('torn')
            if not name.endswith('2.dcm'):
                os.utime(name, (OLD, OLD))
        answer = self.clean()
        states = {f['kind']: f['state'] for f in answer['findings']}
        self.assertEqual(states, {'file_unknown': 'repaired', 'file_unacknowledged': 'note',
                                  'file_young': 'note'})
        self.assertTrue(os.path.exists(self.rdc.data + '/lost/20200101T000000-0123456789abcdef-0-0-1.dcm'))
        self.assertTrue(os.path.exists(f'{alive}/99999.dcm'))
        shutil.rmtree(alive)
        os.unlink(f'{dead}/2.dcm')

    def test_queues_the_metadata_that_nobody_would_make(self):
        uid = self.send('metadata')
        self.settled()
        self.rdc.sql(f"update instance set metadata = null where study_id = "
                     f"(select id from study where study_uid = '{uid}')")
        status, answer = self.fsck()
        self.assertEqual((status, answer['queued']), (1, 4), answer)
        self.settled()
        self.clean()

    def test_renders_the_files_of_a_report_again_under_the_same_uids(self):
        uid = self.send('report')
        self.sign(self.waiting(uid, self.reader)['id'], self.reader)
        self.settled()
        own = self.locations('own')
        before = self.rdc.sql('select sr_uid, pdf_uid from report order by id')
        self.stored(own[-2]).remove()
        status, answer = self.fsck()
        self.assertEqual((status, answer['queued']), (1, 1), answer)
        self.settled()
        self.assertEqual(self.rdc.sql('select sr_uid, pdf_uid from report order by id'), before)
        again = self.locations('own')
        self.assertEqual(len(again), len(own))
        copy = os.path.join(self.rdc.data, 'again.dcm')
        with open(copy, 'wb') as f:
            f.write(self.stored(again[-2]).read())
        self.assertEqual(dump(copy, '0008,0018')['0008,0018'], before[-1][0])
        self.clean()


class Export(Checked):
    def test_gives_back_what_was_sent_and_never_overwrites(self):
        sent = ct_series('export')
        self.rdc.storescu(*sent)
        ecg = Client(self.rdc, 'tech').upload(scp_file('export-scp'), patient_id='EXPORT1')
        self.assertEqual(ecg.status, 201, ecg)
        out = os.path.join(self.rdc.data, 'out')
        text = self.rdc.cli('export', make_dicom.uid('study export'), '-o', out)
        self.assertIn('4 objects', text)
        self.assertEqual(len(os.listdir(out)), 4)
        for path in sent:
            uid, data = dicom_scu.part10(path)[1], dicom_scu.part10(path)[3]
            self.assertEqual(dicom_scu.part10(f'{out}/{uid}.dcm')[3], data)
        before = {n: os.stat(f'{out}/{n}').st_mtime_ns for n in os.listdir(out)}
        refused = subprocess.run(
            unprivileged([self.rdc.place.program, '--config', self.rdc.conf, 'export',
                          make_dicom.uid('study export'), '-o', out]),
            cwd='/', capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn('exists already', refused.stderr)
        self.assertEqual({n: os.stat(f'{out}/{n}').st_mtime_ns for n in os.listdir(out)}, before)
        self.rdc.cli('export', ecg.json()['study_uid'], '-o', out)
        self.assert_original(out, '.scp', scp_file('export-scp'))

    def assert_original(self, folder, ending, path):
        original = [n for n in os.listdir(folder) if n.endswith(ending)]
        self.assertEqual(len(original), 1, os.listdir(folder))
        with open(f'{folder}/{original[0]}', 'rb') as a, open(path, 'rb') as b:
            self.assertEqual(a.read(), b.read())

    def test_names_an_original_as_what_it_is(self):
        for ending in ('.xml', '.edf', '.csv'):
            path = os.path.join(self.rdc.place.own, 'original' + ending)
            done = subprocess.run([self.rdc.place.program, 'ecg', 'convert', scp_file('export-other'), '-o', path],
                                       capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            ecg = Client(self.rdc, 'tech').upload(path, patient_id='EXPORT2')
            out = os.path.join(self.rdc.place.own, 'export' + ending)
            os.mkdir(out, 0o777)
            os.chmod(out, 0o777)
            self.rdc.cli('export', ecg.json()['study_uid'], '-o', out)
            self.assert_original(out, ending, path)


INDEX = """
select c.code, p.patient_id, p.name, p.charset_guessed, s.study_uid, s.accession, s.study_date,
    s.description, q.series_uid, q.modality, q.number, i.sop_uid, i.variant, i.sop_class,
    i.transfer_syntax, i.rows, i.columns, i.own, o.location, encode(o.sha256, 'hex'), o.size, f.location,
    encode(f.sha256, 'hex')
from instance i join organisation c on c.id = i.centre_id join study s on s.id = i.study_id
    join patient p on p.id = s.patient_id join series q on q.id = i.series_id
    join object o on o.id = i.object_id left join object f on f.id = i.original_id
order by c.code, i.sop_uid, i.variant"""


RECEIVED = ("select extract(epoch from received_at) from instance i join object o on o.id = i.object_id "
            "where location not like '20200101%' order by centre_id, sop_uid, variant")


class Rebuild(Checked):
    def test_makes_the_index_again_from_the_store_alone(self):
        rdc = self.rdc
        reader = Client(rdc, 'reader1')
        rdc.storescu(*ct_series('rebuild'))
        rdc.storescu(*ct_series('rebuild-east', make_dicom.TWO), aet='DS_CT')
        # Another object under a UID that is there, and the same one twice.
        other = ct_series('rebuild', make_dicom.ONE, size=16)
        rdc.storescu(other[0])
        rdc.storescu(other[0])
        scp = scp_file('rebuild-scp')
        with open(scp, 'r+b') as f:  # its checksum is wrong
            f.seek(-1, os.SEEK_END)
            last = f.read(1)
            f.seek(-1, os.SEEK_END)
            f.write(bytes([last[0] ^ 1]))
        ecg = Client(rdc, 'tech').upload(scp, patient_id='R1', accession='RA1')
        self.assertEqual((ecg.status, len(ecg.json()['damage']) > 0), (201, True), ecg)
        with open(os.path.join(ROOT, 'testdata/ecg-xml/muse-gbk.xml'), 'rb') as f:  # its character set is guessed
            self.assertEqual(Client(rdc, 'tech').request('POST', '/api/v1/uploads?patient_id=R2', f.read()).status, 201)
        self.sign(self.waiting(make_dicom.uid('study rebuild-east'), reader)['id'], reader)
        self.settled()
        before, received = rdc.sql(INDEX), rdc.sql(RECEIVED)
        self.assertEqual(len(before), 13, before)
        self.assertEqual([row[3] for row in before if row[1] == 'R2'], ['t'])
        self.clean()
        # A file that ends too early: by a power cut, or it came so.
        torn = self.folder('20200101T000000-0123456789abcdef-0/0')
        first = next(row for row in before if row[17] == 'f')
        with open(torn + '/1.dcm', 'wb') as f:
            f.write(self.stored(first[18]).read()[:-100])
        os.utime(torn + '/1.dcm', (OLD, OLD))

        refused = subprocess.run(unprivileged([rdc.place.program, '--config', rdc.conf, 'fsck', '--rebuild']),
                                 cwd='/', capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn('not empty', refused.stderr)
        rdc.stop()

        new = Rdc(template='migrated')
        self.addCleanup(new.stop)
        shutil.rmtree(new.data)
        shutil.move(rdc.data, new.data)
        new.start()  # with an empty index nothing of the store is swept away
        wait_for('the sweep to be refused', lambda: 'store_not_swept' in new.log_from(0))
        status = subprocess.run(unprivileged([new.place.program, '--config', new.conf, 'fsck', '--rebuild']),
                                cwd='/', capture_output=True, text=True, check=False)
        self.assertIn('stop it first', status.stderr)
        new.stop()
        _, answer = self.fsck('--rebuild', rdc=new)
        self.assertEqual((answer['rebuilt'], answer['not_rebuilt']), (14, 0), answer)
        self.assertEqual(answer['open'], 0, answer)
        self.assertIn('file_cut_off', [f['kind'] for f in answer['findings']])
        # It takes no other's place.
        index = new.sql(INDEX)
        late = [row for row in index if row[18].startswith('20200101')]
        self.assertEqual([(row[11], row[12] > first[12]) for row in late], [(first[11], True)])
        for now, then in zip([row for row in index if row not in late], before, strict=True):
            self.assertEqual(now, then)
        for now, then in zip(new.sql(RECEIVED), received, strict=True):
            self.assertAlmostEqual(float(now[0]), float(then[0]), delta=10)
        new.start()
        self.settled(new)
        self.clean(new)
        states = dict(new.sql('select s.study_uid, e.state from exam e join study s on s.id = e.study_id'))
        self.assertEqual(states[make_dicom.uid('study rebuild-east')], 'withdrawn')
        self.assertEqual(states[ecg.json()['study_uid']], 'unrouted')
        said = new.sql("select a.code, a.detail from exam_advice a join exam e on e.id = a.exam_id join study s on s.id = e.study_id "
                       f"where s.study_uid = '{ecg.json()['study_uid']}' and a.code = 'ecg_damaged'")
        self.assertEqual(len(said), 1, 'the damage of the file is forgotten')
        self.assertIn(ecg.json()['damage'][0], said[0][1])


class Cut(Checked):
    def upload_cut(self, size):
        """An object that comes without its end; its location."""
        path = ct_series(f'cut-off-{size}', count=1, size=size)[0]
        os.truncate(path, os.path.getsize(path) - 100)
        answer = Client(self.rdc, 'tech').upload(path)
        self.assertEqual(answer.status, 201, answer)
        row = self.waiting(answer.json()['study_uid'], Client(self.rdc, 'reader1'))
        self.assertEqual(row['objects'], 1)
        return self.locations()[-1]

    def test_when_they_came_and_acknowledged_objects_survive_a_rebuild(self):
        rdc = self.rdc
        record, own = self.upload_cut(32), self.upload_cut(740)
        # Their metadata are tried three times; without them they wait on the list like any other.
        self.settled()
        self.assertEqual(rdc.sql('select kind, state, attempts from job'), 2 * [['metadata', 'quarantined', '3']])
        self.assertEqual([f['kind'] for f in self.clean()['findings']], 2 * ['job_quarantined'])
        before = rdc.sql(INDEX)
        rdc.stop()
        # Beside the one in a file of its own, another that a power cut left.
        incarnation, number, _ = own.split('/')
        self.assertTrue(number.isdigit() and '/s' in record, (own, record))
        with open(self.folder(f'{incarnation}/99') + '/1.dcm', 'wb') as f:
            f.write(self.stored(own).read()[:-50000])
        marked = 'user.rdc.marks' in os.listxattr(os.path.join(rdc.data, 'store', incarnation))
        new = Rdc(template='migrated')
        self.addCleanup(new.stop)
        shutil.rmtree(new.data)
        shutil.move(rdc.data, new.data)
        _, answer = self.fsck('--rebuild', rdc=new)
        kinds = [f['kind'] for f in answer['findings']]
        if marked:
            self.assertEqual((answer['rebuilt'], answer['not_rebuilt'], answer['open']), (2, 0, 0), answer)
            self.assertEqual(new.sql(INDEX), before)
            self.assertIn('file_torn', kinds)
            self.assertNotIn('file_cut_off', kinds)
        else:
            self.note('the file system has no extended attributes')
            self.assertEqual((answer['rebuilt'], kinds.count('file_cut_off')), (3, 2), answer)
