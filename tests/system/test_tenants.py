"""Row-level security: what an organisation sees when a query forgets to ask."""
import os

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
