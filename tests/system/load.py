"""Parallel senders that remember what was acknowledged, and the count afterwards."""
import os
import random
import threading

import dicom_scu
import make_dicom
from rdc_system import wait_for
from stored import Stored

CT = make_dicom.CT


class Objects:
    """`count` small CT objects, made once: [(SOP Instance UID, data set)], ten to a study. tail:
    bytes behind each, of which every second object lacks the last as if it were cut off."""

    def __init__(self, name, count, tail=0):
        encode = make_dicom.plain('gb18030')
        self.all = []
        for number in range(count):
            person = make_dicom.Person(2000 + number // 10, f'LOAD^{number // 10}', '19600101', 'O')
            d = make_dicom.ct_slice(f'{name} {number}', number % 10 + 1, person, f'L{number // 10}', 16,
                                    f'{name} {number // 10}')
            data = d.encode(encode)
            if tail:
                data += dicom_scu.private_tail(tail) + random.Random(number).randbytes(tail - number % 2 * 100)
            self.all.append((d.elements[0x00080018][1][0], data))


class Senders:
    """`lanes` threads, each with one association after another; what fails is sent again.
    patient: as devices do, also what was answered with "out of resources" (A7xx)."""

    def __init__(self, rdc, objects, lanes=8, aet='QH_CT', patient=False):
        self.rdc, self.aet = rdc, aet
        self.todo = list(reversed(objects.all))
        self.acknowledged, self.refused, self.broken = {}, [], 0
        self.patient, self.put_off = patient, []
        self.lock = threading.Lock()
        self.stopped = False
        self.threads = [threading.Thread(target=self.lane, daemon=True) for _ in range(lanes)]
        for t in self.threads:
            t.start()

    def take(self):
        with self.lock:
            return self.todo.pop() if self.todo else None

    def lane(self):
        association = None
        while not self.stopped and (item := self.take()):
            try:
                if association is None:
                    association = dicom_scu.Association(self.rdc.dicom_port, self.aet,
                                                        contexts=dicom_scu.store_context(CT))
                status = association.store(CT, *item)
            except (OSError, dicom_scu.Refused):
                with self.lock:
                    self.broken += 1
                    self.todo.append(item)
                if association:
                    association.close()
                    association = None
                threading.Event().wait(0.05)  # the server may be starting again
                continue
            with self.lock:
                if status == 0:
                    self.acknowledged[item[0]] = item[1]
                elif self.patient and status >> 8 == 0xa7:
                    self.put_off.append(association.comment)
                    self.todo.append(item)
                else:
                    self.refused.append((item[0], status))
            if status >> 8 == 0xa7:
                threading.Event().wait(0.1)
        if association:
            try:
                association.release()
            except OSError:
                pass  # all was sent; the power may fail now as well

    def wait_acknowledged(self, count, seconds=60):
        wait_for(f'{count} objects to be acknowledged',
                 lambda: len(self.acknowledged) >= count or not any(t.is_alive() for t in self.threads),
                 seconds)

    def finish(self, seconds=120):
        for t in self.threads:
            t.join(seconds)
            if t.is_alive():
                raise AssertionError(f'senders did not finish in {seconds} s; '
                                     f'{len(self.acknowledged)} objects acknowledged')


def missing(rdc, acknowledged):
    """The acknowledged objects that are not indexed, or whose file is not what was sent."""
    rows = dict(rdc.sql("select i.sop_uid, o.location from instance i join object o on o.id = i.object_id "
                        "where i.variant = 0"))
    out = []
    for uid, data in acknowledged.items():
        location = rows.get(uid)
        if location is None:
            out.append((uid, 'not indexed'))
            continue
        try:
            if not Stored(rdc.data, location).read().endswith(data):
                out.append((uid, f'{location} differs'))
        except OSError as e:
            out.append((uid, f'no object {location}: {e}'))
    return out
