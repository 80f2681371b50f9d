# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle device`: softdax itself in the guest, on real /dev/dax0.0 (2 MiB pages) and /dev/dax1.0 (4 KiB)."""
import debian
from boot import Payload, boot
from places import BUILD, GUEST, SOFTDAX, Unavailable

PROGRAMS = ['fio', 'daxio', 'pmempool', 'cmp']


def payload():
    """softdax with its shim, the clients, and every shared object of theirs."""
    shim = SOFTDAX.resolve().parent.parent / 'lib' / 'softdax' / 'libsoftdax-preload.so'
    for path in [SOFTDAX, shim]:
        if not path.exists():
            raise Unavailable(f'no {path}: scripts/build')
    made = Payload()
    made.program('bin/softdax', SOFTDAX)
    made.program('lib/softdax/libsoftdax-preload.so', shim)
    for name in PROGRAMS:
        path = debian.program(name)
        if not path:
            raise Unavailable(f'no {name} here: scripts/setup')
        made.program(f'bin/{name}', path)
    for name in ['lib.sh', 'device.sh']:
        made.text(name, (GUEST / name).read_text())
    return made


def run(kernel, say):
    """(number of things that hold, the texts of those that do not, remarks of the guest)."""
    result = boot(kernel, 'sh device.sh', payload(), limit=420, stall=120, memory='2G')
    lines = result.live.splitlines()
    held = [line[3:] for line in lines if line.startswith('ok ')]
    broken = [line[7:] for line in lines if line.startswith('FAILED ')]
    notes = [line[5:] for line in lines if line.startswith('note ')]
    if 'done' not in lines:
        broken.append(f'the guest did not finish: {result.why} {result.stderr[-400:]} {result.console[-400:]}')
    say(f'{kernel}: {len(held)} hold, {len(broken)} do not, {result.seconds:.1f} s')
    return held, broken, notes
