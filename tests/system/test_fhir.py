"""Orders by FHIR R4: one way with those of the API and HL7."""
import copy
import http.client
import json
import socket

from rdc_system import Client, SystemTest, tool

EN = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation'
V2 = 'http://terminology.hl7.org/CodeSystem/v2-0203'
DCM = 'http://dicom.nema.org/resources/ontology/DCM'


def identifier(type, value, system=None):
    return {'type': {'coding': [{'system': V2, 'code': type}]}, 'value': value,
            **({'system': system} if system else {})}


def name(representation, **parts):
    return {'extension': [{'url': EN, 'valueCode': representation}], **parts}


PATIENT = {'resourceType': 'Patient', 'id': 'p', 'identifier': [identifier('MR', 'F-1')],
           'name': [name('IDE', text='测试一'), name('ABC', family='CE', given=['SHIYI'])],
           'gender': 'female', 'birthDate': '1980-01-02'}


def request(n, **more):
    """A ServiceRequest with its Patient contained."""
    return {'resourceType': 'ServiceRequest', 'contained': [PATIENT], 'subject': {'reference': '#p'},
            'status': 'active', 'intent': 'order', 'priority': 'asap',
            'identifier': [identifier('PLAC', f'P{n}', 'urn:oid:1.2.3'), identifier('ACSN', f'FA{n}')],
            'code': {'coding': [{'system': 'http://loinc.org', 'code': '24627-2', 'display': 'CT Chest'}], 'text': '胸部平扫'},
            'orderDetail': [{'coding': [{'system': DCM, 'code': 'CT'}]}],
            'occurrenceDateTime': '2030-01-31T08:30:00+08:00', 'requester': {'display': '王医生'},
            'reasonCode': [{'text': '咳嗽'}], **more}


class FhirOrders(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tech = Client(cls.rdc, 'tech')

    def send(self, method, path, body, who=None, **headers):
        return (who or self.tech).request(method, '/fhir' + path, json.dumps(body).encode(),
                                          {'Content-Type': 'application/fhir+json',
                                           **{k.replace('_', '-'): v for k, v in headers.items()}})

    def issue(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers['Content-Type'], 'application/fhir+json')
        outcome = answer.json()
        self.assertEqual(outcome['resourceType'], 'OperationOutcome')
        self.assertTrue(outcome['issue'][0]['diagnostics'])
        return outcome['issue'][0]

    def test_is_made_read_and_stands_on_the_worklist(self):
        made = self.send('POST', '/ServiceRequest', request(1, identifier=[
            identifier('PLAC', 'P1', 'urn:oid:1.2.3'), identifier('ACSN', 'FA1'), identifier('FILL', 'X1'),
            {'system': 'urn:dicom:uid', 'value': 'urn:oid:2.25.4711'}]))
        self.assertEqual(made.status, 201, made)
        number = made.json()['id']
        self.assertEqual(made.headers['Location'], f'/fhir/ServiceRequest/{number}/_history/1')
        self.assertEqual(made.headers['ETag'], 'W/"1"')
        for path in (f'/fhir/ServiceRequest/{number}', made.headers['Location']):
            read = self.tech.get(path)
            self.assertEqual((read.status, read.headers['ETag']), (200, 'W/"1"'), read)
            self.assertEqual(read.json(), made.json())
        order = read.json()
        self.assertEqual((order['status'], order['priority'], order['code']['text']), ('active', 'urgent', '胸部平扫'))
        self.assertEqual(order['code']['coding'], [{'system': 'http://loinc.org', 'code': '24627-2'}])
        self.assertEqual({n['extension'][0]['valueCode']: n.get('text') or n['family'] + '^' + n['given'][0]
                          for n in order['contained'][0]['name']}, {'ABC': 'CE^SHIYI', 'IDE': '测试一'})
        self.assertIn({'system': 'urn:dicom:uid', 'value': 'urn:oid:2.25.4711'}, order['identifier'])
        shown = self.tech.get(f'/api/v1/orders/{number}').json()
        self.assertEqual((shown['patient']['name'], shown['patient']['pinyin'], shown['requester'], shown['reason']),
                         ('CE^SHIYI=测试一', 'CE^SHIYI', '王医生', '咳嗽'))
        said = tool('findscu', '-v', '-W', '-aet', 'QH_CT', '-aec', 'RDC', '-k', '0008,0050=FA1', '-k', '0020,000d',
                    '127.0.0.1', str(self.rdc.dicom_port))
        self.assertIn('2.25.4711', said)

    def test_is_changed_as_a_whole_by_who_has_read_it(self):
        number = self.send('POST', '/ServiceRequest', request(2)).json()['id']
        less = {k: v for k, v in request(2).items() if k not in ('reasonCode', 'requester', 'priority')}
        put = self.send('PUT', f'/ServiceRequest/{number}', {**less, 'id': number}, If_Match='W/"1"')
        self.assertEqual((put.status, put.headers['ETag']), (200, 'W/"2"'), put)
        self.assertNotIn('reasonCode', put.json())
        self.assertNotIn('requester', put.json())
        self.assertEqual(put.json()['priority'], 'routine')
        self.assertEqual(self.issue(self.send('PUT', f'/ServiceRequest/{number}', less, If_Match='W/"1"'), 412)['code'],
                         'conflict')
        self.issue(self.send('PUT', f'/ServiceRequest/{number}', {**less, 'id': '999999'}), 400)
        self.issue(self.send('PUT', '/ServiceRequest/999999', less), 405)
        self.issue(self.tech.get('/fhir/ServiceRequest/999999'), 404)
        for version, status in (('1', 404), ('0', 404), ('x', 404), ('2', 200)):
            self.assertEqual(self.tech.get(f'/fhir/ServiceRequest/{number}/_history/{version}').status, status, version)

    def test_waits_on_hold_and_ends(self):
        number = self.send('POST', '/ServiceRequest', request(3, status='draft')).json()['id']
        def state(status):
            answer = self.send('PUT', f'/ServiceRequest/{number}', request(3, status=status))
            self.assertEqual(answer.status, 200, answer)
            return self.tech.get(f'/api/v1/orders/{number}').json()['state'], answer.json()['status']
        self.assertEqual(state('on-hold'), ('held', 'on-hold'))
        self.assertEqual(state('active'), ('scheduled', 'active'))
        self.assertEqual(state('revoked'), ('cancelled', 'revoked'))
        self.issue(self.send('PUT', f'/ServiceRequest/{number}', request(3)), 409)
        number = self.send('POST', '/ServiceRequest', request(4)).json()['id']
        self.assertEqual(state('completed'), ('done', 'completed'))
        number = self.send('POST', '/ServiceRequest', request(5)).json()['id']
        self.assertEqual(state('entered-in-error'), ('cancelled', 'revoked'))
        self.issue(self.send('POST', '/ServiceRequest', request(6, status='revoked')), 422)

    def test_is_made_once_however_often_it_comes(self):
        found = 'identifier=urn:oid:1.2.3%7CP10'
        answers = [self.send('POST', '/ServiceRequest', request(10), If_None_Exist=found) for _ in range(2)]
        self.assertEqual([a.status for a in answers], [201, 200], answers)
        self.assertEqual(answers[0].json(), answers[1].json())
        again = self.issue(self.send('POST', '/ServiceRequest', request(10)), 409)
        self.assertEqual(again['expression'], ['ServiceRequest'])
        put = self.send('PUT', '/ServiceRequest?' + found, request(10, priority='stat'))
        self.assertEqual((put.status, put.json()['priority'], put.json()['id']), (200, 'stat', answers[0].json()['id']))
        made = self.send('PUT', '/ServiceRequest?identifier=urn:oid:1.2.3%7CP11', request(11))
        self.assertEqual(made.status, 201, made)
        bundle = self.tech.get('/fhir/ServiceRequest?' + found).json()
        self.assertEqual((bundle['type'], bundle['total'], bundle['entry'][0]['resource']['id']),
                         ('searchset', 1, answers[0].json()['id']))
        self.assertEqual(self.tech.get('/fhir/ServiceRequest?identifier=nobody').json()['total'], 0)
        self.issue(self.send('POST', '/ServiceRequest', request(12), If_None_Exist='subject=1'), 400)
        self.assertEqual(self.tech.get(f'/fhir/ServiceRequest?_format=json&_count=5&{found}').json()['total'], 1)
        # R4 search.html 3.1.1.4.0.1: a comma would mean or, unless escaped.
        self.issue(self.tech.get('/fhir/ServiceRequest?identifier=urn:oid:1.2.3%7CP10,urn:oid:1.2.3%7CP11'), 400)
        escaped = request(13, identifier=[identifier('PLAC', 'A,B|C', 'urn:oid:1.2.3')])
        self.assertEqual(self.send('PUT', '/ServiceRequest?identifier=urn:oid:1.2.3%7CA%5C,B%5C%7CC', escaped).status, 201)
        self.assertEqual(self.tech.get('/fhir/ServiceRequest?identifier=A%5C,B%5C%7CC').json()['total'], 1)
        for more in ('&status=active', '&_id=1', '&identifier=urn:oid:1.2.3%7CP11'):
            self.issue(self.send('PUT', f'/ServiceRequest?{found}{more}', request(10)), 400)
            self.issue(self.tech.get(f'/fhir/ServiceRequest?{found}{more}'), 400)

    def bundle(self, *requests, type='transaction', method='POST'):
        entries = [{'fullUrl': 'urn:uuid:5ad0e5c0-0000-4000-8000-000000000001', 'resource': PATIENT,
                    'request': {'method': method, 'url': 'Patient'}},
                   {'fullUrl': 'urn:uuid:5ad0e5c0-0000-4000-8000-000000000002',
                    'resource': {'resourceType': 'Practitioner', 'name': [{'family': '李', 'given': ['四']}]},
                    'request': {'method': 'POST', 'url': 'Practitioner'}}]
        for r in requests:
            r = copy.deepcopy(r)
            del r['contained']
            r['subject'] = {'reference': entries[0]['fullUrl']}
            r['requester'] = {'reference': entries[1]['fullUrl']}
            entries.append({'fullUrl': 'urn:uuid:5ad0e5c0-0000-4000-8000-000000000003', 'resource': r,
                            'request': {'method': 'POST', 'url': 'ServiceRequest'}})
        return {'resourceType': 'Bundle', 'type': type, 'entry': entries}

    def test_is_found_by_a_form_as_by_an_address(self):
        made = self.send('POST', '/ServiceRequest', request(180)).json()

        def search(form, query='', type='application/x-www-form-urlencoded'):
            return self.tech.request('POST', '/fhir/ServiceRequest/_search' + query, form, {'Content-Type': type})
        for answer in (search(b'identifier=FA180'), search(b'_format=json&identifier=urn%3Aoid%3A1.2.3%7CP180'),
                       search(b'', '?identifier=FA180'), search(b'_count=5', '?identifier=FA180')):
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual([e['resource']['id'] for e in answer.json()['entry']], [made['id']])
        self.issue(search(b'identifier=FA180', '?identifier=FA180'), 400)
        self.issue(search(b'status=active'), 400)
        self.issue(search(b'identifier=%zz'), 400)
        self.issue(search(b'identifier=FA180\0'), 400)
        self.issue(search(b'{}', type='application/json'), 415)
        self.issue(Client(self.rdc).request('POST', '/fhir/ServiceRequest/_search', b'', {}), 401)

    def test_comes_to_the_base_with_a_slash_too(self):
        batch = {'resourceType': 'Bundle', 'type': 'batch', 'entry': [
            {'resource': request(181), 'request': {'method': 'POST', 'url': 'ServiceRequest'}}]}
        answer = self.send('POST', '/', batch)
        self.assertEqual(answer.json()['entry'][0]['response']['status'], '201 Created', answer)

    def test_comes_with_its_patient_in_a_transaction(self):
        answer = self.send('POST', '', self.bundle(request(20), request(21)))
        self.assertEqual(answer.status, 200, answer)
        response = answer.json()
        self.assertEqual(response['type'], 'transaction-response')
        self.assertEqual([e['response']['status'] for e in response['entry']],
                         ['200 OK', '200 OK', '201 Created', '201 Created'])
        number = response['entry'][2]['response']['location'].split('/')[1]
        self.assertEqual(self.tech.get(f'/api/v1/orders/{number}').json()['requester'], '李^四')

    def test_stands_or_falls_with_the_others_of_its_transaction(self):
        bundle = self.bundle(request(22), request(23, occurrenceDateTime='31.1.2030'))
        issue = self.issue(self.send('POST', '', bundle), 422)
        self.assertEqual(issue['expression'], ['Bundle.entry[3].resource.occurrenceDateTime'])
        self.send('POST', '/ServiceRequest', request(24))
        issue = self.issue(self.send('POST', '', self.bundle(request(22), request(24))), 409)
        self.assertEqual(issue['expression'], ['Bundle.entry[3].resource'])
        self.assertEqual(self.tech.get('/fhir/ServiceRequest?identifier=FA22').json()['total'], 0)
        batch = {'resourceType': 'Bundle', 'type': 'batch', 'entry': [
            {'resource': r, 'request': {'method': 'POST', 'url': 'ServiceRequest'}}
            for r in (request(22), request(24), request(25, intent='plan'))]}
        answer = self.send('POST', '', batch)
        self.assertEqual([e['response']['status'] for e in answer.json()['entry']],
                         ['201 Created', '409 Conflict', '422 Unprocessable Content'], answer)
        self.assertEqual(answer.json()['entry'][2]['response']['outcome']['issue'][0]['expression'],
                         ['Bundle.entry[2].resource.intent'])

    def test_does_not_make_two_people_of_one_unless_told(self):
        self.send('POST', '/ServiceRequest', request(30))
        other = {**PATIENT, 'birthDate': '1981-01-02'}
        self.issue(self.send('POST', '/ServiceRequest', request(31, contained=[other])), 409)
        right = self.bundle(request(31), method='PUT')
        right['entry'][0]['resource'] = {**PATIENT, 'identifier': [identifier('MR', 'F-30')]}
        self.assertEqual(self.send('POST', '', right).status, 200)
        right = self.bundle(request(32), method='PUT')
        right['entry'][0]['resource'] = {**other, 'identifier': [identifier('MR', 'F-30')]}
        self.assertEqual(self.send('POST', '', right).status, 200)

    def test_tells_of_a_resident_id_that_contradicts(self):
        patient = {**PATIENT, 'identifier': [identifier('MR', 'F-40'), identifier('NNCHN', '110101198001020014')]}
        number = self.send('POST', '/ServiceRequest', request(40, contained=[patient])).json()['id']
        shown = self.tech.get(f'/api/v1/orders/{number}').json()
        self.assertEqual(shown['patient']['resident_id'], '110101198001020014')
        self.assertIn('sex', json.dumps(shown['conflicts']))

    def test_knows_the_modality_from_the_codes_of_the_site(self):
        local = {'coding': [{'system': 'urn:oid:1.2.9', 'code': 'XD'}]}
        bad = request(50, code=local)
        del bad['orderDetail']
        self.assertIn('modality', self.issue(self.send('POST', '/ServiceRequest', bad), 422)['diagnostics'])
        self.rdc.cli('hl7', 'add', 'HIS^QINGHE', '--org', 'QINGHE')
        self.rdc.cli('hl7', 'map', 'HIS^QINGHE', '--code', 'XD', '--modality', 'ECG', '--description', '心电图')
        made = self.send('POST', '/ServiceRequest', bad)
        self.assertEqual((made.status, made.json()['code']['text']), (201, '心电图'), made)
        self.assertEqual(made.json()['orderDetail'][0]['coding'][0]['code'], 'ECG')

    def test_says_which_element_is_wrong(self):
        for more, status, path in (
                ({'status': 'asap'}, 422, 'ServiceRequest.status'),
                ({'intent': 'plan'}, 422, 'ServiceRequest.intent'),
                ({'priority': 'soon'}, 422, 'ServiceRequest.priority'),
                ({'doNotPerform': True}, 422, 'ServiceRequest.doNotPerform'),
                ({'modifierExtension': [{'url': 'x'}]}, 422, 'ServiceRequest.modifierExtension'),
                ({'subject': {'reference': '#nobody'}}, 422, 'ServiceRequest.subject.reference'),
                ({'identifier': [identifier('ACSN', 'X' * 17)]}, 422, 'ServiceRequest.identifier[0].value'),
                ({'identifier': [{'system': 'urn:dicom:uid', 'value': '1.2'}]}, 422, 'ServiceRequest.identifier[0].value'),
                ({'occurrenceDateTime': '31.1.2030'}, 422, 'ServiceRequest.occurrenceDateTime'),
                ({'occurrencePeriod': {'start': '2030'}}, 422, 'ServiceRequest.occurrencePeriod.start'),
                ({'code': {}}, 422, 'ServiceRequest.code'),
                ({'resourceType': 'Patient'}, 422, 'ServiceRequest.resourceType'),
                ({'contained': [{**PATIENT, 'gender': 'M'}]}, 422, 'ServiceRequest.contained[0].gender'),
                ({'contained': [{**PATIENT, 'name': [{'text': 'A^B'}]}]}, 422, 'ServiceRequest.contained[0].name[0].text'),
                ({'contained': [{**PATIENT, 'birthDate': '1980'}]}, 201, None)):
            with self.subTest(more):
                answer = self.send('POST', '/ServiceRequest', request(60, **more))
                if status == 201:
                    self.assertEqual(answer.status, 201, answer)
                else:
                    self.assertEqual(self.issue(answer, status)['expression'], [path])

    def test_who_sends_much_is_known_before_it_is_read(self):
        def ask(token, body):
            with socket.create_connection(('127.0.0.1', self.rdc.http_port), timeout=30) as s:
                s.sendall(f'POST /fhir/ServiceRequest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n'
                          'Content-Type: application/fhir+json\r\nExpect: 100-continue\r\n'
                          f'Content-Length: {len(body)}\r\n\r\n'.encode())
                with s.makefile('rb') as answers:
                    statuses = [answers.readline().split(b' ')[1]]
                    if statuses == [b'100']:
                        s.sendall(body)
                        answers.readline()
                        statuses.append(answers.readline().split(b' ')[1])
                    head = http.client.parse_headers(answers)
                    said = json.loads(answers.read(int(head['Content-Length'])))
                return b' '.join(statuses), said.get('resourceType')
        body = json.dumps(request(171)).encode()
        body += b' ' * (20000 - len(body))
        self.assertEqual(ask('0' * 64, body), (b'401', 'OperationOutcome'))
        self.assertEqual(ask('', body), (b'401', 'OperationOutcome'))
        self.assertEqual(ask(self.tech.token, body), (b'100 201', 'ServiceRequest'))

    def test_is_for_the_staff_of_a_centre_in_json(self):
        self.issue(Client(self.rdc).get('/fhir/ServiceRequest/1'), 401)
        self.issue(self.send('POST', '/ServiceRequest', request(70), who=Client(self.rdc, 'reader1')), 403)
        self.issue(self.tech.request('POST', '/fhir/ServiceRequest', b'{', {'Content-Type': 'application/fhir+json'}), 400)
        twice = self.issue(self.tech.request('POST', '/fhir/ServiceRequest', b'{"a": 1, "a": 2}',
                                             {'Content-Type': 'application/fhir+json'}), 400)
        self.assertIn('duplicate object key', twice['diagnostics'])
        marked = b'\xef\xbb\xbf' + json.dumps(request(73)).encode()
        self.assertEqual(self.tech.request('POST', '/fhir/ServiceRequest', marked,
                                           {'Content-Type': 'application/fhir+json'}).status, 201)
        self.issue(self.tech.request('POST', '/fhir/ServiceRequest', b'<x/>', {'Content-Type': 'application/fhir+xml'}), 415)
        self.issue(self.tech.request('GET', '/fhir/ServiceRequest/1', None, {'Accept': 'application/fhir+xml'}), 406)
        self.issue(self.tech.get('/fhir/Patient/1'), 404)
        number = self.send('POST', '/ServiceRequest', request(71)).json()['id']
        self.issue(self.tech.request('DELETE', f'/fhir/ServiceRequest/{number}'), 405)
        self.issue(self.tech.request('PATCH', f'/fhir/ServiceRequest/{number}', b'[]'), 405)
        self.issue(Client(self.rdc, 'tech2').get(f'/fhir/ServiceRequest/{number}'), 404)
        less = self.send('POST', '/ServiceRequest', request(72), Prefer='return=minimal')
        self.assertEqual((less.status, less.body), (201, b''))
        statement = Client(self.rdc).get('/fhir/metadata').json()
        self.assertEqual((statement['resourceType'], statement['fhirVersion']), ('CapabilityStatement', '4.0.1'))
