"""TLS: DICOM and HTTP, devices known by certificate, reload, delivery."""
import json
import os
import shutil
import signal
import socket
import ssl
import time

import dicom_scu
import make_dicom
from rdc_system import Client, StoreScp, free_port, needs, place, tool, wait_for
from test_way import Way, ct_series


def openssl(*args):
    needs('openssl')
    return tool('openssl', *args)


class Authority:
    """A CA of this run and what it signs; files below .folder."""

    def __init__(self, name):
        self.folder = os.path.join(place().folder, 'tls-' + name)
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.ca, self.ca_key = self.path('ca.pem'), self.path('ca.key')
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', f'/CN={name} CA',
                '-keyout', self.ca_key, '-out', self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def sign(self, name, *extra, days='2', extensions=''):
        """(certificate, key) of a new RSA key for 127.0.0.1."""
        cert, key, request = self.path(name + '.pem'), self.path(name + '.key'), self.path(name + '.csr')
        openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN={name}', '-keyout', key, '-out', request)
        with open(self.path(name + '.ext'), 'w') as f:
            f.write('subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' + extensions)
        openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', self.ca_key, '-CAcreateserial',
                '-days', days, '-extfile', self.path(name + '.ext'), '-out', cert, *extra)
        os.chmod(key, 0o644)  # rdc runs as another user than the test
        return cert, key


def fingerprint(cert):
    return openssl('x509', '-in', cert, '-noout', '-fingerprint', '-sha256').partition('=')[2].strip()


class TheTlsPorts(Way):
    @classmethod
    def setUpClass(cls):
        needs('openssl', 'echoscu', 'storescu', 'curl')
        cls.centre, cls.stranger = Authority('centre'), Authority('stranger')
        cls.cert, cls.key = cls.centre.sign('server')
        cls.device = cls.centre.sign('device')
        cls.tls_port, cls.https_port, cls.peer_port = free_port(), free_port(), free_port()
        cls.conf = {'dicom-tls.address': f'127.0.0.1:{cls.tls_port}',
                    'https.address': f'127.0.0.1:{cls.https_port}',
                    'tls.certificate': cls.cert, 'tls.key': cls.key,
                    'tls.client-ca': cls.centre.ca, 'tls.peer-ca': cls.centre.ca,
                    'delivery.retry-min-seconds': 1}
        super().setUpClass()

    def logged(self, offset, *words):
        def line():
            for text in self.rdc.log_from(offset).splitlines():
                if all(w in text for w in words):
                    return text
            return None
        self.note(wait_for(f'a log line with {words}', line, 10)[:200])

    def scu(self, program, pair, *args, aet='QH_CT', ca=None, options=()):
        return tool(program, '-v', '+tls', pair[1], pair[0], '+cf', ca or self.centre.ca, '-aet', aet,
                    '-aec', 'RDC', *options, '127.0.0.1', str(self.tls_port), *args, check=False)

    def echo(self, pair, **kw):
        return 'Received Echo Response (Success)' in self.scu('echoscu', pair, **kw)

    def test_echo_and_store_over_tls(self):
        self.assertTrue(self.echo(self.device))
        out = self.scu('storescu', self.device, *ct_series('tls in', make_dicom.TWO, size=128))
        self.assertEqual(out.count('Received Store Response (Success)'), 4)
        row = self.waiting(make_dicom.uid('study tls in'), Client(self.rdc, 'reader1'))
        self.assertEqual(row['objects'], 4)

    def reads(self):
        """System calls that read, of all workers."""
        total = 0
        for pid in self.rdc.workers():
            with open(f'/proc/{pid}/io') as f:
                total += int(f.read().partition('syscr: ')[2].split()[0])
        return total

    def test_pdus_in_records_of_their_own_take_no_small_reads(self):
        [path] = ct_series('tls-reads', count=1)
        sop_class, instance, syntax, data = dicom_scu.part10(path)
        size = 8 << 20
        context = ssl.create_default_context(cafile=self.centre.ca)
        context.load_cert_chain(*self.device)
        sock = context.wrap_socket(socket.create_connection(('127.0.0.1', self.tls_port), timeout=30),
                                   server_hostname='127.0.0.1')
        device = dicom_scu.Association(None, 'QH_CT', contexts=[(1, sop_class, [syntax])], sock=sock)
        device.max_pdu = 16000
        before = self.reads()
        self.assertEqual(device.store(sop_class, instance, data + dicom_scu.private_tail(size) + bytes(size)), 0)
        reads = self.reads() - before
        device.release()
        self.note(f'{reads} reads')
        self.assertLess(reads, size // 8192)

    def test_reports_are_delivered_over_tls(self):
        reader, doctor = Client(self.rdc, 'reader1'), Client(self.rdc, 'doctor')
        plain = StoreScp('tls-plain')
        cert, key = self.centre.sign('archive')
        archive = StoreScp('tls-archive', options=['+tls', key, cert, '+cf', self.centre.ca])
        for name, scp in (('OVER-TLS', archive), ('NO-TLS', plain)):
            self.addCleanup(scp.stop)
            self.rdc.cli('destination', 'add', name, '--org', 'QINGHE', '--dicom',
                         f'{scp.aet}@127.0.0.1:{scp.port}', '--tls')
            scp.start()
        self.rdc.storescu(*ct_series('tls out', make_dicom.TWO, 1))
        exam = self.waiting(make_dicom.uid('study tls out'), reader)['id']
        self.sign(exam, reader)

        def delivery(name):
            found = doctor.exam(exam).get('deliveries') or []
            return next((d for d in found if d['destination'] == name), {})
        wait_for('the delivery over TLS', lambda: delivery('OVER-TLS').get('state') == 'acknowledged', 60)
        self.assertEqual(len(archive.files()), 2)
        wait_for('an attempt at a destination without TLS', lambda: delivery('NO-TLS')['attempts'] > 0)
        wait_for('its cause', lambda: 'TLS' in self.rdc.cli('delivery', 'list'))
        self.assertEqual(plain.files(), [])

    def test_serves_the_profiles_of_bcp_195(self):
        for option in ('+py', '+px', '+pz'):
            self.assertTrue(self.echo(self.device, options=(option,)), option)
        self.assertFalse(self.echo(self.device, options=('+pa',)))  # retired: no ephemeral keys

    def test_refuses_certificates_that_are_not_good_and_says_why(self):
        for pair, word in ((self.stranger.sign('alien'), 'certificate_unknown'),
                           (self.expired(), 'certificate_expired')):
            at = self.rdc.log_size()
            self.assertFalse(self.echo(pair))
            self.logged(at, 'stranger', word)
        at = self.rdc.log_size()
        tool('echoscu', '+tla', '+cf', self.centre.ca, '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1',
             str(self.tls_port), check=False)
        self.logged(at, 'stranger', 'certificate_missing')

    def expired(self):
        """Its last day was yesterday."""
        pair = self.centre.sign('late')
        request, cert = self.centre.path('late.csr'), pair[0]
        openssl('x509', '-req', '-in', request, '-CA', self.centre.ca, '-CAkey', self.centre.ca_key,
                '-CAcreateserial', '-days', '-1', '-out', cert)
        return pair

    def test_tells_the_wrong_protocol_on_either_port(self):
        at = self.rdc.log_size()
        with self.assertRaises((dicom_scu.Refused, OSError)):
            dicom_scu.Association(self.tls_port, 'QH_CT', contexts=dicom_scu.store_context('1.2.840.10008.5.1.4.1.1.2'))
        self.logged(at, 'stranger', 'plain_on_tls_port')
        at = self.rdc.log_size()
        tool('curl', '-s', f'http://127.0.0.1:{self.https_port}/healthz', check=False)
        self.logged(at, 'http_stranger', 'plain_on_tls_port')
        at = self.rdc.log_size()
        tool('curl', '-s', f'https://127.0.0.1:{self.rdc.http_port}/healthz', check=False)
        self.logged(at, 'http_stranger', 'tls_on_plain_port')

    def test_http_over_tls_with_curl(self):
        url = f'https://127.0.0.1:{self.https_port}/healthz'
        out = tool('curl', '-sS', '--cacert', self.centre.ca, '-o', '/dev/null', '-w', '%{http_code}', url)
        self.assertEqual(out, '200')
        out = tool('curl', '-sS', '--cacert', self.stranger.ca, url, check=False)
        self.assertIn('certificate', out)
        for most in ('1.0', '1.1'):
            out = tool('curl', '-sS', '--cacert', self.centre.ca, '--tls-max', most, url, check=False)
            self.assertIn('curl: (35)', out)

    def test_http_on_the_wrong_port_is_told_so_and_so_is_the_doctor(self):
        def strangers():
            return {c['code']: c for c in json.loads(self.rdc.cli('device', 'doctor', '--json'))['strangers']}

        def times(code):
            return strangers().get(code, {'count': 0})['count']
        plain, secure = times('plain_on_tls_port'), times('tls_on_plain_port')
        out = tool('curl', '-sS', '-i', '-H', 'X-Long: ' + 'x' * 6000, f'http://127.0.0.1:{self.https_port}/healthz')
        self.assertIn('HTTP/1.1 400 ', out)
        self.assertIn('this port speaks HTTPS', out)
        wait_for('the doctor to know', lambda: times('plain_on_tls_port') > plain, 15)
        self.assertIn('no TLS on the HTTPS port', strangers()['plain_on_tls_port']['detail'])
        with socket.create_connection(('127.0.0.1', self.rdc.http_port), 10) as s:
            s.sendall(bytes.fromhex('16030102000100'))
            self.assertIn(b'this port speaks plain HTTP', s.recv(4096))
        out = tool('curl', '-sS', f'https://127.0.0.1:{self.rdc.http_port}/healthz', check=False)
        self.assertIn('curl: (35)', out)
        wait_for('the doctor to know', lambda: times('tls_on_plain_port') > secure, 15)
        self.assertIn('HTTP port', strangers()['tls_on_plain_port']['detail'])

    def test_serves_over_tls_while_handshakes_hang(self):
        silent = [socket.create_connection(('127.0.0.1', self.tls_port)) for _ in range(100)]
        for s in silent[::2]:
            s.sendall(bytes.fromhex('16030102000100'))
        began = time.monotonic()
        self.assertTrue(self.echo(self.device))
        self.note(f'echo in {time.monotonic() - began:.2f} s beside 100 hanging handshakes')
        for s in silent:
            s.close()

    def test_a_device_with_a_certificate_has_to_show_it(self):
        own = self.centre.sign('own')
        self.rdc.cli('device', 'add', 'PINNED', '--org', 'QINGHE', '--certificate', own[0])
        self.assertTrue(self.echo(own, aet='PINNED'))
        at = self.rdc.log_size()
        self.assertFalse(self.echo(self.device, aet='PINNED'))
        self.logged(at, 'PINNED', 'certificate_unknown')
        at = self.rdc.log_size()
        out = tool('echoscu', '-aet', 'PINNED', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port), check=False)
        self.assertIn('Calling AE Title Not Recognized', out)
        self.logged(at, 'PINNED', 'certificate_missing')
        self.rdc.cli('device', 'change', 'PINNED', '--certificate', fingerprint(self.device[0]))
        self.assertTrue(self.echo(self.device, aet='PINNED'))
        self.rdc.cli('device', 'change', 'PINNED', '--certificate', 'none')
        tool('echoscu', '-aet', 'PINNED', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port))

    def served_certificate(self):
        context = ssl.create_default_context(cafile=self.centre.ca)
        with socket.create_connection(('127.0.0.1', self.https_port)) as s:
            with context.wrap_socket(s, server_hostname='127.0.0.1') as t:
                return t.getpeercert()['serialNumber']

    def test_new_certificates_are_taken_without_dropping_anybody(self):
        context = ssl.create_default_context(cafile=self.centre.ca)
        context.load_cert_chain(*self.device)
        raw = socket.create_connection(('127.0.0.1', self.tls_port))
        association = dicom_scu.Association(
            self.tls_port, 'QH_CT', contexts=[(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])],
            sock=context.wrap_socket(raw, server_hostname='127.0.0.1'))
        self.assertEqual(association.echo(), 0)
        before = self.served_certificate()
        new = self.centre.sign('server-new')
        shutil.copyfile(new[0], self.cert)
        shutil.copyfile(new[1], self.key)
        os.kill(self.rdc.process.pid, signal.SIGHUP)
        wait_for('the new certificate', lambda: self.served_certificate() != before)
        self.assertEqual(association.echo(), 0)
        association.release()
        at = self.rdc.log_size()
        with open(self.key, 'w') as f:
            f.write('damaged')
        os.kill(self.rdc.process.pid, signal.SIGHUP)
        self.logged(at, 'certificates_not_reloaded', self.key)
        self.assertTrue(self.echo(self.device))
        shutil.copyfile(new[1], self.key)

    def test_a_bad_certificate_file_is_told_at_the_start(self):
        out = tool(self.rdc.place.program, '--config', self.rdc.conf, 'serve', '--tls.certificate', '/nowhere.pem',
                   check=False, timeout=20)
        self.assertIn('/nowhere.pem', out)

