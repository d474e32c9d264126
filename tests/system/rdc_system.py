"""The built program with a PostgreSQL cluster of its own, for the system tests.

One cluster serves a process of the runner (durability on, as in production);
each Rdc has a database, a data folder and free ports of its own, and ends only
processes that it started. Clusters are copies of a template, which has one database
with the migrations applied and one with people who have logged in, so that these are
made once per run. As root, PostgreSQL and rdc run as unprivileged users, by the same
shell functions as in scripts/run.
"""
import atexit
import fcntl
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import urlencode

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'testdata'))
os.environ.setdefault('LC_ALL', 'C.UTF-8')
# The tests ignore the caller's settings, except where recordings by others are.
for _name in [n for n in os.environ if n.startswith('RDC_') and not n.startswith('RDC_TEST_') and n != 'RDC_ECG_DATA']:
    del os.environ[_name]
PASSWORD = 'a long enough test password'
PEOPLE = (('tech', 'QINGHE', 'technician'), ('doctor', 'QINGHE', 'doctor'), ('doctor2', 'DONGSHAN', 'doctor'),
          ('reader1', 'SHIYI', 'reader'), ('tech2', 'DONGSHAN', 'technician'), ('reader2', 'SHIYI', 'reader'))
TOKENS = 'tokens.json'  # in the template, of the sessions of these people in its database


def free_port():
    """Below the ports that the system gives to clients, of which there may be many."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', port))
                return port
            except OSError:
                pass


def wait_for(what, check, seconds=30):
    """Polls until check() is true, and returns its value; `what` names it in the failure."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'waited {seconds} s for: {what}')
        time.sleep(0.05)


def tool(*args, check=True, timeout=120, **kw):
    """Runs a program, such as a DCMTK tool, and returns its output as text."""
    out = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                         check=False, errors='replace', **kw)
    if check and out.returncode:
        raise AssertionError(f'{" ".join(args)} gave {out.returncode}:\n{out.stdout}')
    return out.stdout


def needs(*programs):
    for p in programs:
        if not shutil.which(p):
            raise unittest.SkipTest(f'{p} is not installed')


def shell(script, **kw):
    """A bash script that knows scripts/lib.sh and scripts/cluster.sh."""
    head = 'set -euo pipefail; . "$1/scripts/lib.sh"; . "$1/scripts/cluster.sh"; shift; '
    return tool('bash', '-c', head + script, 'system-test', ROOT, *kw.pop('args', ()), **kw)


class Session:
    """A psql that is kept open, as the role rdc: starting one, with its backend, costs far more
    than most queries."""

    def __init__(self, place, database):
        self.database, self.port = database, place.port
        self.errors = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            [place.psql, '-X', '-q', '-At', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-h', place.sockets,
             '-p', str(place.port), '-U', 'rdc', '-d', database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def ask(self, text):
        """Runs SQL and returns the lines of its output. An error ends the session."""
        self.errors.seek(0)
        self.errors.truncate()
        lines = []
        try:
            self.process.stdin.write(f'{text}\n;\n\\echo {SESSION_END}\n')
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line == SESSION_END + '\n':
                    return lines
                lines.append(line.rstrip('\n'))
        except BrokenPipeError:
            pass
        self.close()
        self.errors.seek(0)
        raise AssertionError(f'{text}\n{self.errors.read()}')

    def fresh(self):
        """Resets the session. False: it no longer answers."""
        try:
            return self.ask('rollback; discard all; select 1') == ['1']
        except AssertionError:
            return False

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.close()
        self.process.wait()


SESSION_END = 'that is all'
SESSIONS = 3  # that a place keeps


class Place:
    """A temporary folder with a cluster in it. where: a folder for data and cluster instead of the
    temporary one; new: a cluster made by initdb, not a copy of the template."""

    def __init__(self, where=None, new=False):
        self.own = tempfile.mkdtemp(prefix='rdc-test-')
        self.port = 5432  # of the server that sql() asks
        self.folder = where or self.own
        for path in {self.own, self.folder}:
            os.chmod(path, 0o711)
        self.count, self.idle = 0, []
        self.sockets = ''
        self.maker = os.getpid()
        atexit.register(self.close)
        program = os.environ.get('RDC_TEST_PROGRAM', os.path.join(ROOT, 'build/release/rdc'))
        if not os.path.exists(program):
            raise SystemExit(f'{program} is not built: scripts/build')
        self.program = self.copy(program, 0o755)
        if not new:
            tool('cp', '-a', '--reflink=auto', template(), os.path.join(self.folder, 'pg'))
            tool('sync', '-f', self.folder)
        self.start_cluster()

    def start_cluster(self):
        out = shell('users_prepare; s=$(runtime_folder "$1"); cluster_start "$1" "$s"; echo "$s"',
                    args=[self.folder])
        self.sockets = out.split()[-1]
        with open(os.path.join(self.folder, 'pg/postmaster.pid')) as f:
            self.postmaster = int(f.readline())
        # Not the psql in PATH: Debian's is a script that first looks for this one.
        self.psql = os.path.join(os.path.dirname(os.readlink(f'/proc/{self.postmaster}/exe')), 'psql')

    def stop_cluster(self):
        shell('cluster_stop "$1"', args=[self.folder])

    def kill_cluster(self):
        """SIGKILL to the postmaster and its children."""
        kill_tree(self.postmaster)

    def forget_postmaster(self):
        """Removes its pid files if a killed postmaster is still a zombie, which pg_ctl takes for
        alive: where nothing reaps orphans it stays one. After a reboot the pid would be free."""
        if os.path.exists(f'/proc/{self.postmaster}'):
            for path in (os.path.join(self.folder, 'pg/postmaster.pid'),
                         os.path.join(self.sockets, '.s.PGSQL.5432.lock')):
                if os.path.exists(path):
                    os.unlink(path)

    def copy(self, path, mode=0o644):
        """A copy that rdc's user can read: the checkout may be in a private home."""
        copy = os.path.join(self.own, os.path.basename(os.path.dirname(path)) + '-' + os.path.basename(path))
        shutil.copy(path, copy)
        os.chmod(copy, mode)
        return copy

    def close(self):
        if os.getpid() != self.maker:
            return  # a fork of it ends
        while self.idle:
            self.idle.pop().close()
        shell('cluster_stop "$1"', args=[self.folder], check=False)
        shutil.rmtree(self.sockets, ignore_errors=True)  # a killed server leaves its socket there
        if os.environ.get('RDC_TEST_KEEP'):
            print(f'kept {self.folder} {self.own}')
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.own, ignore_errors=True)

    def sql(self, database, text):
        """Runs SQL as the role rdc; rows as lists of text. From any thread."""
        session = self.session(database)
        lines = session.ask(text)
        self.idle.append(session)
        while len(self.idle) > SESSIONS:
            self.idle.pop(0).close()
        return [line.split('\t') for line in lines]

    def session(self, database):
        """An idle session, or a new one."""
        for session in list(self.idle):
            if (session.database, session.port) == (database, self.port):
                try:
                    self.idle.remove(session)
                except ValueError:
                    continue  # another thread has it
                if session.fresh():
                    return session
        return Session(self, database)

    def new_database(self, template='template0'):
        self.count += 1
        name = f'rdc_{self.count}'
        self.superuser(f"create database {name} owner rdc template {template} encoding 'UTF8'")
        return name

    def superuser(self, text):
        return tool(self.psql, '-X', '-q', '-At', '-h', self.sockets, '-p', str(self.port), '-U', 'postgres',
                    '-d', 'postgres', '-c', text)

    def conninfo(self, database):
        return f'host={self.sockets} user=rdc dbname={database}'


def alive(pid):
    """Does it still run? A zombie does not."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def kill_tree(pid):
    """SIGKILL to a process and its children; returns when they have ended."""
    pids = [pid, *children(pid)]
    for p in pids:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for p in pids:
        wait_for(f'process {p} to end', lambda q=p: not alive(q), 20)


def children(pid):
    """The pids of its running children."""
    out = []
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat') as f:
                    fields = f.read().rpartition(')')[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != 'Z':
                out.append(int(entry))
    return sorted(out)


_template = None


def template():
    """The folder of a stopped cluster with the databases `migrated` and `people`. The first process
    that asks makes it; forked ones share it, and others with the same RDC_TEST_TEMPLATE."""
    global _template
    if _template is None:
        shared = os.environ.get('RDC_TEST_TEMPLATE')
        if shared:
            _template = os.path.join(shared, 'pg')
            with open(os.path.join(shared, 'lock'), 'w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not os.path.exists(_template):
                    os.rename(make_template(), _template)
        else:
            _template = make_template()
    return _template


def make_template():
    base = Place(new=True)
    rdc = Rdc(where=base, template='template0')
    rdc.cli('db', 'migrate')
    base.superuser(f'create database migrated owner rdc template {rdc.database}')
    rdc.add_people()
    rdc.start()
    tokens = {login: Client(rdc, login).token for login, _, _ in PEOPLE}
    rdc.stop()
    base.superuser(f'alter database {rdc.database} rename to people')
    base.stop_cluster()
    pg = os.path.join(base.folder, 'pg')
    with open(os.path.join(pg, TOKENS), 'w') as f:
        json.dump(tokens, f)
    return pg


_place = None


def place():
    global _place
    if _place is None:
        _place = Place()
    return _place


def unprivileged(command):
    """The command as rdc's own user, when we are root."""
    if os.getuid():
        return command
    return ['setpriv', '--reuid=rdc', '--regid=rdc', '--init-groups', '--', *command]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f'<{self.status} {self.body[:300]!r}>'


class Client:
    """One person's HTTP session, where possible one from the template, since checking a password
    is slow on purpose."""

    def __init__(self, rdc, login=None, password=PASSWORD):
        self.rdc, self.token = rdc, rdc.tokens.get(login)
        if login and not self.token:
            answer = self.post('/api/v1/session', {'login': login, 'password': password})
            if answer.status not in (200, 201):
                raise AssertionError(f'login of {login}: {answer}')
            self.token = answer.json()['token']

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.rdc.http_port, timeout=60)
        headers = dict(headers or {})
        if self.token:
            headers['Authorization'] = 'Bearer ' + self.token
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers['Content-Type'] = 'application/json'
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path):
        return self.request('GET', path)

    def post(self, path, body=None, **headers):
        return self.request('POST', path, body, headers)

    def put(self, path, body):
        return self.request('PUT', path, body)

    def worklist(self):
        answer = self.get('/api/v1/worklist')
        assert answer.status == 200, answer
        return answer.json()['exams']

    def exam(self, number):
        answer = self.get(f'/api/v1/exams/{number}')
        assert answer.status == 200, answer
        return answer.json()

    def upload(self, path, **query):
        with open(path, 'rb') as f:
            return self.request('POST', '/api/v1/uploads?' + urlencode(query), f.read(),
                                {'Content-Type': 'application/octet-stream'})


def sanitizer_options(where):
    """For a program that was built with sanitizers; others do not read them."""
    suppressions = where.copy(os.path.join(ROOT, 'tests/lsan.supp'))
    return {'LSAN_OPTIONS': f'suppressions={suppressions}:print_suppressions=0',
            # A large quarantine of freed memory would hide a leak from tests that measure memory.
            'ASAN_OPTIONS': 'quarantine_size_mb=16'}


class Rdc:
    """`rdc serve` on free ports, with a fresh data folder and a fresh copy of a database:
    `people` (see add_people), or without them `migrated`."""

    def __init__(self, conf=None, program=None, where=None, template='people'):
        self.place = where or place()
        self.program = self.place.copy(program, 0o755) if program else self.place.program
        self.environment = dict(os.environ, **sanitizer_options(self.place))
        self.database = self.place.new_database(template)
        self.tokens = {}
        if template == 'people':
            with open(os.path.join(self.place.folder, 'pg', TOKENS)) as f:
                self.tokens = json.load(f)
        self.data = os.path.join(self.place.folder, self.database)
        os.mkdir(self.data, 0o755)
        if os.getuid() == 0:
            shutil.chown(self.data, 'rdc', 'rdc')
        self.http_port, self.dicom_port = free_port(), free_port()
        self.conf = os.path.join(self.place.own, self.database + '.conf')
        self.log = os.path.join(self.place.own, self.database + '.log')
        values = {'database': self.place.conninfo(self.database), 'data': self.data, 'workers': 2,
                  'http.address': f'127.0.0.1:{self.http_port}',
                  'dicom.address': f'127.0.0.1:{self.dicom_port}',
                  # A connection costs more than what most tests do with it.
                  'database.connections': 2,
                  # Preallocated, and fsck reads all of it.
                  'store.segment': '16M'}
        values.update(conf or {})
        with open(self.conf, 'w') as f:
            f.writelines(f'{k} = {v}\n' for k, v in values.items() if v is not None)  # None: as installed
        os.chmod(self.conf, 0o644)
        self.process = None

    def cli(self, *args, **kw):
        """Runs a subcommand as an operator would, and returns its output."""
        return tool(*unprivileged([self.program, '--config', self.conf, *args]), cwd='/',
                    env=self.environment, **kw)

    def sql(self, text):
        return self.place.sql(self.database, text)

    def launch(self, *flags):
        """Starts it, and does not wait until it is ready."""
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                unprivileged([self.program, '--config', self.conf, 'serve', *flags]), cwd='/', env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def start(self):
        self.launch()
        wait_for('rdc serve to become ready', self.ready, 60)
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f'rdc serve ended with {self.process.returncode}:\n{self.tail()}')
        try:
            return Client(self).get('/healthz').status == 200
        except OSError:
            return False

    def let_connect(self, yes):
        """Lets new sessions connect to its database, or refuses them as if it were away."""
        self.place.superuser(f'alter database {self.database} with allow_connections {yes}')

    def tail(self, lines=30):
        with open(self.log, errors='replace') as f:
            return ''.join(f.readlines()[-lines:])

    def log_from(self, offset):
        with open(self.log, errors='replace') as f:
            f.seek(offset)
            return f.read()

    def log_size(self):
        return os.path.getsize(self.log)

    def workers(self):
        """pids of the supervisor's children."""
        return children(self.process.pid)

    def kill_all(self):
        """SIGKILL to the supervisor and every worker, as a power cut would end them."""
        kill_tree(self.process.pid)
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                status = self.process.wait(30)
            except subprocess.TimeoutExpired:
                tail = self.tail()
                self.kill_all()
                raise AssertionError(f'rdc serve did not end within 30 s of SIGTERM:\n{tail}') from None
            if 'Sanitizer: ' in self.log_from(0):
                raise AssertionError(f'a sanitizer complains:\n{self.tail(100)}')
            return status
        return None

    def add_people(self):
        """What most tests need: two centres, and a hospital that reads for both."""
        self.cli('org', 'add', 'QINGHE', '--name', '清河社区卫生服务中心', '--kind', 'centre')
        self.cli('org', 'add', 'DONGSHAN', '--name', '东山社区卫生服务中心', '--kind', 'centre')
        self.cli('org', 'add', 'SHIYI', '--name', '示例第一医院', '--kind', 'hospital')
        for login, org, role in PEOPLE:
            self.cli('user', 'add', login, '--org', org, '--role', role, '--name', f'Test {login}',
                     '--password-stdin', input=PASSWORD + '\n')
        for centre in ('QINGHE', 'DONGSHAN'):
            for line in ('ecg', 'radiology'):
                self.cli('contract', 'add', '--centre', centre, '--hospital', 'SHIYI', '--line', line,
                         '--one-step')
        self.cli('device', 'add', 'QH_CT', '--org', 'QINGHE', '--quiet', '1')
        self.cli('device', 'add', 'DS_CT', '--org', 'DONGSHAN', '--quiet', '1')

    def storescu(self, *paths, aet='QH_CT', called='RDC', options=()):
        return tool('storescu', '-v', '-aet', aet, '-aec', called, *options, '127.0.0.1',
                    str(self.dicom_port), *paths)


class StoreScp:
    """DCMTK's storescp as a centre's archive; it writes what it receives to .folder."""

    def __init__(self, name, port=None, aet='CENTRE_IN', fork=False, options=()):
        needs('storescp')
        self.port = port or free_port()
        self.aet, self.options = aet, [*(['--fork'] if fork else []), *options]
        self.folder = os.path.join(place().folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.process = None

    def start(self, *options):
        self.stop()
        with open(self.folder + '.log', 'ab') as log:
            self.process = subprocess.Popen(
                ['storescp', '-aet', self.aet, '-od', self.folder, '+xa', '-uf', *self.options, *options,
                 str(self.port)], stdout=log, stderr=log)
        wait_for('storescp to listen', self.listens)
        return self

    def listens(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def offered(self):
        """The SOP Instance UID of each C-STORE request since start('-d'), acknowledged or not."""
        with open(self.folder + '.log', errors='replace') as f:
            return re.findall(r'C-STORE RQ\n(?:.*\n)*?.*Affected SOP Instance UID +: ([0-9.]+)', f.read())

    def files(self):
        return sorted(os.path.join(self.folder, n) for n in os.listdir(self.folder))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


def dump(path, *tags):
    """The values of these tags, by dcmdump, as UTF-8: {tag: value}."""
    args = [x for t in tags for x in ('+P', t)]
    out = {}
    for line in tool('dcmdump', '-q', '-s', '-Un', '+L', '+U8', *args, path).splitlines():
        m = re.match(r'\((\w{4},\w{4})\) \w\w (?:\[(.*?)\]|=(\S+)|(.*?))\s+#', line)
        if m:
            out.setdefault(m.group(1), m.group(2) if m.group(2) is not None else m.group(3) or m.group(4))
    return out


def dciodvfy_errors(path):
    """The errors that dicom3tools' validator finds."""
    needs('dciodvfy')
    return [x for x in tool('dciodvfy', '-new', path, check=False).splitlines() if x.startswith('Error')]


class SystemTest(unittest.TestCase):
    """A test whose class has one running Rdc, as self.rdc."""

    conf = {}

    @classmethod
    def setUpClass(cls):
        cls.rdc = Rdc(cls.conf).start()
        cls.addClassCleanup(cls.rdc.stop)

    def setUp(self):
        self.notes = []

    def note(self, text):
        """Prints the text below the line of the test."""
        self.notes.append(text)
