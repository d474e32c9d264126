"""Everything that comes in by HTTP: STOW-RS, forms, archives, several files at once,
and uploads in pieces."""
import base64
import gzip
import hashlib
import io
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import uuid
import zipfile

from rdc_system import Client, ROOT, SystemTest, dump, wait_for
from test_way import ct_series, scp_file


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def multipart(parts, kind='related; type="application/dicom"', head='Content-Type: application/dicom'):
    """(Content-Type, body); parts are bytes, or (header lines, bytes)."""
    boundary = uuid.uuid4().hex
    body = b''
    for part in parts:
        lines, content = part if isinstance(part, tuple) else (head, part)
        body += f'--{boundary}\r\n{lines}\r\n\r\n'.encode() + content + b'\r\n'
    return f'multipart/{kind}; boundary={boundary}', body + f'--{boundary}--\r\n'.encode()


def uids(path):
    tags = dump(path, '0008,0016', '0008,0018', '0020,000d')
    return [tags[t] for t in ('0008,0018', '0020,000d')]


class Upload(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech = Client(cls.rdc, 'tech')

    def stored(self, study):
        return int(self.rdc.sql('select count(*) from instance i join study s on s.id = i.study_id '
                                f"where s.study_uid = '{study}'")[0][0])


class CartTest(Upload):
    def test_each_format_of_carts_becomes_an_exam_and_is_kept(self):
        for name in ('aecg-bare', 'aecg-gb18030', 'muse-gbk', 'muse-utf8', 'philips-1.03', 'philips-1.04'):
            content = read(os.path.join(ROOT, 'testdata/ecg-xml', name + '.xml'))
            answer = self.tech.request('POST', f'/api/v1/uploads?patient_id=CART-{name}', content)
            self.assertEqual(answer.status, 201, (name, answer))
            [row] = self.rdc.sql('select i.sop_class, o.media, o.size::text from instance i join study s on s.id = '
                                 'i.study_id join object o on o.id = i.original_id '
                                 f"where s.study_uid = '{answer.json()['study_uid']}'")
            self.assertEqual(tuple(row), ('1.2.840.10008.5.1.4.1.1.9.1.1', 'application/xml', str(len(content))), name)
            again = self.tech.request('POST', f'/api/v1/uploads?patient_id=CART-{name}', content)
            self.assertEqual(again.json()['study_uid'], answer.json()['study_uid'])

    def test_other_formats_of_one_file_become_exams_too(self):
        scp = os.path.join(ROOT, 'testdata/scp/7-gbk.scp')
        with tempfile.TemporaryDirectory() as out:
            for ending in ('edf', 'csv', 'xml', 'scp'):
                subprocess.run([self.rdc.program, 'ecg', 'convert', scp, '-o', f'{out}/a.{ending}'], check=True,
                               capture_output=True)
                answer = self.tech.request('POST', f'/api/v1/uploads?patient_id=FORM-{ending}', read(f'{out}/a.{ending}'))
                self.assertEqual(answer.status, 201, (ending, answer))

    def test_a_name_whose_character_set_was_guessed_is_marked_whatever_the_format(self):
        muse, scp = (read(os.path.join(ROOT, 'testdata', path)) for path in ('ecg-xml/muse-gbk.xml', 'scp/7-gbk.scp'))
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([self.rdc.program, 'ecg', 'convert', os.path.join(ROOT, 'testdata/scp/7-gbk.scp'), '-o',
                            f'{out}/a.edf'], check=True, capture_output=True)
            edf = read(f'{out}/a.edf')
        edf = edf[:8] + 'P-9 F X 测试'.encode('gbk').ljust(80) + edf[88:]
        declared = read(os.path.join(ROOT, 'testdata/ecg-xml/muse-utf8.xml')) + b'<!-- another -->'
        cases = (('muse', muse + b'<!-- another -->', '', 't'), ('scp', scp, '', 't'), ('edf', edf, '', 't'),
                 ('utf8', declared, '', 'f'), ('given', muse + b'<!-- a third -->', '&patient_name=TEST', 'f'))
        for name, content, query, guessed in cases:
            with self.subTest(name):
                answer = self.tech.request('POST', f'/api/v1/uploads?patient_id=GUESS-{name}{query}', content)
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(self.rdc.sql('select charset_guessed from patient '
                                              f"where patient_id = 'GUESS-{name}'"), [[guessed]])

    def test_a_cart_file_that_is_none_is_refused_with_its_reason(self):
        answer = self.tech.request('POST', '/api/v1/uploads', b'<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3"/>')
        self.assertEqual(answer.status, 422, answer)
        self.assertIn('no rhythm series', answer.json()['detail'])


class RequestTest(Upload):
    def test_with_a_parameter_that_is_none_takes_nothing_and_says_which_there_are(self):
        content = read(scp_file('unknown-parameter'))
        for headers, body in (({}, content), ({'Upload-Length': str(len(content))}, b'')):
            answer = self.tech.request('POST', '/api/v1/uploads?patient=P1', body, headers)
            self.assertEqual(answer.status, 400, answer)
            self.assertIn('"patient"', answer.json()['detail'])
            self.assertIn('patient_id', answer.json()['detail'])
        for path in ('exams?patient=P1', 'orders?accession=A1&patient_id=P1', 'worklist?limit=1'):
            answer = self.tech.get('/api/v1/' + path)
            self.assertEqual(answer.status, 400, (path, answer))
        self.assertEqual(self.tech.request('POST', '/api/v1/uploads', content).status, 201)

    def test_of_a_file_that_curl_took_for_a_form_says_how_it_is_sent(self):
        path, answer = scp_file('as-form'), os.path.join(self.rdc.place.own, 'as-form.json')

        def send(how):
            return subprocess.run(['curl', '-sS', '-o', answer, '-w', '%{http_code}', how, '@' + path,
                                   '-H', 'Authorization: Bearer ' + self.tech.token,
                                   f'http://127.0.0.1:{self.rdc.http_port}/api/v1/uploads'],
                                  check=True, capture_output=True, text=True).stdout
        self.assertIn(send('-d'), ('415', '422'))
        detail = json.loads(read(answer))['detail']
        self.assertIn('application/x-www-form-urlencoded', detail)
        self.assertIn('--data-binary', detail)
        self.assertEqual(send('--data-binary'), '201')
        with open(path, 'w') as f:
            f.write('these are two lines\nof no recording\n')
        self.assertEqual(send('--data-binary'), '415')
        self.assertNotIn('curl', json.loads(read(answer))['detail'])  # it sent them all


class StowTest(Upload):
    conf = {'upload.max-body': '4M'}

    def stow(self, parts, study=None, client=None, content_type=None, **headers):
        kind, body = multipart(parts) if isinstance(parts, list) else (content_type, parts)
        headers = {'Content-Type': kind, **{k.replace('_', '-'): v for k, v in headers.items()}}
        path = '/dicom-web/studies' + (f'/{study}' if study else '')
        return (client or self.tech).request('POST', path, body, headers)

    def test_a_series_is_stored_and_each_instance_answered(self):
        files = ct_series('stow-series', count=5)
        answer = self.stow([read(f) for f in files])
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers['Content-Type'], 'application/dicom+json')
        body = answer.json()
        got = {x['00081155']['Value'][0] for x in body['00081199']['Value']}
        self.assertEqual(got, {uids(f)[0] for f in files})
        study = uids(files[0])[1]
        self.assertEqual(body['00081190'], {'vr': 'UR', 'Value': [f'http://127.0.0.1:{self.rdc.http_port}/dicom-web/studies/{study}']})
        self.assertRegex(body['00081199']['Value'][0]['00081190']['Value'][0],
                         r'^' + re.escape(body['00081190']['Value'][0]) + r'/series/[\d.]+/instances/[\d.]+$')
        self.assertNotIn('00081198', body)
        self.assertEqual(self.stored(study), 5)
        again = self.stow([read(f) for f in files], study=study)
        self.assertEqual(again.status, 200, again)
        self.assertEqual(self.stored(study), 5)

    def test_a_single_part_body_is_one_instance(self):
        [path] = ct_series('stow-one', count=1)
        answer = self.stow(read(path), content_type='application/dicom')
        self.assertEqual(answer.status, 200, answer)

    def test_what_is_refused_is_told_with_its_reason_beside_what_was_stored(self):
        good, other = ct_series('stow-good', count=1)[0], ct_series('stow-other', count=1)[0]
        answer = self.stow([read(good), read(other), b'no DICOM at all' * 10], study=uids(good)[1])
        self.assertEqual(answer.status, 202, answer)
        body = answer.json()
        self.assertEqual([x['00081155']['Value'][0] for x in body['00081199']['Value']], [uids(good)[0]])
        [failed] = body['00081198']['Value']
        self.assertEqual(failed['00081155']['Value'], [uids(other)[0]])
        self.assertEqual(failed['00081197']['Value'], [0xA900])
        self.assertEqual(body['0008119A']['Value'], [{
            '00000902': {'vr': 'LO', 'Value': ['it is not a DICOM file']}, '00081197': {'vr': 'US', 'Value': [0xC000]}}])
        self.assertEqual(self.stored(uids(other)[1]), 0)

    def test_nothing_stored_is_409(self):
        answer = self.stow([b'rubbish'])
        self.assertEqual(answer.status, 409, answer)
        answer = self.stow([('Content-Type: text/plain', read(ct_series('stow-typed', count=1)[0]))])
        self.assertEqual(answer.status, 409, answer)

    def test_requests_that_are_none_are_refused(self):
        [path] = ct_series('stow-bad', count=1)
        kind, body = multipart([read(path)])
        for content_type, content, status in (
                (kind, body[:-10], 400), (kind, body[:20], 400), (kind, b'', 400),
                ('multipart/related; type="application/dicom"', body, 400),
                ('multipart/related; type="image/jpeg"; boundary=a', body, 415),
                ('application/json', b'{}', 415)):
            answer = self.stow(content, content_type=content_type)
            self.assertEqual(answer.status, status, (content_type, answer))
        other = self.stow(body, content_type='multipart/related; type="application/dicom"; boundary=other')
        self.assertIn('the boundary of Content-Type', other.json()['detail'])
        answer = self.stow([read(path)], Accept='text/html')
        self.assertEqual(answer.status, 406, answer)
        self.assertEqual(self.stow([read(path)], client=Client(self.rdc)).status, 401)
        self.assertEqual(self.stow([read(path)], client=Client(self.rdc, 'reader1')).status, 403)

    def test_a_body_over_the_limit_is_refused_and_what_was_complete_is_kept(self):
        [whole] = ct_series('stow-long', count=1)
        kind, body = multipart([read(whole), bytes(4 << 20)])
        head = (f'POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                f'Content-Type: {kind}\r\n')
        for length, stored in ((f'Content-Length: {len(body)}', 0), ('Transfer-Encoding: chunked', 1)):
            with socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=30) as s:
                s.sendall(f'{head}{length}\r\n\r\n'.encode())
                if stored:
                    s.sendall(f'{len(body):x}\r\n'.encode() + body)
                answer = s.recv(4096)
                self.assertIn(b' 413 ', answer.partition(b'\r\n')[0])
                self.assertIn(b'4194304 bytes that this address accepts; send its files in several', answer)
            wait_for('what was complete', lambda n=stored: self.stored(uids(whole)[1]) == n)

    def test_more_instances_than_are_in_flight_at_once(self):
        files = ct_series('stow-many', count=20)
        answer = self.stow([read(f) for f in [*files, *files]])
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json()['00081199']['Value']), 40)
        self.assertEqual(self.stored(uids(files[0])[1]), 20)


class FormTest(Upload):
    def test_a_form_brings_several_files_of_any_format(self):
        ct = ct_series('form', count=2)
        field = ('Content-Disposition: form-data; name="note"', b'hello')
        parts = [(f'Content-Disposition: form-data; name="f"; filename="{os.path.basename(p)}"', read(p))
                 for p in [*ct, scp_file('form-scp')]]
        kind, body = multipart([field, *parts], kind='form-data')
        answer = self.tech.request('POST', '/api/v1/uploads?patient_id=FORM', body, {'Content-Type': kind})
        self.assertEqual(answer.status, 201, answer)
        files = answer.json()['files']
        self.assertEqual([f['outcome'] for f in files], ['stored'] * 3)
        self.assertEqual(files[0]['name'], os.path.basename(ct[0]))
        self.assertEqual(answer.json()['study_uid'], uids(ct[0])[1])
        self.assertEqual(len({f['exam'] for f in files}), 2)

    def test_a_file_that_is_refused_does_not_fail_the_others(self):
        [ct] = ct_series('form-part', count=1)
        head = 'Content-Disposition: form-data; name="f"; filename="%s"'
        kind, body = multipart([(head % 'a', b'rubbish'), (head % 'b', read(ct)), (head % 'DICOMDIR', b'x')],
                               kind='form-data')
        answer = self.tech.request('POST', '/api/v1/uploads', body, {'Content-Type': kind})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual([f['outcome'] for f in answer.json()['files']], ['refused', 'stored'])
        self.assertIn('neither DICOM', answer.json()['files'][0]['cause'])


class ArchiveTest(Upload):
    def archive(self, files, how=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w', how) as z:
            for name, content in files.items():
                z.writestr(name, content)
        return out.getvalue()

    def post(self, body):
        return self.tech.request('POST', '/api/v1/uploads', body, {'Content-Type': 'application/zip'})

    def test_its_files_are_taken_by_themselves(self):
        ct = ct_series('zip', count=3)
        files = {f'study/{os.path.basename(p)}': read(p) for p in ct}
        files.update({'ecg.scp': read(scp_file('zip-scp')), 'DICOMDIR': b'index', '__MACOSX/._x': b'fork'})
        for how in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            answer = self.post(self.archive(files, how))
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual([f['name'] for f in answer.json()['files']],
                             [n for n in files if 'DIR' not in n and 'MAC' not in n])
        self.assertEqual({f['outcome'] for f in answer.json()['files']}, {'duplicate'})
        self.assertEqual(self.stored(uids(ct[0])[1]), 3)

    def test_an_ecg_of_several_files_is_one_exam(self):
        scp = os.path.join(ROOT, 'testdata/scp/4-own-tables.scp')
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([self.rdc.program, 'ecg', 'convert', scp, '-o', f'{out}/rec.hea', '--to', 'wfdb'],
                           check=True, capture_output=True)
            files = {name: read(f'{out}/{name}') for name in os.listdir(out)}
        self.assertLessEqual({'rec.hea', 'rec.dat'}, set(files))
        # The signals may come first, and two folders may have the same names.
        entries = {f'{folder}/{name}': files[name] for folder in ('one', 'two') for name in sorted(files)}
        entries['two/rec.hea'] = files['rec.hea'] + b'# Age: 42\n'
        entries['note.txt'] = b'hello'
        answer = self.post(self.archive(entries))
        self.assertEqual(answer.status, 202, answer)
        found = {f['name']: f for f in answer.json()['files']}
        self.assertEqual(set(found), set(entries))
        self.assertIn('neither DICOM', found['note.txt']['cause'])
        studies = {folder: {f['study_uid'] for name, f in found.items() if name.startswith(folder)}
                   for folder in ('one/', 'two/')}
        self.assertEqual([len(s) for s in studies.values()], [1, 1])
        self.assertNotEqual(studies['one/'], studies['two/'])
        [row] = self.rdc.sql('select o.media, count(*) over () from instance i join study s on s.id = i.study_id '
                             f"join object o on o.id = i.original_id where s.study_uid = '{studies['one/'].pop()}'")
        self.assertEqual((row[0], int(row[1])), ('application/zip', 1))
        again = self.post(self.archive(entries)).json()['files']
        self.assertEqual({f['outcome'] for f in again if f['name'] != 'note.txt'}, {'duplicate'})
        alone = self.post(self.archive({'rec.hea': files['rec.hea']}))
        self.assertEqual(alone.status, 422, alone)
        self.assertIn('are its files there?', alone.json()['detail'])

    def test_one_that_is_cut_off_tells_what_was_taken(self):
        ct = ct_series('zip-cut', count=2)
        body = self.archive({'a': read(ct[0]), 'b': read(ct[1])})
        answer = self.post(body[:len(body) * 2 // 3])
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual([f['outcome'] for f in answer.json()['files']], ['stored', 'refused'])
        self.assertIn('incomplete', answer.json()['files'][1]['cause'])

    def test_what_came_before_an_entry_that_is_encrypted_is_answered(self):
        ct = ct_series('zip-locked', count=2)
        body = bytearray(self.archive({'a': read(ct[0]), 'b': read(ct[1]), 'locked': bytes(200000)},
                                      zipfile.ZIP_STORED))
        body[body.index(b'locked') - 24] |= 1  # APPNOTE 4.4.4
        workers = self.rdc.workers()
        answer = self.post(bytes(body))
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual([(f['name'], f['outcome']) for f in answer.json()['files']],
                         [('a', 'stored'), ('b', 'stored'), ('locked', 'refused')])
        self.assertEqual(self.rdc.workers(), workers)

    def test_two_that_were_joined_are_both_taken_and_a_loss_is_told(self):
        ct = ct_series('zip-joined', count=2)
        one, two = (self.archive({name: read(p)}) for name, p in zip('ab', ct))
        answer = self.post(one + two)
        self.assertEqual((answer.status, self.stored(uids(ct[0])[1])), (201, 2), answer)
        both = self.archive({'a': read(ct[0]), 'b': read(ct[1])})
        second = zipfile.ZipFile(io.BytesIO(both)).getinfo('b').header_offset
        answer = self.post(both[:second] + both[both.index(b'PK\1\2', second):])
        self.assertEqual(answer.status, 202, answer)
        self.assertIn('names files that are not there', answer.json()['files'][1]['cause'])

    def test_names_of_windows_are_read(self):
        [ct] = ct_series('zip-gbk', count=1)
        body = self.archive({'AAAA': read(ct), 'BBBB.txt': b'no'}).replace(b'AAAA', '测试'.encode('gbk')).replace(b'BBBB', '说明'.encode('gbk'))
        self.assertEqual([f['name'] for f in self.post(body).json()['files']], ['测试', '说明.txt'])

    def test_another_archive_than_zip_is_told_so(self):
        inner = self.archive({'notes.txt': b'no'})
        for body in (gzip.compress(b'x'), b'Rar!\x1a\x07\0', self.archive({'inner.zip': inner})):
            answer = self.post(body)
            self.assertEqual(answer.status, 415, answer)
            self.assertIn('one ZIP archive', answer.json()['detail'])

    def test_entries_that_are_passed_over_are_not_answered(self):
        # Their CRC is wrong as well, and there are more of them than an archive may have files.
        name = b'._x'
        entry = struct.pack('<4s5H3L2H', b'PK\3\4', 20, 0, 0, 0, 0, 1, 0, 0, len(name), 0) + name
        answer = self.post(10001 * entry + self.archive({'note.txt': b'hello'}))
        self.assertEqual(answer.status, 415, answer)
        [ct] = ct_series('zip-over', count=1)
        answer = self.post(10001 * entry + self.archive({'a': read(ct)}))
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual([f['name'] for f in answer.json()['files']], ['a'])

    def test_a_bomb_is_refused(self):
        answer = self.post(self.archive({'bomb': bytes(100 << 20)}))
        self.assertEqual(answer.status, 413, answer)
        self.assertEqual(self.post(self.archive({})).status, 422)

    def test_it_comes_in_pieces_as_well(self):
        body = self.archive({p: read(p) for p in ct_series('zip-pieces', count=2)})
        begun = self.tech.request('POST', '/api/v1/uploads', None, {'Upload-Length': str(len(body))})
        answer = self.tech.request('PATCH', begun.headers['Location'], body, {'Upload-Offset': '0'})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(len(answer.json()['files']), 2)


class EarlyAnswerTest(Upload):
    def test_it_reaches_who_sends_all_of_a_large_body_before_reading(self):
        size = 64 << 20
        with socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=60) as s:
            s.sendall((f'POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nobody\r\n'
                       f'Content-Length: {size}\r\n\r\n').encode())
            for _ in range(64):
                s.sendall(bytes(size // 64))
            self.assertIn(b' 401 ', s.recv(4096))


class MemoryTest(Upload):
    conf = {'max-bytes-in-flight': '256M', 'workers': 4}

    def test_archives_of_recordings_at_once_are_bounded(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
            z.writestr('rec.dat', bytes(60 << 20))
        body = out.getvalue()
        self.assertLess(len(body), 1 << 17)

        def resident():
            """MiB of all workers."""
            kib = 0
            for worker in self.rdc.workers():
                with open(f'/proc/{worker}/status') as f:
                    kib += int(re.search(r'RssAnon:\s+(\d+)', f.read())[1])
            return kib >> 10
        before, held, answers = resident(), [], []
        for _ in range(16):
            s = socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=60)
            self.addCleanup(s.close)
            s.sendall((f'POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                       f'Content-Length: {len(body)}\r\n\r\n').encode() + body[:-1])
            held.append(s)
        self.assertEqual(self.tech.upload(scp_file('memory-scp')).status, 201)  # small ones are not concerned
        self.note(f'{before} MiB, then {resident()} MiB')
        self.assertLess(resident() - before, 300)
        for s in held:
            s.sendall(body[-1:])
            answers.append(s.recv(4096))
        late = [a for a in answers if b' 503 ' in a.split(b'\r\n')[0]]
        self.assertTrue(all(b'later' in a for a in late))
        self.assertEqual(len([a for a in answers if b' 415 ' in a.split(b'\r\n')[0]]), 16 - len(late))
        self.assertGreaterEqual(len(late), 8)
        self.assertEqual(self.tech.request('POST', '/api/v1/uploads', body).status, 415)


class ResumedTest(Upload):
    def begin(self, length, client=None, query='', **headers):
        return (client or self.tech).request('POST', '/api/v1/uploads' + query, None,
                                             {'Upload-Length': str(length), **headers})

    def patch(self, path, offset, content, client=None, **headers):
        return (client or self.tech).request('PATCH', path, content, {'Upload-Offset': str(offset), **headers})

    def offset(self, path):
        answer = self.tech.request('HEAD', path)
        self.assertEqual(answer.status, 200, answer)
        return int(answer.headers['Upload-Offset'])

    def place_of(self, answer):
        self.assertEqual(answer.status, 201, answer)
        path = answer.headers['Location']
        self.assertEqual(answer.json(), {'id': path.rpartition('/')[2], 'offset': 0,
                                         'length': answer.json()['length']})
        return path

    def test_pieces_make_a_file_and_the_answer_is_that_of_one_shot(self):
        content = read(ct_series('resume', count=1, size=128)[0])
        path = self.place_of(self.begin(len(content)))
        self.assertEqual(self.offset(path), 0)
        at = 0
        for piece in (content[:1], content[1:5000], content[5000:20000]):
            answer = self.patch(path, at, piece)
            at += len(piece)
            self.assertEqual((answer.status, answer.headers['Upload-Offset']), (204, str(at)), answer)
            self.assertEqual(self.offset(path), at)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        done = self.patch(path, at, content[at:], **{'Repr-Digest': f'sha-256=:{digest}:'})
        self.assertEqual(done.status, 201, done)
        self.assertEqual(done.json()['outcome'], 'stored')
        # The answer got lost: it is given again, also by GET.
        again = wait_for('the answer to be kept', lambda: self.tech.get(path).json()['answer'])
        self.assertEqual(again, done.json())
        self.assertEqual(self.patch(path, len(content), b'').json(), done.json())
        shot = self.tech.request('POST', '/api/v1/uploads', content)
        self.assertEqual((shot.status, shot.json()['exam']), (201, done.json()['exam']))
        self.assertNotIn(path.rpartition('/')[2], os.listdir(os.path.join(self.rdc.data, 'uploads')))

    def test_a_wrong_offset_is_409_and_says_the_right_one(self):
        path = self.place_of(self.begin(100))
        self.assertEqual(self.patch(path, 0, b'x' * 10).status, 204)
        answer = self.patch(path, 5, b'y')
        self.assertEqual((answer.status, answer.headers['Upload-Offset']), (409, '10'), answer)
        self.assertEqual(self.tech.request('PATCH', path, b'x').status, 400)

    def test_what_is_longer_than_announced_is_not_taken_for_the_whole(self):
        path = self.place_of(self.begin(100))
        self.assertEqual(self.patch(path, 0, b'x' * 10).status, 204)
        with open(os.path.join(self.rdc.data, 'uploads', path.rpartition('/')[2]), 'ab') as f:
            f.write(b'y' * 190)  # no program of ours does
        for offset, piece in ((200, b''), (200, b'z'), (10, b'z')):
            answer = self.patch(path, offset, piece)
            self.assertEqual(answer.status, 410, answer)
            self.assertIn('begin anew', answer.body.decode())

    def test_of_a_piece_that_is_too_long_nothing_is_kept(self):
        """Its file or the length is a wrong one: the part that fits must not become a whole."""
        content = read(ct_series('resume-long', count=1, size=128)[0])
        path = self.place_of(self.begin(len(content)))
        self.assertEqual(self.patch(path, 0, content[:5000]).status, 204)
        rest = content[5000:]
        for name, body in (('at once', rest + b'x'), ('in chunks', iter([rest, b'x'])),
                           ('in one chunk', iter([rest + b'x'])), ('far too long', iter([bytes(1 << 20)] * 4))):
            with self.subTest(name):
                answer = self.patch(path, 5000, body)
                self.assertEqual((answer.status, answer.headers['Upload-Offset']), (413, '5000'), answer)
                self.assertIn('nothing of it', answer.json()['detail'])
                self.assertEqual(self.offset(path), 5000)
                self.assertEqual(self.patch(path, len(content), b'').status, 409)
        answer = self.patch(path, 5000, iter([rest[:100], rest[100:]]))
        self.assertEqual(answer.status, 201, answer)

    def test_a_body_without_an_end_makes_no_whole(self):
        """All its bytes are there, but more may have been about to come."""
        content = read(ct_series('resume-endless', count=1)[0])
        path = self.place_of(self.begin(len(content)))
        with socket.create_connection(('127.0.0.1', self.rdc.http_port), 30) as s:
            s.sendall((f'PATCH {path} HTTP/1.1\r\nHost: rdc\r\nAuthorization: Bearer {self.tech.token}\r\n'
                       f'Upload-Offset: 0\r\nTransfer-Encoding: chunked\r\n\r\n{len(content):x}\r\n').encode())
            s.sendall(content + b'\r\n')
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        at = wait_for('what has come', lambda: self.offset(path))
        self.assertLess(at, len(content))
        answer = self.patch(path, at, content[at:])
        self.assertEqual(answer.status, 201, answer)

    def test_another_digest_is_refused_and_the_upload_gone(self):
        content = read(ct_series('resume-bad', count=1)[0])
        path = self.place_of(self.begin(len(content), query='?sha256=' + '0' * 64))
        answer = self.patch(path, 0, content)
        self.assertEqual(answer.status, 422, answer)
        self.assertIn('digest', answer.json()['title'])
        wait_for('the upload to be gone', lambda: self.tech.get(path).status == 404)
        self.assertEqual(self.begin(10, query='?sha256=xyz').status, 400)

    def test_it_is_its_senders_alone(self):
        path = self.place_of(self.begin(10))
        for login, status in (('doctor', 404), ('doctor2', 404), ('reader1', 403)):
            other = Client(self.rdc, login)
            self.assertEqual(self.patch(path, 0, b'x', other).status, status)
            self.assertEqual(other.get(path).status, status)
        self.assertEqual(self.patch(path, 0, b'x', Client(self.rdc)).status, 401)
        self.assertEqual(self.tech.request('DELETE', path).status, 204)
        self.assertEqual(self.tech.get(path).status, 404)
        self.assertEqual(self.tech.get('/api/v1/uploads/..%2f..%2fx').status, 404)

    def test_a_piece_under_way_hears_that_its_upload_was_deleted(self):
        for rest in (10, 40):  # not the whole, and the whole
            path = self.place_of(self.begin(100))
            with socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=30) as s:
                s.sendall(f'PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                          f'Upload-Offset: 0\r\nContent-Length: {60 + rest}\r\n\r\n'.encode() + b'x' * 60)
                wait_for('the part to be stored', lambda p=path: self.offset(p) == 60)
                self.assertEqual(self.tech.request('DELETE', path).status, 204)
                s.sendall(b'x' * rest)
                self.assertIn(b' 410 ', s.recv(4096).partition(b'\r\n')[0])

    def worker_of(self, s):
        """The pid of the worker that has the other end of this connection."""
        pair = f':{self.rdc.http_port:04X} 0100007F:{s.getsockname()[1]:04X} '
        with open('/proc/net/tcp') as f:
            [socket_of_it] = [f'socket:[{line.split()[9]}]' for line in f if pair in line]
        for pid in self.rdc.workers():
            for fd in os.listdir(f'/proc/{pid}/fd'):
                try:
                    if os.readlink(f'/proc/{pid}/fd/{fd}') == socket_of_it:
                        return pid
                except OSError:
                    pass
        return None

    def connect(self, but=None):
        """A connection and its worker, which is another than this."""
        while True:
            s = socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=30)
            self.addCleanup(s.close)
            worker = wait_for('the connection to be accepted', lambda: self.worker_of(s))
            if worker != but:
                return s, worker

    def ask(self, s, method, path, offset, content):
        s.sendall(f'{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                  f'Upload-Offset: {offset}\r\nContent-Length: {len(content)}\r\n\r\n'.encode() + content)

    def settled_meanwhile(self, name, method, asked, last=None):
        """The head of the answer to who read the upload's row before another worker took its last
        byte, and looks for its file after that."""
        content = read(ct_series(name, count=1)[0])
        size = len(content) - 1
        path = self.place_of(self.begin(len(content), query=last or ''))
        self.assertEqual(self.patch(path, 0, content[:size]).status, 204)
        late, worker = self.connect()
        other, _ = self.connect(but=worker)
        row = self.rdc.place.session(self.rdc.database)
        self.addCleanup(row.close)
        row.ask(f"begin; select 1 from upload where id = '{path.rpartition('/')[2]}' for update")
        self.ask(late, method, path, size + asked, content[size:][:0 if asked or method == 'HEAD' else 1])
        wait_for('it to wait for the row', lambda: self.rdc.sql(
            "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"))
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)
        row.ask('commit')
        self.ask(other, 'PATCH', path, size, content[size:])
        status = other.recv(4096).split(b' ')[1]
        self.assertEqual(status, b'422' if last else b'201')
        file = os.path.join(self.rdc.data, 'uploads', path.rpartition('/')[2])
        wait_for('the file to be gone', lambda: not os.path.exists(file))
        os.kill(worker, signal.SIGCONT)
        head = late.recv(4096).decode().lower()
        return int(head.split()[1]), f'\r\nupload-offset: {len(content)}\r\n' in head

    def test_who_finds_the_file_gone_hears_how_the_upload_ended(self):
        self.assertEqual(self.settled_meanwhile('late-head', 'HEAD', 0), (200, True))
        self.assertEqual(self.settled_meanwhile('late-patch', 'PATCH', 0), (409, True))
        self.assertEqual(self.settled_meanwhile('late-again', 'PATCH', 1), (201, True))
        refused = '?sha256=' + '0' * 64
        self.assertEqual(self.settled_meanwhile('late-refused', 'PATCH', 0, refused), (404, False))

    def test_a_piece_without_end_is_answered_and_ended(self):
        path = self.begin(1000).headers['Location']
        chunk = b'10000\r\n' + bytes(0x10000) + b'\r\n'
        sent, answer = 0, b''
        with socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=20) as s:
            s.sendall(f'PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                      'Upload-Offset: 0\r\nTransfer-Encoding: chunked\r\n\r\n'.encode())
            try:
                while sent < 256 << 20 and not select.select([s], [], [], 0)[0]:
                    s.sendall(chunk)
                    sent += len(chunk)
                answer = s.recv(65536)
            except ConnectionError:
                pass
        self.assertLess(sent, 64 << 20)
        self.assertIn(b'413', answer.split(b'\r\n')[0])
        self.assertIn(b'upload-offset: 0', answer.lower())
        self.assertIn(b'connection: close', answer.lower())
        self.assertEqual(self.offset(path), 0)

    def test_limits(self):
        self.assertEqual(self.begin(1 << 60).status, 413)
        self.assertEqual(self.begin(0).status, 400)
        self.assertEqual(self.tech.request('POST', '/api/v1/uploads', b'x', {'Upload-Length': '1'}).status, 400)
        doctor = Client(self.rdc, 'doctor2')
        statuses = [self.begin(10, doctor).status for _ in range(21)]
        self.assertEqual(statuses, [201] * 20 + [429])

    def test_a_broken_line_and_a_killed_server_lose_nothing_that_was_answered(self):
        content = read(ct_series('resume-kill', count=1, size=256)[0])
        path = self.place_of(self.begin(len(content), query='?patient_id=RESUMED'))
        self.assertEqual(self.patch(path, 0, content[:40000]).status, 204)
        # A piece whose sender vanishes in its middle: what came stays.
        with socket.create_connection(('127.0.0.1', self.rdc.http_port)) as s:
            s.sendall(f'PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.tech.token}\r\n'
                      f'Upload-Offset: 40000\r\nContent-Length: 60000\r\n\r\n'.encode() + content[40000:50000])
            wait_for('the part to be stored', lambda: self.offset(path) == 50000)
        wait_for('the lock to be free', lambda: self.patch(path, 50000, content[50000:60000]).status == 204)
        self.rdc.kill_all()
        self.rdc.start()
        at = self.offset(path)
        self.assertEqual(at, 60000)
        answer = self.patch(path, at, content[at:])
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.stored(answer.json()['study_uid']), 1)


class ManifestTest(Upload):
    """What the sender says of the whole decides when an exam is complete."""
    def counts(self, study):
        """State, grade, expected and present, and how many are missing."""
        for row in self.tech.get('/api/v1/exams').json()['exams']:
            if row['study_uid'] == study:
                exam = self.tech.exam(row['id'])
                c = exam['completeness']
                return exam['state'], c['grade'], c['expected'], c['present'], len(c['missing'])
        return None

    def put(self, *studies):
        return self.tech.post('/api/v1/manifests', {'studies': list(studies)})

    def test_files_sent_one_by_one_are_complete_with_the_last(self):
        files = ct_series('manifest-list', count=3)
        study = uids(files[0])[1]
        answer = self.put({'study_uid': study, 'instances': [uids(f)[0] for f in files]})
        self.assertEqual(answer.json(), {'studies': [
            {'study_uid': study, 'expected': 3, 'present': 0, 'evidence': 'manifest', 'exam': None}]})
        for n, path in enumerate(files):
            self.assertEqual(self.tech.upload(path).status, 201)
            self.assertEqual(self.counts(study), ('arriving', None, 3, n + 1, 2 - n) if n < 2 else
                             ('waiting', 'manifest', 3, 3, 0))

    def test_a_count_is_enough_and_what_does_not_come_is_given_up_with_it(self):
        files = ct_series('manifest-count', count=3)
        study = uids(files[0])[1]
        said = json.dumps({'studies': [{'study_uid': study, 'count': 3}]})
        self.assertEqual(self.tech.upload(files[0], manifest=said).status, 201)
        self.assertEqual(self.counts(study), ('arriving', None, 3, 1, 0))
        self.rdc.sql("update evidence set at = now() - interval '1 hour'")
        self.rdc.sql("update exam set last_object_at = now() - interval '1 hour'")
        wait_for('the exam to move on', lambda: self.counts(study)[:4] == ('waiting', 'given_up', 3, 1))
        self.assertEqual(self.tech.upload(files[1]).status, 201)
        self.assertEqual(self.tech.upload(files[2]).status, 201)
        self.assertEqual(self.counts(study)[:4], ('waiting', 'manifest', 3, 3))

    def test_this_means_the_files_of_the_request(self):
        files = ct_series('manifest-this', count=2)
        study = uids(files[0])[1]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, 'w') as z:
            for n, path in enumerate(files):
                z.write(path, f'{n}.dcm')
            z.writestr('readme.txt', 'nothing')
        answer = self.tech.request('POST', '/api/v1/uploads?manifest=this', archive.getvalue(), {})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.counts(study), ('waiting', 'manifest', 2, 2, 0))
        # in pieces it was said at the beginning
        files = ct_series('manifest-pieces', count=2)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, 'w') as z:
            for n, path in enumerate(files):
                z.write(path, f'{n}.dcm')
        content = archive.getvalue()
        begun = self.tech.request('POST', '/api/v1/uploads?manifest=this', b'', {'Upload-Length': str(len(content))})
        answer = self.tech.request('PATCH', begun.headers['Location'], content, {'Upload-Offset': '0'})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.counts(uids(files[0])[1]), ('waiting', 'manifest', 2, 2, 0))

    def test_a_form_has_a_field_for_it(self):
        files = ct_series('manifest-form', count=3)
        study = uids(files[0])[1]
        said = json.dumps({'studies': [{'study_uid': study, 'instances': [uids(f)[0] for f in files]}]}).encode()

        def form(paths, manifest):
            parts = [(f'Content-Disposition: form-data; name="f"; filename="{n}"', read(p)) for n, p in enumerate(paths)]
            kind, body = multipart([*parts, ('Content-Disposition: form-data; name="manifest"', manifest)], 'form-data')
            return self.tech.request('POST', '/api/v1/uploads', body, {'Content-Type': kind})
        self.assertEqual(form(files[:2], said).status, 201)
        self.assertEqual(self.counts(study), ('arriving', None, 3, 2, 1))
        self.assertEqual(form(files[2:], b'this').status, 201)
        self.assertEqual(self.counts(study), ('waiting', 'manifest', 3, 3, 0))
        self.assertEqual(form(files, b'all of them').status, 422)

    def test_one_that_is_none_is_refused(self):
        study = {'study_uid': '1.2.3'}
        for said in ({}, {'studies': []}, {'studies': [study]}, {'studies': [{**study, 'count': 0}]},
                     {'studies': [{**study, 'count': 1, 'instances': ['1.2']}]}, {'studies': [{**study, 'instances': []}]},
                     {'studies': [{**study, 'instances': ['1.2', 5]}]}, {'studies': [{'study_uid': 'x', 'count': 1}]},
                     {'studies': [{**study, 'instances': ["1'; drop"]}]}):
            self.assertEqual(self.tech.post('/api/v1/manifests', said).status, 422, said)
        [path] = ct_series('manifest-none', count=1)
        self.assertEqual(self.tech.upload(path, manifest='all').status, 422)
        self.assertEqual(self.stored(uids(path)[1]), 0)
        self.assertEqual(Client(self.rdc, 'reader1').post('/api/v1/manifests', {'studies': [
            {**study, 'count': 1}]}).status, 403)
        self.assertEqual(self.rdc.sql('select count(*) from evidence where study_uid = \'1.2.3\''), [['0']])
