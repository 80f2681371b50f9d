# SPDX-License-Identifier: Apache-2.0
"""One boot: a kernel under QEMU with four emulated NVDIMMs, a payload, a command, and what came out of it.

Nothing is shared with the host: the payload goes in as a second archive of the initramfs, results come out as a tar through a
serial port. The port "live" is a file of the host while the guest runs, and keeps what was written when the guest panics. The
port "hmp" is QEMU's monitor, so that the guest can ask for a machine check."""
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import libraries
from cpio import Archive
from places import Unavailable, cache, image

QEMU = 'qemu-system-x86_64'
# 16 MiB times n and 2 MiB more: the labels take 2, and ndctl refuses a region that is no multiple of 16 MiB.
NVDIMM = '514M'
NVDIMMS = 4
# A newer -cpu or a second processor makes the boot slower; machine checks need an Intel one.
CPU = 'Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid,-spec-ctrl'
APPEND = ('console=ttyS0 quiet loglevel=4 panic=-1 oops=panic nokaslr nopti mitigations=off no_timer_check tsc=reliable '
          'audit=0 apparmor=0 selinux=0 random.trust_cpu=on printk.time=1 log_buf_len=4M')


class Payload:
    """What the guest finds in /payload, and shared objects at their own places."""

    def __init__(self):
        self.entries = []

    def text(self, name, text):
        self.entries.append((name, text.encode(), None))

    def program(self, name, path):
        """A program with its shared objects."""
        self.entries.append((name, None, Path(path)))

    def write(self, path):
        with open(path, 'ab') as file:
            archive = Archive(file)
            for name, data, source in self.entries:
                name = name if name.startswith('/') else f'payload/{name}'
                if source is None:
                    archive.file(name, data)
                else:
                    libraries.carry(archive, source, name)
            archive.close()


class Result:
    """What one boot left behind."""

    def __init__(self):
        self.status = None        # of the command; None: the guest did not finish
        self.why = ''             # why not: panicked, stalled, out of time
        self.stdout = self.stderr = self.live = self.console = ''
        self.seconds = 0.0


def _dies_with_parent():
    """In the child: the kernel kills QEMU when this program dies, however that happens (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    os.nice(5)


def _arguments(kernel, scratch, memory, interactive):
    a = [QEMU, '-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot',
         '-machine', 'pc,nvdimm=on,vmport=off,hpet=off,usb=off', '-accel', 'tcg,thread=single', '-smp', '1',
         '-cpu', CPU, '-m', f'{memory},slots={NVDIMMS + 1},maxmem=32G']
    for i in range(NVDIMMS):
        a += ['-object', f'memory-backend-ram,id=nvm{i},size={NVDIMM}',
              '-device', f'nvdimm,id=nv{i},memdev=nvm{i},label-size=128K']
    a += ['-kernel', str(image(kernel) / 'vmlinuz'), '-initrd', f'{scratch}/initrd', '-append', APPEND]
    # At a prompt ^C is the guest's.
    a += (['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'] if interactive
          else ['-serial', f'file:{scratch}/console'])
    a += ['-device', 'virtio-serial-pci,max_ports=8']
    for port, chardev in [('live', f'file,id=live,path={scratch}/live'), ('out', f'file,id=out,path={scratch}/out.tar'),
                          ('hmp', f'pipe,id=hmp,path={scratch}/a')]:
        a += ['-chardev', chardev, '-device', f'virtserialport,chardev={port},name={port}']
    # The monitor's answers go to a file: the interrupt of an answer would be what an action-required check hits.
    a += ['-chardev', f'pipe,id=monitor,path={scratch}/b', '-mon', 'chardev=monitor,mode=readline']
    return a


def boot(kernel, command, payload=None, limit=600, stall=90, memory='1G', interactive=False):
    """Boots, runs the shell command in /payload, powers off. Never longer than `limit` seconds, nor than `stall` seconds without
    a sign of life (a line on "live" or the console); then the guest is ended and the result says so."""
    if not shutil.which(QEMU):
        raise Unavailable(f'no {QEMU} here: scripts/oracle fetch')
    result = Result()
    with tempfile.TemporaryDirectory(prefix='softdax-oracle.') as scratch:
        folder = Path(scratch)
        payload = payload or Payload()
        payload.text('.command', command + '\n')
        if interactive:
            payload.text('.shell', '')
        with open(folder / 'initrd', 'wb') as file, open(image(kernel) / 'base.cpio', 'rb') as base:
            while chunk := base.read(1 << 20):
                file.write(chunk)
        payload.write(folder / 'initrd')
        for fifo in ['f1', 'f2']:
            os.mkfifo(folder / fifo)
        (folder / 'monitor').touch()
        for name, target in [('a.in', 'f1'), ('a.out', 'f2'), ('b.in', 'f2'), ('b.out', 'monitor')]:
            os.symlink(target, folder / name)
        with open(cache() / 'boot.lock', 'w') as turn, open(folder / 'qemu.log', 'wb') as log:
            if not interactive:
                fcntl.flock(turn, fcntl.LOCK_EX)    # one guest at a time: emulation takes a processor for itself
            start = time.monotonic()
            streams = {} if interactive else {'stdin': subprocess.DEVNULL, 'stdout': log, 'stderr': log}
            qemu = subprocess.Popen(_arguments(kernel, scratch, memory, interactive), preexec_fn=_dies_with_parent,
                                    **streams)
            try:
                result.why = '' if interactive and qemu.wait() == 0 else _watch(qemu, folder, limit, stall)
            finally:
                if qemu.poll() is None:
                    qemu.kill()
                qemu.wait()
        result.seconds = time.monotonic() - start
        _read(result, folder)
    return result


def _watch(qemu, folder, limit, stall):
    """Waits for QEMU; ends it when it takes too long. Why it was ended."""
    files = [folder / 'live', folder / 'console', folder / 'out.tar']
    begin = last = time.monotonic()
    seen = None
    while True:
        try:
            qemu.wait(0.1)
            return '' if qemu.returncode == 0 else f'qemu exited with {qemu.returncode}'
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        sizes = [f.stat().st_size if f.exists() else 0 for f in files]
        if sizes != seen:
            seen, last = sizes, now
        # A kernel that boots says little.
        patience = stall if any(sizes) else 2 * stall
        if now - begin > limit or now - last > patience:
            qemu.kill()
            return f'no sign of life for {patience} s' if now - last > patience else f'not done after {limit} s'


def _read(result, folder):
    def text(path):
        return path.read_text(errors='replace') if path.exists() else ''

    result.live, result.console = text(folder / 'live'), text(folder / 'console')
    tar = folder / 'out.tar'
    if tar.exists() and tar.stat().st_size:
        try:
            with tarfile.open(tar) as archive:
                files = {m.name: archive.extractfile(m).read().decode(errors='replace') for m in archive if m.isfile()}
            result.stdout, result.stderr = files.get('out/stdout', ''), files.get('out/stderr', '')
            if files.get('out/rc', '').strip().isdigit():
                result.status = int(files['out/rc'])
        except (tarfile.TarError, EOFError):
            pass
    if result.status is None and not result.why:
        result.why = 'the guest stopped before the command ended'
    if result.status is None:
        result.why += ''.join(f'; {line}' for line in text(folder / 'qemu.log').splitlines()[-3:])
