"""scripts/run: start, second start, stop, in a data folder of its own."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from rdc_system import ROOT, free_port, place, tool

RUN = os.path.join(ROOT, 'scripts/run')


class ScriptsRun(unittest.TestCase):
    def setUp(self):
        self.notes = []
        self.folder = tempfile.mkdtemp(prefix='rdc-test-run-')
        os.chmod(self.folder, 0o711)
        self.data = self.expected = os.path.join(self.folder, 'data')
        self.ports = ['--http', str(free_port()), '--dicom', str(free_port())]
        self.addCleanup(shutil.rmtree, self.folder, True)

    def run_it(self, *options, **kw):
        began = time.monotonic()
        self.addCleanup(self.stop)
        out = tool(RUN, '--data', self.data, *self.ports, '--detach', *options, timeout=300,
                   stdin=subprocess.DEVNULL, **kw)
        ready = [x for x in out.splitlines() if x.startswith('rdc ready: ')]
        self.assertEqual(ready, [f'rdc ready: http=http://127.0.0.1:{self.ports[1]} '
                                 f'dicom=RDC@127.0.0.1:{self.ports[3]} data={self.expected}'], out)
        self.notes.append(f'{" ".join(options) or "with the demo"}: {time.monotonic() - began:.1f} s')
        return out

    def stop(self):
        return tool(RUN, '--stop', '--data', self.data, check=False)

    def test_starts_from_any_folder_again_and_stops(self):
        self.run_it('--no-demo', cwd='/')
        tool('curl', '-fsS', f'http://127.0.0.1:{self.ports[1]}/healthz')
        self.run_it('--no-demo')  # it runs already: says so again
        out = tool(RUN, '--data', self.data, '--http', '1', '--detach', check=False, stdin=subprocess.DEVNULL)
        self.assertIn(f'runs already on {self.data}, with http.address = 127.0.0.1:{self.ports[1]}', out)
        self.assertIn(f'--stop --data {self.data}', out)
        self.assertIn('stopped', self.stop())
        self.assertIn('nothing runs', self.stop())
        self.run_it('--no-demo')
        # A port that is taken is named.
        out = tool(RUN, '--data', self.data + '2', *self.ports, '--no-demo', '--detach', check=False,
                   stdin=subprocess.DEVNULL)
        self.assertIn('in use', out)
        self.assertIn('--http PORT', out)
        if shutil.which('ss'):
            self.assertRegex(out, r'by process \d+ \(.*rdc --config .* serve\)')

    def test_stops_everything_on_ctrl_c(self):
        # Who was started in the background ignores Ctrl-C, and so would its children.
        process = subprocess.Popen([RUN, '--data', self.data, *self.ports, '--no-demo'], text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(self.stop)
        self.assertTrue(process.stdout.readline().startswith('rdc ready: '))
        # As a terminal does: to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=180)  # rdc may take half a minute, then PostgreSQL
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn('nothing runs', self.stop())
        self.assertFalse(os.path.exists(self.data + '/pg/postmaster.pid'))

    def test_uses_the_postgresql_that_it_is_given(self):
        base = place()
        environment = dict(os.environ, RDC_DATABASE=f'host={base.sockets} user=rdc dbname={base.new_database()}')
        self.run_it('--no-demo', env=environment)
        self.assertFalse(os.path.exists(self.data + '/pg'))

    @unittest.skipIf(os.getuid(), 'only root has other users to run as')
    def test_uses_a_system_folder_when_a_closed_home_is_above(self):
        os.chmod(self.folder, 0o700)
        name = subprocess.run(['sha256sum'], input=self.data.encode(), capture_output=True,
                              check=True).stdout.decode()[:10]
        self.expected = '/var/lib/rdc/' + name
        self.addCleanup(shutil.rmtree, self.expected, True)
        out = self.run_it('--no-demo')
        self.assertIn('cannot reach', out)

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
        before = os.stat(self.data)
        self.assertIn('is no data folder', self.stop())
        self.assertEqual(os.listdir(self.data), ['precious.txt'])
        after = os.stat(self.data)
        self.assertEqual((before.st_mode, before.st_uid), (after.st_mode, after.st_uid))
        self.assertIn('needs a value', tool(RUN, '--data', '', check=False, stdin=subprocess.DEVNULL))
