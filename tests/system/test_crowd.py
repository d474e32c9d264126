"""Idle associations and silent connections cost a timer, not the service."""
import os
import resource
import select
import socket
import statistics
import time

import dicom_scu
import make_dicom
from rdc_system import SystemTest, needs, tool

IDLE, SILENT, LOGINS = 500, 200, 200


class ACrowd(SystemTest):
    def echo_ms(self, rounds=20):
        """Median of connect, associate, echo, release."""
        times = []
        for _ in range(rounds):
            began = time.monotonic()
            a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
            self.assertEqual(a.echo(), 0)
            a.release()
            times.append((time.monotonic() - began) * 1000)
        return statistics.median(times)

    def echoscu_ms(self, rounds=5):
        times = []
        for _ in range(rounds):
            began = time.monotonic()
            tool('echoscu', '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port))
            times.append((time.monotonic() - began) * 1000)
        return statistics.median(times)

    def test_of_idle_and_silent_clients_does_not_slow_others(self):
        needs('echoscu')
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < IDLE + SILENT + 100:
            self.skipTest(f'needs {IDLE + SILENT + 100} files, the limit is {hard}')
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + SILENT + 100), hard))
        self.echo_ms()  # the first ones find everything cold
        alone, alone_tool = self.echo_ms(), self.echoscu_ms()
        silent, idle = [], []
        try:
            for _ in range(SILENT):
                silent.append(socket.create_connection(('127.0.0.1', self.rdc.dicom_port), 10))
            for _ in range(IDLE):
                idle.append(dicom_scu.Association(self.rdc.dicom_port, 'QH_CT'))
            crowded, crowded_tool = self.echo_ms(), self.echoscu_ms()
            # The last to come is served as well as the first.
            self.assertEqual([a.echo() for a in (idle[0], idle[-1])], [0, 0])
        finally:
            for s in silent + idle:
                s.close()
        self.note(f'echo alone {alone:.1f} ms, with {IDLE} idle associations and {SILENT} silent '
                  f'connections {crowded:.1f} ms')
        self.note(f'echoscu alone {alone_tool:.0f} ms, with them {crowded_tool:.0f} ms')

    def test_of_people_who_try_passwords_does_not_hold_up_a_large_object(self):
        """A password takes long to check on purpose; there are as many to check as anyone likes."""
        body = b'{"login": "nobody", "password": "wrong"}'
        request = (b'POST /api/v1/session HTTP/1.1\r\nHost: rdc\r\nContent-Type: application/json\r\n'
                   b'Connection: close\r\nContent-Length: %d\r\n\r\n' % len(body)) + body
        path = os.path.join(self.rdc.place.folder, 'crowd.dcm')
        make_dicom.write(path, make_dicom.ct_slice('crowd', 1))
        sop_class, sop, syntax, data = dicom_scu.part10(path)
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, sop_class, [syntax])])
        logins = []
        try:
            for _ in range(LOGINS):
                logins.append(socket.create_connection(('127.0.0.1', self.rdc.http_port), 10))
                logins[-1].sendall(request)
            self.assertIn(b' 401 ', logins[0].recv(4096))
            data += dicom_scu.private_tail(64 << 20) + bytes(64 << 20)
            self.assertEqual(a.store(sop_class, sop, data), 0)
            answered = len(select.select(logins[1:], [], [], 0)[0])
            self.note(f'{answered} of {LOGINS - 1} logins were answered meanwhile')
            self.assertLess(answered, LOGINS // 2)
            a.release()
        finally:
            for s in logins:
                s.close()

    def test_finds_the_table_of_descriptors_large_enough(self):
        with open(f'/proc/{self.rdc.workers()[0]}/status') as f:
            size = next(int(line.split()[1]) for line in f if line.startswith('FDSize:'))
        wanted = min(14000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # 4000 associations, 10000 of HTTP
        self.assertGreaterEqual(size, wanted)

    def test_is_looked_after(self):
        """A peer that vanished is found by TCP's keepalive, also where no idle time ends it."""
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT')
        ports = f':{self.rdc.dicom_port:04X}', f':{a.socket.getsockname()[1]:04X}'
        with open('/proc/net/tcp') as f:
            lines = [line.split() for line in f]
        timers = [x[5][:2] for x in lines if x[1].endswith(ports[0]) and x[2].endswith(ports[1])]
        a.release()
        self.assertEqual(timers, ['02'])
