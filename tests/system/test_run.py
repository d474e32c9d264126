"""scripts/run: start, second start, stop, in a data folder of its own."""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from rdc_system import ROOT, free_port, tool

RUN = os.path.join(ROOT, 'scripts/run')


class ScriptsRun(unittest.TestCase):
    def setUp(self):
        self.notes = []
        self.folder = tempfile.mkdtemp(prefix='rdc-test-run-')
        os.chmod(self.folder, 0o711)
        self.data = os.path.join(self.folder, 'data')
        self.ports = ['--http', str(free_port()), '--dicom', str(free_port())]
        self.addCleanup(shutil.rmtree, self.folder, True)

    def run_it(self, *options, **kw):
        began = time.monotonic()
        self.addCleanup(self.stop)
        out = tool(RUN, '--data', self.data, *self.ports, '--detach', *options, timeout=300,
                   stdin=subprocess.DEVNULL, **kw)
        ready = [x for x in out.splitlines() if x.startswith('rdc ready: ')]
        self.assertEqual(ready, [f'rdc ready: http=http://127.0.0.1:{self.ports[1]} '
                                 f'dicom=RDC@127.0.0.1:{self.ports[3]} data={self.data}'], out)
        self.notes.append(f'{" ".join(options) or "with the demo"}: {time.monotonic() - began:.1f} s')
        return out

    def stop(self):
        return tool(RUN, '--stop', '--data', self.data, check=False)

    def test_starts_from_any_folder_again_and_stops(self):
        self.run_it('--no-demo', cwd='/')
        tool('curl', '-fsS', f'http://127.0.0.1:{self.ports[1]}/healthz')
        self.run_it('--no-demo')  # it runs already: says so again
        self.assertIn('stopped', self.stop())
        self.assertIn('nothing runs', self.stop())
        self.run_it('--no-demo')
        # A port that is taken is named.
        out = tool(RUN, '--data', self.data + '2', *self.ports, '--no-demo', '--detach', check=False,
                   stdin=subprocess.DEVNULL)
        self.assertIn('in use', out)
        self.assertIn('--http PORT', out)

    def test_shows_the_demo_once(self):
        out = self.run_it()
        self.assertIn('QINGHE', out)
        for modality in ('ecg', 'radiology'):
            self.assertIn(modality, out)
        self.stop()
        out = self.run_it()
        self.assertNotIn('sending', out)
        program = [os.path.join(ROOT, 'build/release/rdc'), '--config', self.data + '/rdc.conf']
        # Two CT and CR studies, a DICOM ECG and an SCP upload.
        out = tool(*program, 'worklist', '--json')
        self.assertEqual(len(re.findall(r'"study_uid"', out)), 4, out)

    def test_refuses_a_folder_that_holds_something_else(self):
        os.mkdir(self.data)
        with open(self.data + '/precious.txt', 'w') as f:
            f.write('x')
        out = tool(RUN, '--data', self.data, '--no-demo', '--detach', check=False, stdin=subprocess.DEVNULL)
        self.assertIn('holds something else', out)
        self.assertEqual(os.listdir(self.data), ['precious.txt'])
