"""rdc send, as a technician uses it."""
import contextlib
import http.server
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading

import dicom_scu
from rdc_system import Client, PASSWORD, ROOT, StoreScp, SystemTest, children, place, unprivileged, wait_for
from test_upload import uids
from test_way import ct_series, folder, scp_file, wfdb_record


class SendTest(SystemTest):
    def send(self, *args, token=None, **kw):
        """(exit status, output); the journal is this test's own."""
        journal = os.path.join(folder('journals'), self.id())
        os.chmod(os.path.dirname(journal), 0o777)
        env = {**os.environ, **({'RDC_TOKEN': token} if token else {})}
        done = subprocess.run(
            unprivileged([place().program, '--config', self.rdc.conf, 'send', '--journal', journal, *args]),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd='/', env=env, timeout=120,
            check=False, **kw)
        return done.returncode, done.stdout

    def files_of(self, name):
        """A folder with folders: two CT images, an SCP-ECG, and a text beside."""
        top = os.path.join(folder(name), 'top')
        os.makedirs(os.path.join(top, 'deep/er'), exist_ok=True)
        for i, path in enumerate(ct_series(name, count=2)):
            shutil.copy(path, os.path.join(top, 'deep', f'{i}.bin'))
        shutil.copy(scp_file(name + '-scp'), os.path.join(top, 'deep/er/ecg'))
        with open(os.path.join(top, 'readme.txt'), 'w') as f:
            f.write('no image')
        return top

    def test_by_http_takes_every_file_once(self):
        top = self.files_of('send-http')
        status, out = self.send('--login', 'tech', '--patient-id', 'SENT 1', top, input=PASSWORD + '\n')
        self.assertEqual(status, 0, out)
        self.assertIn('3 taken, 0 taken before, 0 refused, 0 not sent, 1 passed over', out)
        token = Client(self.rdc, 'tech').token
        status, out = self.send(top, token=token)
        self.assertEqual(status, 0, out)
        self.assertIn('0 taken, 3 taken before', out)
        status, out = self.send(top, '--again', token=token)  # options may stand behind, too
        self.assertIn('3 taken, 0 taken before', out)
        self.assertEqual(status, 0, out)
        self.assertIn('passed over: ' + os.path.join(top, 'readme.txt'), out)

    def test_a_journal_that_has_grown_large_forgets_its_older_half(self):
        top, token = self.files_of('send-long-ago'), Client(self.rdc, 'tech').token
        journal = os.path.join(folder('journals'), self.id())
        self.send(top, token=token)
        self.addCleanup(os.unlink, journal)
        with open(journal, 'rb+') as f:
            lines = f.read().splitlines(True)
            self.assertEqual(len(lines), 3)
            others = b''.join(b'http://elsewhere\t1\t1\t/media/%d\n' % n for n in range(2_000_000))
            f.write(others)
            f.write(lines[-1])
        size = os.path.getsize(journal)
        self.assertGreater(size, 64 << 20)
        status, out = self.send(top, token=token)
        self.assertEqual((status, '2 taken, 1 taken before' in out), (0, True), out)
        self.assertLess(os.path.getsize(journal), size // 2 + 1000)
        with open(journal, 'rb') as f:
            kept = f.read()
        self.assertEqual((kept[:17], kept.count(lines[-1])), (b'http://elsewhere\t', 1))
        self.assertTrue((b'\n' + others).endswith(kept[:kept.index(lines[-1])]))
        self.assertIn('0 taken, 3 taken before', self.send(top, token=token)[1])

    def test_xml_of_a_cart_is_told_by_its_content(self):
        top = folder('send-cart')
        for name in ('aecg-utf16', 'muse-windows', 'philips-1.03'):
            shutil.copy(os.path.join(ROOT, 'testdata/ecg-xml', name + '.xml'), os.path.join(top, name))
        status, out = self.send(top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 0, out)
        self.assertIn('3 taken, 0 taken before, 0 refused', out)

    def test_a_recording_of_several_files_is_one_exam_and_one_line(self):
        top = folder('send-set')
        self.assertEqual(wfdb_record(self.rdc, 'send-set', top), ['send-set.atr', 'send-set.dat', 'send-set.hea'])
        for name in ('letter.txt', 'other.dat'):
            with open(os.path.join(top, name), 'w') as f:
                f.write('no recording')
        token = Client(self.rdc, 'tech').token
        status, out = self.send(top, token=token)
        self.assertEqual(status, 0, out)
        self.assertIn('1/1 taken ' + os.path.join(top, 'send-set.hea'), out)
        self.assertIn('1 taken, 0 taken before, 0 refused, 0 not sent, 2 passed over', out)
        status, out = self.send(*(os.path.join(top, 'send-set' + end) for end in ('.atr', '.dat', '.hea')), token=token)
        self.assertIn('0 taken, 1 taken before, 0 refused', out)
        status, out = self.send(os.path.join(top, 'send-set.hea'), '--again', token=token)
        self.assertEqual(status, 0, out)
        self.assertIn('1 taken, 0 taken before', out)
        [[media, count]] = self.rdc.sql(
            "select o.media, count(*) from instance i join object o on o.id = i.original_id "
            "where o.media = 'application/zip' and i.received_at > now() - interval '1 minute' group by o.media")
        self.assertEqual((media, int(count)), ('application/zip', 1))
        os.unlink(os.path.join(top, 'send-set.dat'))
        status, out = self.send(top, token=token)
        self.assertIn('are its files there?', out)

    def grades(self):
        return {tuple(r) for r in self.rdc.sql(
            'select s.study_uid, e.grade, e.expected::text from exam e join study s on s.id = e.study_id')}

    def test_the_server_is_told_what_belongs_together(self):
        top = self.files_of('send-manifest')
        study = uids(os.path.join(top, 'deep/0.bin'))[1]
        status, out = self.send(top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 0, out)
        self.assertIn((study, 'manifest', '2'), self.grades())

    def test_an_interruption_is_told_and_the_next_call_completes_the_exam(self):
        files = ct_series('send-interrupted', count=20, size=96)
        top, study = os.path.dirname(files[0]), uids(files[0])[1]
        journal = os.path.join(folder('journals'), 'interrupted')
        os.chmod(os.path.dirname(journal), 0o777)
        token = Client(self.rdc, 'tech').token
        command = unprivileged([place().program, '--config', self.rdc.conf, 'send', '--journal', journal, top])
        for number in (signal.SIGINT, signal.SIGKILL):
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd='/',
                                  env={**os.environ, 'RDC_TOKEN': token}) as sending:
                for line in sending.stderr:
                    if ' taken ' in line:
                        break
                for pid in [sending.pid, *children(sending.pid)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                out, err = sending.communicate(timeout=60)
            self.assertNotEqual(sending.returncode, 0)
            if number == signal.SIGINT:
                self.assertRegex(out, r'[0-9]+ taken, 0 taken before, 0 refused, [0-9]+ not sent')
                self.assertIn('stopped: interrupted', err)
            self.assertIn((study, '', ''), self.grades())
        done = subprocess.run(command, capture_output=True, text=True, cwd='/', check=False,
                              env={**os.environ, 'RDC_TOKEN': token})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn((study, 'manifest', '20'), self.grades())

    def test_what_is_refused_stands_in_a_table_and_the_rest_is_sent(self):
        top = self.files_of('send-refused')
        broken = os.path.join(top, 'broken.dcm')
        shutil.copy(os.path.join(top, 'deep/0.bin'), broken)
        with open(broken, 'r+b') as f:
            f.truncate(600)
        text = os.path.join(top, 'readme.txt')
        for name in ('empty.DCM', 'DICOMDIR'):
            with open(os.path.join(top, name), 'w'):
                pass
        status, out = self.send(text, top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 1, out)
        self.assertIn('3 taken, 0 taken before, 3 refused, 0 not sent, 2 passed over', out)
        self.assertRegex(out, r'empty.DCM +it is empty')
        self.assertRegex(out, r'passed over: .*/DICOMDIR\n')
        self.assertRegex(out, r'WHY IT WAS REFUSED\n(.*\n)*.*readme.txt +it is neither DICOM')
        self.assertRegex(out, r'broken.dcm +422 ')

    def test_a_damaged_object_without_an_extension_is_refused(self):
        top = self.files_of('send-damaged')
        with open(os.path.join(top, 'deep/0.bin'), 'rb') as f:
            head = f.read(140)
        with open(os.path.join(top, 'IM0001'), 'wb') as f:
            f.write(head + b'\xff' * 4000)
        status, out = self.send(top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 1, out)
        self.assertIn('3 taken, 0 taken before, 1 refused, 0 not sent, 1 passed over', out)
        self.assertRegex(out, r'/IM0001 +it begins as a DICOM file and is damaged')

    def test_what_the_medium_does_not_give_is_no_file_of_another_kind(self):
        status, out = self.send('/proc/self/mem', token='any')  # whose first page is not there
        self.assertEqual(status, 1, out)
        self.assertRegex(out, r'/proc/self/mem +Input/output error')

    def test_what_is_no_plain_file_is_named(self):
        shutil.rmtree(folder('send-links'))
        top = self.files_of('send-links')
        other = os.path.join(folder('send-links-other'), 'images')
        os.makedirs(other, exist_ok=True)
        shutil.copy(os.path.join(top, 'deep/0.bin'), other)
        os.symlink(other, os.path.join(top, 'deep/old'))
        os.symlink(os.path.join(other, '0.bin'), os.path.join(top, 'image'))
        os.symlink('nowhere', os.path.join(top, '.#lock'))
        os.mkfifo(os.path.join(top, 'pipe.dcm'))
        os.mkfifo(os.path.join(top, 'pipe'))
        status, out = self.send(top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 1, out)
        self.assertIn('3 taken, 0 taken before, 3 refused, 0 not sent, 3 passed over', out)
        self.assertRegex(out, r'/deep/old +it is a link, which is not followed: name what it points to')
        self.assertRegex(out, r'/image +it is a link')
        self.assertRegex(out, r'/pipe.dcm +it is no file')
        for name in ('.#lock', 'pipe', 'readme.txt'):
            self.assertIn(f'passed over: {top}/{name}\n', out)
        status, out = self.send(os.path.join(top, 'deep/old'), token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 0, out)
        self.assertIn('1 taken', out)

    def test_a_folder_that_cannot_be_read_stands_in_the_table_and_the_rest_is_sent(self):
        top = self.files_of('send-locked')
        locked = os.path.join(top, 'locked')
        os.makedirs(locked, exist_ok=True)
        os.chmod(locked, 0)
        try:
            status, out = self.send(top, token=Client(self.rdc, 'tech').token)
        finally:
            os.chmod(locked, 0o755)
        self.assertEqual(status, 1, out)
        self.assertIn('3 taken, 0 taken before, 1 refused', out)
        self.assertRegex(out, r'/locked +Permission denied')
        status, out = self.send(os.path.join(top, 'nothing'), top, token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 1, out)
        self.assertIn('nothing: No such file', out)

    def test_a_name_says_nothing_to_the_terminal(self):
        top = folder('send-names').encode()
        names = (b'a\x1b]0;x\x07\x1b[2J.dcm', b'b\xff\xc2\x9b1m.dcm', '测\u202e一.dcm'.encode(), b'c\n0 refused.dcm',
                 b'd\x1b[8m.txt')
        for name in names:
            with open(os.path.join(top, name), 'wb') as f:
                f.write(b'x')
        status, out = self.send(os.fsdecode(top), token=Client(self.rdc, 'tech').token)
        self.assertEqual(status, 1, out)
        self.assertFalse(set(out) & {*map(chr, range(32)), '\x7f', *map(chr, range(0x80, 0xa0)), '\u202e'} - {'\n'}, [out])
        for shown in ('a\\x1b]0;x\\x07\\x1b[2J.dcm', 'b\\xff\\xc2\\x9b1m.dcm', '测\\xe2\\x80\\xae一.dcm',
                      'c\\x0a0 refused.dcm', 'd\\x1b[8m.txt'):
            self.assertIn(shown, out)
        peer = dicom_scu.Peer()
        def answer():
            peer.accept(syntax=dicom_scu.EXPLICIT_LE)
            context, request, _ = peer.read_message()
            peer.respond(context, request, 0xC000, 'no\x1b[2Jroom')
            peer.finish()
        thread = threading.Thread(target=answer)
        thread.start()
        status, out = self.send('--to', f'X@127.0.0.1:{peer.port}', *ct_series('send-comment', count=1))
        thread.join()
        self.assertEqual(status, 1, out)
        self.assertNotIn('\x1b', out)
        self.assertIn('status C000: no\\x1b[2Jroom', out)

    def test_by_dicom_an_answer_to_another_message_is_no_receipt(self):
        peer = dicom_scu.Peer()

        def answer():
            peer.accept(syntax=dicom_scu.EXPLICIT_LE)
            context, request, _ = peer.read_message()
            peer.respond(context, {**request, 0x110: struct.pack('<H', 99)}, 0)
            with self.assertRaises(dicom_scu.Refused):
                peer.read_message()
            peer.close()
        thread = threading.Thread(target=answer)
        thread.start()
        status, out = self.send('--to', f'X@127.0.0.1:{peer.port}', *ct_series('send-other', count=1))
        thread.join()
        self.assertEqual(status, 1, out)
        self.assertIn('0 taken', out)
        self.assertIn('answered message 99, but 1 was sent: its Message ID Being Responded To is wrong', out)

    def test_by_dicom_a_file_that_becomes_shorter_stops_nothing_else(self):
        files = ct_series('send-shrinks', count=3, size=96)
        peer = dicom_scu.Peer()

        def answer():
            for turn in range(2):
                if turn == 0:
                    select.select([peer.listener], [], [], 60)
                    os.truncate(files[0], 2000)
                peer.accept(syntax=dicom_scu.EXPLICIT_LE)
                try:
                    while True:
                        context, request, _ = peer.read_message()
                        peer.respond(context, request, 0)
                except (dicom_scu.Refused, ConnectionError):
                    peer.close()
        thread = threading.Thread(target=answer)
        thread.start()
        status, out = self.send('--to', f'X@127.0.0.1:{peer.port}', *files)
        thread.join()
        self.assertEqual(status, 1, out)
        self.assertIn('2 taken, 0 taken before, 1 refused, 0 not sent', out)
        self.assertIn('it became shorter', out)

    def test_by_dicom_an_answer_before_the_end_is_of_its_file_only(self):
        files = ct_series('send-early-large', count=1) + ct_series('send-early', count=1)
        with open(files[0], 'ab') as f:
            f.write(dicom_scu.private_tail(1 << 26))
            f.truncate(f.tell() + (1 << 26))
        peer = dicom_scu.Peer()

        def answer():
            """A700 to the first command, before its data; what comes then is an A-ABORT and a new
            association, or, had all data left before the answer was read, the next request."""
            peer.accept(syntax=dicom_scu.EXPLICIT_LE)
            kind, body = peer.read_pdu()
            peer.respond(body[4], dicom_scu.parse_command(body[6:]), 0xA700, 'disk full')
            while kind != 7 and body[5] != 2:  # the last fragment of a data set
                kind, body = peer.read_pdu()
            if kind == 7:
                peer.close()
                peer.accept(syntax=dicom_scu.EXPLICIT_LE)
            context, request, _ = peer.read_message()
            peer.respond(context, request, 0)
            peer.finish()
        thread = threading.Thread(target=answer)
        thread.start()
        status, out = self.send('--to', f'X@127.0.0.1:{peer.port}', *files)
        thread.join()
        self.assertEqual(status, 1, out)
        self.assertIn('1 taken, 0 taken before, 1 refused, 0 not sent', out)
        self.assertIn('status A700: disk full', out)

    def test_a_file_that_changes_meanwhile_is_not_taken_for_sent(self):
        files = ct_series('send-changes', count=4, size=96)

        class Server(http.server.BaseHTTPRequestHandler):
            uploads = 0

            def do_POST(self):
                self.connection.settimeout(20)
                upload = self.path.startswith('/api/v1/uploads')
                if not upload and Server.uploads == 0:
                    os.truncate(files[0], 2000)
                    os.unlink(files[3])
                    os.mkdir(files[3])  # what cannot be read
                try:
                    got = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                except OSError:
                    return
                if upload and len(got) < int(self.headers['Content-Length']):
                    return
                if upload:
                    Server.uploads += 1
                    if Server.uploads == 1:
                        with open(files[1], 'r+b') as f:
                            f.seek(1500)
                            f.write(b'other')
                self.send_response(201 if upload else 200)
                self.send_header('Content-Length', '2')
                self.end_headers()
                self.wfile.write(b'{}')

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server) as server:
            threading.Thread(target=server.serve_forever).start()
            try:
                to = f'http://127.0.0.1:{server.server_port}'
                status, out = self.send('--to', to, *files, token='any')
                self.assertEqual(status, 1, out)
                self.assertIn('1 taken, 0 taken before, 3 refused, 0 not sent', out)
                self.assertIn('it became shorter', out)
                self.assertIn('Is a directory', out)
                self.assertIn('it changed while it was sent', out)
                status, out = self.send('--to', to, files[1], files[2], token='any')
                self.assertEqual(status, 0, out)
                self.assertIn('1 taken, 1 taken before', out)
            finally:
                server.shutdown()

    def test_that_was_interrupted_goes_on(self):
        top = self.files_of('send-resumed')
        token = Client(self.rdc, 'tech').token
        status, out = self.send(os.path.join(top, 'deep/er'), token=token)
        self.assertEqual(status, 0, out)
        self.rdc.stop()
        try:
            status, out = self.send(top, token=token)
            self.assertEqual(status, 1, out)
            self.assertIn('0 taken, 1 taken before, 0 refused, 2 not sent', out)
            self.assertIn('stopped: ', out)
        finally:
            self.rdc.start()
        status, out = self.send(top, token=token)
        self.assertEqual(status, 0, out)
        self.assertIn('2 taken, 1 taken before', out)

    def test_a_line_that_stood_still_is_no_refusal(self):
        """The server gives a body that does not move up with 408, and that is not the file's fault."""
        class Server(http.server.BaseHTTPRequestHandler):
            statuses = [408, 500, 201]

            def do_POST(self):
                self.rfile.read(int(self.headers.get('Content-Length', 0)))
                upload = self.path.startswith('/api/v1/uploads')
                self.send_response(self.statuses.pop(0) if upload else 200)
                self.send_header('Content-Length', '2')
                self.end_headers()
                self.wfile.write(b'{}')

            def log_message(self, *_):
                pass

        [path] = ct_series('send-still', count=1)
        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server) as server:
            threading.Thread(target=server.serve_forever).start()
            try:
                status, out = self.send('--to', f'http://127.0.0.1:{server.server_port}', path, token='any')
            finally:
                server.shutdown()
        self.assertEqual(status, 0, out)
        self.assertIn('1 taken, 0 taken before, 0 refused', out)

    def test_a_server_that_wants_more_than_the_file_is_asked_before_the_next_try(self):
        class Server(http.server.BaseHTTPRequestHandler):
            size, seen, empty = 0, [], [204, 201]

            def answer(self, status, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace('_', '-'), str(value))
                if status != 204:
                    self.send_header('Content-Length', '2' if self.command != 'HEAD' else '0')
                self.end_headers()
                if status != 204 and self.command != 'HEAD':
                    self.wfile.write(b'{}')

            def do_POST(self):
                self.rfile.read(int(self.headers.get('Content-Length', 0)))
                if 'Upload-Length' in self.headers:
                    self.answer(201, Location='/api/v1/uploads/1')
                else:
                    self.answer(200)

            def do_HEAD(self):
                Server.seen.append('HEAD')
                self.answer(200, Upload_Offset=Server.size)

            def do_PATCH(self):
                n = len(self.rfile.read(int(self.headers.get('Content-Length', 0))))
                Server.size += n
                Server.seen.append(n > 0)
                self.answer(204 if n else Server.empty.pop(0), **({'Upload_Offset': Server.size} if n else {}))

            def log_message(self, *_):
                pass

        [path] = ct_series('send-endless', count=1, size=2200)
        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server) as server:
            threading.Thread(target=server.serve_forever).start()
            try:
                status, out = self.send('--to', f'http://127.0.0.1:{server.server_port}', path, token='any')
            finally:
                server.shutdown()
        self.assertEqual(Server.seen[-3:], [False, 'HEAD', False], Server.seen)
        self.assertEqual(status, 0, out)

    def test_without_or_with_a_wrong_login_nothing_is_sent(self):
        top = self.files_of('send-login')
        self.assertEqual(self.send(top)[0], 1)
        status, out = self.send('--login', 'tech', top, input='wrong password\n')
        self.assertEqual(status, 1, out)
        self.assertIn('cannot log in', out)
        status, out = self.send(top, token='wrong')
        self.assertEqual(status, 1, out)
        self.assertIn('3 not sent', out)
        self.assertEqual(self.send()[0], 2)
        self.assertEqual(self.send('--frobnicate', 'x', top)[0], 2)
        self.assertEqual(self.send('--to', 'ftp://127.0.0.1', top)[0], 2)
        # What cannot go better the next time does not say that it would.
        status, out = self.send('--to', 'nowhere', top)
        self.assertEqual(status, 2, out)
        self.assertIn('AET@HOST:PORT, not nowhere', out)
        self.assertNotIn('goes on', out)
        status, out = self.send('--to', f'RDC@127.0.0.1:{self.rdc.dicom_port}', '--aet', 'UNKNOWN', top)
        self.assertEqual(status, 1, out)
        self.assertIn('--aet', out)

    def test_a_question_for_a_password_that_is_ended_leaves_a_terminal_that_shows_what_is_typed(self):
        def shows():
            return bool(termios.tcgetattr(end)[3] & termios.ECHO)

        main, end = pty.openpty()
        self.addCleanup(os.close, main)
        self.addCleanup(os.close, end)
        journal = os.path.join(folder('journals'), self.id())
        args = [place().program, '--config', self.rdc.conf, 'send', '--login', 'tech', '--journal', journal]
        with subprocess.Popen([*args, scp_file('send-asked')], stdin=end, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as asking:
            wait_for('the question', lambda: not shows())
            asking.terminate()
            self.assertEqual(asking.wait(timeout=30), 1)
        self.assertTrue(shows())

    def test_by_dicom_uses_one_association(self):
        top = self.files_of('send-dicom')
        to = f'RDC@127.0.0.1:{self.rdc.dicom_port}'
        status, out = self.send('--to', to, '--aet', 'QH_CT', top)
        self.assertEqual(status, 1, out)
        self.assertIn('2 taken, 0 taken before, 1 refused', out)
        self.assertIn('send it by HTTP', out)
        status, out = self.send('--to', to, '--aet', 'QH_CT', os.path.join(top, 'deep/0.bin'))
        self.assertEqual((status, '1 taken before' in out), (0, True), out)
        status, out = self.send('--to', to, '--aet', 'NOBODY', '--again', os.path.join(top, 'deep/0.bin'))
        self.assertEqual(status, 1, out)
        self.assertIn('calling AE title', out.lower().replace('ae title', 'AE title'))

    def test_by_dicom_ends_when_told_to_though_nobody_answers(self):
        """A network that swallows all: the answer would be waited for two minutes."""
        [path] = ct_series('send-silent', count=1)
        journal = os.path.join(folder('journals'), 'silent')
        os.chmod(os.path.dirname(journal), 0o777)
        with socket.create_server(('127.0.0.1', 0)) as peer:
            peer.settimeout(20)
            sending = subprocess.Popen(
                unprivileged([place().program, '--config', self.rdc.conf, 'send', '--journal', journal, '--to',
                              f'X@127.0.0.1:{peer.getsockname()[1]}', path]),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd='/')
            connection, _ = peer.accept()
            connection.recv(1)
            for pid in [sending.pid, *children(sending.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            try:
                out = sending.communicate(timeout=60)[0]
            finally:
                sending.kill()
                connection.close()
        self.assertEqual(sending.returncode, 1, out)
        self.assertIn('stopped: interrupted', out)

    def test_to_the_wrong_port_is_told_so(self):
        [path], token = ct_series('send-wrong-port', count=1), Client(self.rdc, 'tech').token
        for to, said in ((f'http://127.0.0.1:{self.rdc.dicom_port}', 'speaks no HTTP'),
                         (f'https://127.0.0.1:{self.rdc.http_port}', 'speaks no TLS: write http://'),
                         (f'RDC@127.0.0.1:{self.rdc.http_port}', 'the peer speaks HTTP, use its DICOM port')):
            status, out = self.send('--to', to, path, token=token)
            self.assertEqual(status, 1, out)
            self.assertIn(said, out)

    def test_by_dicom_to_an_address_in_brackets(self):
        with socket.create_server(('::1', 0), family=socket.AF_INET6) as listener:
            peer = dicom_scu.Peer()
            peer.listener.close()
            peer.listener = listener

            def answer():
                peer.accept(syntax=dicom_scu.EXPLICIT_LE)
                context, request, _ = peer.read_message()
                peer.respond(context, request, 0)
                peer.finish()
            listener.settimeout(20)
            thread = threading.Thread(target=answer)
            thread.start()
            status, out = self.send('--to', f'X@[::1]:{listener.getsockname()[1]}', *ct_series('send-v6', count=1))
            thread.join()
        self.assertEqual(status, 0, out)

    def test_by_dicom_to_another_archive(self):
        top = self.files_of('send-storescp')
        archive = StoreScp('send-storescp-in').start()
        self.addCleanup(archive.stop)
        status, out = self.send('--to', f'{archive.aet}@127.0.0.1:{archive.port}', os.path.join(top, 'deep/0.bin'),
                                os.path.join(top, 'deep/1.bin'))
        self.assertEqual(status, 0, out)
        wait_for('both files to arrive', lambda: len(archive.files()) == 2)
