#!/usr/bin/python3
"""Query times at 10,000 and at 1,000,000 orders.

bench_scale.py [--quick]

Two databases with 50 centres and 10 hospitals each: orders, patients, studies, objects and exams as
after some years, nearly all of them done; in each centre 120 orders are open and 40 exams wait, at
both sizes, and lists are asked for 50 entries, so that the answers are of the same length. Each query is asked through the running
program by who asks it in life (a device over DICOM, people over HTTP), one after the other, in turn
at both sizes; the median counts. One JSON line per query with both times in ms and their ratio; the
benchmark fails when a ratio is above 2 and the difference above 1 ms.

--quick: 2,000 and 20,000 orders, which says only that it works.
"""
import json
import os
import statistics
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
import dicom_scu  # noqa: E402
import options  # noqa: E402
from rdc_system import PASSWORD, Client, Rdc, place  # noqa: E402
import make_dicom  # noqa: E402

WORKLIST = '1.2.840.10008.5.1.4.31'
CENTRES, HOSPITALS, OPEN, WAITING = 50, 10, 120, 40

# Set-based, through the real tables, without their triggers (session_replication_role): what those
# would have written is written here too.
FILL = '''
set session_replication_role = replica;
create temp table n as
select i, 1 + i % {centres} as c, i > {orders} - {centres} * {open} as open,
    i > {orders} - {centres} * ({open} + {waiting}) as waiting,
    now() - ({orders} - i) * interval '{step} seconds' as at
from generate_series(1, {orders}) i;
insert into organisation (id, code, name, kind) overriding system value
select 1000 + i, 'C' || i, '社区卫生服务中心' || i, 'centre' from generate_series(1, {centres}) i
union all select 2000 + i, 'H' || i, '示例医院' || i, 'hospital' from generate_series(1, {hospitals}) i;
insert into device (org_id, aet) select 1000 + i, 'DEV' || i from generate_series(1, {centres}) i;
insert into contract (id, centre_id, hospital_id, line_id) overriding system value
select 5000 + 10 * i + l.id, 1000 + i, 2001 + i % {hospitals}, l.id
from generate_series(1, {centres}) i, line l where l.code in ('ecg', 'radiology');
insert into patient (id, issuer_id, patient_id, name, pinyin, birth_date, sex) overriding system value
select i, 1000 + c, 'P' || i, '测试' || chr(19968 + i % 5000), 'CE^SHI' || i % 5000, date '1930-01-01' + i % 30000,
    substr('MF', 1 + i / 50 % 2, 1)
from n;
insert into exam_order (id, centre_id, accession, placer_number, placer_issuer, patient_id, study_uid, modality,
    line_id, scheduled_at, priority, state, state_at, created_at, procedure_code, description)
overriding system value
select i, 1000 + c, 'A' || i, 'PL' || i, 'HIS', i, '2.25.' || i, case when i % 3 = 0 then 'ECG' else 'CT' end,
    case when i % 3 = 0 then 1 else 2 end, case when open then now() + i % 300 * interval '1 minute' else at end,
    case when i % 40 = 0 then 'stat' else 'routine' end,
    case when open then 'scheduled' when i % 30 = 7 then 'cancelled' else 'done' end, at, at, 'CODE' || i % 200, '检查'
from n;
insert into exam_order_event (order_id, at, event, from_state, to_state)
select i, at, 'schedule', null, 'scheduled' from n
union all select i, at, 'finish', 'started', 'done' from n where not open;
insert into study (id, centre_id, study_uid, patient_id, accession, study_date) overriding system value
select i, 1000 + c, '2.25.' || i, i, 'A' || i, at::date from n where not open;
insert into series (id, study_id, series_uid, modality) overriding system value
select i, i, '2.25.' || i || '.1', case when i % 3 = 0 then 'ECG' else 'CT' end from n where not open;
-- Known to be without files: rdc serves no store of which nothing is there.
insert into object (id, location, sha256, size, media, damaged_at) overriding system value
select i, 'bench/' || i, sha256(i::text::bytea), 1000, 'dicom', at from n where not open;
insert into instance (id, centre_id, study_id, series_id, sop_uid, sop_class, transfer_syntax, object_id)
overriding system value
select i, 1000 + c, i, i, '2.25.' || i || '.1.1', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', i
from n where not open;
insert into exam (id, centre_id, study_id, line_id, hospital_id, contract_id, state, state_at, priority, grade,
    objects, order_id, due_at, created_at) overriding system value
select i, 1000 + c, i, case when i % 3 = 0 then 1 else 2 end, 2001 + c % {hospitals},
    5000 + 10 * c + case when i % 3 = 0 then 1 else 2 end,
    case when waiting then 'waiting' else 'final' end, at,
    case when i % 40 = 0 then 'stat' else 'routine' end, 'quiet', 1, i, at + interval '2 hours', at
from n where not open;
insert into exam_event (exam_id, at, event, from_state, to_state)
select i, at, 'complete', 'arriving', 'waiting' from n where not open
union all select i, at, 'sign', 'writing', 'final' from n where not open and not waiting;
select setval(pg_get_serial_sequence(t, 'id'), {orders} + 1000000)
from unnest(array['patient', 'exam_order', 'study', 'series', 'object', 'instance', 'exam', 'organisation', 'contract']) t;
'''


class Site:
    """One rdc with so many orders."""

    def __init__(self, orders, open_orders, waiting):
        self.rdc = Rdc({'workers': 1, 'database.connections': None, 'log.level': 'warn', 'store.segment': '256M'}, template='migrated')
        start = time.monotonic()
        numbers = dict(centres=CENTRES, hospitals=HOSPITALS, open=open_orders, waiting=waiting, orders=orders,
                       step=max(1, 94608000 // orders))
        sql = FILL.format(**numbers)
        for text in (sql, 'vacuum analyze'):
            subprocess.run(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', place().sockets, '-U', 'postgres',
                            '-d', self.rdc.database, '-o', '/dev/null'], input=text, text=True, check=True)
        self.fill_seconds = time.monotonic() - start
        for login, org, role in (('tech', 'C7', 'technician'), ('reader', 'H3', 'reader')):
            self.rdc.cli('user', 'add', login, '--org', org, '--role', role, '--password-stdin',
                         input=PASSWORD + '\n')
        self.rdc.start()
        self.tech, self.reader = Client(self.rdc, 'tech'), Client(self.rdc, 'reader')
        # Of centre 7, in the middle of the past, and one that is open.
        self.old = orders // 4 // CENTRES * CENTRES + 6
        self.recent = orders // CENTRES * CENTRES - CENTRES + 6
        self.serial, self.open, self.waiting = 0, open_orders, waiting
        self.device = dicom_scu.Association(
            self.rdc.dicom_port, 'DEV7', contexts=[(1, WORKLIST, [dicom_scu.IMPLICIT_LE]),
                                                   (3, make_dicom.CT, [dicom_scu.IMPLICIT_LE])])

    def find(self, least, *keys, **step):
        query = {(0x8, 0x50): '', (0x10, 0x10): '', (0x10, 0x20): '', (0x20, 0xd): '',
                 (0x40, 0x100): [{(0x8, 0x60): '', (0x40, 1): '', (0x40, 2): '', (0x40, 3): '',
                                  **{(0x40, 2) if k == 'date' else (0x8, 0x60): v for k, v in step.items()}}]}
        query.update(keys)
        status, _ = self.device.request(WORKLIST, 0x20, None, query, more=((0x700, 0),))
        found = 0
        while status in (0xff00, 0xff01):
            found += 1
            _, response, _ = self.device.read_message()
            status = struct.unpack('<H', response[0x900])[0]
        assert status == 0 and found >= least, (hex(status), found)

    def get(self, who, path, least):
        answer = who.get(path)
        assert answer.status == 200, answer
        body = answer.json()
        for key in ('exams', 'orders', 'entry'):
            assert len(body.get(key, [0] * least)) >= least, (path, len(body[key]))

    def order(self):
        self.serial += 1
        answer = self.tech.post('/api/v1/orders', {'patient_id': f'N{self.serial}', 'patient_name': '测试新', 'modality': 'CT',
                                                   'birth_date': '19500505', 'accession': f'N{self.serial}'})
        assert answer.status == 201, answer

    def store(self):
        """An object that answers an order of its centre."""
        self.serial += 1
        d = make_dicom.ct_slice(f'scale {self.rdc.database} {self.serial}', 1,
                                make_dicom.Person(1, '', '', ''), f'A{self.recent}', 16)
        status = self.device.store(make_dicom.CT, d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030')))
        assert status == 0, hex(status)

    def look_up(self):
        """What ingest asks for each study, 30 times in one statement."""
        rows = self.rdc.sql("select count(order_of_study(1007, '2.25.9' || i, 'A' || 6 + 50 * i)) "
                            'from generate_series(0, 29) i')
        assert int(rows[0][0]) > 10, rows


def queries(s):
    tech, reader, today = s.tech, s.reader, time.strftime('%Y%m%d', time.gmtime(time.time() + 8 * 3600))
    since = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - 3600))
    return [
        ('modality worklist, all', lambda: s.find(s.open)),
        ('modality worklist, a day and a modality', lambda: s.find(0, date=today, modality='CT')),
        ('modality worklist, name with wildcard', lambda: s.find(1, ((0x10, 0x10), 'CE^SHI*'))),
        ('modality worklist, accession number', lambda: s.find(1, ((0x8, 0x50), f'A{s.recent}'))),
        ('reading worklist, reader', lambda: s.get(reader, '/api/v1/worklist', 5 * s.waiting)),
        ('reading worklist, centre', lambda: s.get(tech, '/api/v1/worklist', s.waiting)),
        ('exams, newest, reader', lambda: s.get(reader, '/api/v1/exams?limit=50', s.waiting)),
        ('exams, newest, centre', lambda: s.get(tech, '/api/v1/exams?limit=50', s.waiting)),
        ('exams, waiting, centre', lambda: s.get(tech, '/api/v1/exams?state=waiting&limit=50', s.waiting)),
        ('exams, returned (none), reader', lambda: s.get(reader, '/api/v1/exams?state=returned', 0)),
        ('exams, changed since an hour, reader', lambda: s.get(reader, f'/api/v1/exams?since={since}', 0)),
        ('exam by id', lambda: s.get(tech, f'/api/v1/exams/{s.old}', 0)),
        ('orders, newest', lambda: s.get(tech, '/api/v1/orders?limit=50', min(50, s.open))),
        ('orders, scheduled', lambda: s.get(tech, '/api/v1/orders?state=scheduled&limit=50', min(50, s.open))),
        ('orders, held (none), reader', lambda: s.get(reader, '/api/v1/orders?state=held', 0)),
        ('orders by accession number', lambda: s.get(tech, f'/api/v1/orders?accession=A{s.old}', 1)),
        ('orders by accession number, reader', lambda: s.get(reader, f'/api/v1/orders?accession=A{s.old}', 0)),
        ('orders by patient', lambda: s.get(tech, f'/api/v1/orders?patient=P{s.old}', 1)),
        ('order by id', lambda: s.get(tech, f'/api/v1/orders/{s.old}', 0)),
        ('FHIR search by identifier', lambda: s.get(tech, f'/fhir/ServiceRequest?identifier=HIS%7CPL{s.old}', 1)),
        ('new order', s.order),
        ('order of a study, 30 look-ups', s.look_up),
        ('C-STORE that answers an order', s.store),
    ]


def timed(ask):
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def main():
    quick = options.parse(__doc__).quick
    rounds = 3 if quick else 15
    sizes = (2000, 20000) if quick else (10000, 1000000)
    open_orders, waiting = (15, 10) if quick else (OPEN, WAITING)
    sites = [Site(n, open_orders, waiting) for n in sizes]
    print(json.dumps({'bench': 'scale', 'orders': sizes, 'fill_seconds': [round(s.fill_seconds, 1) for s in sites]}),
          flush=True)
    bad = 0
    for (name, small), (_, large) in zip(*map(queries, sites)):
        times = ([], [])
        for ask in (small, large) * 6:  # plans, caches
            ask()
        for _ in range(rounds):
            times[0].append(timed(small))
            times[1].append(timed(large))
        a, b = statistics.median(times[0]), statistics.median(times[1])
        over = not quick and b > 2 * a and b - a > 1
        bad += over
        print(json.dumps({'bench': 'scale', 'query': name, 'ms': [round(a, 2), round(b, 2)],
                          'ratio': round(b / a, 2), **({'over': True} if over else {})}, ensure_ascii=False), flush=True)
    for s in sites:
        s.device.socket.close()
        s.rdc.stop()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
