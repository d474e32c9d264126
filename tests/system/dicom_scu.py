"""A small DICOM SCU of its own, for what DCMTK's tools cannot do: sit idle,
stop in the middle, send rubbish, and say exactly which object was acknowledged.
PS3.8 9.3 (PDUs) and PS3.7 9.3, 10.3, 6.3.1 (C-ECHO, C-STORE, N-services, implicit VR LE).
Peer is the other side: it takes one association, as a device does that waits for
a report."""
import socket
import struct

VERIFICATION = '1.2.840.10008.1.1'
MPPS = '1.2.840.10008.3.1.2.3.3'
COMMITMENT, COMMITMENT_INSTANCE = '1.2.840.10008.1.20.1', '1.2.840.10008.1.20.1.1'
IMPLICIT_LE, EXPLICIT_LE = '1.2.840.10008.1.2', '1.2.840.10008.1.2.1'


class Refused(Exception):
    """An A-ASSOCIATE-RJ or A-ABORT: .reason holds its three bytes."""

    def __init__(self, what, reason):
        super().__init__(f'{what} {reason}')
        self.what, self.reason = what, reason


def item(kind, data):
    return struct.pack('>BxH', kind, len(data)) + data


def associate_rq(called, calling, contexts, max_pdu=16384):
    """contexts: [(id, abstract syntax, [transfer syntaxes])]"""
    body = struct.pack('>Hxx', 1) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body += item(0x10, b'1.2.840.10008.3.1.1.1')
    for number, abstract, transfers in contexts:
        inner = struct.pack('>Bxxx', number) + item(0x30, abstract.encode())
        body += item(0x20, inner + b''.join(item(0x40, t.encode()) for t in transfers))
    user = item(0x51, struct.pack('>I', max_pdu)) + item(0x52, b'2.25.1') + item(0x55, b'RDC_TEST')
    body += item(0x50, user)
    return struct.pack('>BxI', 1, len(body)) + body


def command(*elements):
    """(tag in group 0, value) as implicit VR LE, with the group length."""
    out = b''
    for tag, value in elements:
        if isinstance(value, int):
            value = struct.pack('<H', value)
        elif isinstance(value, str):
            value = value.encode() + b'\0' * (len(value) % 2)
        out += struct.pack('<HHI', 0, tag, len(value)) + value
    return struct.pack('<HHII', 0, 0, 4, len(out)) + out


def pdata(context, data, is_command, last=True):
    """A P-DATA-TF with one fragment."""
    flags = (1 if is_command else 0) | (2 if last else 0)
    return struct.pack('>BxIIBB', 4, len(data) + 6, len(data) + 2, context, flags) + data


def parse_command(data):
    out, at = {}, 0
    while at + 8 <= len(data):
        _, tag, n = struct.unpack_from('<HHI', data, at)
        out[tag] = data[at + 8:at + 8 + n]
        at += 8 + n
    return out


def dataset(elements):
    """{(group, element): text, number (US) or list of such dicts (SQ)} as implicit VR LE."""
    out = b''
    for (group, number), value in sorted(elements.items()):
        if isinstance(value, list):
            value = b''.join(struct.pack('<HHI', 0xfffe, 0xe000, len(d)) + d for d in map(dataset, value))
        elif isinstance(value, int):
            value = struct.pack('<H', value)
        else:
            value = value.encode()
            value += (b'\0' if value[:1].isdigit() else b' ') * (len(value) % 2)
        out += struct.pack('<HHI', group, number, len(value)) + value
    return out


def private_tail(n):
    """The head of a private element of n bytes behind all others, in explicit VR LE; its
    value is for the caller to send."""
    creator = struct.pack('<HH2sH', 0x7fe1, 0x10, b'LO', 8) + b'RDC_TEST'
    return creator + struct.pack('<HH2sHI', 0x7fe1, 0x1001, b'OB', 0, n)


SEQUENCES = {(0x0008, 0x1198), (0x0008, 0x1199)}


def parse_dataset(data):
    """The same back, for what we are sent: implicit VR LE with defined lengths."""
    out, at = {}, 0
    while at + 8 <= len(data):
        group, number, n = struct.unpack_from('<HHI', data, at)
        value = data[at + 8:at + 8 + n]
        at += 8 + n
        if (group, number) in SEQUENCES:
            items, inner = [], 0
            while inner + 8 <= len(value):
                size = struct.unpack_from('<I', value, inner + 4)[0]
                items.append(parse_dataset(value[inner + 8:inner + 8 + size]))
                inner += 8 + size
            out[group, number] = items
        elif (group, number) == (0x0008, 0x1197):
            out[group, number] = struct.unpack('<H', value)[0]
        else:
            out[group, number] = value.rstrip(b'\0 ').decode()
    return out


def number_of(command, tag):
    return struct.unpack('<H', command[tag])[0] if tag in command else None


def part10(path):
    """(SOP class, SOP instance, transfer syntax, data set) of a file."""
    with open(path, 'rb') as f:
        data = f.read()
    at, found, end = 132, {}, None
    while end is None or at < end:
        group, element, vr, n = struct.unpack_from('<HH2sH', data, at)
        head = 8
        if vr in (b'OB', b'UN', b'SQ'):
            n, head = struct.unpack_from('<I', data, at + 8)[0], 12
        value = data[at + head:at + head + n]
        at += head + n
        if (group, element) == (2, 0):
            end = at + struct.unpack('<I', value)[0]
        found[element] = value.rstrip(b'\0 ').decode('ascii', 'replace')
    return found[2], found[3], found[0x10], data[at:]


class Connection:
    """What both sides do with a socket."""

    def __init__(self, sock):
        self.socket, self.max_pdu, self.message = sock, 16384, 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_exactly(self, n):
        out = b''
        while len(out) < n:
            got = self.socket.recv(n - len(out))
            if not got:
                raise ConnectionError('closed by the peer')
            out += got
        return out

    def read_pdu(self):
        kind, n = struct.unpack('>BxI', self.read_exactly(6))
        return kind, self.read_exactly(n)

    def send_data(self, context, data, is_command):
        room = self.max_pdu - 6
        for at in range(0, max(len(data), 1), room):
            part = data[at:at + room]
            self.socket.sendall(pdata(context, part, is_command, at + room >= len(data)))

    def send_fragment(self, context, data, last=False):
        """Some of a data set, in as many PDUs as it takes."""
        room = self.max_pdu - 6
        for at in range(0, len(data), room):
            self.socket.sendall(pdata(context, data[at:at + room], False, last and at + room >= len(data)))

    def read_response(self):
        data = b''
        while True:
            kind, body = self.read_pdu()
            if kind == 7:
                raise Refused('A-ABORT', tuple(body[1:4]))
            if kind != 4:
                raise ConnectionError(f'PDU {kind} instead of P-DATA')
            n, _, flags = struct.unpack_from('>IBB', body)
            data += body[6:4 + n]
            if flags == 3:
                return parse_command(data)

    def read_message(self):
        """(context, command, data set) of the next message, request or response."""
        parts, context = [b'', b''], None
        while True:
            kind, body = self.read_pdu()
            if kind == 7:
                raise Refused('A-ABORT', tuple(body[1:4]))
            if kind != 4:
                raise ConnectionError(f'PDU {kind} instead of P-DATA')
            at = 0
            while at < len(body):
                n, context, flags = struct.unpack_from('>IBB', body, at)
                parts[0 if flags & 1 else 1] += body[at + 6:at + 4 + n]
                at += 4 + n
                if flags == 2 or flags == 3 and number_of(parse_command(parts[0]), 0x800) == 0x101:
                    return context, parse_command(parts[0]), parts[1]

    def respond(self, context, request, status, comment=None):
        """A response without data set."""
        said = [(0x902, comment)] if comment else []
        extra = [(0x1002, number_of(request, 0x1002))] if 0x1002 in request else []
        self.send_data(context, command(
            (0x002, request[0x002].rstrip(b'\0').decode()), (0x100, number_of(request, 0x100) | 0x8000),
            (0x120, number_of(request, 0x110)), (0x800, 0x101), (0x900, status), *said,
            (0x1000, request[0x1000].rstrip(b'\0').decode()), *extra), True)

    def close(self):
        self.socket.close()


class Association(Connection):
    """The side that asks."""

    def __init__(self, port, calling, called='RDC', contexts=None, host='127.0.0.1', timeout=30,
                 sock=None):
        super().__init__(sock or socket.create_connection((host, port), timeout=timeout))
        contexts = contexts or [(1, VERIFICATION, [IMPLICIT_LE])]
        self.ids = {abstract: number for number, abstract, _ in contexts}
        try:
            self.socket.sendall(associate_rq(called, calling, contexts))
            kind, body = self.read_pdu()
            if kind != 2:
                raise Refused({3: 'A-ASSOCIATE-RJ', 7: 'A-ABORT'}.get(kind, f'PDU {kind}'), tuple(body[1:4]))
            self.accepted = self.read_results(body)
        except BaseException:
            self.socket.close()
            raise

    def read_results(self, body):
        """{presentation context id: result}, and the peer's maximum length."""
        out, at = {}, 68
        while at + 4 <= len(body):
            kind, n = struct.unpack_from('>BxH', body, at)
            data = body[at + 4:at + 4 + n]
            if kind == 0x21:
                out[data[0]] = data[2]
            if kind == 0x50 and data[:1] == b'\x51':
                limit = struct.unpack_from('>I', data, 4)[0]
                self.max_pdu = min(limit or 65536, 65536)
            at += 4 + n
        return out

    def status(self):
        response = self.read_response()
        self.comment = response.get(0x902, b'').decode().rstrip()
        return struct.unpack('<H', response[0x900])[0]

    def echo(self):
        self.message += 1
        self.send_data(self.ids[VERIFICATION], command(
            (0x002, VERIFICATION), (0x100, 0x30), (0x110, self.message), (0x800, 0x101)), True)
        return self.status()

    def store_begin(self, sop_class, sop_instance):
        self.message += 1
        self.send_data(self.ids[sop_class], command(
            (0x002, sop_class), (0x100, 0x01), (0x110, self.message), (0x700, 0),
            (0x800, 0x001), (0x1000, sop_instance)), True)

    def store(self, sop_class, sop_instance, data):
        """The status of the C-STORE-RSP."""
        self.store_begin(sop_class, sop_instance)
        self.send_data(self.ids[sop_class], data, False)
        return self.status()

    def request(self, sop_class, field, instance, data=None, more=()):
        """Any N-request; (status, command of the response). field is the Command Field."""
        self.message += 1
        asked = field in (0x0110, 0x0120, 0x0130)
        uids = [(0x003 if asked else 0x002, sop_class)], [(0x1001 if asked else 0x1000, instance)] if instance else []
        self.send_data(self.ids[sop_class], command(
            *uids[0], (0x100, field), (0x110, self.message), (0x800, 0x101 if data is None else 1),
            *uids[1], *more), True)
        if data is not None:
            self.send_data(self.ids[sop_class], dataset(data), False)
        _, response, _ = self.read_message()
        return number_of(response, 0x900), response

    def release(self):
        try:
            self.socket.sendall(struct.pack('>BxII', 5, 4, 0))
            self.read_pdu()
        finally:
            self.socket.close()


class Peer(Connection):
    """The side that is called, for one association at a time."""

    def __init__(self, port=0):
        self.listener = socket.create_server(('127.0.0.1', port))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]

    def accept(self, role=True, syntax=IMPLICIT_LE):
        """Takes an association: {'calling', 'called', 'contexts', 'roles'} of its request."""
        super().__init__(self.listener.accept()[0])
        self.socket.settimeout(30)
        kind, body = self.read_pdu()
        assert kind == 1, kind
        asked = {'called': body[4:20].decode().strip(), 'calling': body[20:36].decode().strip(),
                 'contexts': {}, 'roles': {}}
        at, answer, roles = 68, item(0x10, b'1.2.840.10008.3.1.1.1'), b''
        while at + 4 <= len(body):
            kind, n = struct.unpack_from('>BxH', body, at)
            data = body[at + 4:at + 4 + n]
            at += 4 + n
            if kind == 0x20:
                n = struct.unpack_from('>H', data, 6)[0]
                asked['contexts'][data[0]] = data[8:8 + n].decode()
                answer += item(0x21, struct.pack('BBBB', data[0], 0, 0, 0) + item(0x40, syntax.encode()))
            inner = 0
            while kind == 0x50 and inner + 4 <= len(data):
                sub, n = struct.unpack_from('>BxH', data, inner)
                value = data[inner + 4:inner + 4 + n]
                inner += 4 + n
                if sub == 0x54:
                    asked['roles'][value[2:-2].decode()] = tuple(value[-2:])
                    roles += item(0x54, value) if role else b''
        answer += item(0x50, item(0x51, struct.pack('>I', 16384)) + item(0x52, b'2.25.1') + roles)
        body = body[:68] + answer
        self.socket.sendall(struct.pack('>BxI', 2, len(body)) + body)
        return asked

    def finish(self):
        """Answers A-RELEASE-RQ."""
        kind, _ = self.read_pdu()
        if kind == 5:
            self.socket.sendall(struct.pack('>BxII', 6, 4, 0))
        self.socket.close()
        return kind == 5


def store_context(sop_class):
    return [(1, sop_class, [EXPLICIT_LE])]
