# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle device`: softdax itself in the guest, on real /dev/dax0.0 (2 MiB pages) and /dev/dax1.0 (4 KiB)."""
import os
import re
import subprocess

import debian
from boot import Payload, boot
from places import BUILD, GUEST, ROOT, SOFTDAX, Unavailable

PROGRAMS = ['fio', 'daxio', 'pmempool', 'cmp']
# All Swift tests in one program.
TESTS = ROOT / '.build' / 'debug' / 'softdaxPackageTests.xctest'
STEPS = BUILD / 'test-programs' / 'error-steps'
SHIM = SOFTDAX.resolve().parent.parent / 'lib' / 'softdax' / 'libsoftdax-preload.so'


def ready():
    """Raises Unavailable for what is missing."""
    payload()
    for path, made_by in [(STEPS, 'scripts/build'), (TESTS, 'swift build --build-tests')]:
        if not path.exists():
            raise Unavailable(f'no {path}: {made_by}')


def payload():
    """softdax with its shim, the clients, and every shared object of theirs."""
    for path in [SOFTDAX, SHIM]:
        if not path.exists():
            raise Unavailable(f'no {path}: scripts/build')
    made = Payload()
    made.program('bin/softdax', SOFTDAX)
    made.program('lib/softdax/libsoftdax-preload.so', SHIM)
    for name in PROGRAMS:
        path = debian.program(name)
        if not path:
            raise Unavailable(f'no {name} here: scripts/setup')
        made.program(f'bin/{name}', path)
    for name in ['lib.sh', 'device.sh', 'real-errors.sh']:
        made.text(name, (GUEST / name).read_text())
    return made


def built(name):
    """Builds a program for the guest; where it is."""
    program = BUILD / 'oracle' / name
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([os.environ.get('CC', 'cc'), '-O2', '-Wall', '-Wextra', '-D_GNU_SOURCE', '-o', program, GUEST / f'{name}.c'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f'{name} does not compile: {done.stdout.strip()[-400:]}')
    return program


def swift_tests(lines):
    """(passed, failed) as texts, of what the Swift tests printed."""
    passed, failed = [], []
    for line in lines:
        if found := re.match(r'\S+ {1,2}Test (?!run )(.+?) (with \d+ test cases? )?(passed|failed) after', line):
            name, cases, word = found.groups()
            text = f'Swift test {name.replace("(on:)", "")}{" " + cases.strip() if cases else ""}'
            (passed if word == 'passed' else failed).append(text)
    return passed, failed


def run(kernel, say):
    """(the texts of what holds, of what does not, remarks of the guest)."""
    ready()
    made = payload()
    made.program('bin/error-steps', STEPS)
    made.program('bin/swift-tests', TESTS)
    for name in ['touch-times', 'fail-page']:
        made.program(f'bin/{name}', built(name))
    result = boot(kernel, 'sh device.sh', made, limit=1800, stall=300, memory='3G')
    lines = result.live.splitlines()
    held = [line[3:] for line in lines if line.startswith('ok ')]
    broken = [line[7:] for line in lines if line.startswith('FAILED ')]
    notes = [line[5:] for line in lines if line.startswith('note ')]
    swift = [re.sub(r'\x1b\[[0-9;]*m', '', line[6:]) for line in lines if line.startswith('swift ')]
    passed, failed = swift_tests(swift)
    held += passed
    broken += failed
    if not any('/dev/dax0.0' in line for line in swift) or not re.search(r'Test run with \d+ tests?.* passed', '\n'.join(swift)):
        broken.append('the Swift tests did not pass on the devices: ' + ' | '.join(swift[-6:]))
    notes += [f'swift: {line}' for line in swift]
    if 'done' not in lines:
        broken.append(f'the guest did not finish: {result.why} {result.stderr[-400:]} {result.console[-400:]}')
    say(f'{kernel}: {len(held)} hold, {len(broken)} do not, {result.seconds:.1f} s')
    return held, broken, notes
