"""Watched folders, for devices that can only write files."""
import json
import os
import shutil
import struct
import time
import urllib.request
import zipfile

import faults
from rdc_system import ROOT, SystemTest, tool, wait_for
from test_upload import uids
from test_way import ct_series, folder, scp_file, wfdb_record


class Watch(SystemTest):
    def watch(self, name):
        """A folder that the device NAME writes into."""
        path = os.path.join(folder('watched'), name)
        os.mkdir(path)
        os.chmod(path, 0o777)
        self.rdc.cli('device', 'add', name, '--org', 'QINGHE', '--quiet', '1', '--watch', path)
        return path

    def put(self, source, path, name):
        shutil.copy(source, os.path.join(path, '.' + name))
        os.chmod(os.path.join(path, '.' + name), 0o644)
        os.rename(os.path.join(path, '.' + name), os.path.join(path, name))

    def names(self, path, sub=''):
        try:
            return sorted(n for n in os.listdir(os.path.join(path, sub)) if sub or not n.startswith('.'))
        except FileNotFoundError:
            return []

    def stored(self, aet):
        return int(self.rdc.sql("select count(*) from instance i join device d on d.id = i.device_id "
                                f"where d.aet = '{aet}'")[0][0])


class WatchTest(Watch):
    def test_files_are_taken_and_sorted(self):
        path = self.watch('WATCH1')
        for i, source in enumerate(ct_series('watch', count=2)):
            self.put(source, path, f'{i}.dcm')
        self.put(scp_file('watch-scp'), path, 'ecg.scp')
        self.put(os.path.join(ROOT, 'testdata/ecg-xml/philips-1.04.xml'), path, 'ecg.xml')
        with open(os.path.join(path, 'letter.txt'), 'w') as f:
            f.write('no image')
        with open(os.path.join(path, 'nothing'), 'w'):
            pass
        whole = folder('watch-set')
        for name in wfdb_record(self.rdc, 'rec', whole):
            self.put(os.path.join(whole, name), path, name)
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        # Twice a name that leaves no room for what is put behind it; and one that is not UTF-8.
        gbk = os.fsdecode('检查'.encode('gbk'))
        for n in range(2):
            with open(os.path.join(path, 'x' * 255), 'w') as f:
                f.write('no image')
            if n:
                self.put(ct_series('watch-gbk', count=1)[0], path, gbk)
            wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual(self.names(path, '.done'), ['0.dcm', '1.dcm', 'ecg.scp', 'ecg.xml', 'rec.atr', 'rec.dat', 'rec.hea', gbk])
        self.assertEqual(self.names(path, '.refused'), ['letter.txt', 'letter.txt.txt', 'nothing', 'nothing.txt',
                                                        'x' * 249 + '.1', 'x' * 249 + '.1.txt', 'x' * 251, 'x' * 251 + '.txt'])
        with open(os.path.join(path, '.refused/letter.txt.txt')) as f:
            self.assertIn('neither DICOM nor an ECG', f.read())
        with open(os.path.join(path, '.refused/nothing.txt')) as f:
            self.assertEqual(f.read(), 'the file was not taken\nit is empty\n')
        self.assertEqual(self.stored('WATCH1'), 6)
        # A name that was there before does not overwrite it.
        self.put(ct_series('watch-again', count=1)[0], path, '0.dcm')
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual(self.names(path, '.done'), ['0.dcm', '0.dcm.1', '1.dcm', 'ecg.scp', 'ecg.xml', 'rec.atr', 'rec.dat',
                                                     'rec.hea', gbk])

    def test_a_folder_that_cannot_be_used_is_refused_at_once(self):
        path = self.watch('WATCH_WHERE')
        plain, closed, inner = (os.path.join(path, x) for x in ('.plain', '.closed', '.inner'))
        with open(plain, 'w'):
            pass
        os.mkdir(closed, 0o755)
        os.makedirs(os.path.join(inner, '.done'))
        if os.getuid() == 0:
            shutil.chown(inner, 'rdc')
        else:
            os.chmod(closed, 0o555)
            os.chmod(os.path.join(inner, '.done'), 0o555)
        for where, word, remedy in ((path + '/.nowhere', 'No such file', 'make the folder'),
                                    (plain, 'Not a directory', 'not a file'),
                                    (closed, 'Permission denied', 'write into it'),
                                    (inner, 'Permission denied', '.done')):
            for verb in (('change', 'WATCH_WHERE'), ('add', 'WATCH_NEW', '--org', 'QINGHE')):
                with self.subTest(where=where, verb=verb[0]), self.assertRaises(AssertionError) as e:
                    self.rdc.cli('device', *verb, '--watch', where)
                out = str(e.exception)
                for text in (' gave 1:', where, word, remedy):
                    self.assertIn(text, out)
        self.assertNotIn('WATCH_NEW', self.rdc.cli('device', 'list'))
        self.assertIn(path + ' ', self.rdc.cli('device', 'list').replace('\n', ' '))
        # As root it is the user of the data folder who must be able to.
        if os.getuid() == 0:
            out = tool(self.rdc.program, '--config', self.rdc.conf, 'device', 'change', 'WATCH_WHERE', '--watch', closed,
                       check=False, env=self.rdc.environment)
            self.assertIn('by the user rdc: Permission denied', out)
        # What becomes so later is the doctor's.
        os.rename(path, path + '.away')
        self.wait_for_cause('WATCH_WHERE', 'watched_folder_unusable', 'No such file or directory: ' + path)

    def test_a_file_that_grows_is_left_alone_and_links_lead_nowhere(self):
        path = self.watch('WATCH2')
        # Meanwhile what is read, but cannot be moved, waits; the doctor says why.
        other = self.watch('WATCH4')
        outside = self.watch('WATCH5')
        os.symlink(outside, os.path.join(other, '.done'))
        os.symlink('/etc/hostname', os.path.join(other, 'link'))
        os.mkfifo(os.path.join(other, 'fifo'))
        self.put(ct_series('watch-why', count=1)[0], other, 'a.dcm')
        [source] = ct_series('watch-grows', count=1, size=64)
        with open(source, 'rb') as f:
            content = f.read()
        with open(os.path.join(path, 'slow.dcm'), 'wb', buffering=0) as f:
            for i in range(40):
                f.write(content[i * len(content) // 40:(i + 1) * len(content) // 40])
                time.sleep(0.1)
                self.assertEqual(self.names(path), ['slow.dcm'])
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual(self.names(path, '.done'), ['slow.dcm'])
        self.assertEqual(self.stored('WATCH2'), 1)
        self.assertEqual((self.names(other), os.listdir(outside)), (['a.dcm', 'fifo', 'link'], []))
        self.wait_for_cause('WATCH4', 'watched_file_waits', 'inode')
        os.unlink(os.path.join(other, '.done'))
        os.chmod(outside, 0o755)
        wait_for('the file to be moved', lambda: self.names(other, '.done') == ['a.dcm'], 40)
        self.assertEqual((self.names(other), self.stored('WATCH4')), (['fifo', 'link'], 1))
        self.wait_for_cause('WATCH5', 'watched_folder_unusable', 'ermission')

    def test_what_grows_on_after_it_was_moved_is_taken_once_more(self):
        path = self.watch('WATCH_PAUSE')
        opened = {}
        for name, at in (('stored.dcm', -5000), ('refused.dcm', 400)):
            [source] = ct_series('watch-' + name, count=1, size=64)
            with open(source, 'rb') as f:
                content = f.read()
            opened[name] = source, open(os.path.join(path, name), 'wb', buffering=0), content[at:]
            opened[name][1].write(content[:at])
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual((self.names(path, '.done'), self.names(path, '.refused')), (['stored.dcm'], ['refused.dcm', 'refused.dcm.txt']))
        for _, file, rest in opened.values():
            file.write(rest)
            file.close()
        wait_for('both to be taken', lambda: self.names(path, '.done') == ['refused.dcm', 'stored.dcm'], 60)
        self.assertEqual(self.names(path, '.refused'), [])
        for source, _, _ in opened.values():
            sop, study = uids(source)
            out = os.path.join(self.rdc.data, 'export-' + study)
            wait_for('the whole to be the one that is shown', lambda s=source, sop=sop, st=study, o=out: self.exported(
                st, o, sop + '.dcm') == self.tail(s), 60)

    def tail(self, path):
        with open(path, 'rb') as f:
            return f.read()[-8192:]  # the pixels

    def exported(self, study, out, name):
        shutil.rmtree(out, ignore_errors=True)
        self.rdc.cli('export', study, '-o', out)
        return self.tail(os.path.join(out, name))

    def wait_for_cause(self, aet, code, word):
        def known():
            causes = json.loads(self.rdc.cli('device', 'doctor', aet, '--json'))['causes']
            return any(c['code'] == code and word in c['detail'] for c in causes)
        wait_for(f'the doctor to know {code}', known)

    def test_an_archive_waits_for_what_the_server_could_not_take_of_it(self):
        path = self.watch('WATCH_PART')
        files = ct_series('watch-part', count=2)
        whole = os.path.join(folder('watch-part'), 'two.zip')
        with zipfile.ZipFile(whole, 'w') as z:
            for source in files:
                z.write(source, os.path.basename(source))
        self.rdc.sql(f"""
            create function refuse() returns trigger language plpgsql as
            $$ begin raise exception using errcode = '40P01', message = 'made for a test'; end $$;
            create trigger refuse before insert on instance for each row when (new.sop_uid = '{uids(files[0])[0]}')
            execute function refuse()""")
        self.put(whole, path, 'two.zip')
        wait_for('one of them', lambda: self.stored('WATCH_PART') == 1, 60)
        doctor = 'device', 'doctor', 'WATCH_PART'
        wait_for('the doctor to know', lambda: 'file_waits' in self.rdc.cli(*doctor, '--json'), 30)
        self.assertEqual((self.names(path), self.names(path, '.refused')), (['two.zip'], []))
        self.rdc.sql('drop trigger refuse on instance; drop function refuse')
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual((self.names(path, '.done'), self.stored('WATCH_PART')), (['two.zip'], 2))

    def test_recordings_that_have_to_wait_keep_their_files(self):
        """However many, and for longer than a file without its header is waited for (INGEST_WATCH_PARTS_MS)."""
        path, count = self.watch('WATCH_SET'), 70
        self.rdc.sql(f"""
            create function refuse_set() returns trigger language plpgsql as
            $$ begin raise exception using errcode = '40P01', message = 'made for a test'; end $$;
            create trigger refuse_set before insert on instance for each row when (new.device_id =
                {self.rdc.sql("select id from device where aet = 'WATCH_SET'")[0][0]}) execute function refuse_set()""")
        whole = folder('watch-waiting-sets')
        names = [f'r{n:02}.{end}' for n in range(count) for end in ('dat', 'hea')]
        for n, name in enumerate(names):
            with open(os.path.join(whole, name), 'wb') as f:
                f.write(struct.pack('<500h', *(i % (n + 3) for i in range(500))) if n % 2 == 0 else
                        f'{name[:3]} 1 250 500\n{name[:3]}.dat 16 200/mV 16 0 0 0 0 I\n'.encode())
            self.put(os.path.join(whole, name), path, name)
        time.sleep(35)
        self.assertEqual((self.names(path), self.names(path, '.refused')), (names, []))
        self.rdc.sql('drop trigger refuse_set on instance; drop function refuse_set')
        wait_for('the folder to be empty', lambda: not self.names(path), 120)
        self.assertEqual((self.names(path, '.done'), self.stored('WATCH_SET')), (names, count))

    def test_a_name_that_comes_over_and_over_is_put_away(self):
        path = self.watch('WATCH_NAME')
        os.mkdir(os.path.join(path, '.done'))
        for n in range(1000):
            open(os.path.join(path, '.done', f'export.dcm.{n}' if n else 'export.dcm'), 'w').close()
        os.chmod(os.path.join(path, '.done'), 0o777)
        self.put(ct_series('watch-name', count=1)[0], path, 'export.dcm')
        wait_for('the folder to be empty', lambda: not self.names(path), 60)
        self.assertEqual(len(self.names(path, '.done')), 1001)
        self.assertEqual(self.stored('WATCH_NAME'), 1)

    def test_a_killed_server_takes_each_file_once(self):
        path = self.watch('WATCH3')
        [source] = ct_series('watch-kill', count=1, size=16)
        with open(source, 'rb') as f:
            content = f.read()
        uid, count = uids(source)[0].encode(), 1000
        for i in range(count):
            with open(os.path.join(path, '.new'), 'wb') as f:
                f.write(content.replace(uid, uid[:-4] + b'%04d' % i))
            os.rename(os.path.join(path, '.new'), os.path.join(path, f'{i:03}.dcm'))
        wait_for('the first files to be taken', lambda: self.names(path, '.done'), 60)
        self.rdc.kill_all()
        left = len(self.names(path))
        self.rdc.start()
        wait_for('the folder to be empty', lambda: not self.names(path), 90)
        self.note(f'{left} of {count} files were left at the kill')
        # Not as many at a time as are under way at once, and then a pause.
        with urllib.request.urlopen(f'http://127.0.0.1:{self.rdc.http_port}/metrics') as answer:
            counts = dict(line.split() for line in answer.read().decode().splitlines() if line.startswith('rdc_watched'))
        files, rounds = (int(counts[f'rdc_watched_{name}_total']) for name in ('files', 'rounds'))
        self.note(f'{files} files in {rounds} rounds')
        self.assertGreaterEqual(files, left)
        self.assertGreater(files / rounds, 32 if left > 200 else 0)
        self.assertEqual(len(self.names(path, '.done')), count)
        self.assertEqual(self.names(path, '.refused'), [])
        self.assertEqual(self.stored('WATCH3'), count)


class ShareTest(Watch):
    """A folder that opens but cannot be listed, as that of a server which has forgotten it."""

    @classmethod
    def setUpClass(cls):
        cls.shim = faults.Shim()
        cls.rdc = cls.shim.rdc
        cls.addClassCleanup(cls.rdc.stop)

    def test_that_cannot_be_listed_is_told_and_taken_from_when_it_can(self):
        path = self.watch('WATCH_LIST')
        self.shim.set('list-fails', 1)
        self.put(ct_series('watch-list', count=1)[0], path, '1.dcm')
        wait_for('the doctor to know', lambda: 'watched_folder_unusable' in self.rdc.cli(
            'device', 'doctor', 'WATCH_LIST', '--json'), 30)
        self.assertEqual(self.names(path), ['1.dcm'])
        self.shim.set('list-fails', None)
        wait_for('the folder to be empty', lambda: not self.names(path), 30)
        self.assertEqual(self.names(path, '.done'), ['1.dcm'])
