"""What a device says about its work: MPPS and storage commitment, and completeness by them."""
import json
import os
import shutil
import struct
import subprocess
import time
import unittest

import dicom_scu
import make_dicom
from dicom_scu import COMMITMENT, COMMITMENT_INSTANCE, MPPS
from rdc_system import Client, SystemTest, free_port, needs, place, tool, wait_for
from stored import Stored

CT = '1.2.840.10008.5.1.4.1.1.2'
CREATE, SET, ACTION, EVENT = 0x0140, 0x0120, 0x0130, 0x0100
CONTEXTS = [(1, MPPS, [dicom_scu.IMPLICIT_LE]), (3, COMMITMENT, [dicom_scu.IMPLICIT_LE]),
            (5, CT, [dicom_scu.EXPLICIT_LE])]


def slices(name, count):
    """Files of `count` CT images of one study; their paths and SOP Instance UIDs."""
    folder = os.path.join(place().folder, 'evidence')
    paths = [os.path.join(folder, f'{name}-{n}.dcm') for n in range(count)]
    for n, path in enumerate(paths):
        make_dicom.write(path, make_dicom.ct_slice(name, n, size=16))
    return paths, [dicom_scu.part10(p)[1] for p in paths]


def node_modules(package):
    """The folder where npm put this package; a skip where it cannot be had."""
    needs('node', 'npm')
    folder = os.path.join(place().folder, 'npm', package)
    found = os.path.join(folder, 'node_modules')
    if not os.path.isdir(os.path.join(found, package)):
        os.makedirs(folder, exist_ok=True)
        try:
            subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--prefix', folder, package],
                           cwd=folder, capture_output=True, check=True, timeout=120)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            shutil.rmtree(folder, ignore_errors=True)
            raise unittest.SkipTest(f'npm cannot install {package} here') from None
    return found


def created(study, **more):
    return {(0x8, 0x60): 'CT', (0x40, 0x241): 'QH_CT', (0x40, 0x244): '20260131', (0x40, 0x245): '1200',
            (0x40, 0x252): 'IN PROGRESS', (0x40, 0x253): 'PPS1',
            (0x40, 0x270): [{(0x20, 0xd): study}], **more}


def ended(state, uids):
    refs = [{(0x8, 0x1150): CT, (0x8, 0x1155): u} for u in uids]
    return {(0x40, 0x250): '20260131', (0x40, 0x251): '1201', (0x40, 0x252): state,
            (0x40, 0x340): [{(0x20, 0xe): '1.2.3', (0x18, 0x1030): 'P', (0x8, 0x1140): refs}]}


class ADevice(SystemTest):
    conf = {'delivery.retry-min-seconds': 1}

    def setUp(self):
        super().setUp()
        self.rdc.sql("update device set quiet_seconds = 3600, limit_seconds = 3600")
        self.doctor = Client(self.rdc, 'doctor')

    def associate(self):
        a = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=CONTEXTS)
        self.addCleanup(a.close)
        return a

    def completeness(self, study):
        """State and counts of the exam of this study."""
        for row in self.doctor.get('/api/v1/exams').json()['exams']:
            if row['study_uid'] == study:
                exam = self.doctor.exam(row['id'])
                c = exam['completeness']
                return exam['state'], c['grade'], c['expected'], c['present']
        return None

    def test_tells_by_mpps_how_many_objects_there_will_be(self):
        paths, uids = slices('mpps five', 5)
        study, step = make_dicom.uid('study mpps five'), make_dicom.uid('step five')
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.rdc.storescu(*paths[:3])
        self.assertEqual(self.completeness(study), ('arriving', None, None, 3))
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', uids))[0], 0)
        self.assertEqual(self.completeness(study), ('arriving', None, 5, 3))
        self.rdc.storescu(paths[3])
        self.assertEqual(self.completeness(study), ('arriving', None, 5, 4))
        self.rdc.storescu(paths[4])
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', 5, 5))
        a.release()

    def test_is_given_up_at_its_limit_and_completed_by_a_late_object(self):
        paths, uids = slices('mpps late', 3)
        study, step = make_dicom.uid('study mpps late'), make_dicom.uid('step late')
        self.rdc.sql("update device set quiet_seconds = 0, limit_seconds = 1")
        time.sleep(1.1)  # a device that was here just now is remembered for a second (API_DEVICE_MS)
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', uids))[0], 0)
        self.rdc.storescu(*paths[:2])
        wait_for('the exam to move on', lambda: self.completeness(study) == ('waiting', 'given_up', 3, 2))
        self.rdc.storescu(paths[2])
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', 3, 3))

    def test_that_stops_early_sends_what_it_has(self):
        paths, _ = slices('mpps stopped', 2)
        study, step = make_dicom.uid('study mpps stopped'), make_dicom.uid('step stopped')
        a = self.associate()
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.rdc.storescu(*paths)
        self.assertEqual(a.request(MPPS, SET, step, ended('DISCONTINUED', []))[0], 0)
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', None, 2))

    def test_is_told_what_is_wrong_with_its_step(self):
        a = self.associate()
        study, step = make_dicom.uid('study mpps wrong'), make_dicom.uid('step wrong')
        status, response = a.request(MPPS, CREATE, step, {**created(study), (0x40, 0x252): 'COMPLETED'})
        self.assertEqual((status, response[0x1005]), (0x0106, b'\x40\x00\x52\x02'))
        data = created(study)
        del data[0x40, 0x253]
        status, response = a.request(MPPS, CREATE, step, data)
        self.assertEqual((status, response[0x1005]), (0x0120, b'\x40\x00\x53\x02'))
        self.assertIn(b'PerformedProcedureStepID', response[0x902])
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', []))[0], 0x0112)
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0)
        self.assertEqual(a.request(MPPS, CREATE, step, created(study))[0], 0x0111)
        self.assertEqual(a.request(MPPS, SET, step, {(0x40, 0x280): 'not created'})[0], 0x0105)
        self.assertEqual(a.request(MPPS, SET, step, ended('COMPLETED', []))[0], 0)
        status, response = a.request(MPPS, SET, step, ended('COMPLETED', []))
        self.assertEqual((status, response[0x903]), (0x0110, b'\x10\xa7'))
        # without a UID of its own, it is given one
        status, response = a.request(MPPS, CREATE, None, created(study))
        self.assertEqual(status, 0)
        self.assertTrue(response[0x1000].startswith(b'2.25.'))
        # not a data set at all
        a.message += 1
        a.send_data(1, dicom_scu.command((0x002, MPPS), (0x100, CREATE), (0x110, a.message), (0x800, 1),
                                         (0x1000, '1.2.3')), True)
        a.send_data(1, b'\x08\x00\x60\x00\xff\xff\x00\x00CT', False)
        self.assertEqual(a.status(), 0x0110)
        # a class that the presentation context is not of
        a.ids[COMMITMENT] = a.ids[MPPS]
        self.assertEqual(a.request(COMMITMENT, CREATE, make_dicom.uid('step of no class'), created(study))[0], 0x0118)
        a.release()

    # ---- storage commitment

    def commit(self, a, transaction, uids, sop_class=CT):
        """N-ACTION; the status."""
        refs = [{(0x8, 0x1150): sop_class, (0x8, 0x1155): u} for u in uids]
        return a.request(COMMITMENT, ACTION, COMMITMENT_INSTANCE,
                         {(0x8, 0x1195): transaction, (0x8, 0x1199): refs}, [(0x1008, 1)])[0]

    def report(self, side, answered=0):
        """An N-EVENT-REPORT from this side, answered: (event type, transaction, committed, {failed: why}).
        answered: is added to the Message ID Being Responded To."""
        context, command, data = side.read_message()
        self.assertEqual(dicom_scu.number_of(command, 0x100), EVENT)
        self.assertEqual(command[0x1000].rstrip(b'\0').decode(), COMMITMENT_INSTANCE)
        number = struct.pack('<H', dicom_scu.number_of(command, 0x110) + answered)
        side.respond(context, {**command, 0x110: number}, 0)
        d = dicom_scu.parse_dataset(data)
        return (dicom_scu.number_of(command, 0x1002), d[0x8, 0x1195],
                sorted(x[0x8, 0x1155] for x in d.get((0x8, 0x1199), [])),
                {x[0x8, 0x1155]: x[0x8, 0x1197] for x in d.get((0x8, 0x1198), [])})

    def reported(self, transaction):
        return self.rdc.sql(f"select state from commitment where transaction_uid = '{transaction}'") == [['reported']]

    def test_gets_its_commitment_on_the_association_that_asked(self):
        paths, uids = slices('commitment here', 3)
        self.rdc.storescu(*paths)
        a = self.associate()
        transaction = make_dicom.uid('transaction here')
        self.assertEqual(self.commit(a, transaction, uids), 0)
        self.assertEqual(self.report(a), (1, transaction, sorted(uids), {}))
        wait_for('the answer to be noted', lambda: self.reported(transaction))
        wait_for('the exam to be complete by its list', lambda: self.completeness(
            make_dicom.uid('study commitment here')) == ('waiting', 'commitment', 3, 3))
        # and by a device that answers under another Message ID
        for transaction in (make_dicom.uid('transaction other 1'), make_dicom.uid('transaction other 2')):
            self.assertEqual(self.commit(a, transaction, uids), 0)
            self.assertEqual(self.report(a, answered=7), (1, transaction, sorted(uids), {}))
            wait_for('the answer to be noted', lambda t=transaction: self.reported(t))
        # and once more, with what is not there
        transaction = make_dicom.uid('transaction here again')
        self.assertEqual(self.commit(a, transaction, [uids[0], '1.2.3.4']), 0)
        self.assertEqual(self.report(a), (2, transaction, [uids[0]], {'1.2.3.4': 0x0112}))
        self.assertEqual(self.commit(a, transaction, uids), 0x0131)
        self.assertEqual(self.commit(a, make_dicom.uid('transaction of none'), []), 0x0115)
        self.assertEqual(self.commit(a, 'not a uid', uids), 0x0115)
        status, _ = a.request(COMMITMENT, ACTION, COMMITMENT_INSTANCE, {(0x8, 0x1195): '1.2'}, [(0x1008, 2)])
        self.assertEqual(status, 0x0123)
        a.release()

    def test_gets_its_commitment_where_it_asked_when_it_is_done_with_something_else(self):
        paths, uids = slices('commitment busy', 2)
        self.rdc.storescu(paths[0])
        a = self.associate()
        sop_class, instance, _, data = dicom_scu.part10(paths[1])
        for attempt in range(20):
            transaction = make_dicom.uid(f'transaction busy {attempt}')
            self.assertEqual(self.commit(a, transaction, uids[:1]), 0)
            a.store_begin(sop_class, instance)
            wait_for('the check', lambda: self.rdc.sql(
                f"select state from commitment where transaction_uid = '{transaction}'") != [['checking']])
            a.send_data(a.ids[CT], data, False)
            context, command, _ = a.read_message()
            if dicom_scu.number_of(command, 0x100) != EVENT:
                self.assertEqual(dicom_scu.number_of(command, 0x900), 0)
                break
            a.respond(context, command, 0)  # the check was done before our command was there
            self.assertEqual(a.status(), 0)
        self.assertEqual(self.report(a), (1, transaction, uids[:1], {}))
        wait_for('the answer to be noted', lambda: self.reported(transaction))
        a.release()

    def test_gets_its_commitment_on_a_new_association_with_the_true_reasons(self):
        paths, uids = slices('commitment there', 4)
        self.rdc.storescu(*paths)
        peer = dicom_scu.Peer()
        self.addCleanup(peer.listener.close)
        self.rdc.cli('device', 'change', 'QH_CT', '--callback', f'127.0.0.1:{peer.port}')
        # On the disk one object is shorter, one changed, one gone: the tables know nothing of it.
        objects = [Stored(self.rdc.data, r[0]) for r in self.rdc.sql(
            "select location from object o join instance i on i.object_id = o.id "
            f"where sop_uid in ('{uids[0]}', '{uids[1]}', '{uids[2]}') order by array_position("
            f"array['{uids[0]}', '{uids[1]}', '{uids[2]}'], sop_uid)")]
        objects[0].cut()
        objects[1].change()
        objects[2].remove()
        a = self.associate()
        transaction, before = make_dicom.uid('transaction there'), self.rdc.log_size()
        self.assertEqual(self.commit(a, transaction, [*uids, '1.2.3.4']), 0)
        a.close()
        asked = peer.accept()
        self.assertEqual((asked['calling'], asked['called']), ('RDC', 'QH_CT'))
        self.assertEqual(asked['roles'], {COMMITMENT: (0, 1)})
        self.assertEqual(self.report(peer), (2, transaction, [uids[3]], {
            uids[0]: 0x0110, uids[1]: 0x0110, uids[2]: 0x0110, '1.2.3.4': 0x0112}))
        self.assertEqual(self.rdc.log_from(before).count('event=object_damaged'), 3)
        self.assertTrue(peer.finish())
        wait_for('the answer to be noted', lambda: self.reported(transaction))
        # So the device sends them again, and what it sends takes the place of what was damaged.
        self.rdc.storescu(*paths)
        a = self.associate()
        transaction = make_dicom.uid('transaction of what was sent again')
        self.assertEqual(self.commit(a, transaction, uids), 0)
        self.assertEqual(self.report(a), (1, transaction, sorted(uids), {}))
        wait_for('the answer to be noted', lambda: self.reported(transaction))
        a.close()
        self.assertIn('store and index agree', self.rdc.cli('fsck'))
        # A class that the object is not of, and one that is none; the first call fails.
        transaction = make_dicom.uid('transaction of classes')
        a = self.associate()
        self.assertEqual(self.commit(a, transaction, [uids[3]], '1.2.840.10008.5.1.4.1.1.4'), 0)
        a.close()
        peer.accept()
        peer.close()
        peer.accept(role=False)
        self.assertEqual(self.report(peer), (2, transaction, [], {uids[3]: 0x0119}))
        peer.finish()
        wait_for('the answer to be noted', lambda: self.reported(transaction))

    def test_gets_its_commitment_of_thousands_of_objects(self):
        paths, uids = slices('commitment of many', 2)
        self.rdc.storescu(*paths)
        others = [f'2.25.7.{n}' for n in range(6000)]
        a = self.associate()
        transaction = make_dicom.uid('transaction of many')
        self.assertEqual(self.commit(a, transaction, [*others[:3000], *uids, *others[:3000], uids[0], *others[3000:]]), 0)
        began = time.monotonic()
        self.assertEqual(self.report(a), (2, transaction, sorted(uids), dict.fromkeys(others, 0x0112)))
        self.assertLess(time.monotonic() - began, 25)
        wait_for('the answer to be noted', lambda: self.reported(transaction))
        a.close()

    def test_without_a_callback_address_is_named_by_the_doctor(self):
        paths, uids = slices('commitment nowhere', 1)
        self.rdc.storescu(*paths)
        self.rdc.cli('device', 'add', 'NOWHERE', '--org', 'QINGHE')
        a = dicom_scu.Association(self.rdc.dicom_port, 'NOWHERE', contexts=[(1, COMMITMENT, [dicom_scu.IMPLICIT_LE])])
        transaction = make_dicom.uid('transaction nowhere')
        self.assertEqual(self.commit(a, transaction, uids), 0)
        a.close()

        def waiting():
            answer = json.loads(self.rdc.cli('device', 'doctor', 'NOWHERE', '--json'))['commitments']
            return answer if answer['waiting'] else None
        answer = wait_for('the doctor to know it', waiting)
        self.assertEqual((answer['waiting'], answer['callback']), (1, False))
        text = self.rdc.cli('device', 'doctor', 'NOWHERE')
        self.assertIn('rdc device change NOWHERE --callback HOST:PORT', text)
        self.assertEqual(Client(self.rdc, 'tech').get('/api/v1/devices/NOWHERE/doctor').json()['commitments']['waiting'], 1)
        self.assertNotEqual(Client(self.rdc, 'tech2').get('/api/v1/devices/NOWHERE/doctor').status, 200)
        peer = dicom_scu.Peer()
        self.addCleanup(peer.listener.close)
        self.rdc.cli('device', 'change', 'NOWHERE', '--callback', f'127.0.0.1:{peer.port}')
        peer.accept()
        self.assertEqual(self.report(peer), (1, transaction, uids, {}))
        self.assertTrue(peer.finish())
        wait_for('the doctor to have nothing to say', lambda: not waiting())
        self.assertNotIn('--callback', self.rdc.cli('device', 'doctor', 'NOWHERE'))

    def test_is_told_the_truth_after_power_cuts_in_the_middle_of_the_check(self):
        [path], [uid] = slices('commitment cut', 1)
        sop_class, instance, _, data = dicom_scu.part10(path)
        peer = dicom_scu.Peer()
        self.addCleanup(peer.listener.close)
        self.rdc.cli('device', 'change', 'QH_CT', '--callback', f'127.0.0.1:{peer.port}')
        a = self.associate()
        self.assertEqual(a.store(sop_class, instance, data + dicom_scu.private_tail(2 << 20) + bytes(2 << 20)), 0)
        [[location]] = self.rdc.sql('select location from object o join instance i on i.object_id = o.id '
                                    f"where sop_uid = '{uid}'")
        there = Stored(self.rdc.data, location).path
        kept = os.path.join(os.path.dirname(there), '.kept')
        os.rename(there, kept)
        os.mkfifo(there)  # whoever opens it waits
        os.chmod(there, 0o666)
        transaction = make_dicom.uid('transaction cut')
        self.assertEqual(self.commit(a, transaction, [uid]), 0)
        for n in range(4):
            wait_for('the check to be under way', lambda: self.rdc.sql(
                "select count(*) from job where kind = 'commitment' and state = 'running' and lease_until > now()") == [['1']])
            self.rdc.kill_all()
            self.rdc.sql("update job set lease_until = now() - interval '1 second' where kind = 'commitment'")
            if n == 3:
                os.rename(kept, there)
            self.rdc.start()
        peer.accept()
        self.assertEqual(self.report(peer), (1, transaction, [uid], {}))
        peer.finish()
        wait_for('the answer to be noted', lambda: self.reported(transaction))

    def test_that_does_not_answer_keeps_no_other_from_its_report(self):
        paths, uids = slices('commitment unanswered', 1)
        self.rdc.storescu(*paths)
        for n in range(24):  # more than one worker reports to at a time, for each
            a = self.associate()
            self.assertEqual(self.commit(a, make_dicom.uid(f'transaction unanswered {n}'), uids), 0)
            a.read_message()
        peer = dicom_scu.Peer()
        self.addCleanup(peer.listener.close)
        self.rdc.cli('device', 'change', 'DS_CT', '--callback', f'127.0.0.1:{peer.port}')
        a = dicom_scu.Association(self.rdc.dicom_port, 'DS_CT', contexts=CONTEXTS)
        transaction = make_dicom.uid('transaction of another')
        self.assertEqual(self.commit(a, transaction, ['1.2.3.4']), 0)
        a.close()
        peer.accept()
        self.assertEqual(self.report(peer), (2, transaction, [], {'1.2.3.4': 0x0112}))
        peer.finish()

    def test_is_told_of_an_object_where_it_is_now_when_its_file_is_just_replaced(self):
        [path], [uid] = slices('commitment replaced', 1)
        sop_class, instance, _, data = dicom_scu.part10(path)
        a = self.associate()
        self.assertEqual(a.store(sop_class, instance, data + dicom_scu.private_tail(2 << 20) + bytes(2 << 20)), 0)
        [[location]] = self.rdc.sql('select location from object o join instance i on i.object_id = o.id '
                                    f"where sop_uid = '{uid}'")
        folder, name = location.rsplit('/', 1)
        session = place().session(self.rdc.database)
        self.addCleanup(session.close)
        # As a duplicate that takes its place: the row, and then the old file goes.
        session.ask(f"begin; update object set location = '{folder}/9{name}' where location = '{location}'")
        old = Stored(self.rdc.data, location).path
        os.rename(old, os.path.join(os.path.dirname(old), '9' + name))
        transaction, before = make_dicom.uid('transaction replaced'), self.rdc.log_size()
        self.assertEqual(self.commit(a, transaction, [uid]), 0)
        wait_for('the check to be noted', lambda: self.rdc.sql(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
            "and query like '%commitment_checked%' and datname = current_database()") == [['1']])
        session.ask('commit')
        self.assertEqual(self.report(a), (1, transaction, [uid], {}))
        self.assertNotIn('object_damaged', self.rdc.log_from(before))
        self.assertEqual(self.rdc.sql('select count(*) from object where damaged_at is not null'), [['0']])
        a.release()

    def test_made_of_dcmjs_dimse_works_through_a_whole_step(self):
        modules = node_modules('dcmjs-dimse')
        paths, uids = slices('dcmjs', 3)
        study, port = make_dicom.uid('study dcmjs'), free_port()
        self.rdc.cli('device', 'change', 'QH_CT', '--callback', f'127.0.0.1:{port}')
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'J1', '--patient-name', '测试一',
                     '--patient-id', 'J-1', '--modality', 'CT', '--at', '2030-01-31T08:30')
        script = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'dcmjs_device.js')
        out = tool('node', script, modules, str(self.rdc.dicom_port), str(port), 'QH_CT', study, *paths)
        lines = [json.loads(x) for x in out.splitlines() if x.startswith('{')]
        answers = {k: v for x in lines for k, v in x.items()}
        self.assertEqual((answers['echo'], answers['find']), ([0], [0xFF00, 0]), out)
        self.assertIn('测试一', json.dumps(answers['names'], ensure_ascii=False))
        self.assertEqual((answers['create'], answers['store'], answers['set'], answers['action']),
                         ([0], [0, 0, 0], [0], [0]), out)
        self.assertEqual((answers['event'], sorted(answers['committed']), answers['failed']),
                         (1, sorted(uids), []), out)
        self.assertEqual(self.completeness(study), ('waiting', 'mpps', 3, 3))
        wait_for('the answer to be noted', lambda: self.reported(answers['transaction']))
