"""The connection doctor and TLS: what each wrong real client sees, and what the doctor says of it."""
import json
import os
import socket
import subprocess

import dicom_scu
from rdc_system import Client, SystemTest, free_port, needs, tool, wait_for
from test_tls import Authority

TEXTS = ('text_en', 'text_zh', 'remedy_en', 'remedy_zh')


class TheDoctorOnTls(SystemTest):
    @classmethod
    def setUpClass(cls):
        needs('openssl', 'echoscu', 'storescu', 'findscu')
        cls.centre, cls.stranger = Authority('doctor'), Authority('doctor-stranger')
        cert, key = cls.centre.sign('server')
        cls.device, cls.other = cls.centre.sign('device'), cls.centre.sign('other')
        cls.tls_port, cls.hl7_port = free_port(), free_port()
        cls.conf = {'dicom-tls.address': f'127.0.0.1:{cls.tls_port}', 'hl7-tls.address': f'127.0.0.1:{cls.hl7_port}', 'tls.certificate': cert, 'tls.key': key,
                    'tls.client-ca': cls.centre.ca, 'dicom.artim-seconds': '2'}
        super().setUpClass()
        cls.read = set()
        # Who fails before it says its name is known by its address alone.
        cls.rdc.cli('device', 'add', 'HERE', '--org', 'QINGHE', '--address', '127.0.0.1')
        cls.rdc.cli('device', 'add', 'PINNED', '--org', 'QINGHE', '--certificate', cls.device[0])
        cls.tech = Client(cls.rdc, 'tech')

    def rows(self, aet):
        """By the API: what the doctor knows of this device, the newest first."""
        answer = self.tech.get(f'/api/v1/devices/{aet}/doctor')
        self.assertEqual(answer.status, 200, answer)
        return answer.json()['causes']

    def causes(self, aet):
        """{code: the newest cause}"""
        return {c['code']: c for c in reversed(self.rows(aet))}

    def count(self, code, aet):
        return sum(c['count'] for c in self.rows(aet) if c['code'] == code)

    def told(self, code, aet):
        """In both languages by the API, and once by the command line."""
        entry = self.causes(aet)[code]
        self.note(f"{code}: {entry['detail']}")
        for name in TEXTS:
            self.assertTrue(entry[name])
        if (code, aet) not in self.read:
            self.read.add((code, aet))
            text = self.rdc.cli('device', 'doctor', aet)
            for name in TEXTS:
                self.assertIn(entry[name], text)

    def again(self, code, client, aet='HERE'):
        """This client makes this cause once more; what the client says."""
        before = self.count(code, aet)
        out = client()
        wait_for(f'{code} of {aet} once more', lambda: self.count(code, aet) > before, 15)
        self.told(code, aet)
        lines = [x for x in out.splitlines() if 'rror' in x or x[:2] in ('E:', 'F:') or 'alert' in x]
        self.note(f"    the client says: {lines[0][:140] if lines else 'nothing'}")
        return out

    def scu(self, pair=None, *options, program='echoscu', aet='QH_CT', port=None, ca=None):
        mine = ['+tls', pair[1], pair[0]] if pair else ['+tla']
        return tool(program, '-v', *mine, '+cf', ca or self.centre.ca, '-aet', aet, '-aec', 'RDC', *options,
                    '127.0.0.1', str(port or self.tls_port), check=False)

    def s_client(self, *options):
        done = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{self.tls_port}', '-cert',
                               self.device[0], '-key', self.device[1], *options], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
        return done.stdout.decode(errors='replace')

    def dated(self, name, *dates):
        """A device's certificate that is valid at other times than now."""
        cert, key = self.centre.sign(name)
        folder = self.centre.path(name + '-ca')
        os.makedirs(folder, exist_ok=True)
        with open(folder + '/index.txt', 'w'), open(folder + '/conf', 'w') as f:
            f.write(f'[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\n'
                    'rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n')
        tool('openssl', 'ca', '-batch', '-notext', '-config', folder + '/conf', '-cert', self.centre.ca, '-keyfile',
             self.centre.ca_key, '-startdate', dates[0], '-enddate', dates[1], '-in', self.centre.path(name + '.csr'),
             '-out', cert)
        return cert, key

    def test_knows_a_certificate_of_another_authority(self):
        alien = self.stranger.sign('alien')
        for program, options in (('echoscu', ()), ('findscu', ('-W', '-k', '0010,0020'))):
            out = self.again('certificate_unknown', lambda p=program, o=options: self.scu(alien, *o, program=p))
            self.assertNotIn('Success', out)

    def test_knows_a_certificate_that_is_over_or_not_begun(self):
        for name, dates in (('expired', ('20200101000000Z', '20200201000000Z')),
                            ('early', ('20800101000000Z', '20800201000000Z'))):
            pair = self.dated(name, *dates)
            self.again('certificate_expired', lambda p=pair: self.scu(p))

    def test_knows_one_that_signed_itself_and_one_that_cannot_be_used(self):
        own, key = self.centre.path('own.pem'), self.centre.path('own.key')
        tool('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=own', '-keyout', key, '-out', own)
        self.again('certificate_unknown', lambda: self.scu((own, key)))
        pair = self.centre.sign('server-only', extensions='extendedKeyUsage=serverAuth\n')
        self.again('certificate_bad', lambda: self.scu(pair))
        self.assertIn('purpose', self.causes('HERE')['certificate_bad']['detail'])

    def test_knows_who_fails_at_the_tls_port_for_hl7(self):
        def client():
            with socket.create_connection(('127.0.0.1', self.hl7_port), 10) as s:
                s.sendall(b'\x0bMSH|^~\\&|A|B\r\x1c\r')
                return s.recv(100).hex()
        self.again('plain_on_tls_port', client)
        alien = self.stranger.sign('alien-hl7')
        self.again('certificate_unknown', lambda: self.scu(alien, port=self.hl7_port))

    def test_knows_a_missing_certificate(self):
        self.again('certificate_missing', self.scu)

    def test_knows_the_certificate_of_another_device(self):
        self.assertIn('(Success)', self.scu(self.device, aet='PINNED'))
        out = self.again('certificate_unknown', lambda: self.scu(self.other, aet='PINNED'), 'PINNED')
        self.assertIn('Calling AE Title Not Recognized', out)
        self.again('certificate_missing', lambda: tool(
            'echoscu', '-aet', 'PINNED', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port), check=False), 'PINNED')

    def test_knows_old_versions_and_weak_suites(self):
        self.assertIn('Verify return code', self.s_client('-tls1_2'))
        for options in (('-tls1', '-cipher', 'ALL:@SECLEVEL=0'), ('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'),
                        ('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA'), ('-tls1_2', '-cipher', 'NULL:@SECLEVEL=0')):
            with self.subTest(options):
                out = self.again('tls_failed', lambda o=options: self.s_client(*o))
                self.assertRegex(out, 'alert|Cipher is \\(NONE\\)')
        self.again('tls_failed', lambda: self.scu(self.device, '+pa'))

    def test_knows_a_device_that_does_not_trust_ours(self):
        entry = self.again('tls_failed', lambda: self.scu(self.device, ca=self.stranger.ca))
        self.assertIn('certificate', entry)

    def test_knows_the_wrong_kind_of_port(self):
        out = self.again('plain_on_tls_port', lambda: tool(
            'echoscu', '-v', '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1', str(self.tls_port), check=False))
        self.assertNotIn('Success', out)
        out = self.again('tls_on_plain_port', lambda: self.scu(self.device, port=self.rdc.dicom_port))
        self.assertNotIn('Success', out)

    def test_knows_silence(self):
        def client():
            with socket.create_connection(('127.0.0.1', self.tls_port), 10) as s:
                s.settimeout(20)
                return s.recv(100).hex()
        self.again('timed_out', client)

    def test_knows_pdus_that_are_too_large(self):
        def client():
            a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
            a.socket.sendall(dicom_scu.pdata(1, bytes(200000), False))
            with self.assertRaises((dicom_scu.Refused, ConnectionError)) as seen:
                a.read_response()
            a.close()
            return f'E: {seen.exception}'
        self.again('pdu_too_large', client, 'QH_CT')

    def test_says_when_all_is_well(self):
        for program, options in (('echoscu', ()), ('findscu', ('-W', '-k', '0010,0020'))):
            self.assertNotIn('E: ', self.scu(self.device, *options, program=program, aet='DS_CT'))
        wait_for('a contact in order', lambda: json.loads(
            self.rdc.cli('device', 'doctor', 'DS_CT', '--json')).get('last_ok_at'), 15)
