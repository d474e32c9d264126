"""rdc ecg on the command line: what it prints, what it writes, how it refuses."""
import csv
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import unittest

from rdc_system import ROOT, needs

PROGRAM = os.environ.get('RDC_TEST_PROGRAM', os.path.join(ROOT, 'build/release/rdc'))
FILES = os.path.join(ROOT, 'testdata/scp')


def ecg(*args, **kw):
    return subprocess.run([PROGRAM, 'ecg', *args], capture_output=True, timeout=60, **kw)


class EcgCommand(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = folder.name

    def test_info_prints_text_and_json(self):
        text = ecg('info', f'{FILES}/7-gbk.scp')
        self.assertEqual((text.returncode, text.stderr), (0, b''))
        self.assertIn('patient: 测试一', text.stdout.decode())
        with open(f'{FILES}/7-gbk.scp', 'rb') as f:
            found = json.loads(ecg('info', '-', '--json', stdin=f).stdout)
        self.assertEqual(found['format'], 'SCP-ECG')
        self.assertEqual([lead['name'] for lead in found['leads']][:3], ['I', 'II', 'V1'])
        self.assertEqual((found['leads'][0]['rate_hz'], found['leads'][0]['uv_per_count']), (500, 2.5))
        self.assertIn('Sinus rhythm', found['statements'])

    def test_plot_writes_each_kind_of_file(self):
        for ending, magic in (('png', b'\x89PNG'), ('pdf', b'%PDF'), ('svg', b'<?xml')):
            path = f'{self.out}/sheet.{ending}'
            done = ecg('plot', f'{FILES}/1-second-differences.scp', '-o', path)
            self.assertEqual((done.returncode, done.stderr), (0, b''))
            with open(path, 'rb') as f:
                self.assertTrue(f.read(8).startswith(magic), ending)

    def test_a_program_of_others_is_built_as_the_documents_say(self):
        with open(os.path.join(ROOT, 'docs/ECG.md')) as f:
            build = f.read().replace('\\\n', '').split('\ncc ', 1)[1].split('\n', 1)[0]
        if not os.path.exists(os.path.join(ROOT, 'build/release/ecg/librdc_ecg.a')):
            self.skipTest('build/release has no libraries')
        example = f'{self.out}/ecg_example'
        subprocess.run(['sh', '-c', f'cc -Wall -Wextra -Werror {build}'.replace('/tmp/ecg_example', example)], cwd=ROOT,
                       check=True, timeout=60)
        edf, hea = f'{self.out}/out.edf', f'{self.out}/rec.hea'
        done = subprocess.run([example, f'{FILES}/1-second-differences.scp', edf], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn('SCP-ECG, 8 leads, ', done.stdout)
        self.assertIn('II   500 Hz, from 0 s:', done.stdout)
        self.assertIn('not in ', done.stdout)
        self.assertEqual(ecg('convert', edf, '-o', hea).returncode, 0)
        of_two = subprocess.run([example, hea, edf], capture_output=True, text=True, timeout=60)
        self.assertIn('WFDB, 8 leads, ', of_two.stdout, of_two.stderr)
        os.unlink(f'{self.out}/rec.dat')
        without = subprocess.run([example, hea, edf], capture_output=True, text=True, timeout=60)
        self.assertEqual(without.returncode, 1)
        self.assertIn('WFDB: ', without.stderr)

    def words(self, name, *options):
        """What pdftotext reads on the pages, one text a page."""
        path = f'{self.out}/words.pdf'
        done = ecg('plot', os.path.join(FILES, name), '-o', path, *options)
        self.assertEqual((done.returncode, done.stderr), (0, b''))
        text = subprocess.run(['pdftotext', '-layout', path, '-'], capture_output=True, check=True, timeout=60).stdout
        return text.decode().split('\f')[:-1]

    def test_a_sheet_says_who_what_and_that_nobody_confirmed_it(self):
        needs('pdftotext')
        page, = self.words('7-gbk.scp')
        for word in ('测试一', '未确认 unconfirmed', '设备', 'Sinus rhythm', '建议', '窦性心律', '25 mm/s', '10 mm/mV',
                     '500 Hz', 'rdc 0.', 'aVR', 'V6'):
            self.assertIn(word, page)
        page, = self.words('7-gbk.scp', '--confirmed-by', '张医生', '--patient-name', '测试^二', '--cabrera',
                           '--gain', '20', '--format', '3x4+3')
        for word in ('已确认 confirmed: 张医生', '测试二', '20 mm/mV', '−aVR'):
            self.assertIn(word, page)
        self.assertNotIn('unconfirmed', page)
        for kind, words in (('beats', ('mean of', 'J+60 ms')), ('strip', ('09:30:15', 'II'))):
            page, = self.words('1-second-differences.scp', '--page', kind)
            for word in words + ('未确认',):
                self.assertIn(word, page)

    def places(self, path):
        """Where pdftotext finds the names of leads on the sheet."""
        self.assertEqual(ecg('plot', path, '-o', f'{self.out}/places.pdf').returncode, 0)
        text = subprocess.run(['pdftotext', '-bbox', f'{self.out}/places.pdf', '-'], capture_output=True, check=True,
                              text=True, timeout=60).stdout
        found = re.findall(r'xMin="([0-9.]+)" yMin="([0-9.]+)"[^>]*>(V[1-6])<', text)
        return {name: (round(float(x)), round(float(y) / 20)) for x, y, name in found}, text

    def test_no_sign_of_an_axis_is_hidden(self):
        needs('pdftotext')
        with open(f'{self.out}/turned.csv', 'w', newline='') as g:
            out = csv.writer(g)
            ecg('convert', f'{FILES}/1-second-differences.scp', '-o', f'{self.out}/whole.csv')
            with open(f'{self.out}/whole.csv') as f:
                for n, row in enumerate(csv.reader(f)):
                    out.writerow(row if n == 0 else [row[0], *(-float(x) for x in row[1:])])
        _, text = self.places(f'{self.out}/turned.csv')
        words = re.findall(r'xMin="([0-9.]+)" yMin="[0-9.]+" xMax="([0-9.]+)"[^>]*>([^<]+)<', text)
        at = [word for *_, word in words].index('电轴')
        self.assertLess(float(words[at + 1][2]), -90)
        self.assertGreater(float(words[at + 1][0]), float(words[at][1]), words[at:at + 6])

    def test_a_missing_chest_lead_leaves_its_place_empty(self):
        needs('pdftotext')
        whole, cut = f'{self.out}/whole.csv', f'{self.out}/cut.csv'
        ecg('convert', f'{FILES}/1-second-differences.scp', '-o', whole)
        with open(whole) as f, open(cut, 'w', newline='') as g:
            rows = list(csv.reader(f))
            at = rows[0].index('V3')
            csv.writer(g).writerows(row[:at] + row[at + 1:] for row in rows)
        (all_six, _), (five, text) = self.places(whole), self.places(cut)
        self.assertEqual(len(all_six), 6)
        del all_six['V3']
        v3 = five.pop('V3')  # the foot names it
        self.assertEqual(five, all_six)
        self.assertGreater(v3[1], max(y for _, y in five.values()))
        self.assertIn('missing:', text)

    def test_long_recordings_have_strips_of_any_length_and_an_overview(self):
        needs('pdftotext')
        with open(f'{self.out}/long.csv', 'w') as f:  # 200 s at 75/min, one lead
            f.write('sample (100 Hz),II\n')
            for i in range(20000):
                t = i % 80
                f.write(f'{i},{1000 if t == 30 else 500 if t in (29, 31) else 0}\n')
        for options, pages, words in ((['--page', 'strip', '--seconds', '150'], 3, ('1:40', '第 1 / 3 页')),
                                      (['--page', 'holter'], 2, ('合计 total', '250', '75'))):
            found = self.words(f'{self.out}/long.csv', *options)
            self.assertEqual(len(found), pages, options)
            for word in words:
                self.assertIn(word, ''.join(found))

    def test_plot_says_which_option_is_wrong(self):
        scp = f'{FILES}/1-second-differences.scp'
        for options, words in ((['--speed', '30'], '25 or 50 mm/s'), (['--gain', 'x'], '--gain is a number, not "x"'),
                               (['--format', '4x3'], '--format is one of 3x4+1'), (['--page'], 'value is missing'),
                               (['--from', '100'], 'the recording has'), (['--lead', 'V9X'], 'no lead "V9X"'),
                               (['--number', '0'], 'a page from 1'), (['--dpi', '9999'], '600 dpi'),
                               (['--page', 'beats', '--device-beats'], 'stored no mean beats')):
            done = ecg('plot', scp, '-o', f'{self.out}/x.png', *options)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertIn(words, done.stderr.decode())
            self.assertFalse(os.path.exists(f'{self.out}/x.png'))
        done = ecg('plot', '--help')
        self.assertEqual((done.returncode, done.stderr), (0, b''))
        self.assertIn(b'--cabrera', done.stdout)

    def test_convert_gives_the_same_samples_as_csv_and_through_dicom(self):
        source, dicom, again = f'{self.out}/a.csv', f'{self.out}/a.dcm', f'{self.out}/b.csv'
        scp = f'{FILES}/4-own-tables.scp'
        self.assertEqual(ecg('convert', scp, '-o', source).returncode, 0)
        self.assertEqual(ecg('convert', scp, '-o', dicom, '--patient-id', 'X1').returncode, 0)
        self.assertEqual(ecg('convert', dicom, '-o', again).returncode, 0)
        with open(source) as a, open(again) as b:
            self.assertEqual(list(csv.reader(a)), list(csv.reader(b)))
        self.assertEqual(json.loads(ecg('info', dicom, '--json').stdout)['patient']['id'], 'X1')

    def test_only_formats_that_are_written_are_taken(self):
        scp = f'{FILES}/1-second-differences.scp'
        for options in (['-o', f'{self.out}/a.bdf'], ['-o', f'{self.out}/a', '--to', 'bdf'],
                        ['-o', f'{self.out}/a.mwf'], ['-o', f'{self.out}/a']):
            done = ecg('convert', scp, *options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn('edf (EDF+), hea (WFDB) and csv are', done.stderr.decode())
        self.assertEqual(os.listdir(self.out), [])
        for name, form in (('EDF+', 'EDF'), ('hl7 aecg', 'HL7 aECG'), ('dcm', 'DICOM')):
            self.assertEqual(ecg('convert', scp, '-o', f'{self.out}/a', '--to', name).returncode, 0, name)
            self.assertEqual(json.loads(ecg('info', f'{self.out}/a', '--json').stdout)['format'], form)

    def test_what_cannot_be_written_leaves_what_was_there(self):
        def no_room():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        path, link = f'{self.out}/old.csv', f'{self.out}/link.csv'
        with open(path, 'w') as f:
            f.write('old')
        os.chmod(path, 0o640)
        os.symlink('old.csv', link)
        args = ('convert', f'{FILES}/7-gbk.scp', '-o', link)
        done = ecg(*args, preexec_fn=no_room, restore_signals=False)
        self.assertEqual((done.returncode, b'File too large' in done.stderr), (1, True))
        with open(path) as f:
            self.assertEqual(f.read(), 'old')
        self.assertEqual(ecg(*args).returncode, 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        self.assertGreater(os.path.getsize(path), 4096)
        self.assertEqual(sorted(os.listdir(self.out)), ['link.csv', 'old.csv'])
        # Of several files none is replaced before all are written: the header here is short, the signals are not.
        names = ('pair.dat', 'pair.hea')
        for name in names:
            with open(f'{self.out}/{name}', 'w') as f:
                f.write('old')
        done = ecg('convert', f'{FILES}/7-gbk.scp', '-o', f'{self.out}/pair.hea', preexec_fn=no_room, restore_signals=False)
        self.assertEqual((done.returncode, b'pair.dat: File too large' in done.stderr), (1, True))
        for name in names:
            with open(f'{self.out}/{name}') as f:
                self.assertEqual(f.read(), 'old')
        self.assertEqual(sorted(os.listdir(self.out)), ['link.csv', 'old.csv', *names])
        with open('/dev/full', 'w') as full:
            done = subprocess.run([PROGRAM, 'ecg', 'info', f'{FILES}/7-gbk.scp'], stdout=full, stderr=subprocess.PIPE,
                                  timeout=60)
        self.assertEqual((done.returncode, b'cannot be written' in done.stderr), (1, True))

    def test_a_wfdb_record_is_files_beside_each_other(self):
        scp, first, again = f'{FILES}/4-own-tables.scp', f'{self.out}/a.csv', f'{self.out}/b.csv'
        done = ecg('convert', scp, '-o', f'{self.out}/rec.dat')
        self.assertEqual((done.returncode, done.stdout), (0, b''))
        self.assertIn('no place for it', done.stderr.decode())  # the patient's name, for one
        self.assertLessEqual({'rec.hea', 'rec.dat'}, set(os.listdir(self.out)))
        ecg('convert', scp, '-o', first)
        for name in ('rec', 'rec.hea'):  # WFDB leaves the extension out
            self.assertEqual(ecg('convert', f'{self.out}/{name}', '-o', again).returncode, 0)
            with open(first) as a, open(again) as b:
                self.assertEqual(list(csv.reader(a)), list(csv.reader(b)))
        found = json.loads(ecg('info', f'{self.out}/rec', '--json').stdout)
        self.assertEqual((found['format'], found['notes']), ('WFDB', []))
        os.remove(f'{self.out}/rec.dat')
        self.assertIn('are its files there?', ecg('info', f'{self.out}/rec').stderr.decode())

    def test_annotations_of_the_record_that_was_replaced_go_with_it(self):
        scp, table, rec = f'{FILES}/4-own-tables.scp', f'{self.out}/a.csv', f'{self.out}/rec.hea'
        marks = f'{self.out}/rec.atr'
        self.assertEqual(ecg('convert', scp, '-o', table).returncode, 0)
        self.assertEqual(ecg('beats', scp, '-o', marks).returncode, 0)
        self.assertEqual(ecg('convert', table, '-o', rec).returncode, 0)
        self.assertEqual(sorted(os.listdir(self.out)), ['a.csv', 'rec.dat', 'rec.hea'])
        self.assertEqual(ecg('beats', scp, '-o', marks).returncode, 0)
        with open(marks, 'rb') as f:
            before = f.read()
        self.assertEqual(ecg('convert', rec, '-o', rec).returncode, 0)  # in its own place it keeps them
        with open(marks, 'rb') as f:
            self.assertEqual(f.read(), before)

    def test_xml_of_carts_is_told_by_its_content(self):
        for name, form in (('aecg-gb18030', 'HL7 aECG'), ('muse-gbk', 'GE MUSE XML'), ('philips-1.04', 'Philips XML')):
            with open(f'{ROOT}/testdata/ecg-xml/{name}.xml', 'rb') as f:
                found = json.loads(ecg('info', '-', '--json', stdin=f).stdout)
            self.assertEqual((found['format'], found['patient']['name'], found['notes']), (form, '测试^一', []))
            self.assertEqual(len(found['leads']), 12)
        bad = ecg('info', '-', input=b'<?xml version="1.0"?><restingecgdata><documentinfo><documenttype>OtherECG'
                                     b'</documenttype></documentinfo></restingecgdata>')
        self.assertEqual(bad.returncode, 1)
        self.assertIn('OtherECG', bad.stderr.decode())

    def test_wfdb_records_by_others_agree_with_their_checksums(self):
        folder = os.path.join(os.environ.get('RDC_ECG_DATA') or '/nowhere', 'wfdb')
        if not os.path.isdir(folder):
            self.skipTest('RDC_ECG_DATA names no folder with recordings by others')
        for name, leads in (('mitdb/101', 2), ('qtdb/sel114', 2), ('ludb/1', 12), ('cinc2021/E07500', 12)):
            found = json.loads(ecg('info', f'{folder}/{name}', '--json').stdout)
            self.assertEqual([n for n in found['notes'] if 'checksum' in n['text']], [], name)
            self.assertEqual(len(found['leads']), leads, name)

    def test_a_converted_file_passes_dciodvfy(self):
        needs('dciodvfy')
        path = f'{self.out}/a.dcm'
        self.assertEqual(ecg('convert', f'{FILES}/7-gbk.scp', '-o', path).returncode, 0)
        found = subprocess.run(['dciodvfy', path], capture_output=True, timeout=60).stderr.decode()
        self.assertEqual([line for line in found.splitlines() if line.startswith('Error')], [])

    def test_beats_and_rate_are_found(self):
        scp = f'{FILES}/1-second-differences.scp'
        text = ecg('measure', scp)
        self.assertEqual((text.returncode, text.stderr), (0, b''))
        self.assertIn('unconfirmed', text.stdout.decode())
        self.assertNotRegex(text.stdout.decode(), r'-0\s')
        found = json.loads(ecg('measure', scp, '--json').stdout)
        self.assertFalse(found['confirmed'])
        self.assertGreater(found['beats'], 2)
        self.assertAlmostEqual(found['hr_bpm'] * found['rr_ms'], 60000, places=0)
        self.assertEqual([lead['name'] for lead in found['leads']][-4:], ['III', 'aVR', 'aVL', 'aVF'])
        values = {m['name']: m['value'] for m in found['measurements']}
        self.assertTrue(60 < values['qrs'] < values['qt'] < 500, values)
        self.assertEqual([x['code'] for x in found['statements']][:1], ['sinus_rhythm'])
        self.assertEqual([x['code'] for x in found['alarms']], [])
        self.assertEqual([x['code'] for x in found['retake']], ['ecg_short'])
        strict = json.loads(ecg('measure', scp, '--json', '--limits', 'brady_bpm=90').stdout)
        self.assertEqual([x['code'] for x in strict['alarms']], ['alarm_bradycardia'])
        same = ecg('measure', scp, '--json', '--compare', scp)
        self.assertEqual((json.loads(same.stdout)['comparison'], same.stderr), ({'changes': []}, b''))
        other = ecg('measure', scp, '--compare', f'{FILES}/7-gbk.scp')
        self.assertEqual(other.returncode, 0)
        self.assertIn('compared with the earlier recording, unconfirmed', other.stdout.decode())
        one = json.loads(ecg('measure', scp, '--json', '--lead', 'II').stdout)
        self.assertEqual([lead['name'] for lead in one['leads']], ['II'])
        self.assertEqual(ecg('convert', scp, '-o', f'{self.out}/rec.dat').returncode, 0)
        self.assertEqual(ecg('beats', f'{self.out}/rec', '-o', f'{self.out}/rec.qrs').returncode, 0)
        marked = json.loads(ecg('info', f'{self.out}/rec', '--annotations', 'qrs', '--json').stdout)
        self.assertEqual(marked['marks'], found['beats'])
        for lead in ((), ('--lead', 'V2')):  # boundaries, over all leads or in one
            done = ecg('beats', f'{self.out}/rec', '-o', f'{self.out}/rec.wav', '--waves', *lead)
            self.assertEqual((done.returncode, done.stderr), (0, b''))
            marked = json.loads(ecg('info', f'{self.out}/rec', '--annotations', 'wav', '--json').stdout)
            self.assertTrue(6 * found['beats'] < marked['marks'] <= 9 * found['beats'], marked['marks'])
        for args, words in ((('beats', scp, '-o', f'{self.out}/x.qrs', '--lead', 'V9X'), 'no lead V9X'),
                            (('measure', scp, '--limits', 'vt=1'), '"vt=1" is not NAME=NUMBER'),
                            (('measure', scp, '--compare', f'{self.out}/none.scp'), 'none.scp'),
                            (('beats', scp), '-o must name a file'),
                            (('beats', scp, '-o', f'{self.out}/none'), 'RECORD.EXT')):
            done = ecg(*args)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr.decode())

    def test_the_manual_has_every_option_and_limit(self):
        with open(os.path.join(ROOT, 'docs/man/rdc-ecg.1')) as f:
            manual = f.read().replace('\\-', '-')
        with open(os.path.join(ROOT, 'ecg/analysis/ecg_finding.h')) as f:
            table = re.search(r'#define ECG_ALARM_LIMIT_MAP\(X\)(.*?)\n\n', f.read(), re.S).group(1)
        options = set()
        for source in ('rdc/cmd_ecg.c', 'rdc/rdc_ecg_plot.c'):
            with open(os.path.join(ROOT, source)) as f:
                options |= set(re.findall(r'"(--[a-z-]+)"', f.read()))
        limits = re.findall(r'X\((\w+),', table)
        self.assertGreater(len(limits), 12)
        self.assertEqual([x for x in [*sorted(options), *limits] if not re.search(rf'(?<!-){x}\b', manual)], [])
        scp = f'{FILES}/1-second-differences.scp'
        refused = ecg('measure', scp, '--limits', 'no_such_limit=1').stderr.decode()
        self.assertEqual([x for x in limits if f' {x}' not in refused], [])
        for name in limits:
            self.assertEqual(ecg('measure', scp, '--limits', f'{name}=1.5').returncode, 0)

    def test_an_option_that_would_do_nothing_is_refused_in_the_last_lines(self):
        scp = f'{FILES}/1-second-differences.scp'
        for args in (('info', scp, '-o', f'{self.out}/x'), ('info', scp, '--waves'), ('measure', scp, '--to', 'edf'),
                     ('convert', scp, '-o', f'{self.out}/x.edf', '--json'), ('beats', scp, '--page', 'beats')):
            done = ecg(*args)
            words = done.stderr.decode().splitlines()
            self.assertEqual((done.returncode, len(words)), (2, 2), words)
            self.assertIn(f'is no option of {args[0]}', words[0])
        self.assertEqual(os.listdir(self.out), [])
        self.assertEqual(ecg('info').returncode, 2)

    def test_nothing_is_measured_in_noise(self):
        path, rest = f'{self.out}/noise.csv', random.Random(1)
        with open(path, 'w') as f:
            f.write('sample (500 Hz),I,II\n')
            f.writelines(f'{i},{rest.gauss(0, 40):.0f},{rest.gauss(0, 40):.0f}\n' for i in range(5000))
        found = json.loads(ecg('measure', path, '--json').stdout)
        self.assertEqual((found['beats'], found['measurements'], found['statements']), (0, [], []))
        self.assertEqual([(lead['name'], lead['r_uv'], lead['quality']['flat']) for lead in found['leads']],
                         [('I', None, False), ('II', None, False)])
        self.assertEqual([one['figures'] for one in found['retake']], ['no QRS stands out of the noise'])
        text = ecg('measure', path).stdout.decode()
        self.assertNotIn('QRS  ', text)
        self.assertNotIn('HR', text)

    def test_biosig_reads_the_same_samples_from_what_is_written(self):
        needs('save2gdf')
        ecg('convert', f'{FILES}/7-gbk.scp', '-o', f'{self.out}/want.csv')
        with open(f'{self.out}/want.csv') as f:
            want = [[float(x) for x in column] for column in zip(*list(csv.reader(f))[1:])][1:]
        for ending in ('edf', 'scp', 'xml'):
            done = ecg('convert', f'{FILES}/7-gbk.scp', '-o', f'{self.out}/a.{ending}')
            self.assertEqual(done.returncode, 0, done.stderr)
            subprocess.run(['save2gdf', '-f=ASCII', f'a.{ending}', f'{ending}.txt'], cwd=self.out, check=True,
                           capture_output=True, timeout=60)
            for i, column in enumerate(want, 1):  # one file per lead
                with open(f'{self.out}/{ending}.a{i:02}') as f:
                    got = [float(x) for x in f.read().split()]
                self.assertEqual(len(got), len(column), (ending, i))
                self.assertLess(max(abs(a - b) for a, b in zip(got, column)), 0.01, (ending, i))

    def test_edf_names_what_it_has_no_place_for(self):
        done = ecg('convert', f'{FILES}/5-subtracted.scp', '-o', f'{self.out}/a.edf')
        self.assertEqual(done.returncode, 0)
        self.assertIn('leads of the median beat', done.stderr.decode())
        found = json.loads(ecg('info', f'{self.out}/a.edf', '--json').stdout)
        self.assertEqual((found['format'], found['version'], found['notes']), ('EDF', 'EDF+C', []))

    def test_refusals_say_what_is_wrong_and_where(self):
        damaged = f'{self.out}/damaged.scp'
        with open(f'{FILES}/2-raw.scp', 'rb') as f:
            data = bytearray(f.read())
        at = int.from_bytes(data[6 + 16 + 30 + 6:][:4], 'little') - 1 + 16
        data[at] = 200
        with open(damaged, 'wb') as f:
            f.write(data)
        for args, status, words in (
                (('info', damaged), 1, f'byte {at}: SCP-ECG section 3: 200 leads need'),
                (('info', __file__), 1, 'not an ECG recording'),
                (('info', f'{self.out}/none'), 1, 'No such file'),
                (('plot', f'{FILES}/2-raw.scp', '-o', f'{self.out}/x.gif'), 2, '.png, .pdf, .svg'),
                (('plot', f'{FILES}/2-raw.scp'), 2, '.png, .pdf, .svg'),
                (('plot', f'{FILES}/2-raw.scp', '-o', f'{self.out}/no/x.png'), 1, 'No such file'),
                (('info', 'a', 'b'), 2, 'one file at a time'),
                (('info', 'a', '--nothing'), 2, '--nothing is no option'),
                (('frobnicate', 'a'), 2, 'usage: rdc ecg info'),
                (('frobnicate', 'a'), 2, 'there is no frobnicate'),
                ((), 2, 'usage: rdc ecg info')):
            done = ecg(*args)
            self.assertEqual(done.returncode, status, args)
            self.assertIn(words, done.stderr.decode())
            self.assertEqual(done.stdout, b'')

    def test_the_generator_writes_what_is_kept(self):
        subprocess.run([sys.executable, f'{ROOT}/testdata/make_scp.py', self.out, '--small'], check=True,
                       stdout=subprocess.DEVNULL)
        for name in sorted(os.listdir(FILES)):
            with open(f'{FILES}/{name}', 'rb') as a, open(f'{self.out}/{name}', 'rb') as b:
                self.assertEqual(a.read(), b.read(), name)


if __name__ == '__main__':
    unittest.main()
