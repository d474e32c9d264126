"""What the ports refuse, how, and what the log tells a technician."""
import os
import socket

from rdc_system import Client, SystemTest, tool, wait_for
import dicom_scu
import make_dicom
from stored import Stored

CT, CR = make_dicom.CT, make_dicom.CR


class TheDicomPort(SystemTest):
    def logged(self, offset, *words):
        """The first log line after `offset` that has all the words."""
        def line():
            for text in self.rdc.log_from(offset).splitlines():
                if all(w in text for w in words):
                    return text
            return None
        text = wait_for(f'a log line with {words}', line, 10)
        self.note(text[:160])

    def send(self, data):
        """What the port answers to these bytes until it closes."""
        with socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            out = b''
            try:
                while got := s.recv(4096):
                    out += got
            except ConnectionResetError:
                pass
            return out

    def test_refuses_an_unknown_device_and_names_it(self):
        at = self.rdc.log_size()
        with self.assertRaises(dicom_scu.Refused) as refused:
            dicom_scu.Association(self.rdc.dicom_port, 'NOBODY', contexts=dicom_scu.store_context(CT))
        # PS3.8 9.3.4: rejected-permanent, service-user, calling-AE-title-not-recognized
        self.assertEqual((refused.exception.what, refused.exception.reason), ('A-ASSOCIATE-RJ', (1, 1, 3)))
        self.logged(at, 'NOBODY', '127.0.0.1')

    def test_refuses_a_wrong_called_title_and_names_it(self):
        at = self.rdc.log_size()
        with self.assertRaises(dicom_scu.Refused) as refused:
            dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', 'WRONG', dicom_scu.store_context(CT))
        self.assertEqual((refused.exception.what, refused.exception.reason), ('A-ASSOCIATE-RJ', (1, 1, 7)))
        self.logged(at, 'WRONG')

    def test_refuses_another_application_context_and_protocol_version(self):
        rq = dicom_scu.associate_rq('RDC', 'QH_CT', dicom_scu.store_context(CT))
        for changed, reason in ((rq.replace(b'1.2.840.10008.3.1.1.1', b'1.2.840.10008.3.1.1.2'), (1, 1, 2)),
                                (rq[:6] + b'\0\2' + rq[8:], (1, 2, 2))):
            # The server then waits for the peer to close (PS3.8 9.2, Sta13).
            with socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10) as s:
                s.sendall(changed)
                answer = s.recv(10, socket.MSG_WAITALL)
            self.assertEqual((answer[0], tuple(answer[7:10])), (3, reason))

    def store(self, d, sop_class=CT, sop_instance=None):
        """(status, Error Comment) of a C-STORE of this data set, announced as such."""
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        a.ids[sop_class] = a.ids[CT]
        a.store_begin(sop_class, sop_instance or d.elements[0x00080018][1][0])
        a.send_data(1, d.encode(make_dicom.plain('gb18030')), False)
        response = a.read_response()
        a.release()
        return int.from_bytes(response[0x900], 'little'), response.get(0x902, b'').decode()

    def test_answers_an_object_that_it_cannot_take_with_status_and_reason(self):
        d = make_dicom.ct_slice('refused', 1, size=8)
        self.assertEqual(self.store(d, CR)[0], 0x0122)
        self.assertEqual(self.store(d, sop_instance='1.2.3')[0], 0xA900)
        d.add(0x0020000d, 'UI', '1.2.not')
        status, comment = self.store(d)
        self.assertEqual(status, 0xC000)
        self.assertIn('StudyInstanceUID', comment)
        del d.elements[0x0020000d]
        self.assertEqual(self.store(d)[0], 0xC000)
        d.add(0x0020000d, 'UI', make_dicom.uid('study refused'))
        self.assertEqual(self.store(d), (0, ''))

    def test_refuses_a_file_in_the_place_of_its_data_set(self):
        """Behind a meta group of our own its end could not be told."""
        path = os.path.join(self.rdc.place.folder, 'whole.dcm')
        make_dicom.write(path, make_dicom.ct_slice('whole', 1, size=8))
        sop_class, sop, syntax, data = dicom_scu.part10(path)
        with open(path, 'rb') as f:
            whole = f.read()
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, sop_class, [syntax])])
        for content, word in ((whole, 'preamble'), (whole[132:], 'meta group')):
            self.assertEqual(a.store(sop_class, sop, content), 0xC000)
            self.assertIn(word, a.comment)
        self.assertEqual(a.store(sop_class, sop, data), 0)
        a.release()

    def test_takes_uids_with_empty_components(self):
        """As a device in the field makes them: nobody at the centre could mend that."""
        d = make_dicom.ct_slice('empty component', 1, size=16)
        uids = {0x0008_0018: '1.2.826.0.1..1', 0x0020_000d: '1.2.826.0.1.', 0x0020_000e: '1.2.826.0.1..2'}
        for tag, uid in uids.items():
            d.elements[tag] = (d.elements[tag][0], (uid,))
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        self.assertEqual(a.store(CT, '1.2.826.0.1..1', d.encode(make_dicom.plain('gb18030'))), 0)
        a.release()
        self.assertEqual(self.rdc.sql("select s.study_uid from study s join instance i on i.study_id = s.id "
                                      "where i.sop_uid = '1.2.826.0.1..1'"), [['1.2.826.0.1.']])
        out = os.path.join(self.rdc.data, 'empty-component')
        self.rdc.cli('export', '1.2.826.0.1.', '-o', out)
        self.assertEqual(os.listdir(out), ['1.2.826.0.1..1.dcm'])

    def test_answers_each_context_for_itself(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[
            (1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE]),
            (3, '1.2.3.4.5', [dicom_scu.IMPLICIT_LE]),
            (5, CT, ['1.2.3.4.6'])])
        self.assertEqual(a.accepted, {1: 0, 3: 3, 5: 4})
        self.assertEqual(a.echo(), 0)
        a.release()

    def test_says_that_a_tls_hello_came_to_the_plain_port(self):
        at = self.rdc.log_size()
        self.send(bytes.fromhex('160301002f0100002b0303') + bytes(40))
        self.logged(at, 'TLS')

    def test_survives_garbage(self):
        at = self.rdc.log_size()
        for data in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'\xff' * 1000, b'\x01\x00\xff\xff\xff\xff',
                     b'\x04\x00\x00\x00\x00\x04abcd', b'\x07\x00\x00\x00\x00\x04\0\0\0\0'):
            self.send(data)
        self.logged(at, '127.0.0.1')
        tool('echoscu', '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port))

    def test_gives_back_the_place_of_a_client_that_stops_in_the_middle(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        a.store_begin(CT, '1.2.3')
        a.close()
        tool('echoscu', '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port))
        self.assertEqual(self.rdc.sql("select count(*) from instance where sop_uid = '1.2.3'"), [['0']])


class ThePortWithPrivateClasses(SystemTest):
    conf = {'dicom.private-classes': 'yes'}
    PRIVATE = '1.3.6.1.4.1.99999.1.1'

    def object(self, sop_class, name):
        """(SOP Instance UID, data set) of a CT slice under another class."""
        d = make_dicom.ct_slice(name, 1, size=8)
        d.elements[0x00080016] = ('UI', (sop_class,))
        return d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030'))

    def test_stores_a_private_class_as_received(self):
        later = '1.2.840.10008.5.1.4.1.1.9999'  # a storage class of an edition to come
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[
            (1, self.PRIVATE, [dicom_scu.EXPLICIT_LE]), (3, later, [dicom_scu.EXPLICIT_LE]),
            (5, self.PRIVATE, ['1.3.6.1.4.1.99999.2']),           # an unknown transfer syntax
            (7, '1.2.840.10008.5.1.1.9', [dicom_scu.IMPLICIT_LE]),  # print: a service of the standard
            (9, '1.2.840.10008.5.1.4.1.2.1.1', [dicom_scu.IMPLICIT_LE])])  # query, not offered
        self.assertEqual(a.accepted, {1: 0, 3: 0, 5: 4, 7: 3, 9: 3})
        a.ids[self.PRIVATE] = 1
        sop, data = self.object(self.PRIVATE, 'private')
        self.assertEqual(a.store(self.PRIVATE, sop, data), 0)
        sop2, data2 = self.object(later, 'later')
        self.assertEqual(a.store(later, sop2, data2), 0)
        # Nothing but C-STORE is served there: 0211, unrecognized operation.
        self.assertEqual(a.request(self.PRIVATE, 0x0140, '1.2.3', {(0x0010, 0x0020): '1'})[0], 0x0211)
        a.release()
        rows = self.rdc.sql(f"select sop_class from instance where sop_uid in ('{sop}', '{sop2}')")
        self.assertEqual(sorted(rows), sorted([[self.PRIVATE], [later]]))
        (location,), = self.rdc.sql("select o.location from instance i join object o on o.id = i.object_id "
                                    f"where i.sop_uid = '{sop}'")
        self.assertTrue(Stored(self.rdc.data, location).read().endswith(data), 'it is not stored as it was sent')


class TheHttpPort(SystemTest):
    def raw(self, data):
        with socket.create_connection(('127.0.0.1', self.rdc.http_port), 10) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            out = b''
            try:
                while got := s.recv(4096):
                    out += got
            except ConnectionResetError:
                pass
            return out

    def test_refuses_a_bare_carriage_return(self):
        answer = self.raw(b'GET /healthz HTTP/1.1\rHost: x\r\n\r\n')
        self.assertTrue(answer.startswith(b'HTTP/1.1 400 '), answer)

    def test_refuses_length_and_chunks_together(self):
        answer = self.raw(b'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n'
                          b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
        self.assertTrue(answer.startswith(b'HTTP/1.1 400 '), answer)

    def test_limits_the_size_of_headers(self):
        answer = self.raw(b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ' + b'a' * 200000 + b'\r\n\r\n')
        self.assertRegex(answer, rb'^(HTTP/1\.1 4(00|13|31) |$)')

    def test_survives_rubbish(self):
        for data in (b'\0' * 100, b'\x16\x03\x01\x00\x2f', b'GET\r\n\r\n', b'A' * 70000, b'',
                     b'POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n'):
            self.raw(data)
        self.assertEqual(Client(self.rdc).get('/healthz').status, 200)

    def test_asks_for_a_login(self):
        for path in ('/api/v1/worklist', '/api/v1/exams', '/api/v1/exams/1', '/api/v1/exams/1/report.pdf',
                     '/api/v1/instances/1.2.3/rendered'):
            answer = Client(self.rdc).get(path)
            self.assertEqual(answer.status, 401, (path, answer))
            self.assertEqual(answer.headers['Content-Type'].split(';')[0], 'application/problem+json')

    def test_refuses_a_wrong_password(self):
        answer = Client(self.rdc).post('/api/v1/session', {'login': 'tech', 'password': 'wrong'})
        self.assertEqual(answer.status, 401, answer)
        answer = Client(self.rdc).post('/api/v1/session', b'{"login":', Connection='close')
        self.assertIn(answer.status, (400, 415, 422), answer)

    def test_says_what_it_does_not_know(self):
        self.assertEqual(Client(self.rdc).get('/nothing/here').status, 404)
        self.assertEqual(Client(self.rdc).request('DELETE', '/healthz').status, 405)

    def test_gives_metrics_on_loopback(self):
        answer = Client(self.rdc).get('/metrics')
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(b'# TYPE rdc_', answer.body)

    def test_sets_a_cookie_that_scripts_cannot_read(self):
        from rdc_system import PASSWORD
        answer = Client(self.rdc).post('/api/v1/session', {'login': 'tech', 'password': PASSWORD})
        cookie = answer.headers['Set-Cookie']
        self.assertIn('HttpOnly', cookie)
        self.assertIn('SameSite=Strict', cookie)
