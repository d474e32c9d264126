"""The connection doctor: each mistake of a real peer is known by its cause, with a remedy."""
import json
import socket
import struct
import subprocess

import dicom_scu
from rdc_system import Client, SystemTest, free_port, needs, tool, wait_for

CT = '1.2.840.10008.5.1.4.1.1.2'


class TheDoctor(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.hl7_port = free_port()
        cls.conf = {'dicom.artim-seconds': '1', 'hl7.address': f'127.0.0.1:{cls.hl7_port}'}
        super().setUpClass()
        cls.rdc.cli('device', 'add', 'FAR', '--org', 'QINGHE', '--address', '10.1.2.3')
        cls.rdc.cli('device', 'add', 'OFF', '--org', 'QINGHE')
        cls.rdc.cli('device', 'disable', 'OFF')
        cls.rdc.cli('device', 'add', 'HERE', '--org', 'QINGHE', '--address', '127.0.0.1', '--called', 'HERE_CALLED')
        cls.rdc.cli('device', 'add', 'MANY', '--org', 'QINGHE')
        cls.rdc.cli('device', 'add', 'WELL', '--org', 'QINGHE')
        cls.rdc.cli('device', 'add', 'STRANGE', '--org', 'QINGHE')

    def doctor(self, *aet):
        return json.loads(self.rdc.cli('device', 'doctor', *aet, '--json'))

    def cause(self, code, *aet):
        """Waits until this cause is the doctor's; the entry."""
        def find():
            try:
                answer = self.doctor(*aet)
            except AssertionError:
                return None
            for c in answer['causes' if aet else 'strangers']:
                if c['code'] == code:
                    return c
            return None
        entry = wait_for(f'the cause {code} of {aet or "strangers"}', find, 15)
        for text in ('text_en', 'text_zh', 'remedy_en', 'remedy_zh'):
            self.assertTrue(entry[text], entry)
        self.assertGreaterEqual(entry['count'], 1)
        self.assertTrue(entry['last_at'])
        self.note(f"{code}: {entry['remedy_zh']}")
        return entry

    def echo(self, aet, called='RDC', check=False, options=()):
        needs('echoscu')
        return tool('echoscu', '-aet', aet, '-aec', called, *options, '127.0.0.1',
                    str(self.rdc.dicom_port), check=check)

    def send(self, data):
        with socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    def test_knows_who_may_not_associate_and_why(self):
        self.echo('NOBODY')
        self.echo('FAR')
        self.echo('OFF')
        self.echo('QH_CT', 'WRONG')
        self.assertEqual(self.cause('unknown_aet', 'NOBODY')['calling'], 'NOBODY')
        self.assertEqual(self.cause('wrong_address', 'FAR')['address'], '127.0.0.1')
        self.cause('disabled', 'OFF')
        self.assertEqual(self.cause('wrong_called', 'QH_CT')['called'], 'WRONG')
        self.assertIn('as QH_CT to WRONG', self.rdc.cli('device', 'doctor', 'QH_CT'))
        self.assertRegex(self.rdc.cli('device', 'doctor', 'FAR'),
                         r'address 10\.1\.2\.3(.*\n)*wrong_address .*from 127\.0\.0\.1 as FAR')

    def answer(self, data):
        """The first PDU that comes back."""
        with socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10) as s:
            s.sendall(data)
            kind, n = struct.unpack('>BxI', s.recv(6, socket.MSG_WAITALL))
            return kind, s.recv(n, socket.MSG_WAITALL)

    def test_names_who_is_refused_before_it_is_looked_up(self):
        rq = dicom_scu.associate_rq('RDC', 'EARLY', [(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
        for wrong, code, answer in (
                (rq.replace(b'1.2.840.10008.3.1.1.1', b'1.2.840.10008.3.1.1.2'), 'association_not_acceptable', (3, b'\0\1\1\2')),
                (rq[:6] + b'\0\2' + rq[8:], 'association_not_acceptable', (3, b'\0\1\2\2')),
                (rq.replace(b'\x20\0\0\x2e\1', b'\x20\0\0\x2e\2'), 'protocol_error', (7, b'\0\0\0\0'))):
            with self.subTest(code):
                self.assertNotEqual(wrong, rq)
                self.assertEqual(self.answer(wrong), answer)
                self.assertEqual(self.cause(code, 'EARLY')['called'], 'RDC')

    def test_tells_what_is_overlooked_in_a_title(self):
        def answer(calling, called=b'RDC'):
            rq = dicom_scu.associate_rq('', '', [(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
            return self.answer(rq[:10] + called.ljust(16) + calling.ljust(16) + rq[42:])[1][1:]

        def detail(code, **of):
            def find():
                return [c['detail'] for c in self.doctor()['strangers']
                        if c['code'] == code and all(c[k] == v for k, v in of.items())]
            return wait_for(f'{code} of {of}', find, 15)[0]
        self.assertEqual(answer(b''), b'\1\1\3')
        self.assertIn('is empty', detail('unknown_aet', calling=None))
        self.assertEqual(answer('测试'.encode('gbk')), b'\1\1\3')
        self.assertIn('not ASCII', detail('unknown_aet', calling='????'))
        self.assertEqual(answer(b'Well'), b'\1\1\3')
        self.assertIn('WELL is known', detail('unknown_aet', calling='Well'))
        self.assertIn('WELL is known', self.cause('unknown_aet', 'WELL')['detail'])
        self.assertEqual(answer(b'STRANGE', b'rdc'), b'\1\1\7')
        self.assertIn('RDC is known', detail('wrong_called', calling='STRANGE'))
        self.assertEqual(answer(b'HERE', b'here_called'), b'\1\1\7')
        self.assertIn('HERE_CALLED is known', detail('wrong_called', calling='HERE'))
        self.assertIn(' as "" to RDC', self.rdc.cli('device', 'doctor'))

    def test_says_when_all_is_well(self):
        self.echo('WELL', check=True)
        wait_for('a contact in order', lambda: self.try_doctor('WELL').get('last_ok_at'), 15)
        answer = self.doctor('WELL')
        self.assertEqual(answer['causes'], [])
        self.assertEqual(answer['contexts'][0]['sop_class'], dicom_scu.VERIFICATION)

    def try_doctor(self, aet):
        try:
            return self.doctor(aet)
        except AssertionError:
            return {}

    def test_lists_what_was_requested_and_accepted(self):
        at = self.rdc.log_size()
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[
            (1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE]),
            (3, '1.2.3.4.5', [dicom_scu.IMPLICIT_LE]),
            (5, CT, ['1.2.3.4.6'])])
        a.release()
        self.cause('context_refused', 'QH_CT')
        contexts = self.doctor('QH_CT')['contexts']
        self.assertEqual([c.get('refused') for c in contexts],
                         [None, 'sop_class_not_supported', 'no_common_transfer_syntax'])
        self.assertEqual(contexts[0]['accepted'], dicom_scu.IMPLICIT_LE)
        self.assertEqual(contexts[2]['requested'], ['1.2.3.4.6'])
        by_api = Client(self.rdc, 'tech').get('/api/v1/devices/QH_CT/doctor').json()['contexts']
        self.assertEqual(by_api, contexts)
        text = self.rdc.cli('device', 'doctor', 'QH_CT', '--contexts')
        self.assertRegex(text, rf'Verification.* {dicom_scu.IMPLICIT_LE} .*{dicom_scu.IMPLICIT_LE}')
        self.assertRegex(text, r'CT Image Storage .*没有共同支持的传输语法, no transfer syntax in common +1\.2\.3\.4\.6')
        log = self.rdc.log_from(at)
        self.assertRegex(log, rf'context_refused .*sop_class={CT} requested=1\.2\.3\.4\.6 cause=.transfer synt')
        self.assertRegex(log, r'context_refused .*sop_class=1\.2\.3\.4\.5 requested=1\.2\.840\.10008\.1\.2 cause=.abstract')
        self.assertRegex(log, rf'association_accepted .*contexts=3 accepted=1 list="?{dicom_scu.VERIFICATION}={dicom_scu.IMPLICIT_LE}')
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, '1.2.3.4.5', [dicom_scu.IMPLICIT_LE])])
        a.release()
        self.cause('no_context', 'QH_CT')

    def test_knows_a_request_without_contexts(self):
        self.rdc.cli('device', 'add', 'NONE', '--org', 'QINGHE')
        kind, _ = self.answer(dicom_scu.associate_rq('RDC', 'NONE', []))
        self.assertEqual(kind, 2)
        self.assertIn('proposes none', self.cause('no_context', 'NONE')['detail'])
        self.assertIsNone(self.doctor('NONE')['last_ok_at'])

    def test_of_whom_no_context_was_accepted_tells_nothing_else(self):
        """DCMTK's tools then close without a release; gdcmscu asks all the same."""
        for goes_on in (False, True):
            a = dicom_scu.Association(self.rdc.dicom_port, 'STRANGE', contexts=[(1, '1.2.3.4.5', [dicom_scu.IMPLICIT_LE])])
            if goes_on:
                a.ids[dicom_scu.VERIFICATION] = 1
                with self.assertRaises(dicom_scu.Refused):
                    a.echo()
            a.close()
        wait_for('the cause', lambda: [c['count'] for c in self.doctor('STRANGE')['causes'] if c['code'] == 'no_context'] == [2], 15)
        self.rdc.cli('device', 'add', 'LATER', '--org', 'QINGHE')
        self.echo('LATER', check=True)  # what came before it has been written when its contact is there
        wait_for('a contact in order', lambda: self.try_doctor('LATER').get('last_ok_at'), 15)
        self.assertEqual([c['code'] for c in self.doctor('STRANGE')['causes']], ['no_context'])

    def test_folds_many_contexts_below_the_cause_and_the_remedy(self):
        ids = iter(range(1, 256, 2))
        a = dicom_scu.Association(self.rdc.dicom_port, 'MANY', contexts=[
            *((next(ids), CT, [dicom_scu.IMPLICIT_LE]) for _ in range(20)),
            *((next(ids), CT, [f'1.2.3.{n}']) for n in range(3)),
            *((next(ids), f'1.2.3.4.{n}', [dicom_scu.IMPLICIT_LE]) for n in range(100))])
        a.release()
        remedy = self.cause('context_refused', 'MANY')['remedy_zh']
        lines = self.rdc.cli('device', 'doctor', 'MANY').splitlines()
        [at] = [i for i, line in enumerate(lines) if line.startswith('contexts ')]
        self.assertRegex(lines[at], '123 asked for, 20 accepted, 103 refused')
        self.assertTrue(any(remedy in line for line in lines[:at]))
        self.assertLess(len(lines), 40)
        text = '\n'.join(lines[at:])
        self.assertRegex(text, r'CT Image Storage +20 of 23 +没有.* 1\.2\.3\.0 1\.2\.3\.1 1\.2\.3\.2\n')
        self.assertIn('and 89 more like these', text)
        self.assertIn('1.2.3.4.99', self.rdc.cli('device', 'doctor', 'MANY', '--contexts'))

    def test_knows_a_request_of_an_association_that_is_too_large(self):
        """Which is not its PDUs: their length is a setting."""
        ids = [(2 * i + 1) % 256 for i in range(129)]
        with self.assertRaises(dicom_scu.Refused):
            dicom_scu.Association(self.rdc.dicom_port, 'LARGE', contexts=[
                (i, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE]) for i in ids])
        self.assertIn('too many presentation contexts', self.cause('protocol_error')['detail'])

    def test_refuses_a_malformed_context_by_itself(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[
            (1, '1.' * 40, [dicom_scu.IMPLICIT_LE]), (3, dicom_scu.VERIFICATION, []),
            (5, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
        self.assertEqual(a.accepted, {1: 3, 3: 4, 5: 0})
        self.assertEqual(a.echo(), 0)
        a.release()
        wait_for('the contexts', lambda: any(c['sop_class'] == 'malformed' and c['refused'] == 'sop_class_not_supported'
                                             for c in self.doctor('QH_CT')['contexts']), 15)

    def test_tells_what_is_wrong_with_a_command_set(self):
        """To the device too, where it can be told which message is meant (PS3.7 C.5.15)."""
        def send(*elements, data=None):
            a = dicom_scu.Association(self.rdc.dicom_port, 'BROKEN', contexts=[
                (1, CT, [dicom_scu.EXPLICIT_LE]), (3, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
            self.addCleanup(a.close)
            a.send_data(1, dicom_scu.command((0x100, 0x01), *elements), True)
            if data:
                a.send_data(1, data, False)
            return a

        def cause():
            return self.cause('protocol_error', 'BROKEN')['detail']

        self.rdc.cli('device', 'add', 'BROKEN', '--org', 'QINGHE')
        for elements, offending, text in (
                (((0x110, 7), (0x800, 1), (0x1000, '1.2.3')), (0, 2), 'AffectedSOPClassUID is missing'),
                (((0x2, CT), (0x110, 7), (0x800, 1)), (0, 0x1000), 'AffectedSOPInstanceUID is missing'),
                (((0x2, CT), (0x110, 7), (0x800, 1), (0x1000, '1.' * 40)), (0, 0x1000), 'is too long'),
                (((0x2, CT), (0x110, 7), (0x800, 0x101), (0x1000, '1.2.3')), None, 'lacks a data set')):
            with self.subTest(text):
                a = send(*elements, data=None if 'lacks' in text else bytes(100000))
                answer = a.read_response()
                self.assertEqual(dicom_scu.number_of(answer, 0x900), 0x0212)
                self.assertEqual(dicom_scu.number_of(answer, 0x120), 7)
                self.assertIn(text, answer[0x902].decode())
                self.assertEqual(struct.unpack('<HH', answer[0x901]) if offending else None, offending)
                self.assertEqual(a.echo(), 0)
                a.release()
                wait_for(text, lambda text=text: text in cause(), 15)
        for elements, text in ((((0x2, CT), (0x800, 1), (0x1000, '1.2.3')), 'MessageID is missing'),
                               (((0x2, CT), (0x110, 7), (0x1000, '1.2.3')), 'CommandDataSetType is missing')):
            with self.subTest(text):
                with self.assertRaises(dicom_scu.Refused):
                    send(*elements).read_response()
                wait_for(text, lambda text=text: text in cause(), 15)

    def test_knows_tls_on_the_plain_port_from_openssl(self):
        needs('openssl')
        subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{self.rdc.dicom_port}'],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        self.cause('tls_on_plain_port')
        # The device that calls from this one address is told as well.
        self.assertTrue(self.cause('tls_on_plain_port', 'HERE')['stranger'])

    def test_knows_other_protocols_and_noise(self):
        for data, code in ((b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'http_on_dicom_port'),
                           (b'\x0bMSH|^~\\&|A|B\r\x1c\r', 'hl7_on_dicom_port'),
                           (b'SSH-2.0-OpenSSH_9\r\n', 'ssh_on_dicom_port'),
                           (b'\xff' * 100, 'not_dicom')):
            self.send(data)
            self.cause(code)

    def test_knows_dicom_and_hl7_on_the_http_port(self):
        rq = dicom_scu.associate_rq('RDC', 'LOST', [(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
        for data, code, port in ((rq, 'dicom_on_http_port', b'DICOM'), (b'\x0bMSH|^~\\&|A|B\r\x1c\r', 'hl7_on_http_port', b'HL7')):
            with socket.create_connection(('127.0.0.1', self.rdc.http_port), 10) as s:
                s.sendall(data)
                self.assertIn(b'use the %s port' % port, s.recv(4096))
            self.cause(code)

    def test_knows_what_is_no_hl7_on_the_hl7_port(self):
        rq = dicom_scu.associate_rq('RDC', 'LOST', [(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE])])
        for data, code, detail in ((rq, 'dicom_on_hl7_port', 'dicom.address'), (b'GET / HTTP/1.1\r\n\r\n', 'http_on_hl7_port', 'http.address'),
                                   (b'MSH|^~\\&|A|B\r', 'not_hl7', 'without its frame'), (b'SSH-2.0-x\r\n', 'not_hl7', 'the byte 0B'),
                                   (b'\x16\x03\x01\x02\0', 'tls_on_plain_port', 'hl7-tls.address')):
            with self.subTest(data), socket.create_connection(('127.0.0.1', self.hl7_port), 10) as s:
                s.sendall(data)
                self.assertEqual(s.recv(100), b'')
                wait_for(detail, lambda c=code, d=detail: d in self.cause(c)['detail'], 15)

    def test_knows_hl7_senders_that_may_not_send(self):
        self.rdc.cli('hl7', 'add', 'HIS^ELSEWHERE', '--org', 'QINGHE', '--address', '127.0.0.9')
        self.rdc.cli('hl7', 'add', 'HIS^AWAY', '--org', 'QINGHE')
        self.rdc.cli('hl7', 'disable', 'HIS^AWAY')
        for facility, code, detail in (
                ('NOWHERE', 'hl7_sender_unknown', 'HIS^NOWHERE: MSH-3 and MSH-4 are not a registered sender'),
                ('AB\xb2\xe2', 'hl7_sender_unknown', 'HIS^AB'),
                ('ELSEWHERE', 'hl7_sender_refused', 'HIS^ELSEWHERE: the sender is registered with another address'),
                ('AWAY', 'hl7_sender_refused', 'HIS^AWAY: the sender is disabled')):
            message = f'MSH|^~\\&|HIS|{facility}|RDC|RDC|20260131080000||ORM^O01|M1|P|2.5.1\r'.encode('latin-1')
            with self.subTest(facility), socket.create_connection(('127.0.0.1', self.hl7_port), 10) as s:
                s.sendall(b'\x0b' + message + b'\x1c\r')
                self.assertIn(b'MSA|AR|M1', s.recv(4096))
                wait_for(detail, lambda c=code, d=detail: d in self.cause(c)['detail'], 15)
        # What a stranger calls itself does not command the operator's terminal.
        with socket.create_connection(('127.0.0.1', self.hl7_port), 10) as s:
            s.sendall(b'\x0bMSH|^~\\&|HIS\x1b[2J|CLEAR|RDC|RDC|20260131080000||ORM^O01|M2|P|2.5.1\r\x1c\r')
            self.assertIn(b'MSA|AR|M2', s.recv(4096))
        out = wait_for('the stranger', lambda: (lambda o: o if 'CLEAR' in o else None)(self.rdc.cli('device', 'doctor')), 15)
        self.assertNotIn('\x1b', out)

    def test_knows_silence_and_broken_protocol(self):
        with socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10):
            self.cause('timed_out')
        self.send(b'\x04\x00\x00\x00\x00\x04abcd')
        self.cause('protocol_error')

    def test_knows_how_an_association_of_a_device_ended(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        a.store_begin(CT, '1.2.3')
        a.close()
        self.cause('connection_lost', 'QH_CT')
        self.echo('QH_CT', options=['--abort'])
        self.cause('aborted_by_device', 'QH_CT')

    def test_does_not_take_a_wrong_query_for_a_damaged_object(self):
        """A900 of C-FIND and A900 of C-STORE are not the same."""
        needs('findscu')
        tool('findscu', '-W', '-aet', 'DS_CT', '-aec', 'RDC', '-k', '0040,0100[0].0040,0002=tomorrow', '127.0.0.1',
             str(self.rdc.dicom_port), check=False)
        self.assertEqual(self.cause('request_refused', 'DS_CT')['detail'],
                         'A900 (0040,0002): write YYYYMMDD, or YYYYMMDD-YYYYMMDD')
        self.assertNotIn('object_refused', [c['code'] for c in self.doctor('DS_CT')['causes']])

    def test_tells_the_staff_of_the_centre_and_nobody_else(self):
        self.echo('QH_CT', 'WRONG')
        self.cause('wrong_called', 'QH_CT')
        answer = Client(self.rdc, 'tech').get('/api/v1/devices/QH_CT/doctor')
        self.assertEqual(answer.status, 200, answer)
        self.assertIn('wrong_called', [c['code'] for c in answer.json()['causes']])
        self.assertEqual(Client(self.rdc, 'tech2').get('/api/v1/devices/QH_CT/doctor').status, 404)
        self.assertEqual(Client(self.rdc).get('/api/v1/devices/QH_CT/doctor').status, 401)

    def test_says_that_it_knows_nothing_of_a_name(self):
        with self.assertRaises(AssertionError) as error:
            self.doctor('NEVER')
        self.assertIn('nobody called by this name', str(error.exception))
