"""Objects as they lie in the folder of the store: a file of its own, or a record of a segment."""
import os
import subprocess

from rdc_system import place

HEAD = 4096  # of a record, before its bytes


def stored_file(rdc, location):
    """The path of a copy of the object, as a file that any program reads."""
    path = os.path.join(place().folder, 'stored-' + location.replace('/', '-'))
    with open(path, 'wb') as f:
        f.write(Stored(rdc.data, location).read())
    return path


class Stored:
    """One object by its location; damages it as a disk would."""

    def __init__(self, data, location):
        folder, name = location.rsplit('/', 1)
        self.is_record = os.path.basename(folder).startswith('s')
        self.path, self.at, self.size = os.path.join(data, 'store', location), 0, None
        if self.is_record:
            at, size = name.split('.')[0].split('-')
            self.path, self.at, self.size = os.path.join(data, 'store', folder), int(at) + HEAD, int(size)

    def read(self):
        with open(self.path, 'rb') as f:
            f.seek(self.at)
            return f.read() if self.size is None else f.read(self.size)

    def whole(self):
        """The object and what the store needs to find it, for put_back."""
        with open(self.path, 'rb') as f:
            f.seek(max(self.at - HEAD, 0))
            return f.read() if self.size is None else f.read(HEAD + self.size)

    def put_back(self, content):
        exists = os.path.exists(self.path)
        with open(self.path, 'r+b' if exists else 'wb') as f:
            f.seek(max(self.at - HEAD, 0))
            f.write(content)

    def change(self):
        """One bit of its last byte."""
        last = self.at + len(self.read()) - 1
        with open(self.path, 'r+b') as f:
            f.seek(last)
            byte = f.read(1)[0]
            f.seek(last)
            f.write(bytes([byte ^ 1]))

    def cut(self):
        """Its second half is not there, as if it had never been written."""
        n = len(self.read())
        if not self.is_record:
            os.truncate(self.path, n // 2)
            return
        with open(self.path, 'r+b') as f:
            f.seek(self.at + n // 2)
            f.write(bytes(n - n // 2))

    def remove(self):
        if not self.is_record:
            os.unlink(self.path)
            return
        subprocess.run(['fallocate', '--punch-hole', '--offset', str(self.at - HEAD), '--length',
                        str(HEAD + (self.size + HEAD - 1) // HEAD * HEAD), self.path], check=True)
