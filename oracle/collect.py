# SPDX-License-Identifier: Apache-2.0
"""Many scenarios on one kernel: as few boots as can be, and a row for each scenario whatever happens to the guest."""
import json
import re

import image as images
import worker
from boot import Payload, boot
from places import GUEST, Unavailable, image

# Scenarios in one boot: a panic loses none of them but costs a boot, and a boot costs 3 to 6 s.
AT_ONCE = 200
# Seconds without a sign of life after which a guest counts as hung; the longest wait inside a scenario is 30 s.
STALL = 60


def release(kernel):
    path = image(kernel) / 'release'
    if not path.exists():
        raise Unavailable(f'no image of kernel {kernel}: scripts/oracle fetch')
    if images.stale(kernel):
        raise Unavailable(f'the image of kernel {kernel} is another harness\'s: scripts/oracle fetch')
    return path.read_text().strip()


def ready(kernels):
    """Raises Unavailable for what is missing, before anything takes its time."""
    for kernel in kernels:
        release(kernel)
    worker.build()


def rows(kernel, scenarios, say=lambda text: None):
    """Yields (scenario, the worker's row or a row that says how the guest died) in any order. Bounded in time."""
    release(kernel)
    together = [s for s in scenarios if s.possible and not s.alone]
    for begin in range(0, len(together), AT_ONCE):
        yield from _boots(kernel, together[begin:begin + AT_ONCE], say)
    for scenario in scenarios:
        if scenario.possible and scenario.alone:
            yield from _boots(kernel, [scenario], say)


def _boots(kernel, scenarios, say):
    """One boot, and after a death another for those that have no row yet."""
    rest = list(scenarios)
    false_starts = 0
    while rest:
        result = boot(kernel, _command(rest), _payload(rest), limit=120 + 15 * len(rest), stall=STALL)
        got = _parse(result.live)
        say(f'{kernel}: {len(got)} of {len(rest)} scenarios in {result.seconds:.1f} s' + (f', {result.why}' if result.why else ''))
        for scenario in rest:
            if scenario.name in got:
                yield scenario, got[scenario.name]
        without = [s for s in rest if s.name not in got]
        if not without:
            return
        if not re.search(r'^> ', result.live, re.M):
            # No scenario's doing: a host that is busy, or a kernel that stops while it boots.
            false_starts += 1
            if false_starts == 3:
                raise Unavailable(f'the guest of {kernel} did not come to its first scenario, three times: {result.why} '
                                  f'{result.stderr[-300:]} {result.console[-600:]}')
            continue
        yield without[0], _death(kernel, without[0], result)
        rest = without[1:]


def _payload(scenarios):
    payload = Payload()
    payload.program('worker', worker.build())
    payload.text('lib.sh', (GUEST / 'lib.sh').read_text())
    for scenario in scenarios:
        payload.text(f's/{scenario.name}.scn', scenario.text())
    payload.text('list', ''.join(f's/{s.name}.scn\n' for s in scenarios))
    return payload


def _command(scenarios):
    """The namespaces that the scenarios need, then the worker."""
    body = '\n'.join(line for s in scenarios for line in s.lines)
    setup = ''
    if re.search(r'dax[01]\.0|namespace', body):
        setup += 'sh lib.sh devdax; '
    if re.search(r'pmem|lib\.sh|namespace|/mnt', body):
        setup += 'sh lib.sh fsdax; '
    return setup + './worker --progress $(cat list) > /dev/virtio-ports/live'


def _parse(live):
    rows = {}
    for line in live.splitlines():
        if line.startswith('{'):
            try:
                row = json.loads(line)
            except ValueError:
                continue      # cut off by the guest's death
            rows[row['name']] = row
    return rows


def _death(kernel, scenario, result):
    """The row of the scenario that stopped the guest, with the step it was at and the console's last lines."""
    steps = re.findall(r'^> (.*)', result.live, re.M)
    console = [re.sub(r'^\[ *[0-9.]+\] ', '', line) for line in result.console.splitlines() if line.strip()]
    return {'name': scenario.name, 'kernel': release(kernel), 'guest_died': True, 'why': result.why,
            'last_step': steps[-1] if steps else '', 'steps_given': scenario.lines, 'console': console[-60:]}
