"""Row-level security: what an organisation sees when a query forgets to ask."""
import json
import os
import re

import make_dicom
from rdc_system import Client, SystemTest, place, wait_for


class ATenant(SystemTest):
    TABLES = ('patient', 'study', 'series', 'instance', 'object', 'exam', 'exam_event')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A centre and a hospital without any contract between them and ours.
        cls.rdc.cli('org', 'add', 'OTHER', '--name', '别处医院', '--kind', 'hospital')
        folder = os.path.join(place().folder, 'tenants')
        for aet in ('QH_CT', 'DS_CT'):
            path = os.path.join(folder, aet + '.dcm')
            # The same Patient ID in both centres: two people.
            make_dicom.write(path, make_dicom.ct_slice('tenant ' + aet, 1, size=16))
            cls.rdc.storescu(path, aet=aet)
        wait_for('both exams to be waiting', lambda: cls.rdc.sql(
            "select count(*) from exam where state = 'waiting'") == [['2']])

    def seen(self, org, table):
        """ids that an unfiltered query of this table gives to this organisation."""
        rows = self.rdc.sql(f"""begin;
            select set_config('rdc.org', id::text, true) from organisation where code = '{org}' \\g /dev/null
            set local role rdc_api;
            select id from {table} order by id; commit;""")
        return {r[0] for r in rows}

    def test_sees_only_its_own_rows_without_any_filter(self):
        for table in self.TABLES:
            mine, theirs = self.seen('QINGHE', table), self.seen('DONGSHAN', table)
            with self.subTest(table):
                self.assertTrue(mine and theirs)
                self.assertEqual(mine & theirs, set())

    def test_that_reads_for_both_sees_both(self):
        for table in self.TABLES:
            with self.subTest(table):
                self.assertEqual(self.seen('SHIYI', table),
                                 self.seen('QINGHE', table) | self.seen('DONGSHAN', table))

    def test_without_a_contract_sees_nothing(self):
        for table in self.TABLES:
            with self.subTest(table):
                self.assertEqual(self.seen('OTHER', table), set())
                self.assertEqual(self.seen('no such organisation', table), set())

    def listed(self, org, function):
        """Exams that a reading function of the API gives when nothing in it asks who is
        asking: its where clause is taken out."""
        source = self.rdc.sql(f"select replace(pg_get_functiondef('{function}'::regprocedure), chr(10), ' ')")[0][0]
        name = function.partition('(')[0]
        bare, found = re.subn(r'(from exam x) +where .*?(?= order by (array_position|x\.id))', r'\1', source)
        self.assertEqual(found, 1, source)
        self.assertNotIn('rdc_org', bare)
        arguments = {'exam_worklist': '1000', 'exam_list': 'null, null, 1000'}[name]
        rows = self.rdc.sql(f"""begin;
            {bare.replace(name, 'bare_' + name, 1)};
            grant execute on all functions in schema public to rdc_api;
            select set_config('rdc.org', id::text, true) from organisation where code = '{org}' \\g /dev/null
            set local role rdc_api;
            select bare_{name}({arguments});
            rollback;""")
        return [e['centre'] for e in json.loads(rows[0][0])['exams']]

    def test_sees_only_its_own_when_the_reads_of_the_api_lose_their_filter(self):
        for function in ('exam_worklist(int)', 'exam_list(text, timestamptz, int)'):
            with self.subTest(function):
                self.assertEqual(self.listed('QINGHE', function), ['QINGHE'])
                self.assertEqual(self.listed('DONGSHAN', function), ['DONGSHAN'])
                self.assertEqual(sorted(self.listed('SHIYI', function)), ['DONGSHAN', 'QINGHE'])
                self.assertEqual(self.listed('OTHER', function), [])

    def test_cannot_write_or_become_another_role(self):
        for statement in ('delete from exam', "update exam set state = 'final'",
                          'insert into audit default values', "update person set role = 'admin'",
                          'alter table exam disable row level security', 'select * from session',
                          'select password_hash from person'):
            with self.subTest(statement), self.assertRaises(AssertionError) as error:
                self.rdc.sql(f'begin; set local role rdc_api; {statement}; commit;')
            self.assertRegex(str(error.exception), 'permission denied|must be owner')

    def test_gets_404_for_the_exam_of_another(self):
        mine, other = Client(self.rdc, 'doctor'), Client(self.rdc, 'doctor2')
        rows = mine.get('/api/v1/exams').json()['exams']
        self.assertEqual([r['centre'] for r in rows], ['QINGHE'])
        path = f'/api/v1/exams/{rows[0]["id"]}'
        self.assertEqual(mine.get(path).status, 200)
        self.assertEqual(other.get(path).status, 404)
        self.assertEqual(other.get(path + '/report.pdf').status, 404)
        uid = make_dicom.uid('instance tenant QH_CT 1')
        self.assertEqual(mine.get(f'/api/v1/instances/{uid}/rendered').status, 200)
        self.assertEqual(other.get(f'/api/v1/instances/{uid}/rendered').status, 404)

    def test_database_role_is_no_superuser(self):
        rows = self.rdc.sql("select rolname, rolsuper, rolbypassrls from pg_roles where rolname like 'rdc%'")
        self.assertEqual({r[0] for r in rows}, {'rdc', 'rdc_api', 'rdc_ingest'})
        self.assertEqual({(r[1], r[2]) for r in rows}, {('f', 'f')})
