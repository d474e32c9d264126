#!/usr/bin/python3
"""A day of a district as fast as it goes: 5,000 exams of 50 centres, from the order to the delivered report.

bench_day.py [--quick]

Each radiological exam is ordered by HL7, looked up in the modality worklist, begun and ended by MPPS, stored and
committed; each ECG is only stored, one in a hundred of them critical. Two readers claim, write and sign what waits,
STAT first; storescp --fork is the archive of all centres. Ten times a day it is noted what the workers hold
(memory, descriptors), how large the database is, and how long the same questions take. One JSON line each, and one at the end: exams
per second, how long the last step of each way took, and what grew. Fails when an answer was wrong, a report did not
arrive, fsck objects, a descriptor stayed open, or the workers hold a quarter more at the end than after three tenths
of the day. RDC_TEST_EXAMS is another number of exams.
"""
import json
import os
import socket
import statistics
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
import dicom_scu  # noqa: E402
import machine  # noqa: E402
import make_dicom  # noqa: E402
import options  # noqa: E402
from dicom_scu import COMMITMENT, COMMITMENT_INSTANCE, MPPS  # noqa: E402
from rdc_system import Client, PASSWORD, Rdc, StoreScp, free_port, wait_for  # noqa: E402

WORKLIST = '1.2.840.10008.5.1.4.31'
CREATE, SET, ACTION = 0x0140, 0x0120, 0x0130
CENTRES, MODALITIES, READERS = 50, 8, 2
SLICES = 6
REPORT = {'findings': '未见异常。', 'impression': '未见异常。'}
ORDER = ('MSH|^~\\&|HIS|{centre}|RDC|RDC|20260131080000||ORM^O01|{n}|P|2.5.1||||||UNICODE UTF-8\r'
         'PID|1||{patient}^^^{centre}^PI||测试^{name}||19600307|M\r'
         'ORC|NW|PL{n}^HIS|||||||||123^王^医生\r'
         'OBR|1|PL{n}^HIS||CTCH^胸部 CT^L||||||||||||||ACC{n}||||||CT|||^^^{when}^^{priority}\r')


def encoded(d):
    return d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030'))


class District:
    """The running program, its centres, and what every thread of the day shares."""

    def __init__(self, exams):
        self.exams = exams
        self.hl7_port = free_port()
        self.rdc = Rdc({'workers': 0, 'database.connections': None, 'store.segment': None,
                        'hl7.address': f'127.0.0.1:{self.hl7_port}'})
        self.archive = StoreScp('archive', fork=True).start()
        self.rdc.cli('org', 'add', 'HOSP', '--name', '示例医院', '--kind', 'hospital')
        for n in range(READERS):
            self.rdc.cli('user', 'add', f'day{n}', '--org', 'HOSP', '--role', 'reader', '--name', f'Day {n}',
                         '--password-stdin', input=PASSWORD + '\n')
        for centre in self.centres():
            self.rdc.cli('org', 'add', centre, '--name', f'测试中心 {centre}', '--kind', 'centre')
            self.rdc.cli('device', 'add', centre + '_CT', '--org', centre)
            self.rdc.cli('hl7', 'add', 'HIS^' + centre, '--org', centre)
            self.rdc.cli('destination', 'add', centre + '-IN', '--org', centre, '--dicom',
                         f'{self.archive.aet}@127.0.0.1:{self.archive.port}')
            for line in ('ecg', 'radiology'):
                self.rdc.cli('contract', 'add', '--centre', centre, '--hospital', 'HOSP', '--line', line, '--one-step')
        self.rdc.start()
        self.numbers = iter(range(exams))
        self.lock, self.wrong, self.over = threading.Lock(), [], threading.Event()
        self.sent, self.signed = 0, 0
        slice_, ecg = make_dicom.ct_slice('day', 1, size=128), make_dicom.ecg12
        self.pixels = {tag: slice_.elements[tag] for tag in slice_.elements if tag >> 16 == 0x28 or tag == 0x7fe00010}
        self.waves = {bpm: ecg(bpm=bpm).elements[0x54000100] for bpm in (30, 60, 75)}

    @staticmethod
    def centres():
        return [f'C{n:02}' for n in range(CENTRES)]

    def take(self):
        with self.lock:
            return next(self.numbers, None)

    def note_wrong(self, what):
        with self.lock:
            self.wrong.append(str(what)[:500])


class Modality(threading.Thread):
    """Makes one exam after another, each at another centre."""

    def __init__(self, district):
        super().__init__(daemon=True)
        self.district, self.rdc = district, district.rdc

    def run(self):
        while (n := self.district.take()) is not None:
            centre = f'C{n % CENTRES:02}'
            try:
                if self.is_ecg(n):
                    self.ecg(n, centre)
                else:
                    self.ct(n, centre)
            except (OSError, AssertionError, dicom_scu.Refused) as e:
                self.district.note_wrong(f'exam {n}: {e!r}')
            with self.district.lock:
                self.district.sent += 1

    @staticmethod
    def is_ecg(n):
        return n % 3 == 2

    @staticmethod
    def is_critical(n):
        return n % 300 == 2

    @staticmethod
    def is_stat(n):
        return n % 20 == 0

    @staticmethod
    def person(n, centre):
        """Comes four times a day, so that there are priors."""
        person = make_dicom.Person(0, f'测试^{n // 200}', '19600307', 'M')
        person.id = f'{centre}P{n // 200}'
        return person

    def order(self, n, centre):
        message = ORDER.format(n=n, centre=centre, patient=self.person(n, centre).id, name=n // 200, priority='S' if self.is_stat(n) else 'R',
                               when=time.strftime('%Y%m%d%H%M'))
        with socket.create_connection(('127.0.0.1', self.district.hl7_port), 60) as s:
            s.sendall(b'\x0b' + message.encode() + b'\x1c\r')
            answer = b''
            while not answer.endswith(b'\x1c\r'):
                piece = s.recv(4096)
                assert piece, f'HL7 closed after {answer!r}'
                answer += piece
        assert f'MSA|AA|{n}'.encode() in answer, answer

    def entry(self, a, n):
        """The Study Instance UID of the worklist's entry (PS3.4 K)."""
        a.message += 1
        a.send_data(a.ids[WORKLIST], dicom_scu.command(
            (0x002, WORKLIST), (0x100, 0x20), (0x110, a.message), (0x700, 0), (0x800, 1)), True)
        a.send_data(a.ids[WORKLIST], dicom_scu.dataset({(8, 0x50): f'ACC{n}', (0x20, 0xd): ''}), False)
        found = []
        while True:
            _, answer, data = a.read_message()
            if dicom_scu.number_of(answer, 0x900) == 0:
                break
            found.append(dicom_scu.parse_dataset(data)[0x20, 0xd])
        assert len(found) == 1, found
        return found[0]

    def ct(self, n, centre):
        self.order(n, centre)
        a = dicom_scu.Association(self.rdc.dicom_port, centre + '_CT', timeout=60, contexts=[
            (1, WORKLIST, [dicom_scu.IMPLICIT_LE]), (3, MPPS, [dicom_scu.IMPLICIT_LE]),
            (5, COMMITMENT, [dicom_scu.IMPLICIT_LE]), (7, make_dicom.CT, [dicom_scu.EXPLICIT_LE])])
        study, step = self.entry(a, n), make_dicom.uid(f'step {n}')
        status, _ = a.request(MPPS, CREATE, step, {
            (0x8, 0x60): 'CT', (0x40, 0x241): centre + '_CT', (0x40, 0x244): '20260131', (0x40, 0x245): '1200',
            (0x40, 0x252): 'IN PROGRESS', (0x40, 0x253): f'S{n}', (0x40, 0x270): [{(0x20, 0xd): study}]})
        assert status == 0, f'N-CREATE {status:04x}'
        person = self.person(n, centre)
        refs = []
        for k in range(SLICES):
            d = make_dicom.base(make_dicom.CT, f'day {n} {k}', person, 'CT', f'ACC{n}', study=f'day {n}')
            d.elements.update(self.district.pixels)
            d.elements[0x0020000d] = ('UI', (study,))
            uid, data = encoded(d)
            status = a.store(make_dicom.CT, uid, data)
            assert status == 0, f'C-STORE {status:04x}'
            refs.append({(0x8, 0x1150): make_dicom.CT, (0x8, 0x1155): uid})
        status, _ = a.request(MPPS, SET, step, {
            (0x40, 0x250): '20260131', (0x40, 0x251): '1201', (0x40, 0x252): 'COMPLETED',
            (0x40, 0x340): [{(0x20, 0xe): make_dicom.uid(f'series day {n}'), (0x18, 0x1030): 'P', (0x8, 0x1140): refs}]})
        assert status == 0, f'N-SET {status:04x}'
        status, _ = a.request(COMMITMENT, ACTION, COMMITMENT_INSTANCE, {
            (0x8, 0x1195): make_dicom.uid(f'transaction {n}'), (0x8, 0x1199): refs}, [(0x1008, 1)])
        assert status == 0, f'N-ACTION {status:04x}'
        context, report, _ = a.read_message()
        assert dicom_scu.number_of(report, 0x1002) == 1, 'not all are committed'
        a.respond(context, report, 0)
        a.release()

    def ecg(self, n, centre):
        person = self.person(n, centre)
        d = make_dicom.base(make_dicom.ECG12, f'day {n}', person, 'ECG', '')
        d.elements[0x54000100] = self.district.waves[30 if self.is_critical(n) else 60 if n % 2 else 75]
        a = dicom_scu.Association(self.rdc.dicom_port, centre + '_CT', timeout=60,
                                  contexts=dicom_scu.store_context(make_dicom.ECG12))
        status = a.store(make_dicom.ECG12, *encoded(d))
        assert status == 0, f'C-STORE {status:04x}'
        a.release()


class Reader(threading.Thread):
    """Signs the first that waits; somebody else may have it by then."""

    def __init__(self, district, login):
        super().__init__(daemon=True)
        self.district, self.client = district, Client(district.rdc, login)
        self.held = 0

    def run(self):
        while not self.district.over.is_set():
            waiting = [e['id'] for e in self.client.worklist() if e['state'] == 'waiting']
            for exam in waiting[:10]:
                try:
                    self.sign(exam)
                except (OSError, AssertionError) as e:
                    self.district.note_wrong(f'exam {exam}: {e!r}')
            if not waiting:
                self.district.over.wait(0.5)

    def sign(self, exam):
        path = f'/api/v1/exams/{exam}/'
        claim = self.client.post(path + 'claim')
        if claim.status == 409:
            with self.district.lock:
                self.held += 1
            return
        assert claim.status == 200, claim
        lease = {'lease': claim.json()['lease']}
        self.client.exam(exam)
        answer = self.client.put(path + 'draft', lease | {'report': REPORT})
        assert answer.status == 200, answer
        answer = self.client.post(path + 'sign', lease | {'objects_digest': claim.json()['objects_digest']})
        assert answer.status == 200, answer
        with self.district.lock:
            self.district.signed += 1


def descriptors(pids):
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f'/proc/{pid}/fd'))
        except OSError:
            pass
    return total


def seconds_of(ask):
    began = time.monotonic()
    ask()
    return round(time.monotonic() - began, 3)


class Notes:
    """What the day costs, as it goes on."""

    def __init__(self, district):
        self.district, self.rdc = district, district.rdc
        self.reader = Client(self.rdc, 'day0')
        self.began, self.all = time.monotonic(), []

    def take(self):
        pids = self.rdc.workers()
        size, = self.rdc.sql('select pg_database_size(current_database()) / 1048576,'
                             ' (select sum(n_dead_tup) from pg_stat_user_tables),'
                             " (select count(*) from job), (select count(*) from delivery where state <> 'acknowledged')")
        line = {'bench': 'day', 'seconds': round(time.monotonic() - self.began), 'sent': self.district.sent,
                'signed': self.district.signed, 'workers_mib': round(machine.pss_kib(pids) / 1024, 1),
                'descriptors': descriptors(pids), 'database_mib': int(size[0]), 'dead_rows': int(size[1]),
                'jobs': int(size[2]), 'deliveries': int(size[3]), 'log_kib': self.rdc.log_size() // 1024,
                'worklist_s': seconds_of(self.reader.worklist),
                'exams_s': seconds_of(lambda: self.reader.get('/api/v1/exams'))}
        self.all.append(line)
        print(json.dumps(line), flush=True)
        return line


def went(district):
    """Median and worst, in seconds, from the first object to the reading worklist, and from the signature
    to the archive's answer."""
    out = {}
    for name, query in (
            ('listed', 'select extract(epoch from min(v.at) - e.created_at) from exam e'
                       " join exam_event v on v.exam_id = e.id and v.to_state = 'waiting' group by e.id"),
            ('delivered', 'select extract(epoch from d.acknowledged_at - r.signed_at) from delivery d'
                          ' join report r on r.id = d.report_id')):
        times = [float(row[0]) for row in district.rdc.sql(query) if row[0]]
        out[name] = [round(statistics.median(times), 2), round(max(times), 2)] if times else None
    return out


def left_undone(district):
    """What the database says against the day: every exam final, and those STAT that must be. No alarm raises what is
    final already, and these readers may sign before an ECG is measured."""
    wanted = {make_dicom.uid(f'study day {n}') if Modality.is_ecg(n) else f'ACC{n}' for n in range(district.exams)
              if (Modality.is_critical if Modality.is_ecg(n) else Modality.is_stat)(n)}
    found, = district.rdc.sql("select count(*), count(*) filter (where state = 'final') from exam")
    stat, early = ({row[0] for row in district.rdc.sql(
        'select coalesce(o.accession, s.study_uid) from exam e join study s on s.id = e.study_id'
        f' left join exam_order o on o.id = e.order_id where {which}')} for which in (
            "e.priority = 'stat'", 'exists (select from report r join ecg_measurement m on m.exam_id = r.exam_id'
            ' where r.exam_id = e.id and m.at > r.signed_at)'))
    out = [] if found == [str(district.exams)] * 2 else [f'exams, and those final: {found}']
    return out + [f'wrongly or not STAT: {sorted(stat ^ wanted - early)[:5]}'] * (stat != wanted - early)


def main():
    quick = options.parse(__doc__).quick
    exams = 30 if quick else int(os.environ.get('RDC_TEST_EXAMS', 5000))
    district = District(exams)
    rdc = district.rdc
    try:
        notes = Notes(district)
        readers = [Reader(district, f'day{n}') for n in range(READERS)]
        threads = [Modality(district) for _ in range(MODALITIES)] + readers
        idle = descriptors(rdc.workers())
        for t in threads:
            t.start()
        for tenth in range(1, 11):
            wait_for(f'{tenth} tenths of the day', lambda t=tenth: district.signed >= t * exams / 10 or district.wrong, 3600)
            notes.take()
            if district.wrong:
                break
        district.over.set()
        if not district.wrong:
            wait_for('every report to be delivered', lambda: rdc.sql(
                "select count(*) from delivery where state <> 'acknowledged'") == [['0']], 600)
        for t in threads:
            t.join()
        time.sleep(5)  # connections that are kept a little longer
        last = notes.take()
        fsck = rdc.cli('fsck', '--json')
        ways, undone = went(district), left_undone(district)
    finally:
        district.over.set()
        rdc.stop()
        district.archive.stop()
    base = notes.all[min(2, len(notes.all) - 1)]
    problems = district.wrong + undone + ([f'descriptors {idle} -> {last["descriptors"]}']
                                 if last['descriptors'] > idle + 20 else [])
    if last['workers_mib'] > 1.25 * base['workers_mib'] and not quick:
        problems.append(f'memory {base["workers_mib"]} -> {last["workers_mib"]} MiB')
    print(json.dumps({'bench': 'day', 'exams': exams, 'seconds': last['seconds'],
                      'per_second': round(exams / last['seconds'], 1), 'held_by_another': sum(r.held for r in readers),
                      'ways': ways, 'fsck': fsck[-300:], 'problems': problems[:5]}), flush=True)
    return not problems


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
