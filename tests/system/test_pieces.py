"""A large file of `rdc send`, over a line that breaks: only what is missing is sent again."""
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time

from rdc_system import Client, SystemTest, kill_tree, place, unprivileged, wait_for
from test_upload import uids
from test_way import ct_series, folder

MIB = 1 << 20
LARGE = 9 * MIB  # above the size from which files go in pieces


class Line:
    """A way to a port that counts, and that is cut (by reset) or held after so many bytes."""

    def __init__(self, port, cuts=(), hold=None):
        self.to, self.cuts, self.hold = port, list(cuts), hold
        self.bytes = 0
        self.held = threading.Event()
        self.pairs = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}'
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            try:
                far = socket.socket()
                # What was counted shall not wait here and vanish with a cut.
                far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
                far.connect(('127.0.0.1', self.to))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            threading.Thread(target=self.forward, args=(near, far), daemon=True).start()
            threading.Thread(target=self.back, args=(far, near), daemon=True).start()

    def forward(self, near, far):
        try:
            while data := near.recv(65536):
                if self.hold is not None and self.bytes >= self.hold:
                    self.held.set()
                    while self.hold is not None:
                        time.sleep(0.01)
                far.sendall(data)
                self.bytes += len(data)
                if self.cuts and self.bytes >= self.cuts[0]:
                    del self.cuts[0]
                    self.cut(near, far)
                    return
        except OSError:
            pass
        self.end(near, far)

    def back(self, far, near):
        try:
            while data := far.recv(65536):
                near.sendall(data)
        except OSError:
            pass
        self.end(near, far)

    @staticmethod
    def cut(near, far):
        for s in (near, far):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        Line.end(near, far)

    @staticmethod
    def end(near, far):
        for s in (near, far):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def close(self):
        self.hold = None
        self.listener.close()
        for pair in self.pairs:
            self.end(*pair)


class LargeFileTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.top = folder('pieces-' + self._testMethodName[5:15])
        [small] = ct_series(self._testMethodName[5:25], count=1)
        self.file = os.path.join(self.top, 'large.dcm')
        self.tail = os.urandom(LARGE)
        with open(small, 'rb') as f, open(self.file, 'wb') as g:
            g.write(f.read())
            g.write(b'\xe1\x7f\x10\0LO\x08\0RDC TEST\xe1\x7f\x10\x10OB\0\0' + struct.pack('<I', LARGE))
            g.write(self.tail)
        self.size = os.path.getsize(self.file)
        self.study = uids(self.file)[1]
        self.token = Client(self.rdc, 'tech').token

    def line(self, **kw):
        line = Line(self.rdc.http_port, **kw)
        self.addCleanup(line.close)
        return line

    def sender(self, line, *args):
        journal = os.path.join(folder('journals'), self._testMethodName[5:15])
        os.chmod(os.path.dirname(journal), 0o777)
        process = subprocess.Popen(
            unprivileged([place().program, '--config', self.rdc.conf, 'send', '--journal', journal,
                          '--to', line.url, *args, self.top]),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd='/',
            env={**os.environ, 'RDC_TOKEN': self.token})
        self.addCleanup(process.stdout.close)
        return process

    def sent(self, process):
        out = process.communicate(timeout=100)[0]
        self.assertEqual(process.returncode, 0, out)
        self.assertIn('1 taken, 0 taken before, 0 refused', out)

    def assert_arrived(self):
        out = folder('pieces-out-' + self._testMethodName[5:15])
        os.chmod(out, 0o777)
        self.rdc.cli('export', self.study, '-o', out)
        [name] = os.listdir(out)
        with open(os.path.join(out, name), 'rb') as f:
            self.assertEqual(hashlib.sha256(f.read()[-LARGE:]).digest(), hashlib.sha256(self.tail).digest())
        self.assertEqual(os.listdir(os.path.join(self.rdc.data, 'uploads')), [])

    def test_goes_on_where_the_line_was_cut(self):
        line = self.line(cuts=[3 * MIB, 6 * MIB])
        self.sent(self.sender(line))
        self.assertEqual(line.cuts, [])
        self.assertLess(line.bytes, self.size + self.size // 8)
        self.assert_arrived()

    def test_whose_sender_was_killed_goes_on_with_the_next_call(self):
        shutil.copy(ct_series('pieces-small', count=1)[0], os.path.join(self.top, 'small.dcm'))
        line = self.line(hold=5 * MIB)
        sending = self.sender(line)
        self.assertTrue(line.held.wait(60))
        kill_tree(sending.pid)
        sending.wait()
        self.rdc.kill_all()
        self.rdc.start()
        before, line.hold = line.bytes, None
        out = (again := self.sender(line)).communicate(timeout=100)[0]
        self.assertEqual(again.returncode, 0, out)
        self.assertIn('2 taken, 0 taken before, 0 refused', out)
        self.assertLess(line.bytes - before, self.size * 3 // 4)
        self.assert_arrived()
        # The small one went as ever.
        self.assertEqual(self.rdc.sql(f'select count(*) from upload where length < {LARGE}'), [['0']])

    def test_waits_while_the_server_restarts_and_the_digest_is_checked(self):
        line = self.line(hold=5 * MIB)
        sending = self.sender(line)
        self.assertTrue(line.held.wait(60))
        spool = os.path.join(self.rdc.data, 'uploads')
        [name] = os.listdir(spool)
        wait_for('most to be written', lambda: os.path.getsize(os.path.join(spool, name)) > 4 * MIB)
        self.rdc.kill_all()
        with open(os.path.join(spool, name), 'r+b') as f:
            f.seek(4 * MIB - 1)
            byte = f.read(1)[0]
            f.seek(4 * MIB - 1)
            f.write(bytes([byte ^ 1]))
        line.hold = None
        self.rdc.start()
        self.sent(sending)
        # What arrived was not the file, so all of it was sent once more, and no more than that.
        self.assertGreater(line.bytes, 2 * self.size)
        self.assertLess(line.bytes, 3 * self.size)
        self.assert_arrived()
