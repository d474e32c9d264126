"""Orthanc as a device: it echoes, sends, asks for the worklist and for commitment, and
takes the commitment's report; plain and over TLS. Its DICOMweb client sends by STOW-RS."""
import glob
import http.client
import json
import os
import subprocess
import unittest

import dicom_scu
import make_dicom
from rdc_system import Client, SystemTest, free_port, needs, tool, wait_for
from stored import stored_file
from test_pydicom import digest
from test_tls import Authority
from test_upload import read
from test_way import ct_series, folder

# Where Debian's orthanc-dicomweb puts it.
DICOMWEB = glob.glob('/usr/share/orthanc/plugins/libOrthancDicomWeb.so')


class Orthanc:
    """A server with an empty store below `name`, called QH_CT; its REST interface."""

    def __init__(self, name, modalities, **conf):
        needs('Orthanc')
        self.folder = folder('orthanc-' + name)
        self.http_port, self.dicom_port = free_port(), free_port()
        conf = {'StorageDirectory': self.folder, 'IndexDirectory': self.folder, 'HttpPort': self.http_port,
                'DicomPort': self.dicom_port, 'DicomAet': 'QH_CT', 'RemoteAccessAllowed': False,
                'AuthenticationEnabled': False, 'DicomModalities': modalities, 'DicomScuTimeout': 20,
                'DicomCheckCalledAet': True, 'DefaultEncoding': 'Utf8', **conf}
        path = os.path.join(self.folder, 'orthanc.json')
        with open(path, 'w') as f:
            json.dump(conf, f)
        self.log = os.path.join(self.folder, 'log')
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(['Orthanc', '--verbose', path], stdout=log, stderr=log)
        wait_for('Orthanc to answer', self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError('Orthanc ended:\n' + read(self.log).decode()[-2000:])
        try:
            return self.ask('GET', '/system')[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        """(status, answer)"""
        connection = http.client.HTTPConnection('127.0.0.1', self.http_port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] in (b'{', b'[') else text
        finally:
            connection.close()

    def add(self, *paths):
        """Orthanc's names of the instances of these files."""
        return [self.ask('POST', '/instances', read(p))[1]['ID'] for p in paths]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class AnOrthanc(SystemTest):
    conf = {'delivery.retry-min-seconds': 1}

    @classmethod
    def setUpClass(cls):
        needs('Orthanc', 'openssl')
        authority = Authority('orthanc')
        cert, key = authority.sign('server')
        device = authority.sign('device')
        tls_port = free_port()
        cls.conf = {**cls.conf, 'dicom-tls.address': f'127.0.0.1:{tls_port}', 'tls.certificate': cert,
                    'tls.key': key, 'tls.client-ca': authority.ca}
        super().setUpClass()
        known = {'AET': 'RDC', 'Host': '127.0.0.1', 'AllowNEventReport': True}
        cls.plain = Orthanc('plain', {'rdc': {**known, 'Port': cls.rdc.dicom_port}, 'wrong': {
            **known, 'Port': cls.rdc.dicom_port, 'AET': 'WRONG'}}, Plugins=DICOMWEB)
        cls.addClassCleanup(cls.plain.stop)
        cls.secure = Orthanc('tls', {'rdc': {**known, 'Port': tls_port, 'UseDicomTls': True}},
                             DicomTlsEnabled=True, DicomTlsCertificate=device[0], DicomTlsPrivateKey=device[1],
                             DicomTlsTrustedCertificates=authority.ca)
        cls.addClassCleanup(cls.secure.stop)
        cls.rdc.cli('device', 'change', 'QH_CT', '--callback', f'127.0.0.1:{cls.plain.dicom_port}')

    def both(self):
        return (('plain', self.plain), ('secure', self.secure))

    def store(self, orthanc, resources, **more):
        status, job = orthanc.ask('POST', '/modalities/rdc/store',
                                  {'Resources': resources, 'Synchronous': True, **more})
        self.assertEqual((status, job.get('FailedInstancesCount')), (200, 0), job)
        return job

    def objects(self, study):
        return self.rdc.sql('select i.sop_uid, i.transfer_syntax, o.location from instance i '
                            'join object o on o.id = i.object_id join study s on s.id = i.study_id '
                            f"where s.study_uid = '{study}' order by 1")

    def test_is_answered_to_its_echo(self):
        for _, orthanc in self.both():
            self.assertEqual(orthanc.ask('POST', '/modalities/rdc/echo', {})[0], 200)
        self.assertNotEqual(self.plain.ask('POST', '/modalities/wrong/echo', {})[0], 200)

    def test_sends_what_comes_back_as_it_was_sent(self):
        for name, orthanc in self.both():
            paths = ct_series('orthanc-' + name)
            self.store(orthanc, orthanc.add(*paths))
            rows = self.objects(make_dicom.uid('study orthanc-' + name))
            stored = {digest(dicom_scu.part10(stored_file(self.rdc, r[2]))[3]) for r in rows}
            self.assertEqual(stored, {digest(dicom_scu.part10(p)[3]) for p in paths})

    def test_sends_compressed_objects_as_they_are(self):
        paths = make_coded(self)
        self.store(self.plain, self.plain.add(*paths.values()))
        for syntax, path in paths.items():
            _, instance, _, _ = dicom_scu.part10(path)
            self.assertEqual(self.rdc.sql(f"select transfer_syntax from instance where sop_uid = '{instance}'"),
                             [[syntax]])

    @unittest.skipUnless(DICOMWEB, 'Orthanc has no DICOMweb plugin (package orthanc-dicomweb)')
    def test_sends_by_stow(self):
        # In chunks, and with a boundary of more characters than RFC 2046 5.1.1 allows.
        paths = ct_series('orthanc stow')
        tech = Client(self.rdc, 'tech')
        status, answer = self.plain.ask('PUT', '/dicom-web/servers/rdc', {
            'Url': f'http://127.0.0.1:{self.rdc.http_port}/dicom-web/',
            'HttpHeaders': {'Authorization': 'Bearer ' + tech.token}})
        self.assertEqual(status, 200, answer)
        status, answer = self.plain.ask('POST', '/dicom-web/servers/rdc/stow',
                                        {'Resources': self.plain.add(*paths), 'Synchronous': True})
        self.assertEqual((status, answer.get('InstancesCount')), (200, str(len(paths))), answer)
        self.assertEqual(len(self.objects(make_dicom.uid('study orthanc stow'))), len(paths))

    def committed(self, transaction):
        """Orthanc's record of the transaction once the report has come."""
        def state():
            answer = self.plain.ask('GET', f'/storage-commitment/{transaction}')[1]
            return answer if answer['Status'] != 'Pending' else None
        return wait_for('the report of the commitment', state, 30)

    def test_asks_for_commitment_with_its_store_job_and_gets_the_report(self):
        paths = ct_series('orthanc commitment', count=3)
        job = self.store(self.plain, self.plain.add(*paths), StorageCommitment=True)
        answer = self.committed(job['StorageCommitmentTransactionUID'])
        self.assertEqual(answer['Status'], 'Success', answer)
        self.assertEqual(answer['RemoteAET'], 'RDC')
        self.assertEqual(sorted(x['SOPInstanceUID'] for x in answer['Success']),
                         sorted(dicom_scu.part10(p)[1] for p in paths))

    def test_asks_for_commitment_of_what_it_never_sent_and_is_told(self):
        [path] = ct_series('orthanc never sent', count=1)
        sop_class, instance, _, _ = dicom_scu.part10(path)
        status, answer = self.plain.ask('POST', '/modalities/rdc/storage-commitment', {
            'DicomInstances': [{'SOPClassUID': sop_class, 'SOPInstanceUID': instance}]})
        self.assertEqual(status, 200, answer)
        answer = self.committed(answer['ID'])
        self.assertEqual((answer['Status'], answer['Success']), ('Failure', []), answer)
        # PS3.3 C.14.1.1: no such object instance
        self.assertEqual([x['FailureReason'] for x in answer['Failures']], [0x0112])

    def test_asks_for_the_worklist(self):
        self.rdc.cli('order', 'add', '--org', 'QINGHE', '--accession', 'O1', '--patient-name', '测试一',
                     '--patient-id', 'O-1', '--modality', 'CT', '--at', '2030-01-31T08:30')
        for _, orthanc in self.both():
            status, answer = orthanc.ask('POST', '/modalities/rdc/find-worklist', {
                'PatientID': 'O-1', 'PatientName': '', 'StudyInstanceUID': '',
                'ScheduledProcedureStepSequence': [{'Modality': 'CT', 'ScheduledProcedureStepStartDate': ''}]})
            self.assertEqual(status, 200, answer)
            [entry] = answer
            self.assertEqual(entry['PatientName'], '测试一')
            self.assertTrue(entry['StudyInstanceUID'].startswith('2.25.'))
            [step] = entry['ScheduledProcedureStepSequence']
            self.assertEqual(step['ScheduledProcedureStepStartDate'], '20300131')


def make_coded(test):
    """{transfer syntax: path} of one CR image, compressed by DCMTK."""
    needs('dcmcjpeg', 'dcmcjpls', 'dcmcrle')
    f = folder('orthanc-coded')
    plain, out = os.path.join(f, 'cr.dcm'), {}
    make_dicom.write(plain, make_dicom.cr_image('orthanc coded', size=64))
    for program, flag, syntax in (('dcmcjpeg', '+e1', '1.2.840.10008.1.2.4.70'),
                                  ('dcmcjpls', '+el', '1.2.840.10008.1.2.4.80'),
                                  ('dcmcrle', '-v', '1.2.840.10008.1.2.5')):
        out[syntax] = os.path.join(f, program + '.dcm')
        tool(program, flag, plain, out[syntax])
        tool('dcmodify', '-nb', '-gin', out[syntax])
    test.assertEqual(len({dicom_scu.part10(p)[1] for p in out.values()}), 3)
    return out
