"""A database that was analysed while it had a few studies grows, and no look-up reads it whole.

Plans are kept by the sessions. So what is asked for each object must go by index also where the
planner was told that a table has four rows. Counted are rows that PostgreSQL read, not time."""
import unittest

import dicom_scu
import make_dicom
from rdc_system import Rdc, wait_for

ECG = make_dicom.ECG12
FEW, MANY = 4, 80
MOST = 15  # rows of one table for each object; 6 were measured, and 68 before that was so
TABLES = ('patient', 'study', 'series', 'instance', 'object', 'exam', 'exam_event', 'exam_advice', 'exam_order',
          'ecg_measurement', 'evidence')


class AfterAFewStudies(unittest.TestCase):
    def send(self, first, count):
        """ECGs of as many people, each measured."""
        association = dicom_scu.Association(self.rdc.dicom_port, 'QH_ECG', contexts=dicom_scu.store_context(ECG))
        for n in range(first, first + count):
            person = make_dicom.Person(3000 + n, f'GROWTH^{n}', '19600101', 'O')
            d = make_dicom.base(ECG, f'growth {n}', person, 'ECG', f'G{n}')
            d.elements[0x54000100] = self.waveform
            status = association.store(ECG, d.elements[0x00080018][1][0], d.encode(make_dicom.plain('gb18030')))
            self.assertEqual(status, 0)
        association.release()
        # Asked of a table that is not counted.
        wait_for('all to be measured',
                 lambda: self.rdc.sql("select count(*) from job where kind = 'measure'") == [['0']], 120)

    def rows_read(self):
        return {table: int(count) for table, count in self.rdc.sql(
            'select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables'
            f' where relname in {TABLES}')}

    def test_each_object_takes_a_few_rows(self):
        self.rdc = Rdc({'workers': 1}).start()
        self.addCleanup(self.rdc.stop)
        self.rdc.cli('device', 'add', 'QH_ECG', '--org', 'QINGHE')
        self.waveform = make_dicom.ecg12().elements[0x54000100]
        self.send(0, FEW)
        before = self.rows_read()
        # Every plan made so far ends here, and the next knows of four studies.
        self.rdc.sql('analyze')
        self.send(FEW, MANY)
        self.assertEqual(self.rdc.sql('select count(*) from ecg_measurement'), [[str(FEW + MANY)]])
        self.rdc.stop()  # its sessions count when they end
        each = {table: round((count - before[table]) / MANY, 1) for table, count in self.rows_read().items()}
        print(f'    rows read for each of {MANY} ECGs: {each}')
        self.assertLess(max(each.values()), MOST, each)


if __name__ == '__main__':
    unittest.main()
