"""What a technician is told about an image before the patient leaves."""
import os
import shutil

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
            done = self.rdc.sql("select count(*) from job where kind in ('metadata', 'pixels')") == [['0']]
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

    def compressed(self, name, *command):
        """The image as the command compresses it, and the same with the second half of its pixels cut off."""
        plain = self.image(name)
        path, cut = (os.path.join(place().folder, f'{name}-{kind}.dcm') for kind in ('whole', 'cut'))
        if command[0] == 'dcmcjpeg' and '+eb' in command:
            make_dicom.write(plain, make_dicom.cr_image(name, size=64, stored=8, accession='ADV' + name[:8]))
        tool(*command, plain, path)
        with open(path, 'rb') as f:
            data = f.read()
        at = data.rindex(b'\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff') + 12
        first = at + 8 + int.from_bytes(data[at + 4:at + 8], 'little')  # behind the offset table
        length = int.from_bytes(data[first + 4:first + 8], 'little') // 4 * 2
        with open(cut, 'wb') as f:
            f.write(data[:first + 4] + length.to_bytes(4, 'little') + data[first + 8:first + 8 + length]
                    + b'\xfe\xff\xdd\xe0\0\0\0\0')
        return path, cut

    def send(self, path):
        """As it is: storescu would decompress it."""
        tool('dcmsend', '-dn', '-aet', 'QH_CT', '-aec', 'RDC', '127.0.0.1', str(self.rdc.dicom_port), path)

    def test_says_of_an_image_that_cannot_be_decoded_that_it_is_damaged(self):
        needs('dcmcjpeg', 'dcmcjpls', 'dcmcrle')
        ways = {'advjpeg': ('dcmcjpeg', '+eb'), 'advlossless': ('dcmcjpeg', '+e1'), 'advjls': ('dcmcjpls', '+el'),
                'advrle': ('dcmcrle',)}
        if shutil.which('gdcmconv'):
            ways['advj2k'] = ('gdcmconv', '--j2k')
        for name, command in ways.items():
            with self.subTest(name):
                path, cut = self.compressed(name, *command)
                self.send(path)
                self.advice(path)
                tool('dcmodify', '-nb', '-gst', '-gin', '-imt', cut)
                self.send(cut)
                told = self.advice(cut, 'image_damaged')[0]
                self.assertIn('cannot be decoded', told['detail'])
                self.assertIn('请重新发送', told['text_zh'])
        doctor = Client(self.rdc, 'tech').get('/api/v1/devices/QH_CT/doctor').json()
        self.assertEqual([a['count'] for a in doctor['advice'] if a['code'] == 'image_damaged'], [len(ways)])

    def test_says_of_an_image_that_has_fewer_pixels_than_it_states_that_it_is_damaged(self):
        for name, change, detail in (('advshort', '(0028,0010)=65', '8192 bytes of pixel data, 8320 stated'),
                                     ('advnone', '-(7fe0,0010)', 'an image without pixel data')):
            path = self.image(name, change)
            self.rdc.storescu(path)
            self.assertEqual(self.advice(path, 'image_damaged')[0]['detail'], detail)
