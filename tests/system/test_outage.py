"""Faults in the middle of a parallel send: what was acknowledged is there, what was
not leaves no debris, the device hears why, and service returns by itself.
RDC_TEST_ROUNDS: rounds of each (2)."""
import os
import struct
import unittest

import dicom_scu
import faults
from load import CT, Objects, Senders, missing
from rdc_system import SystemTest

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


class AFullDisk(Rounds):
    kind = faults.FullDisk

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

    def test_that_store_the_same_studies_take_turns(self):
        self.rounds(self.fault.same_study)


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
