"""Orders by HL7: real messages over MLLP, framed well and badly."""
import json
import socket
import ssl

from rdc_system import SystemTest, free_port, wait_for
from test_tls import Authority

ORDER = ('MSH|^~\\&|HIS|QINGHE|RDC|RDC|20260131080000||ORM^O01|{id}|P|2.5.1||||||{charset}\r'
         'PID|1||P1^^^QINGHE^PI||测试^一||19900307|M\r'
         'ORC|{control}|PL{n}^HIS|||||||||123^王^医生\r'
         'OBR|1|PL{n}^HIS||CTCH^x^L||||||||||||||ACC{n}||||||CT|||^^^202601311000^^S\r')


def order(id, n=1, control='NW', charset='UNICODE UTF-8'):
    return ORDER.format(id=id, n=n, control=control, charset=charset)


class TheHl7Listener(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.conf = {'hl7.address': f'127.0.0.1:{cls.port}'}
        super().setUpClass()
        cls.rdc.cli('hl7', 'add', 'HIS^QINGHE', '--org', 'QINGHE')
        cls.rdc.cli('hl7', 'map', 'HIS^QINGHE', '--code', 'CTCH', '--description', '胸部 CT')

    def setUp(self):
        super().setUp()
        self.socket = socket.create_connection(('127.0.0.1', self.port), timeout=20)
        self.rest = b''  # received behind the last answer
        self.addCleanup(self.socket.close)

    def answer(self):
        while b'\x1c\r' not in self.rest:
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f'closed after {self.rest!r}')
            self.rest += piece
        frame, _, self.rest = self.rest.partition(b'\x1c\r')
        self.assertEqual(frame[:1], b'\x0b')
        return frame[1:].decode()

    def ask(self, message):
        data = message if isinstance(message, bytes) else message.encode()
        self.socket.sendall(b'\x0b' + data + b'\x1c\r')
        return self.answer()

    def test_takes_an_order_once_however_often_it_comes(self):
        for _ in range(2):
            self.assertIn('MSA|AA|once', self.ask(order('once', 10)))
        self.assertEqual(self.rdc.cli('order', 'list').count('ACC10'), 1)
        self.assertIn('胸部 CT', self.rdc.cli('order', 'list'))
        self.assertIn('205^', self.ask(order('once', 11)))

    def test_reads_each_site_in_its_character_set(self):
        for n, (charset, codec) in enumerate([('GB 18030-2000', 'gb18030'), ('', 'gbk'), ('UNICODE UTF-8', 'utf-8'),
                                              ('ASCII~GB 18030-2000', 'gb18030')]):
            self.assertIn('MSA|AA|', self.ask(order(f'set{n}', 20 + n, charset=charset).encode(codec)))

    def test_reads_a_sender_that_does_not_say_its_set_as_registered(self):
        # Guessed, a character that is not in GB 2312 would be none of GBK.
        self.rdc.cli('hl7', 'add', 'RARE^QINGHE', '--org', 'QINGHE', '--charset', 'CP936')
        message = order('rare', 29, charset='').replace('HIS|', 'RARE|', 1).replace('测试^一', '囍')
        message = message.replace('P1^^^', 'PT29^^^').replace('123^王^医生', '')
        self.assertIn('MSA|AA|', self.ask(message.encode('gbk')))
        self.assertIn('囍', str(self.rdc.sql("select name from patient where patient_id = 'PT29'")))

    def test_cancels_an_order(self):
        self.assertIn('MSA|AA|', self.ask(order('new', 30)))
        self.assertIn('MSA|AA|', self.ask(order('cancel', 30, 'CA')))
        self.assertIn('204^', self.ask(order('unknown', 39, 'CA')))

    def test_says_what_is_wrong_with_a_message(self):
        self.assertIn('103^', self.ask(order('control', 40, 'ZZ')))
        self.assertIn('MSA|AR|', self.ask('rubbish'))
        self.assertIn('200^', self.ask('MSH|^~\\&|HIS|QINGHE|||2026||ORU^R01|1|P|2.5\r'))
        self.assertIn('201^', self.ask('MSH|^~\\&|HIS|QINGHE|||2026||ADT^A01|1|P|2.5\r'))
        self.assertIn('MSH^1^3', self.ask(order('who', 41).replace('HIS|QINGHE', 'WHO|NOWHERE')))
        self.assertIn('203^', self.ask(order('version', 42).replace('|2.5.1|', '|3.0|')))
        when = self.ask(order('when', 44).replace('202601311000', '20261399'))
        self.assertRegex(when, r'102\^.*OBR-27.*YYYYMMDDHHMM')
        self.assertIn('segment 5 is none', self.ask(order('fifth', 45) + 'nte|1||x\r'))

    def test_passes_over_what_editors_put_before_a_message(self):
        for n, before in enumerate((b'\xef\xbb\xbf', b'\r\n ', b'\xef\xbb\xbf\r\n')):
            message = order(f'before{n}', 46 + n, charset='GBK').encode('gbk')
            self.assertIn(f'MSA|AA|before{n}', self.ask(before + message))

    def test_answers_no_answer(self):
        """2.9.2: two systems that did would never end."""
        for type in ('ACK', 'ACK^O01^ACK', 'ORR^O02'):
            self.socket.sendall(b'\x0bMSH|^~\\&|HIS|QINGHE|RDC|RDC|20260131||%b|7|P|2.5.1\rMSA|AR|77\r\x1c\r' % type.encode())
        for byte in b'\x06\x15':  # MLLP release 2
            self.socket.sendall(b'\x0b%c\x1c\r' % byte)
        self.assertIn('MSA|AA|then', self.ask(order('then', 49)))

    def test_answers_what_is_too_long_and_takes_the_next(self):
        long = self.ask(order('long', 43) + 'NTE|1||' + 'x' * (3 << 20))
        self.assertRegex(long, r'\|ACK\^O01\^ACK\|.*\|2\.5\.1\|(.|\r)*MSA\|AR\|long\r(.|\r)*1 MiB')
        self.assertIn('MSA|AA|short', self.ask(order('short', 43).replace('|2.5.1|', '|2.3|')))

    def test_finds_frames_in_any_split(self):
        for byte in b'\r\n\x0b' + order('split', 50).encode() + b'\x1c\r':
            self.socket.sendall(bytes([byte]))
        self.assertIn('MSA|AA|split', self.answer())

    def test_follows_what_the_registration_corrects(self):
        def adt(id, patient, event='A08'):
            return self.ask(f'MSH|^~\\&|HIS|QINGHE|RDC|RDC|2026||ADT^{event}|{id}|P|2.5.1||||||UNICODE UTF-8\r'
                            f'EVN||2026\rPID|1||{patient}\r')
        self.assertIn('MSA|AA|', self.ask(order('reg', 70).replace('P1^^^QINGHE^PI', 'P70^^^QINGHE^PI')))
        self.assertIn('MSA|AA|a1', adt('a1', 'P70^^^QINGHE^PI||测^试七||19900308|F'))
        self.assertIn('MSA|AA|a2', adt('a2', 'P70^^^QINGHE^PI||测^试零||""|', 'A31'))
        self.assertEqual(self.rdc.sql("select name, pinyin, birth_date::text, sex from patient where patient_id = 'P70'"),
                         [['测^试零', 'CE^SHILING', '1990-03-08', 'F']])
        self.assertEqual(self.rdc.sql("select count(*) from patient_correction where after ->> 'id' = 'P70'"), [['2']])
        self.assertIn('MSA|AA|a3', adt('a3', 'NOBODY^^^QINGHE^PI||测^试九'))
        self.assertEqual(self.rdc.sql("select count(*) from patient where patient_id = 'NOBODY'"), [['0']])

    def test_holds_releases_and_ends_an_order(self):
        def state():
            return self.rdc.sql("select state from exam_order where accession = 'ACC60'")[0][0]
        self.assertIn('MSA|AA|', self.ask(order('hold new', 60)))
        for id, control, status, expected in (('h1', 'HD', '', 'held'), ('h2', 'RL', '', 'scheduled'),
                                              ('h3', 'SC', 'HD', 'held'), ('h4', 'SC', 'CM', 'done')):
            message = order(id, 60, control).replace('|PL60^HIS|||||||||123', f'|PL60^HIS|||{status}||||||123', 1)
            self.assertIn('MSA|AA|', self.ask(message))
            self.assertEqual(state(), expected)

    def test_takes_only_what_is_meant_for_production(self):
        self.assertIn('202^', self.ask(order('training', 61).replace('|P|2.5.1', '|T|2.5.1')))

    def test_acknowledges_as_enhanced_mode_asks(self):
        """MSH-15, MSH-16 (2.9.3): a commit acknowledgement, then one of the application."""
        def ask(id, n, commit, application, control='NW'):
            return order(id, n, control).replace('|P|2.5.1||||||', f'|P|2.5.1|||{commit}|{application}||', 1)
        self.assertIn('MSA|CA|e1', self.ask(ask('e1', 70, 'AL', 'AL')))
        self.assertIn('MSA|AA|e1', self.answer())
        self.assertIn('MSA|CA|e2', self.ask(ask('e2', 71, 'AL', 'NE')))
        self.assertIn('MSA|AA|e3', self.ask(ask('e3', 72, 'NE', 'AL')))
        # What is not accepted has no other answer.
        self.assertIn('MSA|CE|e4', self.ask(ask('e4', 79, 'AL', 'ER', 'CA')))
        self.assertIn('MSA|AE|e6', self.ask(ask('e6', 79, 'NE', 'ER', 'CA')))
        self.assertIn('MSA|CA|e5', self.ask(ask('e5', 73, 'AL', 'ER')))
        self.assertIn('MSA|AA|plain', self.ask(order('plain', 74)))

    def test_splits_a_text_only_when_it_is_decoded(self):
        """Second bytes of GBK that are | ^ ~ \\ in ASCII."""
        trails = {}
        for code in range(0x81, 0xff):
            for trail in b'|^~\\':
                try:
                    trails.setdefault(trail, bytes([code, trail]).decode('gbk'))
                except UnicodeDecodeError:
                    pass
        name = ''.join(trails[t] for t in b'|^~\\')
        for n, (charset, codec) in enumerate([('GB 18030-2000', 'gb18030'), ('GBK', 'gbk')]):
            message = order(f'trail{n}', 80 + n, charset=charset).replace('测试^一', name).replace('P1^^^', f'PT{n}^^^')
            self.assertIn('MSA|AA|', self.ask(message.encode(codec)))
            self.assertEqual(self.rdc.sql(f"select p.name, p.sex from exam_order o join patient p on p.id = o.patient_id "
                                          f"where accession = 'ACC{80 + n}'"), [[name, 'M']])

    def test_resolves_escapes_and_says_where_a_value_does_not_fit(self):
        message = order('escape', 90).replace('CTCH^x^L', r'ESC^a\T\b\X43\^L').replace('P1^^^', 'PE^^^')
        self.assertIn('MSA|AA|', self.ask(message))
        self.assertEqual(self.rdc.sql("select description from exam_order where accession = 'ACC90'"), [['a&bC']])
        long = self.ask(order('long', 91).replace('ACC91', 'A' * 17))
        self.assertIn('|OBR^1^18|102^', long)
        self.assertIn('MSA|AE|', long)

    def test_takes_a_huge_segment_and_refuses_a_message_without_end(self):
        note = 'NTE|1||' + 'x' * 900000 + '\r'
        self.assertIn('MSA|AA|huge', self.ask(order('huge', 92) + note))
        self.assertIn('MSA|AA|after', self.ask(order('after', 93)))
        try:
            self.socket.sendall(b'\x0b' + order('endless', 94).encode() + b'x' * (66 << 20))
            self.assertEqual(self.socket.recv(100), b'')
        except ConnectionError:
            pass
        self.assertIn('the message is too long', self.rdc.tail(100))

    def test_takes_nothing_of_a_frame_that_holds_two_messages(self):
        """The end of the first got lost: the second one's patient is another."""
        said = self.ask(order('two1', 120) + order('two2', 121).replace('P1^^^', 'P2^^^'))
        self.assertIn('MSA|AE|two1', said)
        self.assertIn('|MSH^2|100^', said)
        self.assertEqual(self.rdc.sql("select 1 from exam_order where accession in ('ACC120', 'ACC121')"), [])

    def test_takes_a_batch_and_answers_each_message_in_another(self):
        """2.10.3: each as alone, with its own character set and rules of acknowledgement."""
        head = 'BHS|^~\\&|HIS|QINGHE|RDC|RDC|20260131||night||B1\r'
        quiet = order('b5', 145).replace('|P|2.5.1||||||', '|P|2.5.1|||ER|NE||', 1)
        messages = [order('b1', 141), order('b2', 142, charset='GB 18030-2000'), order('b3', 149, 'CA'),
                    'MSH|^~\\&|HIS|QINGHE|RDC|RDC|20260131||ACK|b4|P|2.5.1\rMSA|AA|77\r', quiet]
        batch = [head.encode()] + [m.encode('gb18030' if 'GB 1' in m else 'utf-8') for m in messages] + [b'BTS|5\r']
        for _ in range(2):  # sent again, it does nothing twice
            said = self.ask(b''.join(batch))
            self.assertRegex(said, r'^BHS\|\^~\\&\|RDC\|RDC\|HIS\|QINGHE\|\|\|\|\|\|B1\rMSH')
            self.assertEqual([line[4:] for line in said.split('\r') if line[:3] in ('MSA', 'BTS')],
                             ['AA|b1', 'AA|b2', 'AE|b3', '3'])
        self.assertEqual(self.rdc.sql("select accession, name from exam_order o join patient p on p.id = o.patient_id "
                                      "where accession ~ '^ACC14[1-5]' order by 1"),
                         [[f'ACC14{n}', '测试^一'] for n in (1, 2, 5)])
        # A control ID is the same message alone and anywhere in a batch.
        self.assertIn('MSA|AA|b2', self.ask(messages[1].encode('gb18030')))
        many = self.ask('FHS|^~\\&|HIS|QINGHE|||||||F1\r' + ''.join(order(f'm{n}', 150) for n in range(100)))
        self.assertEqual((many.count('MSA|AA|m'), many[-7:]), (100, '\rFTS|1\r'))

    def test_takes_nothing_of_a_batch_that_lost_a_part(self):
        head = 'BHS|^~\\&|HIS|QINGHE|||||||B2\r'
        for batch, word in ((order('c1', 146) + 'BTS|2\r', 'BTS-1'), ('PID|1\r' + order('c2', 146), 'nothing of it'),
                            (order('c3', 146) + 'x' * (2 << 20), '1 MiB')):
            said = self.ask(head + batch)
            self.assertRegex(said, rf'^BHS.*\|B2\rMSH(.|\r)*MSA\|AR\|\r(.|\r)*{word}(.|\r)*BTS\|1\r$')
        self.assertEqual(self.rdc.sql("select 1 from exam_order where accession = 'ACC146'"), [])

    def test_answers_no_batch_of_answers(self):
        head = b'BHS|^~\\&|HIS|QINGHE||||||||B1\r'
        for batch in (head + b'BTS|0\r', head + b'MSH|^~\\&|HIS|QINGHE|||2026||ACK|7|P|2.5.1\rMSA|AA|1\rBTS|1\r'):
            self.socket.sendall(b'\x0b' + batch + b'\x1c\r')
        self.assertIn('MSA|AA|behind', self.ask(order('behind', 147)))
        self.assertRegex(self.ask('BHS|^~\\&|HIS|QINGHE|||||||none\r'), r'^BHS.*\|none\rBTS\|0\r$')

    def test_takes_each_obr_and_what_replaces_an_order(self):
        second = order('obr', 131).split('\r')[3].replace('OBR|1', 'OBR|2')
        self.assertIn('MSA|AA|obr', self.ask(order('obr', 130) + second + '\r'))
        head, replacing = order('rp', 131, 'RP'), order('ro', 132, 'RO').split('\r', 2)[2]
        self.assertIn('MSA|AA|rp', self.ask(head + replacing))
        self.assertEqual(self.rdc.sql("select accession, state from exam_order where accession in ('ACC130', 'ACC131', "
                                      "'ACC132') order by 1"),
                         [['ACC130', 'scheduled'], ['ACC131', 'cancelled'], ['ACC132', 'scheduled']])

    def test_takes_a_general_order_and_not_the_result_that_comes_with_it(self):
        message = order('omg', 170).replace('ORM^O01', 'OMG^O19^OMG_O19') + 'ORC|PR|PL171^HIS\rOBR|1|PL171^HIS||CTCH^x^L\r'
        self.assertIn('ACK^O19^ACK', self.ask(message))
        self.assertIn('MSA|AA|omg2', self.ask(message.replace('|omg|', '|omg2|').replace('ORC|NW', 'ORC|XO').replace('^^S', '^^R')))
        self.assertEqual(self.rdc.sql("select accession, priority from exam_order where placer_number in ('PL170', 'PL171')"),
                         [['ACC170', 'routine']])

    def test_frames_that_follow_at_once_and_broken_ones(self):
        one, two = order('q1', 95).encode(), order('q2', 96).encode()
        self.socket.sendall(b'\x0b' + one + b'\x1c\r\x0b' + two + b'\x1c\r')
        self.assertIn('MSA|AA|q1', self.answer())
        self.assertIn('MSA|AA|q2', self.answer())
        # an end without CR; a begin within a message; an empty frame
        self.socket.sendall(b'\x0b' + order('q3', 97).encode() + b'\x1c')
        self.assertIn('MSA|AA|q3', self.answer())
        self.assertIn('MSA|AE|', self.ask(order('q4', 98).encode()[:150] + b'\x0b' + order('q5', 99).encode()))
        self.assertIn('MSA|AR|', self.ask(b''))
        self.assertEqual(self.rdc.sql("select 1 from exam_order where accession in ('ACC98', 'ACC99')"), [])

    def test_keeps_code_maps_as_rows(self):
        self.rdc.cli('hl7', 'map', 'HIS^QINGHE', '--code', 'SPIRO', '--modality', 'ecg', '--description', '心电图')
        rows = json.loads(self.rdc.cli('hl7', 'codes', '--json'))
        self.assertIn({'sender': 'HIS^QINGHE', 'code': 'SPIRO', 'modality': 'ECG', 'description': '心电图'}, rows)
        self.assertRegex(self.rdc.cli('hl7', 'codes'), r'HIS\^QINGHE +SPIRO +ECG +心电图')
        self.rdc.cli('hl7', 'unmap', 'HIS^QINGHE', '--code', 'SPIRO')
        self.assertNotIn('SPIRO', self.rdc.cli('hl7', 'codes'))
        self.assertIn('no such code', self.rdc.cli('hl7', 'unmap', 'HIS^QINGHE', '--code', 'SPIRO', check=False))

    def test_says_which_code_has_no_map(self):
        message = order('unmapped', 110)
        obr = next(line for line in message.split('\r') if line.startswith('OBR'))
        fields = obr.split('|')
        fields[24:25] = ['']
        message = message.replace(obr, '|'.join(fields))
        said = self.ask(message)
        self.assertIn('|OBR^1^24|101^', said)
        self.assertIn('rdc hl7 map "HIS\\S\\QINGHE" --code "CTCH" --modality M', said)
        self.rdc.cli('hl7', 'map', 'HIS^QINGHE', '--code', 'CTCH', '--modality', 'CT')
        self.addCleanup(self.rdc.cli, 'hl7', 'unmap', 'HIS^QINGHE', '--code', 'CTCH')
        self.assertIn('MSA|AA|', self.ask(message))

    def test_closes_on_what_is_no_frame(self):
        for data, said in ((b'GET / HTTP/1.1\r\n\r\n', 'the peer speaks HTTP'),
                           (b'\x01\0\0\0\0\xd2\0\1', 'the peer speaks DICOM'), (b'MSH|^~\\&|HIS|QINGHE\r', 'without its frame'),
                           (b'rubbish', 'does not speak MLLP'), (b'\x16\x03\x01\x02\x00', 'hl7-tls.address')):
            before = self.rdc.log_size()
            with socket.create_connection(('127.0.0.1', self.port), timeout=20) as s:
                s.sendall(data)
                self.assertEqual(s.recv(100), b'')
            self.assertRegex(self.rdc.log_from(before), f'event=hl7_stranger .*{said}')


class TheHl7ListenerOverTls(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.centre, cls.stranger = Authority('hl7'), Authority('hl7-stranger')
        cls.server, cls.his = cls.centre.sign('hl7-server'), cls.centre.sign('his')
        cls.port = free_port()
        cls.conf = {'hl7-tls.address': f'127.0.0.1:{cls.port}', 'tls.certificate': cls.server[0],
                    'tls.key': cls.server[1], 'tls.client-ca': cls.centre.ca}
        super().setUpClass()
        cls.rdc.cli('hl7', 'add', 'HIS^QINGHE', '--org', 'QINGHE', '--certificate', cls.his[0])

    def ask(self, pair, message):
        context = ssl.create_default_context(cafile=self.centre.ca)
        if pair:
            context.load_cert_chain(*pair)
        with context.wrap_socket(socket.create_connection(('127.0.0.1', self.port), timeout=20),
                                 server_hostname='127.0.0.1') as s:
            s.sendall(b'\x0b' + message.encode() + b'\x1c\r')
            data = b''
            while not data.endswith(b'\x1c\r'):
                piece = s.recv(65536)
                if not piece:
                    raise ConnectionError('closed')
                data += piece
            return data.decode()

    def test_takes_orders_of_who_shows_the_right_certificate(self):
        message = order('tls1').replace('CTCH^x^L||||||||||||||', 'C^x^L||||||||||||||')
        self.assertIn('MSA|AA|tls1', self.ask(self.his, message))
        other = self.ask(self.centre.sign('other'), message)
        self.assertIn('MSA|AR|', other)
        self.assertIn('another certificate', other)
        for pair, word in ((None, 'certificate_missing'), (self.stranger.sign('alien'), 'certificate_unknown')):
            with self.assertRaises((OSError, ssl.SSLError)):
                self.ask(pair, message)
            wait_for(word, lambda w=word: w in self.rdc.tail(50), 10)
        with socket.create_connection(('127.0.0.1', self.port), timeout=20) as s:
            s.sendall(b'\x0b' + message.encode() + b'\x1c\r')
            self.assertNotIn(b'MSA', s.recv(1000))
        wait_for('plain_on_tls_port', lambda: 'plain_on_tls_port' in self.rdc.tail(50), 10)
