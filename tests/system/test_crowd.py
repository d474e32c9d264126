"""Idle associations and silent connections cost a timer, not the service."""
import http.client
import json
import os
import resource
import select
import socket
import statistics
import struct
import time

import dicom_scu
import make_dicom
from rdc_system import PASSWORD, Rdc, SystemTest, needs, tool

IDLE, SILENT, LOGINS = 500, 200, 200


def addresses(net, n):
    """So many addresses of the loopback interface."""
    return [f'{net}.{i + 1}' for i in range(n)]


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

    def logins(self, addresses, login='nobody', each=1, port=None):
        """Connections from these addresses, on each of which a login with a wrong password waits."""
        body = json.dumps({'login': login, 'password': 'wrong'}).encode()
        request = (b'POST /api/v1/session HTTP/1.1\r\nHost: rdc\r\nContent-Type: application/json\r\n'
                   b'Connection: close\r\nContent-Length: %d\r\n\r\n' % len(body)) + body
        opened = []
        for address in addresses:
            for _ in range(each):
                s = socket.create_connection(('127.0.0.1', port or self.rdc.http_port), 60, (address, 0))
                self.addCleanup(s.close)
                s.sendall(request)
                opened.append(s)
        return opened

    def answers(self, connections):
        """(status, value of Retry-After or None, body) of each."""
        found = []
        for s in connections:
            answer = http.client.HTTPResponse(s)
            answer.begin()
            found.append((answer.status, answer.getheader('Retry-After'), answer.read()))
        return found

    def test_of_people_who_try_passwords_does_not_hold_up_a_large_object(self):
        """A password takes long to check on purpose; there are as many to check as anyone likes."""
        path = os.path.join(self.rdc.place.folder, 'crowd.dcm')
        make_dicom.write(path, make_dicom.ct_slice('crowd', 1))
        sop_class, sop, syntax, data = dicom_scu.part10(path)
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=[(1, sop_class, [syntax])])
        logins = self.logins(addresses('127.0.1', LOGINS // 10), each=10)
        self.assertEqual(self.answers(logins[:1])[0][0], 401)
        data += dicom_scu.private_tail(64 << 20) + bytes(64 << 20)
        self.assertEqual(a.store(sop_class, sop, data), 0)
        answered = len(select.select(logins[1:], [], [], 0)[0])
        self.note(f'{answered} of {LOGINS - 1} logins were answered meanwhile')
        self.assertLess(answered, LOGINS // 2)
        a.release()

    def test_of_people_who_try_passwords_does_not_keep_others_out(self):
        """Not even those who share an address with them."""
        crowd = addresses('127.0.2', 5)
        near, far = self.logins(crowd[:1], each=40), self.logins(crowd[1:], each=10)
        for who, address in (('doctor', crowd[0]), ('reader1', '127.0.2.100')):
            connection = http.client.HTTPConnection('127.0.0.1', self.rdc.http_port, timeout=60,
                                                    source_address=(address, 0))
            connection.request('POST', '/api/v1/session', json.dumps({'login': who, 'password': PASSWORD}),
                               {'Content-Type': 'application/json'})
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
        waiting = len(far) - len(select.select(far, [], [], 0)[0])
        self.note(f'{waiting} of {len(far)} logins still waited when the right ones were answered')
        self.assertGreater(waiting, len(far) // 2)
        # An address has a share of the queue; beyond it a wrong login is refused before its turn.
        near, far = self.answers(near), self.answers(far)
        self.assertEqual({x[0] for x in far}, {401})
        self.assertEqual({x[0] for x in near}, {401, 429})
        self.assertLess([x[0] for x in near].count(401), 30)
        for status, retry, body in near:
            if status == 429:
                self.assertGreater(int(retry), 0)
                self.assertIn('wrong', json.loads(body)['detail'])

    def test_of_people_who_try_the_passwords_of_one_account_has_a_share(self):
        """From however many addresses."""
        found = self.answers(self.logins(addresses('127.0.3', 60), 'doctor2'))
        statuses = [x[0] for x in found]
        self.assertEqual(set(statuses), {401, 429})
        self.assertLess(statuses.count(401), 30)
        for status, retry, _ in found:
            if status == 429:
                self.assertGreater(int(retry), 0)

    def test_of_logins_that_were_given_up_lets_the_server_stop_in_order(self):
        """Their clients are gone, but their passwords are still being checked."""
        rdc = Rdc(conf={'workers': 1}).start()
        self.addCleanup(rdc.stop)
        for s in self.logins(addresses('127.0.4', 5), each=2, port=rdc.http_port):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # a reset
            s.close()
        self.assertEqual(rdc.stop(), 0)
        self.assertNotIn('stopped_while_busy', rdc.log_from(0))

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
