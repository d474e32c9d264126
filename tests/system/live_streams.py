"""Recorded byte streams, mutated and sent to the ports of a running rdc.

What must hold afterwards: it still answers, no worker ended, no sanitizer has
spoken, every connection was ended by the server, and no file stayed open.
"""
import os
import random
import select
import socket
import threading
import time

import dicom_scu
import make_dicom
from rdc_system import Client, ROOT, wait_for

LANES = 4
HANG_SECONDS = 60
ANSWER_SECONDS = 0.1
# Open files that come and go in a worker that is at rest.
FILES_SLACK = 4
EXTREMES = (0, 1, 0x7f, 0x80, 0xfe, 0xff)
BAD_WORDS = ('AddressSanitizer', 'LeakSanitizer', 'runtime error:', 'event=worker_ended')


def mutated(data, rng):
    """A few bytes flipped, set to extremes, cut, moved, replaced, or put in."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at, kind = rng.randrange(len(out)), rng.randrange(6)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice(EXTREMES)
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            n = rng.randrange(min(64, len(out) - at) + 1)
            to = rng.randrange(len(out) - n + 1)
            out[to:to + n] = out[at:at + n]
        elif kind == 4:
            out[at:at + 4] = rng.randbytes(min(4, len(out) - at))
        else:
            out[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(out)


class Recordings:
    """What a device and a browser send when nothing is wrong."""

    def __init__(self, rdc):
        self.rdc = rdc
        self.contexts = [(1, dicom_scu.VERIFICATION, [dicom_scu.IMPLICIT_LE]),
                         (3, make_dicom.CT, [dicom_scu.EXPLICIT_LE, dicom_scu.IMPLICIT_LE])]
        d = make_dicom.ct_slice('live', 1, size=8)
        data_set = d.encode(make_dicom.plain('gb18030'))
        echo = dicom_scu.command((0x002, dicom_scu.VERIFICATION), (0x100, 0x30), (0x110, 1), (0x800, 0x101))
        store = dicom_scu.command((0x002, make_dicom.CT), (0x100, 0x01), (0x110, 2), (0x700, 0), (0x800, 1),
                                  (0x1000, d.elements[0x00080018][1][0]))
        release = bytes.fromhex('05000000000400000000')
        pdata = dicom_scu.pdata
        self.messages = [pdata(1, echo, True) + release,
                         pdata(3, store, True) + pdata(3, data_set, False) + release]
        token = Client(rdc, 'tech').token
        self.requests = [r.replace(b'TOKEN', token.encode()) for r in self.http()]
        self.token = token
        folder = os.path.join(ROOT, 'testdata/scp')
        self.ecgs = []
        for name in sorted(os.listdir(folder)):
            if name.endswith('.scp'):
                with open(os.path.join(folder, name), 'rb') as f:
                    self.ecgs.append(f.read())

    @staticmethod
    def http():
        head = b'HTTP/1.1\r\nHost: rdc\r\nAuthorization: Bearer TOKEN\r\n'
        login = b'{"login":"tech","password":"no"}'
        yield (b'GET /api/v1/worklist ' + head + b'\r\n') * 2
        yield b'GET /api/v1/exams?state=waiting&since=2020-01-01T00:00:00Z ' + head + b'Connection: close\r\n\r\n'
        yield b'GET /healthz HTTP/1.1\r\nHost: rdc\r\nAccept: */*\r\nCookie: a=b; rdc_session=TOKEN\r\n\r\n'
        yield (b'PUT /api/v1/exams/1/draft ' + head + b'Content-Type: application/json\r\n'
               b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"lease":1,"repo\r\n17\r\nrt":{"findings":"abc"}}\r\n0\r\n\r\n')
        yield (b'POST /api/v1/exams/7/claim ' + head + b'Content-Length: 0\r\n\r\n'
               b'GET /api/v1/instances/1.2.3/rendered?frame=1&max_side=100&window=40,400 ' + head + b'\r\n')
        yield (b'POST /api/v1/uploads?patient_id=A%201&patient_name=%E6%B5%8B ' + head +
               b'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nTrailer: x\r\n\r\n')
        # A password is wrong on purpose and slow on purpose: one in seven.
        yield (b'POST /api/v1/session HTTP/1.1\r\nHost: rdc\r\nContent-Type: application/json\r\n'
               b'Content-Length: %d\r\n\r\n' % len(login)) + login

    def end(self, s, rng):
        """Says that nothing follows, and waits for the server to close. Half of the
        clients give it time to answer before that."""
        if rng.random() < 0.5:
            select.select([s], [], [], ANSWER_SECONDS)
        try:
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError, OSError) as e:
            if isinstance(e, TimeoutError):
                raise

    def send(self, port, data, rng):
        with socket.create_connection(('127.0.0.1', port), HANG_SECONDS) as s:
            try:
                s.sendall(data)
            except (ConnectionResetError, BrokenPipeError):
                return
            self.end(s, rng)

    def association(self, rng):
        rq = dicom_scu.associate_rq('RDC', 'QH_CT', self.contexts)
        self.send(self.rdc.dicom_port, mutated(rq, rng), rng)

    def p_data(self, rng):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=self.contexts, timeout=HANG_SECONDS)
        try:
            a.socket.sendall(mutated(rng.choice(self.messages), rng))
            self.end(a.socket, rng)
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            a.close()

    def http_bytes(self, rng):
        self.send(self.rdc.http_port, mutated(rng.choice(self.requests), rng), rng)

    def scp_upload(self, rng):
        body = mutated(rng.choice(self.ecgs), rng)
        head = (f'POST /api/v1/uploads?patient_id=LIVE HTTP/1.1\r\nHost: rdc\r\nAuthorization: Bearer {self.token}'
                f'\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n')
        self.send(self.rdc.http_port, head.encode() + body, rng)


KINDS = {'association': Recordings.association, 'P-DATA': Recordings.p_data, 'HTTP': Recordings.http_bytes,
         'SCP upload': Recordings.scp_upload}


def send_all(recordings, kind, count, first=0):
    """Sends `count` streams of a kind in parallel; what went wrong, as texts."""
    wrong, lock = [], threading.Lock()

    def lane(number):
        for n in range(first + number, first + count, LANES):
            try:
                KINDS[kind](recordings, random.Random(f'{kind} {n}'))
            except Exception as e:  # a time-out is a hang; anything else is told as it is
                with lock:
                    wrong.append(f'{kind} stream {n}: {type(e).__name__}: {e}')
                    if len(wrong) > 20:
                        return
    threads = [threading.Thread(target=lane, args=(n,)) for n in range(LANES)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return wrong


def open_files(rdc):
    """{pid: number of open files} of supervisor and workers."""
    return {pid: len(os.listdir(f'/proc/{pid}/fd')) for pid in [rdc.process.pid, *rdc.workers()]}


def bad_lines(rdc, log_offset):
    """What sanitizers and the supervisor complain of in the log."""
    return [x for x in rdc.log_from(log_offset).splitlines() if any(w in x for w in BAD_WORDS)][:10]


def still_well(rdc, before, log_offset):
    """What is wrong with the server after the streams, as texts."""
    wrong = []
    try:
        a = dicom_scu.Association(rdc.dicom_port, 'QH_CT')
        if a.echo() != 0:
            wrong.append('C-ECHO is not answered with 0000')
        a.release()
        answer = Client(rdc).get('/healthz')
        if answer.status != 200:
            wrong.append(f'/healthz gives {answer}')
    except (OSError, dicom_scu.Refused) as e:
        wrong.append(f'no longer answers: {e}')

    def no_more_files():
        now = open_files(rdc)
        return set(now) == set(before) and all(now[p] <= before[p] + FILES_SLACK for p in now)
    try:
        wait_for('open files as before', no_more_files, 30)
    except AssertionError:
        wrong.append(f'open files before {before}, now {open_files(rdc)}')
    return wrong + bad_lines(rdc, log_offset)


def run(rdc, count):
    """Yields (kind, seconds, what went wrong) for each kind of stream."""
    recordings = Recordings(rdc)
    for kind in KINDS:  # caches and connections fill before files are counted
        send_all(recordings, kind, 4 * LANES, first=1000000)
    time.sleep(1)
    before, offset = open_files(rdc), rdc.log_size()
    for kind in KINDS:
        began = time.monotonic()
        wrong = send_all(recordings, kind, count)
        wrong += still_well(rdc, before, offset)
        offset = rdc.log_size()
        yield kind, time.monotonic() - began, wrong
