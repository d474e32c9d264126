"""A device made with Odil: echoes with several maximum lengths and a user identity, an image in
three syntaxes, the names of an order in GB 18030. For Debian's Python, which has the module.
odil_device.py PORT IMAGE ACCESSION"""
import json
import sys

import odil

CONTEXT = odil.AssociationParameters.PresentationContext
port, image, accession = int(sys.argv[1]), *sys.argv[2:]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def associate(abstract, syntax, length=16384, user=None):
    a, p = odil.Association(), odil.AssociationParameters()
    a.set_peer_host('127.0.0.1')
    a.set_peer_port(port)
    p.set_calling_ae_title('QH_CT')
    p.set_called_ae_title('RDC')
    p.set_maximum_length(length)
    if user:
        p.set_user_identity_to_username_and_password(user, 'secret')
    p.set_presentation_contexts([CONTEXT(1, text(abstract), [text(syntax)], CONTEXT.Role.SCU)])
    a.set_parameters(p)
    a.associate()
    return a


IMPLICIT, EXPLICIT, BIG = '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2'
out = {'echoes': 0, 'stored': 0}
for length, user in ((0, None), (4096, None), (1 << 20, None), (16384, 'somebody')):
    a = associate('1.2.840.10008.1.1', IMPLICIT, length, user)
    scu = odil.EchoSCU(a)
    scu.set_affected_sop_class('1.2.840.10008.1.1')
    scu.echo()
    a.release()
    out['echoes'] += 1
_, data = odil.Reader.read_file(image)
for syntax in (IMPLICIT, EXPLICIT, BIG):
    a = associate(data.as_string('SOPClassUID')[0], syntax)
    scu = odil.StoreSCU(a)
    scu.set_affected_sop_class(data)
    scu.store(data)
    a.release()
    out['stored'] += 1
a = associate('1.2.840.10008.5.1.4.31', IMPLICIT)
scu = odil.FindSCU(a)
scu.set_affected_sop_class('1.2.840.10008.5.1.4.31')
query = odil.DataSet()
query.add('SpecificCharacterSet', ['GB18030'])
query.add('PatientName')
query.add('AccessionNumber', [accession])
out['names'] = [x.as_string('PatientName')[0].hex() for x in scu.find(query)]
a.release()
print(json.dumps(out))
