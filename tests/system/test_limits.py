"""Limits of the machine and of each device and session: one greedy peer is slowed or
refused, and nobody else notices."""
import os
import re
import signal
import socket
import threading
import unittest

import dicom_scu
import make_dicom
from rdc_system import PASSWORD, Client, Rdc, SystemTest, place, wait_for

CT = make_dicom.CT
# PS3.8 9.3.4: rejected-transient, provider (presentation), local-limit-exceeded
OVER_LIMIT = ('A-ASSOCIATE-RJ', (2, 3, 2))


class FewDescriptorsTest(unittest.TestCase):
    def test_are_told_at_the_start_and_come_back_after_a_crowd(self):
        script = os.path.join(place().own, 'few')
        with open(script, 'w') as f:
            f.write(f'#!/bin/sh\nulimit -n 64\nexec {place().program} "$@"\n')
        rdc = Rdc(program=script, conf={'workers': 1}).start()
        self.addCleanup(rdc.stop)
        self.assertIn('event=descriptors_few limit=64 wanted=14256 remedy="raise ', rdc.log_from(0))
        crowd = [socket.create_connection(('127.0.0.1', rdc.dicom_port)) for _ in range(100)]
        wait_for('descriptors to be short', lambda: 'error="Too many open files"' in rdc.log_from(0))
        for s in crowd:
            s.close()
        wait_for('an association', lambda: self.echoes(rdc))
        self.assertEqual(Client(rdc, 'tech').get('/api/v1/worklist').status, 200)

    @staticmethod
    def echoes(rdc):
        try:
            a = dicom_scu.Association(rdc.dicom_port, 'QH_CT', timeout=5)
        except (OSError, dicom_scu.Refused):
            return False
        status = a.echo()
        a.release()
        return status == 0


class LimitTest(SystemTest):
    def open(self, calling, contexts=None):
        return dicom_scu.Association(self.rdc.dicom_port, calling, contexts=contexts)

    def refused(self, calling):
        """How an association is refused."""
        try:
            self.open(calling).close()
        except dicom_scu.Refused as e:
            return e.what, e.reason
        return None

    def metric(self, name):
        text = Client(self.rdc).get('/metrics').body.decode()
        return int(re.search(rf'^rdc_{name} (\d+)$', text, re.M).group(1))

    def ct(self, name):
        """(SOP Instance UID, data set) of a small CT slice."""
        d = make_dicom.ct_slice(name, 1, size=16)
        return d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030'))

    def store(self, calling, name):
        sop, data = self.ct(name)
        a = self.open(calling, dicom_scu.store_context(CT))
        status = a.store(CT, sop, data)
        a.release()
        return status

    def echo(self, calling):
        a = self.open(calling)
        status = a.echo()
        a.release()
        return status

    def doctor_knows(self, cause, aet):
        wait_for(f'the doctor to know {cause}', lambda: f'\n{cause} ' in self.rdc.cli('device', 'doctor', aet), 15)

    def open_up_to(self, calling, most):
        """Opens until one is refused; places of closed ones come back within moments."""
        held = []
        while len(held) <= most:
            try:
                held.append(self.open(calling))
            except dicom_scu.Refused as e:
                self.assertEqual((e.what, e.reason), OVER_LIMIT)
                break
        return held


class ADevice(LimitTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rdc.cli('device', 'change', 'QH_CT', '--max-associations', '5')

    def test_is_refused_beyond_its_associations_while_others_are_served(self):
        held = wait_for('all places', lambda: self.all_places('QH_CT', 5), 10)
        try:
            for i in range(20):
                self.assertEqual(self.refused('QH_CT'), OVER_LIMIT)
                if i % 5 == 0:
                    self.assertEqual(self.echo('DS_CT'), 0)
                    self.assertEqual(self.store('DS_CT', f'beside the greedy one {i}'), 0)
            # Those that are open are served as before.
            self.assertEqual([a.echo() for a in held], [0] * 5)
            self.doctor_knows('too_many_associations_of_device', 'QH_CT')
            held.pop().release()
            held.append(wait_for('the place to come back', lambda: self.place_for('QH_CT'), 10))
        finally:
            for a in held:
                a.close()

    def place_for(self, calling):
        try:
            return self.open(calling)
        except dicom_scu.Refused:
            return None

    def test_gets_back_what_a_killed_worker_held(self):
        held = wait_for('all places', lambda: self.all_places('QH_CT', 5), 10)
        lost = 0
        for worker in self.rdc.workers():
            if not lost:
                os.kill(worker, signal.SIGKILL)
                alive = [a for a in held if self.is_alive(a)]
                lost = len(held) - len(alive)
        self.assertGreater(lost, 0)
        new = wait_for('the places of the killed worker', lambda: self.all_places('QH_CT', lost), 20)
        self.assertEqual(self.refused('QH_CT'), OVER_LIMIT)
        for a in alive + new:
            a.close()

    def all_places(self, calling, n):
        """When those of the test before have come back."""
        held = self.open_up_to(calling, n)
        if len(held) == n:
            return held
        for a in held:
            a.close()
        return None

    def is_alive(self, a):
        try:
            return a.echo() == 0
        except OSError:
            return False

    def test_changes_its_limit_at_once_and_back_to_that_of_all(self):
        self.rdc.cli('device', 'add', 'QH_DR', '--org', 'QINGHE', '--max-associations', '1')
        first = self.open('QH_DR')
        self.assertEqual(self.refused('QH_DR'), OVER_LIMIT)
        self.rdc.cli('device', 'change', 'QH_DR', '--max-associations', 'default', '--max-rate', '50',
                     '--max-bytes-in-flight', '64K')
        self.open('QH_DR').close()
        first.close()
        self.assertEqual(self.rdc.sql("select max_associations, max_rate, max_bytes_in_flight from device "
                                      "where aet = 'QH_DR'"), [['', '50', '65536']])


class AMachine(LimitTest):
    conf = {'dicom.max-associations': '3'}

    def test_refuses_beyond_the_associations_of_all_workers_together(self):
        held = self.open_up_to('QH_CT', 10)
        self.assertEqual(len(held), 3)
        self.assertEqual(self.refused('DS_CT'), OVER_LIMIT)
        self.doctor_knows('too_many_associations', 'DS_CT')
        for a in held:
            a.close()


class ADeviceThatHurries(LimitTest):
    """Its requests wait; none is refused, and nobody else waits for them."""

    def test_is_slowed_alone(self):
        self.rdc.cli('device', 'change', 'QH_CT', '--max-rate', '8')
        done = []

        def hurry():
            a = self.open('QH_CT')
            done.extend(a.echo() for _ in range(20))
            a.release()
            # One association for each request does not get around it.
            done.extend(self.echo('QH_CT') for _ in range(10))

        hurrier = threading.Thread(target=hurry)
        hurrier.start()
        others = self.open('DS_CT')
        self.assertEqual([others.echo() for _ in range(30)], [0] * 30)
        self.assertEqual(self.store('DS_CT', 'beside one that hurries'), 0)
        self.assertTrue(hurrier.is_alive(), 'the device was not slowed')
        others.release()
        hurrier.join(120)
        self.assertEqual(done, [0] * 30)
        self.assertGreater(self.metric('requests_delayed_total'), 0)

    def test_is_refused_when_more_would_wait_than_can(self):
        self.rdc.cli('device', 'add', 'QH_SLOW', '--org', 'QINGHE', '--max-rate', '1')
        held = self.open_up_to('QH_SLOW', 100)
        try:
            # What may come at once, and half a minute of those that wait.
            self.assertGreater(len(held), 20)
            self.assertLess(len(held), 100)
            self.doctor_knows('too_many_requests', 'QH_SLOW')
        finally:
            for a in held:
                a.close()


class ADeviceWithMuchInFlight(LimitTest):
    conf = {'workers': '1', 'dicom.device-max-bytes-in-flight': '64K'}

    def test_sends_one_object_at_a_time_and_all_arrive(self):
        before = self.metric('bodies_paused_total')
        sop, data = self.ct('first of two')
        other_sop, other = self.ct('second of two')
        first, second = (self.open('QH_CT', dicom_scu.store_context(CT)) for _ in range(2))
        first.store_begin(CT, sop)
        second.store_begin(CT, other_sop)
        # A private element of 8 MiB behind the pixels, of which a bit is sent at a time.
        much = 8 << 20
        for a, d in ((first, data), (second, other)):
            a.send_fragment(1, d + dicom_scu.private_tail(much))

        def both_send():
            for a in (first, second):
                a.socket.settimeout(30)
                a.send_fragment(1, bytes(60000))
            sent[0] += 60000
            return self.metric('bodies_paused_total') > before

        sent = [0]
        wait_for('the second object to wait', both_send, 20)
        self.assertEqual(self.store('DS_CT', 'beside much'), 0)
        results = {}

        def finish(name, a):
            left = much - sent[0]
            while left > 0:
                n = min(left, 60000)
                left -= n
                a.send_fragment(1, bytes(n), last=left == 0)
            results[name] = a.status()
            a.release()

        threads = [threading.Thread(target=finish, args=x) for x in (('first', first), ('second', second))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(results, {'first': 0, 'second': 0})

    def test_is_not_held_up_by_an_object_that_stopped(self):
        sop, data = self.ct('stopped')
        stopped = self.open('QH_CT', dicom_scu.store_context(CT))
        stopped.store_begin(CT, sop)
        stopped.send_fragment(1, data + dicom_scu.private_tail(1 << 20) + bytes(200000))
        self.assertEqual(self.store('QH_CT', 'behind the stopped one'), 0)
        stopped.close()


class AnHttpSession(LimitTest):
    conf = {'http.session-max-rate': '10', 'http.organisation-max-rate': '15'}

    def test_is_told_to_wait_when_it_asks_too_often(self):
        one, other, foreign = (Client(self.rdc, x) for x in ('tech', 'doctor', 'reader1'))

        def refused():
            answer = one.get('/api/v1/worklist')
            return answer if answer.status == 429 else self.assertEqual(answer.status, 200)

        answer = wait_for('a 429', lambda: next(filter(None, (refused() for _ in range(40))), None), 30)
        self.assertEqual(answer.headers['Retry-After'], '1')
        self.assertEqual(answer.headers['Content-Type'].split(';')[0], 'application/problem+json')
        self.assertEqual(foreign.get('/api/v1/worklist').status, 200)
        # Probes are not counted.
        self.assertEqual({Client(self.rdc).get('/healthz').status for _ in range(40)}, {200})
        # Two sessions of one organisation share its limit.
        answers = [c.get('/api/v1/worklist').status for _ in range(40) for c in (one, other)]
        self.assertIn(429, answers[1::2], 'the other session of the organisation was not counted')
        self.assertGreater(self.metric('http_limited_total'), 0)


class AnAddress(LimitTest):
    conf = {'http.session-max-rate': '1'}

    def test_of_many_lets_people_log_in_while_one_of_them_asks_too_often(self):
        """Without a session the address is all that is known of a client; behind it may be a whole centre."""
        stranger = Client(self.rdc)
        for who in ('tech', 'doctor', 'reader1'):
            self.assertIn(429, [stranger.get('/api/v1/worklist').status for _ in range(5)])
            login = stranger.post('/api/v1/session', {'login': who, 'password': PASSWORD})
            self.assertEqual(login.status, 200)


class AnOrganisation(LimitTest):
    conf = {'http.organisation-max-rate': '2'}

    def test_is_counted_whatever_is_asked_for(self):
        order = {'patient_id': 'L1', 'patient_name': 'TEST^ONE', 'modality': 'CT'}
        for who, path, body in (('tech', '/fhir/ServiceRequest?identifier=x', None), ('tech2', '/api/v1/orders', order)):
            with self.subTest(path):
                client = Client(self.rdc, who)
                answers = [(client.post(path, body) if body else client.get(path)).status for _ in range(12)]
                self.assertIn(answers[0], (200, 201))
                self.assertIn(429, answers)
