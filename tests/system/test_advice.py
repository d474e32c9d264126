"""What a technician is told about an image before the patient leaves."""
import os

from rdc_system import Client, SystemTest, dump, needs, place, tool, wait_for
import make_dicom  # rdc_system knows where it is


class Advice(SystemTest):
    def image(self, name, *changes, study=None):
        """A CR image with these changes of dcmodify, each a UID of its own."""
        needs('dcmodify')
        path = os.path.join(place().folder, name + '.dcm')
        make_dicom.write(path, make_dicom.cr_image(name, size=64, accession='ADV' + name[:8]))
        args = [x for c in changes for x in (('-ea', c[1:]) if c[0] == '-' else ('-i', c))]
        if study:
            args += ['-m', f'(0020,000d)={study}']
        if args:
            tool('dcmodify', '-nb', '-imt', *args, path)
        return path

    def exam_of(self, path):
        uid = dump(path, '0020,000d')['0020,000d']
        def find():
            rows = self.rdc.sql(f"select e.id from exam e join study s on s.id = e.study_id where study_uid = '{uid}'")
            return rows and int(rows[0][0])
        return wait_for('the exam', find)

    def advice(self, path, *codes):
        """Waits until the exam says just this, and returns it."""
        exam = self.exam_of(path)
        def find():
            advice = Client(self.rdc, 'tech').exam(exam)['advice']
            done = self.rdc.sql("select count(*) from job where kind = 'metadata'") == [['0']]
            return done and sorted(a['code'] for a in advice) == sorted(codes) and (advice or True)
        advice = wait_for(f'the advice {codes}', find, 20)
        return [] if advice is True else advice

    def test_is_silent_about_a_good_image(self):
        path = self.image('advgood')
        self.rdc.storescu(path)
        self.advice(path)

    def test_names_a_missing_side_and_an_exposure_out_of_range(self):
        path = self.image('advknee', '(0018,0015)=KNEE', '(0018,1413)=4.2')
        self.rdc.storescu(path)
        told = self.advice(path, 'laterality_missing', 'exposure_high')
        self.assertTrue(all(a['text_zh'] and a['text_en'] and a['instance'] for a in told))
        doctor = Client(self.rdc, 'tech').get('/api/v1/devices/QH_CT/doctor').json()
        self.assertIn('laterality_missing', [a['code'] for a in doctor['advice']])
        self.assertIn('未标明左右侧', self.rdc.cli('device', 'doctor', 'QH_CT'))

    def test_names_a_missing_body_part_of_an_upload(self):
        path = self.image('advpart', '-(0018,0015)')
        answer = Client(self.rdc, 'tech').upload(path)
        self.assertEqual(answer.status, 201, answer)
        self.advice(path, 'body_part_missing')

    def test_compares_with_the_order(self):
        path = self.image('advorder', '(0018,0015)=KNEE', '(0020,0062)=R')
        uid = dump(path, '0020,000d')['0020,000d']
        order = {'modality': 'CR', 'description': '左膝关节正侧位', 'study_uid': uid,
                 'patient': {'id': make_dicom.TWO.id, 'name': 'Order'}, 'correct_patient': True}
        answer = Client(self.rdc, 'tech').post('/api/v1/orders', order)
        self.assertIn(answer.status, (200, 201), answer)
        self.rdc.storescu(path)
        told = self.advice(path, 'order_laterality_mismatch', 'views_missing')
        self.assertEqual({a['code']: a['detail'] for a in told}['views_missing'], '1 of 2')
