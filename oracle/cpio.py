# SPDX-License-Identifier: Apache-2.0
"""Archives in the kernel's initramfs form ("newc", Documentation/driver-api/early-userspace/buffer-format)."""
import os
import stat


class Archive:
    """Writes entries to a file opened for bytes. Parents are made as needed; times are zero: same input, same bytes."""

    def __init__(self, output):
        self.output = output
        self.inode = 0
        self.names = {''}

    def folder(self, name):
        name = name.strip('/')
        if name in self.names:
            return
        self.folder(os.path.dirname(name))
        self.names.add(name)
        self._entry(name, stat.S_IFDIR | 0o755, b'')

    def file(self, name, data, executable=False):
        self._new(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def copy(self, path, name):
        """A host file with its permission to execute; symbolic links are followed."""
        with open(path, 'rb') as source:
            self.file(name, source.read(), os.access(path, os.X_OK))

    def link(self, name, target):
        self._new(name, stat.S_IFLNK | 0o777, target.encode())

    def has(self, name):
        return name.strip('/') in self.names

    def close(self):
        self._entry('TRAILER!!!', 0, b'')

    def _new(self, name, mode, data):
        name = name.strip('/')
        self.folder(os.path.dirname(name))
        if name not in self.names:
            self.names.add(name)
            self._entry(name, mode, data)

    def _entry(self, name, mode, data):
        self.inode += 1
        raw = name.encode() + b'\0'
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0]
        head = b'070701' + b''.join(b'%08X' % field for field in fields) + raw
        self.output.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))
