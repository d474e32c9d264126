"""The command line of an operator: every noun is added, listed, changed, disabled."""
import json
import os
import subprocess

import dicom_scu
import make_dicom
from rdc_system import PASSWORD, Client, SystemTest, place, unprivileged, wait_for


class AnOperator(SystemTest):
    def list(self, noun):
        return json.loads(self.rdc.cli(noun, 'list', '--json'))

    def row(self, noun, **fields):
        """The one row of `rdc NOUN list` with these values."""
        found = [r for r in self.list(noun) if all(r[k] == v for k, v in fields.items())]
        self.assertEqual(len(found), 1, (noun, fields, found))
        return found[0]

    def refused(self, *args, **kw):
        """The message of a command that must fail, and its exit status."""
        done = subprocess.run(unprivileged([self.rdc.program, '--config', self.rdc.conf, *args]), cwd='/',
                              capture_output=True, text=True, check=False, **kw)
        self.assertNotEqual(done.returncode, 0, args)
        self.assertEqual(done.stdout, '')
        return done.returncode, done.stderr

    def test_keeps_organisations(self):
        self.rdc.cli('org', 'add', 'XISHAN', '--name', '西山社区卫生服务中心', '--kind', 'centre')
        self.assertEqual(self.row('org', code='XISHAN')['name'], '西山社区卫生服务中心')
        self.rdc.cli('org', 'change', 'XISHAN', '--name', '西山中心', '--timezone', 'Asia/Urumqi')
        row = self.row('org', code='XISHAN')
        self.assertEqual((row['name'], row['timezone'], row['disabled_at']), ('西山中心', 'Asia/Urumqi', None))
        self.rdc.cli('org', 'disable', 'XISHAN')
        self.assertIsNotNone(self.row('org', code='XISHAN')['disabled_at'])
        self.rdc.cli('org', 'enable', 'XISHAN')
        self.assertIsNone(self.row('org', code='XISHAN')['disabled_at'])
        self.assertIn('西山中心', self.rdc.cli('org', 'list'))

    def test_has_the_service_lines_from_the_start_and_adds_more(self):
        self.assertLessEqual({'ecg', 'radiology', 'ultrasound', 'wound'}, {r['code'] for r in self.list('line')})
        self.rdc.cli('line', 'add', 'eyes', '--name', '眼底', '--modality', 'OP,OPT', '--two-step')
        row = self.row('line', code='eyes')
        self.assertEqual((row['modalities'], row['two_step']), ('OP,OPT', 't'))
        self.rdc.cli('line', 'change', 'eyes', '--modality', 'OP', '--one-step')
        row = self.row('line', code='eyes')
        self.assertEqual((row['modalities'], row['two_step'], row['name']), ('OP', 'f', '眼底'))
        self.rdc.cli('line', 'disable', 'eyes')
        self.assertIsNotNone(self.row('line', code='eyes')['disabled_at'])

    def test_keeps_devices_apart_by_title_address_and_called_title(self):
        for args in (['--address', '192.0.2.0/24'], ['--address', '192.0.2.7'],
                     ['--address', '192.0.2.7', '--called', 'RDC_DR'], ['--called', 'RDC_DR']):
            self.rdc.cli('device', 'add', 'XR', '--org', 'QINGHE', *args)
        self.assertIn('exists already', self.refused('device', 'add', 'XR', '--org', 'DONGSHAN',
                                                     '--address', '192.0.2.7')[1])
        self.assertIn('4 devices are called XR', self.refused('device', 'change', 'XR', '--quiet', '7')[1])
        self.rdc.cli('device', 'change', 'XR', '--address', '192.0.2.0/24', '--quiet', '7', '--charset', 'GB18030',
                     '--callback', '192.0.2.7:104')
        row = self.row('device', aet='XR', address='192.0.2.0/24')
        self.assertEqual((row['quiet'], row['charset'], row['callback']), ('7', 'GB18030', '192.0.2.7:104'))
        # One that anybody may claim to be is warned of.
        self.assertIn('device XR of QINGHE has no address', self.rdc.cli('status'))

    def test_stops_a_device_that_is_disabled_and_lets_it_in_again(self):
        self.rdc.cli('device', 'add', 'ON_OFF', '--org', 'QINGHE', '--address', '127.0.0.1')
        dicom_scu.Association(self.rdc.dicom_port, 'ON_OFF').release()
        self.rdc.cli('device', 'disable', 'ON_OFF')
        with self.assertRaises(dicom_scu.Refused):
            dicom_scu.Association(self.rdc.dicom_port, 'ON_OFF')
        self.rdc.cli('device', 'enable', 'ON_OFF')
        dicom_scu.Association(self.rdc.dicom_port, 'ON_OFF').release()
        # From another address it is not that device.
        self.rdc.cli('device', 'add', 'AWAY', '--org', 'QINGHE', '--address', '192.0.2.1')
        with self.assertRaises(dicom_scu.Refused):
            dicom_scu.Association(self.rdc.dicom_port, 'AWAY')

    def test_keeps_users_and_ends_the_sessions_of_one_who_is_disabled(self):
        add = ['user', 'add', 'new.reader', '--org', 'SHIYI', '--role', 'reader', '--password-stdin']
        self.rdc.cli(*add, input=PASSWORD + '\n')
        self.assertNotIn(PASSWORD, json.dumps(self.list('user')))
        stored = self.rdc.sql("select password_hash from person where login = 'new.reader'")[0][0]
        self.assertTrue(stored.startswith('$argon2id$'), stored)
        person = Client(self.rdc, 'new.reader')
        self.rdc.cli('user', 'change', 'new.reader', '--name', '新医师', '--password-stdin',
                     input='another long password\n')
        self.assertEqual(self.row('user', login='new.reader')['name'], '新医师')
        Client(self.rdc, 'new.reader', 'another long password')
        with self.assertRaises(AssertionError):
            Client(self.rdc, 'new.reader')
        self.rdc.cli('user', 'disable', 'new.reader')
        self.assertEqual(person.get('/api/v1/worklist').status, 401)
        with self.assertRaises(AssertionError):
            Client(self.rdc, 'new.reader', 'another long password')
        self.assertIn('8 to 256 characters', self.refused(*add, input='short\n')[1])

    def test_routes_what_waited_when_a_contract_comes(self):
        self.rdc.cli('org', 'add', 'NANSHAN', '--name', '南山', '--kind', 'centre')
        self.rdc.cli('device', 'add', 'NS_CT', '--org', 'NANSHAN', '--quiet', '1', '--address', '127.0.0.1')
        path = os.path.join(place().folder, 'operator.dcm')
        make_dicom.write(path, make_dicom.ct_slice('operator', 1, size=16))
        self.rdc.storescu(path, aet='NS_CT')

        def state():
            return self.rdc.sql("select x.state from exam x join organisation o on o.id = x.centre_id "
                                "where o.code = 'NANSHAN'")
        wait_for('an exam without a contract', lambda: state() == [['unrouted']])
        self.assertIn('no contract', self.rdc.cli('status'))
        this = ['--centre', 'NANSHAN', '--hospital', 'SHIYI', '--line', 'radiology']
        self.rdc.cli('contract', 'add', *this, '--within', '60', '--two-step')
        wait_for('the exam to wait', lambda: state() == [['waiting']])
        row = self.row('contract', centre='NANSHAN')
        self.assertEqual((row['within'], row['two_step']), ('60', 't'))
        self.rdc.cli('contract', 'change', *this, '--within', '30', '--one-step')
        row = self.row('contract', centre='NANSHAN')
        self.assertEqual((row['within'], row['two_step']), ('30', 'f'))
        reader = Client(self.rdc, 'reader1')
        self.assertEqual(len([e for e in reader.worklist() if e['centre'] == 'NANSHAN']), 1)
        # Without the contract the hospital no longer sees it.
        self.rdc.cli('contract', 'disable', *this)
        self.assertEqual([e for e in reader.worklist() if e['centre'] == 'NANSHAN'], [])

    def test_keeps_destinations(self):
        self.rdc.cli('destination', 'add', 'NAS', '--org', 'QINGHE', '--dicom', 'NAS@192.0.2.9:104')
        self.rdc.cli('destination', 'change', 'NAS', '--dicom', 'NAS2@192.0.2.10:11112')
        self.assertEqual(self.row('destination', name='NAS')['dicom'], 'NAS2@192.0.2.10:11112')
        self.rdc.cli('destination', 'disable', 'NAS')
        self.assertIsNotNone(self.row('destination', name='NAS')['disabled_at'])

    def test_is_told_what_is_wrong(self):
        for words, args in (
                ('no organisation NOWHERE', ['device', 'add', 'X', '--org', 'NOWHERE']),
                ('known: ', ['device', 'add', 'X', '--org', 'NOWHERE']),
                ('is a hospital, not a centre', ['device', 'add', 'X', '--org', 'SHIYI']),
                ('no line skin', ['contract', 'add', '--centre', 'QINGHE', '--hospital', 'SHIYI', '--line', 'skin']),
                ('exists already', ['org', 'add', 'QINGHE', '--name', 'x', '--kind', 'centre']),
                ('needs --name', ['org', 'add', 'X']),
                ('does not take --colour', ['org', 'add', 'X', '--colour', 'red']),
                ('cannot take this value', ['destination', 'add', 'X', '--org', 'QINGHE', '--dicom', 'nonsense']),
                ('cannot take this value', ['device', 'add', 'X', '--org', 'QINGHE', '--quiet', 'soon']),
                ('no such', ['destination', 'change', 'NONE', '--dicom', 'A@b:1']),
                ('usage', ['worklist', '--colour']),
                ('no verb frobnicate', ['org', 'frobnicate']),
                ('known character sets', ['hl7', 'add', 'X^Y', '--org', 'QINGHE', '--charset', 'KLINGON']),
                ('rdc order list', ['order', 'cancel', 'NONE', '--org', 'QINGHE']),
                ('rdc worklist', ['export', '1.2.3', '-o', '/nowhere']),
                ('no command', ['frobnicate'])):
            with self.subTest(args):
                self.assertIn(words, self.refused(*args)[1])
        self.assertIn('as 192.0.2.7 or 192.0.2.0/24, not "here"',
                      self.refused('device', 'add', 'X', '--org', 'QINGHE', '--address', 'here')[1])

        # A rule of the database is not known to who reads it, but the form is.
        status, words = self.refused('org', 'add', 'X', '--name', 'x', '--kind', 'centrum')
        self.assertEqual(status, 1)
        self.assertIn('usage: rdc org add CODE --name NAME --kind centre|hospital', words)

    def test_is_told_how_each_command_is_called(self):
        for command in ('serve', 'config', 'db', 'status', 'worklist', 'org', 'line', 'device', 'user', 'contract',
                        'destination', 'hl7', 'delivery', 'order', 'ecg', 'export', 'fsck', 'send'):
            for args in ((command, '--help'), (command, '-h'), (command, 'help')):
                with self.subTest(args):
                    self.assertIn(f'rdc {command} ', self.rdc.cli(*args))
        for args in (('device', 'add', '--help'), ('device', 'doctor', '-h'), ('ecg', 'info', '--help')):
            with self.subTest(args):
                self.assertIn('rdc ' + ' '.join(args[:2]), self.rdc.cli(*args))
        self.assertEqual([line.split()[:3] for line in self.rdc.cli('device', 'add', '--help').splitlines()],
                         [['rdc', 'device', 'add']])

    def test_reads_the_worklist_and_the_status(self):
        self.assertIn('study uid', self.rdc.cli('worklist').splitlines()[0])
        self.assertIn('exams', json.loads(self.rdc.cli('worklist', '--json')))
        status = json.loads(self.rdc.cli('status', '--json'))
        self.assertLessEqual({'exams', 'deliveries', 'jobs', 'warnings'}, set(status))

    def test_may_start_a_program_only_with_settings_that_it_knows(self):
        path = os.path.join(place().folder, 'wrong.conf')
        for text, words in (('http.adress = 127.0.0.1:1\n', ('wrong.conf line 1', 'http.adress', 'http.address')),
                            ('\nworkers = many\n', ('wrong.conf line 2', 'workers'))):
            with open(path, 'w') as f:
                f.write(text)
            os.chmod(path, 0o644)
            done = subprocess.run([self.rdc.program, '--config', path, 'serve'], capture_output=True, text=True,
                                  check=False, timeout=20)
            self.assertEqual(done.returncode, 2)
            for word in words:
                self.assertIn(word, done.stderr)
