# SPDX-License-Identifier: Apache-2.0
"""Rows of guests that were measured before. A guest is what costs time, and what a kernel does does not change when the model is
mended: the same scenario on the same kernel with the same worker is judged again by the row that was kept. So a long run that was
ended goes on where it was."""
import hashlib
import json

import collect
from places import GUEST, ROOT, cache


def _harness():
    """Of everything in the guest that a row depends on, besides the kernel and the scenario. softdax.c is the backend of live machines."""
    sum = hashlib.sha256()
    worker = [path for path in sorted((ROOT / 'CSupport' / 'Worker').glob('*.[ch]')) if path.name != 'softdax.c']
    for path in [*worker, GUEST / 'init', GUEST / 'lib.sh']:
        sum.update(path.read_bytes())
    return sum


def _key(harness, scenario):
    sum = harness.copy()
    sum.update(scenario.text().encode())
    return sum.hexdigest()[:32]


def rows(kernel, scenarios, say, again=False):
    """As `collect.rows`. A guest that died is measured each time: a busy host can be what killed it."""
    path = cache() / 'rows' / f'{collect.release(kernel)}.jsonl'
    path.parent.mkdir(parents=True, exist_ok=True)
    harness = _harness()
    keys = {_key(harness, s): s for s in scenarios}
    known = {} if again or not path.exists() else _known(path, keys)
    if known:
        say(f'{kernel}: {len(known)} of {len(scenarios)} were measured before')
    for key, row in known.items():
        yield keys[key], row
    with open(path, 'a') as file:
        if _is_cut(path):
            file.write('\n')
        for scenario, row in collect.rows(kernel, [s for key, s in keys.items() if key not in known], say):
            if not row.get('guest_died'):
                file.write(f'{_key(harness, scenario)} {json.dumps(row)}\n')
                file.flush()
            yield scenario, row


def _is_cut(path):
    """Whether who wrote the last line was ended in the middle of it."""
    with open(path, 'rb') as file:
        return file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b'\n'


def _known(path, keys):
    found = {}
    with open(path) as file:
        for line in file:
            key, _, row = line.partition(' ')
            try:
                if key in keys:
                    found[key] = json.loads(row)
            except ValueError:
                pass        # cut off: whoever wrote it was ended
    return found
