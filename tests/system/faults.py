"""What can break, made to break on purpose, each as one round in the middle of a
parallel send. tests/system/test_outage.py takes a few rounds of each,
tests/bench/bench_faults.py twenty."""
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

import dicom_scu
from load import CT, Objects, Senders, missing
from rdc_system import Client, Place, Rdc, alive, children, kill_tree, place, shell, unprivileged, wait_for

OLD = 1_600_000_000  # a time long past, for files
WORKERS = 2
SWEEP_S = 30  # that a sweep may take on a busy machine
FS_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587d, 2  # linux/fs.h: _IOR('X', 125, __u32)


def as_installed(conf=None, **kw):
    """With the connections that an installation has."""
    return Rdc({'database.connections': None, **(conf or {})}, **kw)


def ended_well(rdc, senders, count, seconds=180):
    """The send goes on to its end; then all is there, once, and fsck agrees."""
    senders.finish(seconds)
    if senders.refused:
        raise AssertionError(f'refused: {senders.refused[:5]}')
    if len(senders.acknowledged) != count:
        raise AssertionError(f'{len(senders.acknowledged)} of {count} objects acknowledged')
    nothing_lost(rdc, senders.acknowledged)
    double = rdc.sql('select sop_uid from instance group by sop_uid having count(*) > 1')
    if double:
        raise AssertionError(f'an object that was sent again has two rows: {double[:5]}')
    # A slot whose worker has died several times in short order waits before it has the next.
    wait_for('every worker to come back by itself', lambda: len(rdc.workers()) == WORKERS)
    if rdc.process.poll() is not None:
        raise AssertionError('the supervisor ended')
    agrees(rdc)
    no_debris(rdc)


def nothing_lost(rdc, acknowledged):
    lost = missing(rdc, acknowledged)
    if lost:
        raise AssertionError(f'{len(lost)} acknowledged objects are lost: {lost[:5]}')


def agrees(rdc):
    """rdc fsck, while rdc serves; its answer."""
    out = subprocess.run(unprivileged([rdc.program, '--config', rdc.conf, 'fsck', '--json']), cwd='/',
                         capture_output=True, text=True, timeout=600, check=False)
    if out.returncode:
        raise AssertionError(f'rdc fsck: {out.returncode}: {out.stdout[:2000]} {out.stderr[:500]}')
    return json.loads(out.stdout)


def no_debris(rdc):
    """Every file that no row names is put aside once it is old: none is kept by a worker
    that forgot it. The files are made old, so that nobody waits two minutes for it."""
    for folder, _, names in os.walk(os.path.join(rdc.data, 'store')):
        for name in names:
            try:
                os.utime(os.path.join(folder, name), (OLD, OLD))
            except FileNotFoundError:
                pass  # of an object that was there already
    end = time.monotonic() + SWEEP_S
    while True:
        try:
            answer = agrees(rdc)
            left = [f for f in answer['findings'] if f['kind'] in ('file_young', 'file_unacknowledged')]
            if left or answer['in_flight']:
                raise AssertionError(f'files without a row: {len(left) + answer["in_flight"]}: {left[:5]}')
            return
        except AssertionError:
            # A worker that looks at what a dead one left holds that folder for a moment.
            if time.monotonic() > end:
                raise
        time.sleep(0.5)


def only_root_mounts():
    if os.getuid():
        raise unittest.SkipTest('only root can mount a file system')


def mount_small(folder, size):
    """A file system in memory of this size, for a disk that is full soon."""
    only_root_mounts()
    out = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size},mode=755', 'tmpfs', folder],
                         capture_output=True, text=True, check=False)
    if out.returncode:
        raise unittest.SkipTest(f'mounts are not allowed here: {out.stderr.strip()}')


def let_go(folder):
    subprocess.run(['umount', '-l', folder], capture_output=True, check=False)


class Disk:
    """An ext4 of its own in a file, mounted: it can lose its power."""

    notes = ''

    def __init__(self, name, mib, folder=None):
        only_root_mounts()
        base = os.path.join(place().own, name)
        self.folder, self.image = folder or base, base + '.img'
        os.makedirs(self.folder, exist_ok=True)
        with open(self.image, 'wb') as f:
            f.truncate(mib << 20)
        out = subprocess.run(['mkfs.ext4', '-q', '-F', self.image], capture_output=True, text=True, check=False)
        if out.returncode:
            raise unittest.SkipTest(f'mkfs.ext4: {out.stderr.strip()}')
        self.mount()

    def mount(self):
        self.mount_file(self.image)

    def mount_file(self, path):
        out = subprocess.run(['mount', '-o', 'loop', path, self.folder], capture_output=True, text=True, check=False)
        if out.returncode:
            raise unittest.SkipTest(f'loop mounts are not allowed here: {out.stderr.strip()}')

    def cut_power(self):
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack('I', NOLOGFLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        wait_for(f'{self.folder} to be unmounted',
                 lambda: subprocess.run(['umount', self.folder], capture_output=True, check=False).returncode == 0)

    def close(self):
        let_go(self.folder)
        os.unlink(self.image)


class ForgetfulDisk(Disk):
    """Such a disk whose own cache of writes is lost with the power, but for some blocks (volatile_disk.c)."""

    forgets_all = False  # with the power nothing of its cache lasts; else any share

    def __init__(self, name, mib, folder=None):
        base = os.path.join(place().own, name)
        self.program, self.server, self.notes, self.front = base + '-disk', None, '', base + '-front'
        source = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'volatile_disk.c')
        if not shutil.which('cc') or subprocess.run(['pkg-config', '--exists', 'fuse3'], check=False).returncode:
            raise unittest.SkipTest('no C compiler, or no libfuse3-dev')
        if not os.path.exists('/dev/fuse'):
            raise unittest.SkipTest('the kernel has no FUSE, or does not show it here')
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'fuse3'], capture_output=True, text=True, check=True)
        subprocess.run(['cc', '-O2', '-o', self.program, source, *flags.stdout.split()], check=True)
        os.mkdir(self.front)
        super().__init__(name, mib, folder)

    def mount(self):
        seed = 0 if self.forgets_all else random.randrange(1 << 30)
        self.server = subprocess.Popen([self.program, self.image, str(seed), self.front],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.server.stdout.readline() != 'ready\n':
            raise unittest.SkipTest('FUSE may not be mounted here')
        self.mount_file(os.path.join(self.front, 'disk'))

    def cut_power(self):
        self.server.send_signal(signal.SIGUSR1)
        if self.server.stdout.readline() != 'cut\n':
            raise AssertionError('the disk ended before its power was cut')

    def unmount(self):
        super().unmount()
        wait_for('the disk to be let go', lambda: subprocess.run(
            ['umount', self.front], capture_output=True, check=False).returncode == 0)
        self.notes = self.server.communicate(timeout=60)[0].strip()

    def close(self):
        super().close()
        let_go(self.front)
        self.server.communicate(timeout=60)


class ObliviousDisk(ForgetfulDisk):
    forgets_all = True


class PowerCut:
    """Store and database on one disk that loses its power."""

    kind = Disk

    def __init__(self):
        self.disks = [self.kind('power', 2048)]
        self.place = Place(self.disks[0].folder)
        self.rdc = as_installed({'disk.reserve': '16M', 'store.segment': '256M'}, where=self.place)
        self.prepare()
        self.rdc.start()

    def prepare(self):
        pass

    def round(self, number, count=250):
        objects = Objects(f'power {number} {os.getpid()}', count)
        senders = Senders(self.rdc, objects, patient=True)
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        acknowledged = self.cut(senders)
        self.rdc.start()
        nothing_lost(self.rdc, acknowledged)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before the cut; {self.notes()}'

    def own_files(self, number, count=24):
        """Objects in files of their own, half of them without their end when they come, one of
        them under way when the power fails. A copy of the store shows which are which."""
        tail = 5 << 18
        objects = Objects(f'own {number} {os.getpid()}', count + 1, tail)
        uid, data = objects.all.pop()
        stopped = dicom_scu.Association(self.rdc.dicom_port, 'QH_CT', contexts=dicom_scu.store_context(CT))
        stopped.store_begin(CT, uid)
        stopped.send_fragment(stopped.ids[CT], data + bytes(2 << 20))  # and never its last fragment
        wait_for('what there is of it to be written', lambda: any(
            os.path.getsize(path) > tail for path in self.files()))
        senders = Senders(self.rdc, objects, patient=True)
        senders.wait_acknowledged(count // 2)
        acknowledged = self.cut(senders)
        stopped.close()
        new = as_installed(where=self.place, template='migrated')
        shutil.rmtree(new.data)
        subprocess.run(['cp', '-a', self.rdc.data, new.data], check=True)  # extended attributes too
        out = subprocess.run(unprivileged([new.program, '--config', new.conf, 'fsck', '--json', '--rebuild']), cwd='/',
                             capture_output=True, text=True, timeout=600, check=False)
        if not out.stdout:
            raise AssertionError(f'rdc fsck --rebuild: {out.returncode}: {out.stderr[:500]}')
        found = json.loads(out.stdout)['findings']
        nothing_lost(new, acknowledged)
        kinds = [f['kind'] for f in found]
        if 'file_cut_off' in kinds or 'file_torn' not in kinds:
            raise AssertionError(f'what was torn and what came cut off are not told apart: {found[:5]}')
        if new.sql(f"select from instance where sop_uid = '{uid}'"):
            raise AssertionError('an object that never ended is indexed')
        shutil.rmtree(new.data)
        self.place.superuser(f'drop database {new.database} with (force)')  # the disk has room for a few
        self.rdc.start()
        nothing_lost(self.rdc, acknowledged)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before the cut, {kinds.count("file_torn")} torn; {self.notes()}'

    def notes(self):
        return ', '.join(disk.notes for disk in self.disks)

    def files(self):
        """Of the store, those that hold one object."""
        return [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(self.rdc.data, 'store'))
                for name in names if name.endswith('.dcm')]

    def cut(self, senders):
        """The power is off and on again, rdc not yet; what was acknowledged before."""
        for disk in random.sample(self.disks, len(self.disks)):
            disk.cut_power()
        self.rdc.kill_all()
        self.place.kill_cluster()
        acknowledged = dict(senders.acknowledged)
        for disk in reversed(self.disks):
            disk.unmount()
        for disk in self.disks:
            disk.mount()
        self.place.forget_postmaster()
        self.place.start_cluster()
        return acknowledged

    def close(self):
        self.rdc.stop()
        self.place.close()
        for disk in reversed(self.disks):
            disk.close()


class LostCache(PowerCut):
    """Store and database on a disk each that forgets what it was not told to flush: what one of them
    flushes does not last on the other."""

    kind = ForgetfulDisk

    def prepare(self):
        subprocess.run(['sync', '-f', self.rdc.data], check=True)  # where it is mounted again
        self.disks.append(self.kind('store', 1024, self.rdc.data))
        shutil.chown(self.rdc.data, 'rdc', 'rdc')


class NeverSynced(LostCache):
    """The same with syncs of rdc that do nothing, which the round is to find."""

    kind = ObliviousDisk

    def prepare(self):
        super().prepare()
        self.switches = Switches(self.rdc)

    def lost(self, count=100):
        """How many of those that were acknowledged are not there, and how many were."""
        self.switches.set('sync-nothing', 1)
        senders = Senders(self.rdc, Objects(f'unsynced {os.getpid()}', count), patient=True)
        senders.wait_acknowledged(count // 2)
        acknowledged = self.cut(senders)
        self.switches.set('sync-nothing', None)
        self.rdc.start()
        lost = missing(self.rdc, acknowledged)
        senders.finish()
        return len(lost), len(acknowledged)


class Database:
    """A cluster of its own, which dies, stops, and loses its backends."""

    def __init__(self):
        self.place = Place()
        self.rdc = as_installed(where=self.place).start()

    def send(self, name, number, count):
        objects = Objects(f'{name} {number} {os.getpid()}', count)
        return Senders(self.rdc, objects, patient=True)

    def killed(self, number, count=250):
        senders = self.send('killed', number, count)
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        self.place.kill_cluster()
        acknowledged = dict(senders.acknowledged)
        self.place.forget_postmaster()
        self.place.start_cluster()
        nothing_lost(self.rdc, acknowledged)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before'

    def backend_killed(self, number, count=250):
        """SIGKILL to one backend: PostgreSQL ends all and recovers."""
        senders = self.send('backend', number, count)
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        pids = [int(r[0]) for r in self.rdc.sql(
            "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")]
        pid = random.choice(pids)
        os.kill(pid, signal.SIGKILL)
        wait_for('PostgreSQL to recover', lambda: not os.path.exists(f'/proc/{pid}') and self.answers())
        ended_well(self.rdc, senders, count)
        return f'{senders.broken} sends broken off, {len(senders.put_off)} put off'

    def answers(self):
        try:
            return self.rdc.sql('select 1') == [['1']]
        except AssertionError:
            return False

    def stopped(self, number, count=250):
        senders = self.send('stopped', number, count)
        senders.wait_acknowledged(count // 4)
        self.place.stop_cluster()
        time.sleep(1)
        before = len(senders.acknowledged)
        time.sleep(1)
        if len(senders.acknowledged) != before:
            raise AssertionError('objects were acknowledged while the database was stopped')
        self.place.start_cluster()
        ended_well(self.rdc, senders, count)
        return f'{senders.broken} sends broken off, {len(senders.put_off)} put off'

    def commit_unknown(self, number, count=400):
        """Connections end at random moments, also between COMMIT and its answer."""
        senders = self.send('unknown', number, count)
        ended = 0
        while any(t.is_alive() for t in senders.threads):
            ended += int(self.rdc.sql(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where pid <> pg_backend_pid() and usename = 'rdc' and state <> 'idle' and random() < 0.7")[0][0])
            time.sleep(0.02)
            if ended > 200:
                break
        ended_well(self.rdc, senders, count)
        return f'{ended} connections ended, {senders.broken} sends broken off, {len(senders.put_off)} put off'

    def close(self):
        self.rdc.stop()
        self.place.close()


class Pair(Place):
    """A primary and a synchronous standby, in one folder of sockets with a port each. The
    primary is the one at self.port; rdc knows both."""

    PORTS = (5432, 5433)

    def start_cluster(self):
        super().start_cluster()
        self.postmasters = {5432: self.postmaster}
        self.as_postgres('echo local replication all peer map=rdc >>"$1/pg_hba.conf"', self.data(5432))
        self.superuser('select pg_reload_conf()')

    def data(self, port):
        return os.path.join(self.folder, 'pg' if port == 5432 else 'pg-standby')

    def other(self):
        return sum(self.PORTS) - self.port

    def conninfo(self, database):
        ports = ','.join(str(p) for p in self.PORTS)
        return (f'host={self.sockets},{self.sockets} port={ports} user=rdc dbname={database} '
                'target_session_attrs=read-write')

    def as_postgres(self, script, *args):
        bin_folder = shell('pg_bin "$1"', args=[self.folder]).strip()
        return shell('as_postgres bash -euc "$@"', args=[f'bin={bin_folder}; {script}', 'pair', *map(str, args)])

    def start_server(self, port):
        self.as_postgres('"$bin/pg_ctl" -D "$1" -l "$1/server.log" -w -t 60 -s -o '
                         '"-p $2 -c listen_addresses= -c unix_socket_directories=$3" start',
                         self.data(port), port, self.sockets)
        with open(os.path.join(self.data(port), 'postmaster.pid')) as f:
            self.postmasters[port] = int(f.readline())

    def stop_server(self, port):
        """As a crash does it; nothing when it is down already."""
        if port in self.postmasters:
            kill_tree(self.postmasters.pop(port))
        for path in (os.path.join(self.data(port), 'postmaster.pid'),
                     os.path.join(self.sockets, f'.s.PGSQL.{port}.lock')):
            if os.path.exists(path):
                os.unlink(path)

    def make_standby(self):
        """The other server anew, as a synchronous standby that has caught up."""
        port = self.other()
        self.stop_server(port)
        shutil.rmtree(self.data(port), ignore_errors=True)
        if not os.getuid():
            os.mkdir(self.data(port), 0o700)
            shutil.chown(self.data(port), 'postgres', 'postgres')
        self.as_postgres('"$bin/pg_basebackup" -D "$1" -c fast -X stream -R '
                         '-d "host=$2 port=$3 user=postgres application_name=standby"',
                         self.data(port), self.sockets, self.port)
        self.start_server(port)
        self.superuser("alter system set synchronous_standby_names = 'standby'")
        self.superuser('select pg_reload_conf()')
        wait_for('the standby to be synchronous', lambda: self.superuser(
            "select count(*) from pg_stat_replication where sync_state = 'sync'").strip() == '1')

    def promote(self):
        self.port = self.other()
        self.as_postgres('"$bin/pg_ctl" -D "$1" -w -t 60 -s promote', self.data(self.port))

    def receiver(self):
        """The process of the standby that takes the log."""
        for pid in children(self.postmasters[self.other()]):
            with open(f'/proc/{pid}/cmdline') as f:
                if 'walreceiver' in f.read():
                    return pid
        return None

    def close(self):
        for port in list(getattr(self, 'postmasters', {})):
            self.stop_server(port)
        super().close()


class Failover:
    """The primary dies in mid-load and its standby is promoted."""

    def __init__(self):
        self.place = Pair()
        self.rdc = as_installed(where=self.place).start()

    def begin(self, name, number, count):
        self.place.make_standby()
        senders = Senders(self.rdc, Objects(f'{name} {number} {os.getpid()}', count), patient=True)
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        return senders

    def fail_over(self, senders):
        """Kills the primary and promotes the standby; what was acknowledged before."""
        self.place.stop_server(self.place.port)
        acknowledged = dict(senders.acknowledged)
        self.place.promote()
        nothing_lost(self.rdc, acknowledged)
        return acknowledged

    def killed(self, number, count=150):
        senders = self.begin('failover', number, count)
        acknowledged = self.fail_over(senders)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before'

    def lagging(self, number, count=150):
        """The standby takes nothing any more, and whoever waits for it is told to stop
        waiting: PostgreSQL then says COMMIT for what a failover would lose."""
        senders = self.begin('lagging', number, count)
        receiver = wait_for('the receiver of the standby', self.place.receiver)
        os.kill(receiver, signal.SIGSTOP)
        try:
            wait_for('a commit to wait for the standby', lambda: self.waiting() > 0)
            before = len(senders.acknowledged)
            cancelled, end = 0, time.monotonic() + 2.5
            while time.monotonic() < end:
                cancelled += int(self.place.superuser(
                    "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'"))
                time.sleep(0.1)
            late = len(senders.acknowledged) - before
            self.place.stop_server(self.place.port)
        finally:
            os.kill(receiver, signal.SIGCONT)
        if late:
            raise AssertionError(f'{late} objects were acknowledged that no standby had')
        acknowledged = self.fail_over(senders)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before, {cancelled} waits broken off'

    def waiting(self):
        return int(self.place.superuser(
            "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and usename = 'rdc'"))

    def returns(self, number, count=150):
        """The old primary comes back as if nothing had happened, in every second round as
        the first that rdc asks. rdc, started anew, goes on with the new one."""
        senders = self.begin('returns', number, count)
        old = self.place.port
        acknowledged = self.fail_over(senders)
        self.place.start_server(old)
        self.rdc.kill_all()
        self.rdc.start()
        ended_well(self.rdc, senders, count)
        count_rows = 'select count(*) from instance'
        on_old = subprocess.run(['psql', '-X', '-At', '-h', self.place.sockets, '-p', str(old), '-U', 'postgres',
                                 '-d', self.rdc.database, '-c', count_rows],
                                capture_output=True, text=True, check=True)
        if int(on_old.stdout) >= int(self.rdc.sql(count_rows)[0][0]):
            raise AssertionError('the old primary has what was sent after the failover')
        return f'{len(acknowledged)} acknowledged before'

    def close(self):
        self.rdc.stop()
        self.place.close()


def fill(path):
    """A file that takes all the room there is."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12):
            while True:
                try:
                    os.write(fd, bytes(size))
                except OSError:
                    break
    finally:
        os.close(fd)


class FullDisk:
    """The store on a small file system of its own; the database elsewhere."""

    def __init__(self):
        self.rdc = as_installed({'disk.reserve': '2M', 'store.segment': '64K'})
        mount_small(self.rdc.data, '48m')
        shutil.chown(self.rdc.data, 'rdc', 'rdc')
        self.rdc.start()

    def round(self, number, count=250):
        objects = Objects(f'full {number} {os.getpid()}', count)
        senders = Senders(self.rdc, objects, patient=True)
        senders.wait_acknowledged(count // 4)
        ballast = os.path.join(self.rdc.data, 'ballast')
        fill(ballast)
        wait_for('a device to hear that the disk is full', lambda: senders.put_off, 20)
        before = len(senders.acknowledged)
        if not any('disk' in comment for comment in senders.put_off):
            raise AssertionError(f'the comments were {set(senders.put_off)}')
        with dicom_echo(self.rdc) as status:
            if status:
                raise AssertionError(f'C-ECHO gave {status:04x} while the disk was full')
        os.unlink(ballast)
        ended_well(self.rdc, senders, count)
        return f'{before} acknowledged before, {len(senders.put_off)} times put off: {senders.put_off[0]}'

    def free(self):
        disk = os.statvfs(self.rdc.data)
        return disk.f_bavail * disk.f_frsize

    def pieces(self, _number):
        """Two uploads in pieces, each of which had room when it was begun."""
        client = Client(self.rdc, 'tech')
        length = (self.free() - (2 << 20)) * 2 // 3
        begun = [client.request('POST', '/api/v1/uploads', None, {'Upload-Length': str(length)}).headers['Location']
                 for _ in range(2)]
        told = [client.request('PATCH', path, bytes(length - 1), {'Upload-Offset': '0'}).status for path in begun]
        free = self.free()
        for path in begun:
            client.request('DELETE', path)
        if told != [204, 507] or free < 2 << 20:
            raise AssertionError(f'answered {told}, {free} bytes are free')
        return f'{free} bytes were left'

    def close(self):
        self.rdc.stop()
        let_go(self.rdc.data)


class SharedDisk:
    """Store and database on one disk that fills up. The store leaves the reserve to
    PostgreSQL, which goes on."""

    def __init__(self):
        self.folder = os.path.join(place().own, 'shared')
        os.mkdir(self.folder)
        mount_small(self.folder, '1g')
        self.place = Place(self.folder)
        # A segment's room is taken in advance: with small ones the reserve is met at once.
        self.rdc = as_installed({'disk.reserve': '48M', 'store.segment': '64K'}, where=self.place).start()
        self.ballast = os.path.join(self.folder, 'ballast')

    def free(self):
        s = os.statvfs(self.folder)
        return s.f_bavail * s.f_frsize

    def round(self, number, count=250):
        """Room for some of the objects above the reserve; then PostgreSQL's log takes of that too."""
        with open(self.ballast, 'wb') as f:
            os.posix_fallocate(f.fileno(), 0, self.free() - (48 << 20) - (1 << 19))
        senders = Senders(self.rdc, Objects(f'reserve {number} {os.getpid()}', count), patient=True)
        wait_for('a device to hear that the disk is full', lambda: senders.put_off, 20)
        if not any('disk' in comment for comment in senders.put_off):
            raise AssertionError(f'the comments were {set(senders.put_off)}')
        self.rdc.sql('create table room (x text); insert into room '
                     'select repeat(md5(n::text), 60) from generate_series(1, 4000) n; drop table room')
        os.unlink(self.ballast)
        ended_well(self.rdc, senders, count)
        return f'{len(senders.put_off)} times put off: {senders.put_off[0]}'

    def close(self):
        self.rdc.stop()
        self.place.close()
        let_go(self.folder)


class DatabaseDisk:
    """PostgreSQL on a small disk of its own, which others fill; the store is elsewhere."""

    def __init__(self):
        self.folder = os.path.join(place().own, 'small')
        os.mkdir(self.folder)
        mount_small(self.folder, '240m')
        self.place = Place(self.folder)
        self.data = os.path.join(place().folder, f'beside-{os.getpid()}')
        os.mkdir(self.data, 0o755)
        shutil.chown(self.data, 'rdc', 'rdc')
        self.rdc = as_installed({'data': self.data}, where=self.place)
        self.rdc.data = self.data
        self.rdc.start()

    def round(self, number, count=800):
        """It may fall when its log finds no room; whoever watches over it starts it again
        when there is some. So many objects that they last until the disk is full."""
        senders = Senders(self.rdc, Objects(f'wal {number} {os.getpid()}', count), patient=True)
        senders.wait_acknowledged(count // 12)
        ballast = os.path.join(self.folder, 'ballast')
        fill(ballast)
        wait_for('a device to hear it', lambda: senders.put_off, 60)
        acknowledged = dict(senders.acknowledged)
        fell = not alive(self.place.postmaster)
        os.unlink(ballast)
        if fell:
            self.place.forget_postmaster()
            self.place.start_cluster()
        nothing_lost(self.rdc, acknowledged)
        ended_well(self.rdc, senders, count)
        return f'PostgreSQL {"fell" if fell else "stood"}; {len(senders.put_off)} times put off: {senders.put_off[0]}'

    def close(self):
        self.rdc.stop()
        self.place.close()
        let_go(self.folder)


class dicom_echo:
    """with dicom_echo(rdc) as status: …"""

    def __init__(self, rdc):
        self.association = dicom_scu.Association(rdc.dicom_port, 'QH_CT')

    def __enter__(self):
        return self.association.echo()

    def __exit__(self, *_):
        self.association.release()


class ReadOnly:
    """The store's folders lose their write permission, as a file system that
    turned read-only takes it from them. A segment that is open stays writable, so
    they are small here."""

    def __init__(self):
        if not os.getuid():
            place()  # rdc runs as a user of its own, whom permissions bind
        self.rdc = as_installed({'store.segment': '64K'}).start()

    def round(self, number, count=200):
        objects = Objects(f'readonly {number} {os.getpid()}', count)
        senders = Senders(self.rdc, objects, patient=True)
        senders.wait_acknowledged(count // 4)
        folders = [f for f, _, _ in os.walk(os.path.join(self.rdc.data, 'store'))]
        for folder in folders:
            os.chmod(folder, 0o500)
        try:
            wait_for('a device to hear it', lambda: senders.put_off, 20)
        finally:
            for folder in folders:
                os.chmod(folder, 0o700)
        ended_well(self.rdc, senders, count)
        return f'{len(senders.put_off)} times put off: {senders.put_off[0]}'

    def close(self):
        self.rdc.stop()


class Switches:
    """What fault_shim.c does in this rdc, which has not started yet."""

    def __init__(self, rdc):
        cc = shutil.which('cc')
        if not cc:
            raise unittest.SkipTest('no C compiler')
        self.folder = os.path.join(place().own, f'shim-{rdc.database}')
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        library = os.path.join(self.folder, 'shim.so')
        source = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'fault_shim.c')
        subprocess.run([cc, '-O2', '-shared', '-fPIC', '-o', library, source], check=True)
        rdc.environment.update({'LD_PRELOAD': library, 'RDC_TEST_SHIM': self.folder})

    def set(self, name, value):
        path = os.path.join(self.folder, name)
        if value is None:
            os.unlink(path)
            return
        with open(path + '.new', 'w') as f:
            f.write(str(value))
        os.rename(path + '.new', path)


class Shim:
    """rdc with syncs that fail or are slow, and a clock that steps (fault_shim.c)."""

    def __init__(self, conf=None):
        self.rdc = as_installed(conf)
        self.switches = Switches(self.rdc)
        self.set = self.switches.set
        self.rdc.start()

    def sync_fails(self, number, count=200):
        objects = Objects(f'sync {number} {os.getpid()}', count)
        self.set('sync-fails', 4)
        senders = Senders(self.rdc, objects, patient=True)
        try:
            wait_for('syncs to fail', lambda: len(senders.put_off) > 10, 30)
        finally:
            self.set('sync-fails', None)
        ended_well(self.rdc, senders, count)
        return f'{len(senders.put_off)} times put off: {senders.put_off[0]}'

    def slow(self, number, count=200):
        objects = Objects(f'slow {number} {os.getpid()}', count)
        self.set('sync-ms', 100)
        senders = Senders(self.rdc, objects, patient=True)
        try:
            senders.wait_acknowledged(20)
            began = time.monotonic()
            with dicom_echo(self.rdc) as status:
                taken = time.monotonic() - began
            if status or taken > 5:
                raise AssertionError(f'C-ECHO gave {status:04x} after {taken:.1f} s')
        finally:
            self.set('sync-ms', None)
        ended_well(self.rdc, senders, count)
        return f'C-ECHO beside it took {taken * 1000:.0f} ms'

    def clock(self, number, count=200):
        objects = Objects(f'clock {number} {os.getpid()}', count)
        senders = Senders(self.rdc, objects, patient=True)
        try:
            for share, step in enumerate((-86400, 86400, 0), 1):
                senders.wait_acknowledged(share * count // 5)
                self.set('clock-step', step)
        finally:
            self.set('clock-step', 0)
        ended_well(self.rdc, senders, count)
        return 'a day back, a day forth, and back again'

    def close(self):
        self.rdc.stop()


class Workers:
    """Of one rdc: killed one by one and all together."""

    def __init__(self):
        self.rdc = as_installed().start()

    def worker_killed(self, number, count=200):
        senders = Senders(self.rdc, Objects(f'worker {number} {os.getpid()}', count))
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        os.kill(random.choice(self.rdc.workers()), signal.SIGKILL)
        ended_well(self.rdc, senders, count)
        return f'{senders.broken} sends broken off'

    def all_killed(self, number, count=200):
        senders = Senders(self.rdc, Objects(f'all {number} {os.getpid()}', count))
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        self.rdc.kill_all()
        acknowledged = dict(senders.acknowledged)
        self.rdc.start()
        nothing_lost(self.rdc, acknowledged)
        ended_well(self.rdc, senders, count)
        return f'{len(acknowledged)} acknowledged before, {senders.broken} sends broken off'

    def supervisor_killed(self, number, count=200):
        """Its workers end by themselves, and rdc can be started again at once."""
        senders = Senders(self.rdc, Objects(f'supervisor {number} {os.getpid()}', count))
        senders.wait_acknowledged(random.randint(count // 5, count // 2))
        workers = self.rdc.workers()
        self.rdc.process.kill()
        self.rdc.process.wait()
        self.rdc.start()
        nothing_lost(self.rdc, dict(senders.acknowledged))
        ended_well(self.rdc, senders, count)
        wait_for('the old workers to end', lambda: not any(alive(pid) for pid in workers), 60)
        return f'{senders.broken} sends broken off'

    def same_study(self, number, count=200):
        """Every lane sends objects of the same few studies, to all workers."""
        objects = Objects(f'same {number} {os.getpid()}', count)
        random.Random(number).shuffle(objects.all)
        senders = Senders(self.rdc, objects, lanes=16)
        ended_well(self.rdc, senders, count)
        studies = self.rdc.sql("select count(*) from study where accession like 'L%'")
        deadlocks = self.rdc.sql('select deadlocks from pg_stat_database where datname = current_database()')
        return f'{studies[0][0]} studies so far, {deadlocks[0][0]} deadlocks'

    def close(self):
        self.rdc.stop()
