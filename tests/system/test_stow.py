"""STOW-RS with metadata and bulk data (PS3.18 8.7.3.2): what is made of them is looked at with
DCMTK and dciodvfy, beside the file that they were taken from."""
import base64
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

from rdc_system import Client, SystemTest, dciodvfy_errors, dump, shell, tool
from stored import stored_file
from test_upload import multipart, read, uids
from test_way import ct_series, folder

JSON, XML = 'application/dicom+json', 'application/dicom+xml'
PIXELS, MODEL = '7FE00010', '{http://dicom.nema.org/PS3.19/models/NativeDICOM}'


def as_json(path):
    """The data set of a file, pixels in InlineBinary; all text as UTF-8."""
    return json.loads(shell(f'dcmconv +U8 "{path}" "{path}.u8" && dcm2json "{path}.u8"'))


def without_pixels(path, uri):
    """Metadata with a BulkDataURI, and the pixels."""
    data = as_json(path)
    pixels = base64.b64decode(data[PIXELS].pop('InlineBinary'))
    data[PIXELS]['BulkDataURI'] = uri
    return data, pixels


def frames_of(path):
    """The fragments of an encapsulated file, each with its frame, without the offset table."""
    content = read(path)
    at = content.rindex(b'\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff') + 12
    out = []
    while content[at:at + 4] == b'\xfe\xff\x00\xe0':
        n = int.from_bytes(content[at + 4:at + 8], 'little')
        out.append(content[at + 8:at + 8 + n])
        at += 8 + n
    return out[1:]


def secondary(sop, uri, side, frames=1):
    """Metadata of an image of 8 bits whose pixels are bulk data."""
    values = {'00080016': ('UI', '1.2.840.10008.5.1.4.1.1.7'), '00080018': ('UI', sop), '0020000D': ('UI', '2.25.91'),
              '0020000E': ('UI', '2.25.92'), '00280002': ('US', 1), '00280008': ('IS', frames), '00280010': ('US', side),
              '00280011': ('US', side), '00280100': ('US', 8)}
    return {**{tag: {'vr': vr, 'Value': [value]} for tag, (vr, value) in values.items()},
            PIXELS: {'vr': 'OB', 'BulkDataURI': uri}}


class StowAgain(SystemTest):
    """Bulk data to which many instances refer."""
    conf = {'upload.max-bytes': '1M'}

    def comments(self, metadata, parts):
        content_type, body = multipart([(f'Content-Type: {JSON}', json.dumps(metadata).encode()), *parts],
                                       f'related; type="{JSON}"')
        answer = Client(self.rdc, 'tech').request('POST', '/dicom-web/studies', body, {'Content-Type': content_type})
        failed = answer.json().get('00081198', {}).get('Value', [])
        return answer.status, [f['00000902']['Value'][0] for f in failed]

    def test_a_part_is_not_stored_any_number_of_times(self):
        status, comments = self.comments([secondary(f'2.25.93{i}', 'b', 256) for i in range(30)],
                                         [('Content-Location: b', bytes(256 * 256))])
        # Once, and again as often as fits in upload.max-bytes, and once more.
        self.assertEqual((status, len(comments)), (202, 30 - 18))
        self.assertIn('again too often', comments[0])

    def test_parts_are_not_looked_at_any_number_of_times(self):
        status, comments = self.comments([secondary(f'2.25.94{i}', 'b', 1, 4000) for i in range(40)],
                                         [('Content-Location: b', b'')] * 4000)
        self.assertEqual((status, len(comments)), (409, 40))
        self.assertEqual(sum('again too often' in c for c in comments), 40 - 27)


class Stow(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech = Client(cls.rdc, 'tech')

    def stow(self, parts, kind=JSON, **headers):
        content_type, body = multipart(parts, f'related; type="{kind}"')
        return self.tech.request('POST', '/dicom-web/studies', body, {'Content-Type': content_type, **headers})

    def file_of(self, sop):
        [[location]] = self.rdc.sql('select o.location from instance i join object o on o.id = i.object_id '
                                    f"where i.sop_uid = '{sop}'")
        return stored_file(self.rdc, location)

    def expect_same(self, path, sop=None):
        """The object that is stored is the file's: data set, pixels, and not worse for dciodvfy."""
        stored = self.file_of(sop or uids(path)[0])
        want, got = as_json(path), as_json(self.copy(stored))
        # what the sender's encoder wrote of itself is no part of what was sent
        self.assertEqual({k: v for k, v in want.items() if not k.endswith('0000')},
                         {k: v for k, v in got.items() if not k.endswith('0000')})
        self.assertLessEqual(set(dciodvfy_errors(self.copy(stored))), set(dciodvfy_errors(path)))
        tool('dcmdump', '-q', stored)
        return stored

    def copy(self, path):
        out = os.path.join(folder('stow-copies'), os.path.basename(path))
        with open(out, 'wb') as f:
            f.write(read(path))
        return out

    def test_a_series_as_json_with_pixels_beside_is_the_series(self):
        files = ct_series('model-json', count=3)
        metadata, parts = [], []
        for n, path in enumerate(files):
            data, pixels = without_pixels(path, f'bulk/{n}')
            metadata.append(data)
            # bulk data may come in any order
            parts.insert(0, (f'Content-Type: application/octet-stream\r\nContent-Location: bulk/{n}', pixels))
        body = json.dumps(metadata, ensure_ascii=False).encode()
        answer = self.stow([(f'Content-Type: {JSON}', body), *parts])
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json()['00081199']['Value']), 3)
        self.assertEqual(answer.json()['00081190']['Value'], [f'http://127.0.0.1:{self.rdc.http_port}/dicom-web/studies/' + uids(files[0])[1]])
        for path in files:
            stored = self.expect_same(path)
            self.assertIn('ISO_IR 192', dump(stored, '0008,0005')['0008,0005'])
        # the same again is the same
        self.assertEqual(self.stow([(f'Content-Type: {JSON}', body), *parts]).status, 200)
        self.assertEqual(self.rdc.sql("select count(*) from instance where variant > 0"), [['0']])

    def test_xml_is_taken_an_instance_in_each_part(self):
        files = ct_series('model-xml', count=2)
        parts = []
        for n, path in enumerate(files):
            as_json(path)  # for its .u8
            xml = tool('dcm2xml', '--native-format', '+Eb', path + '.u8').encode()
            _, pixels = without_pixels(path, '')
            # One with its pixels inside, one with them beside. DCMTK 3.6.7 writes words there with
            # the high byte first, against its own JSON.
            inside = b'<InlineBinary>' + base64.b64encode(pixels) + b'</InlineBinary>'
            beside = b'<BulkData uri="http://localhost/bulk"/>'
            xml, count = re.subn(rb'(tag="7FE00010"[^>]*>)\s*<InlineBinary>[^<]*</InlineBinary>',
                                 rb'\1' + (beside if n else inside), xml)
            self.assertEqual(count, 1)
            parts.append((f'Content-Type: {XML}', xml))
        parts.append(('Content-Location: http://localhost/bulk', pixels))
        answer = self.stow(parts, XML, Accept='application/dicom+xml')
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers['Content-Type'], XML)
        root = ElementTree.fromstring(answer.body)
        self.assertEqual(root.tag, MODEL + 'NativeDicomModel')
        sequence = root.find(f"{MODEL}DicomAttribute[@keyword='ReferencedSOPSequence']")
        self.assertEqual({v.text for v in sequence.findall(
            f"{MODEL}Item/{MODEL}DicomAttribute[@tag='00081155']/{MODEL}Value")}, {uids(f)[0] for f in files})
        for path in files:
            self.expect_same(path)

    def test_metadata_alone_are_a_body_too(self):
        files = ct_series('model-alone', count=2)
        body = json.dumps([as_json(f) for f in files]).encode()
        answer = self.tech.request('POST', '/dicom-web/studies/' + uids(files[0])[1], body, {'Content-Type': JSON})
        self.assertEqual(answer.status, 200, answer)
        for path in files:
            self.expect_same(path)
        [other] = ct_series('model-alone-other', count=1)
        answer = self.tech.request('POST', '/dicom-web/studies/1.2.3', json.dumps([as_json(other)]).encode(),
                                   {'Content-Type': JSON})
        self.assertEqual(answer.status, 409, answer)
        self.assertEqual(answer.json()['00081198']['Value'][0]['00081197']['Value'], [0xA900])

    def compressed(self, name, command, content_type, syntax):
        [path] = ct_series(name, count=1)
        packed = path + '.packed'
        shell(f'{command} "{path}" "{packed}"')
        self.assertEqual(dump(packed, '0002,0010')['0002,0010'], syntax)
        data, _ = without_pixels(path, 'pixels')
        [frame] = frames_of(packed)
        answer = self.stow([(f'Content-Type: {JSON}', json.dumps([data]).encode()),
                            (f'Content-Type: {content_type}\r\nContent-Location: pixels', frame)])
        self.assertEqual(answer.status, 200, answer)
        stored = self.file_of(uids(path)[0])
        self.assertEqual(dump(stored, '0002,0010')['0002,0010'], syntax)
        self.assertEqual(frames_of(stored), [frame])
        # decoded, the pixels are those of the file that was compressed
        out = self.copy(stored)
        decoder = {'dcmcrle': 'dcmdrle', 'dcmcjpls': 'dcmdjpls'}.get(command.split()[0], 'dcmdjpeg')
        shell(f'{decoder} "{out}" "{out}.native"')
        self.assertEqual(as_json(out + '.native')[PIXELS]['InlineBinary'], as_json(path)[PIXELS]['InlineBinary'])

    def test_compressed_frames_become_fragments(self):
        # the first without the parameter: the stream itself says which JPEG it is
        self.compressed('model-jpeg', 'dcmcjpeg +e1', 'image/jpeg', '1.2.840.10008.1.2.4.70')
        self.compressed('model-jpeg57', 'dcmcjpeg +el', 'image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.57',
                        '1.2.840.10008.1.2.4.57')
        self.compressed('model-rle', 'dcmcrle', 'image/dicom-rle', '1.2.840.10008.1.2.5')
        self.compressed('model-jls', 'dcmcjpls +el', 'image/jls; transfer-syntax="1.2.840.10008.1.2.4.80"',
                        '1.2.840.10008.1.2.4.80')

    def test_frames_in_parts_of_their_own_make_one_object(self):
        [path] = ct_series('model-frames', count=1)
        data, pixels = without_pixels(path, 'b')
        data['00280008'] = {'vr': 'IS', 'Value': [3]}
        parts = [(f'Content-Type: application/octet-stream\r\nContent-Location: b/frames/{n}',
                  pixels[:-1] + bytes([n])) for n in (2, 3, 1)]
        answer = self.stow([(f'Content-Type: {JSON}', json.dumps([data]).encode()), *parts])
        self.assertEqual(answer.status, 200, answer)
        got = base64.b64decode(as_json(self.copy(self.file_of(uids(path)[0])))[PIXELS]['InlineBinary'])
        self.assertEqual(got, b''.join(pixels[:-1] + bytes([n]) for n in (1, 2, 3)))

    def test_what_is_wrong_with_an_instance_is_told_beside_the_good_ones(self):
        files = ct_series('model-wrong', count=7)
        metadata = []
        parts = []
        for n, path in enumerate(files):
            data, pixels = without_pixels(path, f'b{n}')
            metadata.append(data)
            content_type = 'application/octet-stream'
            if n == 1:  # nowhere
                continue
            if n == 2:
                pixels = pixels[:-2]
            elif n == 3:
                content_type = 'image/png'
            elif n == 4:
                content_type = 'image/jpeg'
            elif n == 5:
                data['00100010'] = {'vr': 'PN', 'Value': ['TEST^ONE']}
            elif n == 6:
                del data['00080018']
            parts.append((f'Content-Type: {content_type}\r\nContent-Location: b{n}', pixels))
        parts.append(('Content-Location: elsewhere', b'more'))
        answer = self.stow([(f'Content-Type: {JSON}', json.dumps(metadata).encode()), *parts])
        self.assertEqual(answer.status, 202, answer)
        body = answer.json()
        self.assertEqual([x['00081155']['Value'][0] for x in body['00081199']['Value']], [uids(files[0])[0]])
        failed = {x['00081155']['Value'][0]: (x['00081197']['Value'][0], x['00000902']['Value'][0])
                  for x in body['00081198']['Value']}
        for n, reason, comment in ((1, 0xC000, 'no part has its BulkDataURI'), (2, 0xC000, 'bytes, but its image has'),
                                   (3, 0xC122, 'image/png is no media type'), (4, 0xC122, 'disagree'),
                                   (5, 0xC000, '(0010,0010): a value of PN is no object of names')):
            got = failed[uids(files[n])[0]]
            self.assertEqual(got[0], reason, got)
            self.assertIn(comment, got[1])
            self.assertLessEqual(len(got[1]), 64)
        others = [x['00000902']['Value'][0] for x in body['0008119A']['Value']]
        self.assertEqual(len(others), 4, others)  # 5 and 6 leave their pixels behind
        self.assertIn('(0008,0018)', others[0])
        self.assertEqual(set(others[1:]), {'bulk data that no metadata refer to by BulkDataURI'})

    def test_metadata_beyond_their_limit_are_refused_wherever_the_first_part_ended(self):
        limit = 32 << 20
        for first in (limit - 1, limit):
            parts = [(f'Content-Type: {JSON}', b'[{}' + b' ' * (first - 4) + b']'),
                     (f'Content-Type: {JSON}', b'[{}' + b' ' * (4 << 20) + b']')]
            with self.subTest(first):
                answer = self.stow(parts)
                self.assertEqual(answer.status, 413, answer)
                self.assertIn('32 MiB', answer.json()['detail'])

    def test_one_with_too_much_metadata_is_refused_and_no_other(self):
        paths = ct_series('stow-much', count=4)
        data = [as_json(p) for p in paths]
        for one in data[:3]:  # 28 MiB each, of 64 for a request
            one['00330010'] = {'vr': 'LO', 'Value': ['RDC TEST']}
            for n in range(4):
                one[f'0033101{n}'] = {'vr': 'UV', 'Value': [1] * (7 << 17)}
        body = json.dumps(data, separators=(',', ':'))
        answer = self.tech.request('POST', '/dicom-web/studies', body.encode(), {'Content-Type': JSON})
        self.assertEqual(answer.status, 202, answer)
        failed = answer.json()['00081198']['Value']
        self.assertEqual([f['00081155']['Value'][0] for f in failed], [uids(paths[2])[0]])
        self.assertIn('too much', failed[0]['00000902']['Value'][0])

    def test_query_parameters_are_ignored_with_a_warning(self):
        [path] = ct_series('model-query', count=1)
        for query, warning in (('', None), ('?priority=stat&priority=stat&accept=text/plain', '299 rdc "')):
            answer = self.tech.request('POST', '/dicom-web/studies' + query, read(path), {'Content-Type': 'application/dicom'})
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual((answer.headers.get('Warning') or '')[:9] or None, warning)

    def test_a_body_that_is_none_is_refused(self):
        [path] = ct_series('model-none', count=1)
        data, pixels = without_pixels(path, 'b')
        whole = [(f'Content-Type: {JSON}', json.dumps([data]).encode()), ('Content-Location: b', pixels)]
        kind, body = multipart(whole, f'related; type="{JSON}"')
        for content_type, content, status in ((kind, body[:-8], 400), (kind, b'', 400), (JSON, b'', 400),
                                              (f'multipart/related; type="{JSON}"', body, 400)):
            answer = self.tech.request('POST', '/dicom-web/studies', content, {'Content-Type': content_type})
            self.assertEqual(answer.status, status, (content_type, answer))
        self.assertEqual(self.stow(whole[1:]).status, 400)
        # Refused while its bulk data are being written.
        workers = self.rdc.workers()
        for _ in range(30):
            self.assertEqual(self.tech.request('POST', '/dicom-web/studies', body[:-8], {'Content-Type': kind}).status, 400)
        self.assertEqual(self.rdc.workers(), workers)
        for text in (b'[{"00080018":', b'[]', b'{} x', b'5'):
            answer = self.stow([(f'Content-Type: {JSON}', text)])
            self.assertEqual(answer.status, 409, answer)
            self.assertEqual(len(answer.json()['0008119A']['Value']), 2 if text == b'{} x' else 1)
        answer = self.stow([(f'Content-Type: {XML}', b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>')], XML)
        self.assertEqual(answer.status, 409, answer)
        self.assertIn('document type', answer.json()['0008119A']['Value'][0]['00000902']['Value'][0])
        self.assertEqual(self.stow(whole, Accept='text/html').status, 406)
        # curl, a client that we did not write
        part = os.path.join(folder('model-curl'), 'body')
        with open(part, 'wb') as f:
            f.write(body)
        done = subprocess.run(['curl', '-s', '-w', '%{http_code}', '-H', f'Authorization: Bearer {self.tech.token}',
                               '-H', f'Content-Type: {kind}', '-H', 'Accept: application/dicom+xml;q=0.1, */*;q=0.5',
                               '--data-binary', f'@{part}', f'http://127.0.0.1:{self.rdc.http_port}/dicom-web/studies'],
                              capture_output=True, text=True, check=True)
        self.assertTrue(done.stdout.endswith('200'), done.stdout)
        self.assertIn('00081199', json.loads(done.stdout[:-3]))
        self.expect_same(path)
