"""Faults in the middle of a parallel send: what was acknowledged is there, what was
not leaves no debris, the device hears why, and service returns by itself.
RDC_TEST_ROUNDS: rounds of each (2)."""
import os
import socket
import struct
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import dicom_scu
import faults
from faults import WORKERS
from load import CT, Objects, Senders, missing
from rdc_system import Client, Session, SystemTest, free_port, kill_tree, wait_for
from test_hl7 import order

ROUNDS = int(os.environ.get('RDC_TEST_ROUNDS', '2'))


class Rounds(unittest.TestCase):
    """`kind` of tests/system/faults.py, made once for the class."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.fault = cls.kind() if cls.kind else None
        if cls.fault:
            cls.addClassCleanup(cls.fault.close)

    def setUp(self):
        self.notes = []

    def rounds(self, one):
        for number in range(ROUNDS):
            self.notes.append(one(number))


class APowerCut(Rounds):
    kind = faults.PowerCut

    def test_loses_nothing_that_was_acknowledged(self):
        self.rounds(self.fault.round)

    def test_of_which_the_store_alone_tells_what_it_tore_from_what_came_cut_off(self):
        self.notes.append(self.fault.own_files(0))  # once: two rounds of the cut itself stand above


class ALostCache(APowerCut):
    kind = faults.LostCache


class ALostCacheWithoutSyncs(Rounds):
    kind = faults.NeverSynced

    def test_loses_what_was_acknowledged(self):
        lost, acknowledged = self.fault.lost()
        self.notes.append(f'{lost} of {acknowledged}')
        self.assertGreater(lost, 0, 'the power cut of ALostCache would find nothing')


class TheDatabase(Rounds):
    kind = faults.Database

    def test_killed_loses_nothing_and_service_returns(self):
        self.rounds(self.fault.killed)

    def test_with_one_backend_killed_recovers_and_service_returns(self):
        self.rounds(self.fault.backend_killed)

    def test_stopped_and_started_acknowledges_nothing_in_between(self):
        self.rounds(self.fault.stopped)

    def test_that_breaks_off_at_any_moment_stores_each_object_once(self):
        self.rounds(self.fault.commit_unknown)


class AFailover(Rounds):
    kind = faults.Failover

    def test_to_a_synchronous_standby_loses_nothing_and_service_returns(self):
        self.rounds(self.fault.killed)

    def test_acknowledges_nothing_that_the_standby_does_not_have(self):
        self.rounds(self.fault.lagging)

    def test_is_not_undone_by_the_old_primary_that_comes_back(self):
        self.rounds(self.fault.returns)


class AFullDisk(Rounds):
    kind = faults.FullDisk

    def test_is_told_to_the_device_and_service_returns_with_room(self):
        self.rounds(self.fault.round)

    def test_keeps_its_reserve_from_uploads_in_pieces(self):
        self.notes.append(self.fault.pieces(0))


class ADiskForBoth(Rounds):
    kind = faults.SharedDisk

    def test_keeps_its_reserve_for_the_database(self):
        self.rounds(self.fault.round)


class AFullDatabaseDisk(Rounds):
    kind = faults.DatabaseDisk

    def test_is_told_to_the_device_and_service_returns_with_room(self):
        self.rounds(self.fault.round)


class AReadOnlyStore(Rounds):
    kind = faults.ReadOnly

    def test_is_told_to_the_device_and_service_returns(self):
        self.rounds(self.fault.round)


class ADisk(Rounds):
    kind = faults.Shim

    def test_whose_syncs_fail_acknowledges_nothing_that_is_not_synced(self):
        self.rounds(self.fault.sync_fails)

    def test_that_is_slow_holds_nobody_up_who_does_not_need_it(self):
        self.rounds(self.fault.slow)

    def test_beside_a_clock_that_steps_stores_all(self):
        self.rounds(self.fault.clock)


class Workers(Rounds):
    kind = faults.Workers

    def test_killed_one_by_one_lose_nothing(self):
        self.rounds(self.fault.worker_killed)

    def test_killed_together_lose_nothing(self):
        self.rounds(self.fault.all_killed)

    def test_whose_supervisor_is_killed_end_and_lose_nothing(self):
        self.rounds(self.fault.supervisor_killed)

    def test_that_store_the_same_studies_take_turns(self):
        self.rounds(self.fault.same_study)


class ADatabaseThatIsAwayFromTheStart(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.hl7 = free_port()
        cls.conf = {'hl7.address': f'127.0.0.1:{cls.hl7}'}
        super().setUpClass()
        cls.rdc.cli('hl7', 'add', 'HIS^QINGHE', '--org', 'QINGHE')

    def associate(self):
        """None, or the A-ASSOCIATE-RJ."""
        try:
            dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT)).release()
        except dicom_scu.Refused as refused:
            return refused

    def order(self):
        with socket.create_connection(('127.0.0.1', self.hl7), 60) as s:
            s.sendall(b'\x0b' + order('away', 1).encode() + b'\x1c\r')
            return s.recv(4096).decode()

    def test_is_answered_for_until_it_is_there_and_then_served_by_itself(self):
        self.rdc.stop()
        self.rdc.let_connect(False)
        self.addCleanup(self.rdc.let_connect, True)
        store = os.path.join(self.rdc.data, 'store')
        left, before = os.listdir(store), self.rdc.log_size()
        self.rdc.launch()
        wait_for('the ports', lambda: len(self.rdc.workers()) == WORKERS)
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(ask) for ask in (
                self.associate, self.order, lambda: Client(self.rdc, 'tech').get('/api/v1/worklist'),
                lambda: Client(self.rdc).get('/healthz'))]
            refused, ack, worklist, health = [a.result(60) for a in asked]
        self.assertEqual((refused.what, refused.reason), ('A-ASSOCIATE-RJ', (2, 3, 1)))  # for now, congestion
        self.assertRegex(ack, r'MSA\|A[ER]\|')
        self.assertIn('the database does not answer now', ack)
        for answer in (worklist, health):
            self.assertEqual((answer.status, answer.headers['Retry-After']), (503, '5'), answer)
            self.assertIn('database', answer.json()['title'])
        kill_tree(self.rdc.workers()[0])
        self.assertNotIn('rdc ready', self.rdc.log_from(before))
        self.assertEqual(os.listdir(store), left)
        with ThreadPoolExecutor() as pool:
            waits = pool.submit(self.associate)
            self.rdc.let_connect(True)
            self.assertIsNone(waits.result(60))
        wait_for('all workers to serve', lambda: 'rdc ready' in self.rdc.log_from(before))
        senders = Senders(self.rdc, Objects(f'away {os.getpid()}', 20))
        senders.finish()
        self.assertEqual(len(senders.acknowledged), 20)
        faults.agrees(self.rdc)


class AnAnswerThatNeverCame(Rounds):
    """The database dies in the middle of a request: what only reads has changed nothing for sure."""

    kind = faults.Database

    def told(self, ask):
        place, rdc = self.fault.place, self.fault.rdc
        client = Client(rdc, 'tech')
        locked = Session(place, rdc.database)
        locked.ask('begin; lock table session in access exclusive mode')
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(ask, client)
            wait_for('the request to wait', lambda: rdc.sql(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'rdc'") == [['1']])
            place.kill_cluster()
            answer = asked.result(60)
        locked.close()
        place.forget_postmaster()
        place.start_cluster()
        wait_for('the database to answer', self.fault.answers)
        self.assertEqual(answer.status, 503, answer)
        return answer.json()['detail']

    def test_to_a_question_or_an_upload_says_that_nothing_was_changed(self):
        for ask in (lambda c: c.get('/api/v1/exams'),
                    lambda c: c.request('POST', '/api/v1/uploads', b'SCPECG', {})):
            self.assertIn('nothing was changed', self.told(ask))

    def test_to_a_change_says_that_it_may_have_been_made(self):
        self.assertIn('it is not known', self.told(lambda c: c.post('/api/v1/exams/1/claim')))


class ABadObject(SystemTest):
    def test_fails_alone(self):
        good = Objects(f'bad {os.getpid()}', 100)
        uid = struct.pack('<HH2sH', 0x0020, 0x000e, b'UI', 0)
        bad = []
        for sop, data in Objects(f'worse {os.getpid()}', 10).all:
            at = data.index(struct.pack('<HH2s', 0x0020, 0x000e, b'UI'))
            n = struct.unpack_from('<H', data, at + 6)[0]
            bad.append((sop, data[:at] + uid + data[at + 8 + n:]))
        senders = Senders(self.rdc, good)
        association = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        for sop, data in bad:
            self.assertEqual(association.store(CT, sop, data) >> 12, 0xc, 'not "cannot understand"')
            self.assertIn('Series', association.comment)
        association.release()
        senders.finish()
        self.assertEqual((senders.refused, len(senders.acknowledged)), ([], 100))
        self.assertEqual(missing(self.rdc, senders.acknowledged), [])
        faults.agrees(self.rdc)

    def test_that_the_database_refuses_in_an_unforeseen_way_fails_alone_too(self):
        self.refuse('XX000')

    def test_that_the_database_refuses_for_reasons_that_should_pass_holds_nobody_up(self):
        self.refuse('40P01')

    def refuse(self, sqlstate):
        objects = Objects(f'refused {sqlstate} {os.getpid()}', 100)
        bad = objects.all[8][0]
        self.rdc.sql(f"""
            create function refuse() returns trigger language plpgsql as
            $$ begin raise exception using errcode = '{sqlstate}', message = 'made for a test'; end $$;
            create trigger refuse before insert on instance for each row when (new.sop_uid = '{bad}')
            execute function refuse()""")
        # While nobody can write, the first objects gather into one batch.
        closed = threading.Thread(target=self.rdc.sql, args=(
            'begin; lock table instance in access exclusive mode; select pg_sleep(2); commit',))
        closed.start()
        wait_for('the table to be locked', lambda: self.rdc.sql(
            "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted "
            "and relation = 'instance'::regclass") == [['1']])
        senders = Senders(self.rdc, objects, lanes=16)
        closed.join()
        senders.finish()
        self.assertEqual([uid for uid, _ in senders.refused], [bad])
        self.assertEqual(senders.refused[0][1] >> 8, 0xa7)
        self.rdc.sql('drop trigger refuse on instance; drop function refuse')
        self.assertEqual(missing(self.rdc, senders.acknowledged), [])
        self.assertEqual(len(senders.acknowledged), 99)
        faults.agrees(self.rdc)
