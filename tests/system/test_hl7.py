"""Orders by HL7: real messages over MLLP, framed well and badly."""
import socket

from rdc_system import SystemTest, free_port

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
        self.addCleanup(self.socket.close)

    def answer(self):
        data = b''
        while not data.endswith(b'\x1c\r'):
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f'closed after {data!r}')
            data += piece
        self.assertEqual(data[:1], b'\x0b')
        return data[1:-2].decode()

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
        for n, (charset, codec) in enumerate([('GB 18030-2000', 'gb18030'), ('', 'gbk'), ('UNICODE UTF-8', 'utf-8')]):
            self.assertIn('MSA|AA|', self.ask(order(f'set{n}', 20 + n, charset=charset).encode(codec)))

    def test_cancels_an_order(self):
        self.assertIn('MSA|AA|', self.ask(order('new', 30)))
        self.assertIn('MSA|AA|', self.ask(order('cancel', 30, 'CA')))
        self.assertIn('204^', self.ask(order('unknown', 39, 'CA')))

    def test_says_what_is_wrong_with_a_message(self):
        self.assertIn('103^', self.ask(order('control', 40, 'ZZ')))
        self.assertIn('MSA|AR|', self.ask('rubbish'))
        self.assertIn('200^', self.ask('MSH|^~\\&|HIS|QINGHE|||2026||ADT^A01|1|P|2.5\r'))
        self.assertIn('MSH^1^3', self.ask(order('who', 41).replace('HIS|QINGHE', 'WHO|NOWHERE')))
        self.assertIn('203^', self.ask(order('version', 42).replace('|2.5.1|', '|3.0|')))

    def test_finds_frames_in_any_split(self):
        for byte in b'\r\n\x0b' + order('split', 50).encode() + b'\x1c\r':
            self.socket.sendall(bytes([byte]))
        self.assertIn('MSA|AA|split', self.answer())

    def test_closes_on_what_is_no_frame(self):
        self.socket.sendall(b'GET / HTTP/1.1\r\n\r\n')
        self.assertEqual(self.socket.recv(100), b'')
        self.assertIn('hl7_stranger', self.rdc.tail(100))
