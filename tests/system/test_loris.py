"""Peers that connect and say nothing, or a byte at a time, or that come and go without end: each is
ended by the clock of its phase, gives back what it took, and nobody else notices."""
import select
import socket
import struct

import dicom_scu
import make_dicom
from rdc_system import Client, SystemTest, tool, wait_for

CT = make_dicom.CT


class TheQuietCorners(SystemTest):
    conf = {'dicom.artim-seconds': '1', 'dicom.idle-seconds': '2', 'http.header-timeout': '1s',
            'http.body-timeout': '1s', 'http.idle-timeout': '1s'}

    def connect(self, port):
        return socket.create_connection(('127.0.0.1', port), 20)

    def is_served(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'DS_CT')
        self.assertEqual(a.echo(), 0)
        a.release()
        self.assertEqual(Client(self.rdc).get('/healthz').status, 200)

    def trickle(self, s, data, seconds=0.1):
        """Sends a byte at a time until the peer ends it; what the peer said. Fails when all
        of the data was taken."""
        for at in range(len(data)):
            readable, _, _ = select.select([s], [], [], seconds)
            if readable:
                return self.rest(s)
            try:
                s.sendall(data[at:at + 1])
            except (BrokenPipeError, ConnectionResetError):
                return self.rest(s)
        raise AssertionError(f'{len(data)} bytes were taken one by one')

    def rest(self, s):
        out = b''
        try:
            while got := s.recv(4096):
                out += got
        except ConnectionResetError:
            pass
        return out

    def test_a_connection_that_says_nothing_is_ended(self):
        for port in (self.rdc.dicom_port, self.rdc.http_port):
            with self.connect(port) as s:
                self.rest(s)  # returns when the server has closed
        self.is_served()

    def test_an_association_request_that_trickles_is_ended(self):
        rq = dicom_scu.associate_rq('RDC', 'QH_CT', dicom_scu.store_context(CT))
        with self.connect(self.rdc.dicom_port) as s:
            self.trickle(s, rq)
        self.is_served()

    def test_an_association_that_never_sends_is_aborted(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
        kind, _ = a.read_pdu()
        self.assertEqual(kind, 7)  # A-ABORT
        a.close()

    def test_an_object_that_trickles_is_aborted_however_its_bytes_are_wrapped(self):
        d = make_dicom.ct_slice('trickle', 1, size=16)
        data = d.encode(make_dicom.plain('gb18030'))
        one_pdu = dicom_scu.pdata(1, data, False)
        many = b''.join(dicom_scu.pdata(1, data[i:i + 2], False, last=False) for i in range(0, 400, 2))
        for sent in (one_pdu[:600], many[:700]):
            a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
            a.store_begin(CT, d.elements[0x00080018][1][0])
            said = self.trickle(a.socket, sent)
            self.assertEqual(said[:1], b'\x07', 'it was not aborted')
            a.close()
        self.assertEqual(self.rdc.sql('select count(*) from instance'), [['0']])
        self.is_served()

    def test_a_head_and_a_body_that_trickle_are_answered_with_408(self):
        head = b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ' + b'a' * 600
        with self.connect(self.rdc.http_port) as s:
            self.assertTrue(self.trickle(s, head).startswith(b'HTTP/1.1 408 '))
        with self.connect(self.rdc.http_port) as s:
            s.sendall(b'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n')
            self.assertTrue(self.trickle(s, b'{' * 900).startswith(b'HTTP/1.1 408 '))
        self.is_served()

    def test_a_peer_that_closes_its_side_only_is_closed(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
        a.socket.shutdown(socket.SHUT_WR)
        self.rest(a.socket)
        a.close()

    def descriptors(self):
        """Of all workers; those of connections to the database come and go with them."""
        return sum(len(tool('ls', f'/proc/{pid}/fd').split()) for pid in self.rdc.workers())

    def test_who_connects_again_and_again_takes_nothing_with_them(self):
        workers = self.rdc.workers()
        self.is_served()
        wait_for('what others left to be closed', lambda: self.open_associations() == 0, 20)
        before = self.descriptors()
        reset = struct.pack('ii', 1, 0)
        for i in range(600):
            s = self.connect(self.rdc.dicom_port if i % 3 else self.rdc.http_port)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            s.close()
            if i % 6 == 0:
                a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
                a.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                a.close()
            if i % 100 == 0:
                self.is_served()
        wait_for('the descriptors to be given back',
                 lambda: self.open_associations() == 0 and self.descriptors() <= before, 30)
        self.assertEqual(self.rdc.workers(), workers)

    def open_associations(self):
        text = Client(self.rdc).get('/metrics').body.decode()
        return int(text.split('\nrdc_associations_open ')[1].split()[0])
