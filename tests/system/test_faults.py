"""kill -9 in the middle of a parallel send: what was acknowledged is there."""
import os
import signal

from load import Objects, Senders, missing
from rdc_system import Client, SystemTest, tool, unprivileged, wait_for


class Killed(SystemTest):
    def check(self, senders, objects):
        self.assertEqual(senders.refused, [])
        self.assertEqual(missing(self.rdc, senders.acknowledged), [])
        self.assertEqual(len(senders.acknowledged), len(objects.all))
        double = self.rdc.sql('select sop_uid from instance group by sop_uid having count(*) > 1')
        self.assertEqual(double, [], 'an object that was sent again has two rows')
        self.note(f'{len(senders.acknowledged)} acknowledged, {senders.broken} sends broken off, none lost')

    def test_worker_loses_nothing_that_was_acknowledged(self):
        objects = Objects('worker', 600)
        senders = Senders(self.rdc, objects)
        for share in (1, 2, 3):
            senders.wait_acknowledged(share * 120)
            workers = self.rdc.workers()
            self.assertTrue(workers)
            os.kill(workers[share % len(workers)], signal.SIGKILL)
        senders.finish()
        self.check(senders, objects)
        self.assertIsNone(self.rdc.process.poll(), 'the supervisor ended')

    def test_program_loses_nothing_that_was_acknowledged(self):
        objects = Objects('all', 600)
        senders = Senders(self.rdc, objects)
        for share in (1, 2, 3):
            senders.wait_acknowledged(share * 120)
            self.rdc.kill_all()
            before = dict(senders.acknowledged)
            self.rdc.start()
            self.assertEqual(missing(self.rdc, before), [])
        senders.finish()
        self.check(senders, objects)
        reader = Client(self.rdc, 'reader1')
        wait_for('all studies on the worklist', lambda: len(
            [e for e in reader.worklist() if e['objects'] == 10 and e['state'] == 'waiting']) >= 60, 60)


class Stopped(SystemTest):
    def test_in_order_ends_with_status_0_and_keeps_all(self):
        objects = Objects('term', 100)
        senders = Senders(self.rdc, objects)
        senders.wait_acknowledged(30)
        self.assertEqual(self.rdc.stop(), 0)
        self.rdc.start()
        senders.finish()
        self.assertEqual(missing(self.rdc, senders.acknowledged), [])
        self.assertEqual(len(senders.acknowledged), 100)

    def test_because_it_cannot_watch_its_workers_any_more_ends_as_failed(self):
        # poll() takes no more descriptors than a process may have
        tool(*unprivileged(['prlimit', '--pid', str(self.rdc.process.pid), '--nofile=1:']))
        self.rdc.process.send_signal(signal.SIGHUP)
        try:
            self.assertEqual(self.rdc.process.wait(60), 1)
            self.assertIn('supervisor_failed', self.rdc.tail())
        finally:
            self.rdc.stop()
            self.rdc.start()
