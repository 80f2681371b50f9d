# SPDX-License-Identifier: Apache-2.0
"""What a kernel boots with: `vmlinuz` and `base.cpio` (modules, busybox, ndctl, filesystem tools, init)."""
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import debian
import libraries
from cpio import Archive
from places import GUEST, Unavailable, image

MODULES = """nfit nd_pmem nd_btt nd_e820 libnvdimm device_dax dax_pmem xfs ext4 crc32c_generic crc32c_intel crc32_generic
hwpoison_inject mce_inject virtio_pci virtio_console""".split()
TOOLS = 'ndctl daxctl mkfs.xfs xfs_io xfs_db mkfs.ext4 dumpe2fs debugfs filefrag'.split()
FOLDERS = 'bin sbin usr/bin usr/sbin proc sys dev tmp mnt etc run lib64 var/lib payload out'.split()


def key(path):
    """A module's name: dashes and underscores are the same."""
    return re.sub(r'\.ko.*', '', os.path.basename(path)).replace('-', '_')


def closure(dependencies):
    """Paths of the modules and of all they need, from modules.dep. Not from `modprobe --show-depends`, which leaves out what the
    running kernel has built in."""
    paths, needs = {}, {}
    for line in dependencies.splitlines():
        path, _, rest = line.partition(':')
        paths[key(path)] = path
        needs[key(path)] = rest.split()
    wanted = [m for m in MODULES if m in paths]
    return sorted({paths[m] for m in wanted} | {need for m in wanted for need in needs[m]})


def uncompressed(path):
    """busybox reads plain modules only."""
    data = path.read_bytes()
    if path.suffix == '.xz':
        return lzma.decompress(data)
    if path.suffix == '.zst':
        return subprocess.run(['zstd', '-dc', str(path)], stdout=subprocess.PIPE, check=True).stdout
    return data


def modules(archive, folder, release):
    """The modules and, for busybox's modprobe, their index."""
    with tempfile.TemporaryDirectory(prefix='softdax-oracle.') as scratch:
        base = Path(scratch)
        inside = base / 'lib/modules' / release
        shutil.copytree(folder, inside, symlinks=True)
        depmod = debian.program('depmod')
        subprocess.run([depmod, '-b', base, release], check=True, stderr=subprocess.DEVNULL)
        kept = {}
        for path in closure((inside / 'modules.dep').read_text()):
            name = re.sub(r'\.(xz|zst)$', '', os.path.basename(path))
            kept[name] = uncompressed(inside / path)
        shutil.rmtree(inside / 'kernel')
        (inside / 'kernel').mkdir()
        for name, data in kept.items():
            (inside / 'kernel' / name).write_bytes(data)
        subprocess.run([depmod, '-b', base, release], check=True, stderr=subprocess.DEVNULL)
        for path in sorted(inside.rglob('*')):
            if path.is_file() and (path.parent.name == 'kernel' or path.name.startswith('modules.')):
                archive.copy(path, f'lib/modules/{release}/{path.relative_to(inside)}')


def build(tree, output):
    """`vmlinuz`, `base.cpio`, `release` and `made-of` in `output`, from an unpacked kernel package. About 3 s. A guest that boots meanwhile has
    the old ones."""
    folders = [p for sub in ['lib/modules', 'usr/lib/modules'] for p in sorted((tree / sub).glob('*'))]
    if not folders:
        raise Unavailable(f'no modules in {tree}: is it an unpacked kernel package?')
    release = folders[0].name
    kernel = [*tree.glob('boot/vmlinuz-*'), *folders[0].glob('vmlinuz')]
    output.mkdir(parents=True, exist_ok=True)
    with open(output / 'base.cpio.new', 'wb') as file:
        archive = Archive(file)
        for folder in FOLDERS:
            archive.folder(folder)
        busybox = debian.program('busybox')
        archive.copy(busybox, 'bin/busybox')
        archive.link('bin/sh', 'busybox')
        archive.link('sbin/modprobe', '/bin/busybox')  # the kernel calls it itself: xfs and ext4 want crc32c
        modules(archive, folders[0], release)
        for tool in TOOLS:
            path = debian.program(tool)
            if path:
                libraries.carry(archive, path, f'usr/sbin/{tool}')
        if os.path.exists('/etc/mke2fs.conf'):
            archive.copy('/etc/mke2fs.conf', 'etc/mke2fs.conf')
        archive.file('etc/passwd', b'root:x:0:0:root:/:/bin/sh\n')
        archive.file('etc/group', b'root:x:0:\n')
        archive.copy(GUEST / 'init', 'init')
        archive.close()
    shutil.copy(kernel[0], output / 'vmlinuz.new')
    for name in ['base.cpio', 'vmlinuz']:
        (output / f'{name}.new').replace(output / name)
    (output / 'release').write_text(release + '\n')
    (output / 'made-of').write_text(_sources())
    return release


def _sources():
    sum = hashlib.sha256()
    for path in [GUEST / 'init', Path(__file__)]:
        sum.update(path.read_bytes())
    return sum.hexdigest()


def stale(kernel):
    """Whether the kernel's image is absent, or made by another harness than this."""
    made = image(kernel) / 'made-of'
    return not made.exists() or made.read_text() != _sources()
