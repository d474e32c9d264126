"""rdc render, the helper process that decodes and draws."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import make_dicom
import rdc_system

REFUSED = 64  # + enum base_err
ENOMEM, EFORMAT, ELIMIT, EUNSUPPORTED, ENOTFOUND, EIO = 1, 3, 4, 5, 6, 10


def setUpModule():
    global FILES
    FILES = tempfile.TemporaryDirectory(prefix='rdc-render-')
    rdc_system.tool(sys.executable, make_dicom.__file__, FILES.name)


def tearDownModule():
    FILES.cleanup()


def path(name):
    return os.path.join(FILES.name, name)


def render(*args):
    return subprocess.run([rdc_system.place().program, 'render', *args], capture_output=True,
                          timeout=60, check=False)


def size_of(png):
    assert png[:8] == b'\x89PNG\r\n\x1a\n', png[:80]
    return struct.unpack('>II', png[16:24])


class TheRenderingHelper(unittest.TestCase):

    def refuses(self, err, *args):
        out = render(*args)
        self.assertEqual(out.returncode, REFUSED + err, out)
        self.assertEqual(out.stdout.count(b'\n'), 1)
        return json.loads(out.stdout)['message']

    def test_draws_images_plain_and_compressed(self):
        rdc_system.needs('dcmcjpeg')
        for name in ('cr/001.dcm', 'ct/001.dcm', 'coded/jpeg-baseline.dcm', 'coded/rle.dcm'):
            out = render('--kind', 'image', '--file', path(name), '--max-side', '100')
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(max(size_of(out.stdout)), 100, name)

    def test_draws_an_ecg_as_a_sheet(self):
        out = render('--kind', 'ecg', '--file', path('ecg/001.dcm'))
        self.assertEqual(out.returncode, 0, out.stderr)
        width, height = size_of(out.stdout)
        self.assertAlmostEqual(width / height, 297 / 210, places=2)

    def test_says_why_it_refuses(self):
        image = path('cr/001.dcm')
        self.assertIn('no pixel data', self.refuses(EUNSUPPORTED, '--file', path('ecg/001.dcm')))
        self.assertIn('no waveform',
                      self.refuses(EUNSUPPORTED, '--kind', 'ecg', '--file', image))
        self.assertIn('no frame 2', self.refuses(ENOTFOUND, '--file', image, '--frame', '2'))
        self.refuses(EIO, '--file', path('not there'))
        self.refuses(EFORMAT, '--file', __file__)

    def test_keeps_to_its_memory(self):
        self.refuses(ENOMEM, '--file', path('cr/001.dcm'), '--memory', '64')

    def test_refuses_what_would_overflow_its_stack(self):
        with open(path('cr/001.dcm'), 'rb') as f:
            head = f.read(1 << 20)
        at = head.index(struct.pack('<HH', 0x0028, 0x0002))
        nested = struct.pack('<HH2sHI', 0x0020, 0x9222, b'SQ', 0, 0xffffffff) + struct.pack(
            '<HHI', 0xfffe, 0xe000, 0xffffffff)
        with open(path('deep.dcm'), 'wb') as f:
            f.write(head[:at] + nested * 50000)
        self.refuses(ELIMIT, '--file', path('deep.dcm'))

    def test_wrong_usage_is_told_on_standard_error(self):
        for args in ([], ['--file'], ['--file', 'x', '--frame', '0'], ['--max-side', '-1'],
                     ['--window', '1'], ['--colour', 'blue']):
            out = render(*args)
            self.assertEqual(out.returncode, 2, args)
            self.assertIn(b'rdc render', out.stderr)


if __name__ == '__main__':
    unittest.main()
