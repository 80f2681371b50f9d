# SPDX-License-Identifier: Apache-2.0
"""Rows of the model: `softdax scenario run`."""
import json
import subprocess
import tempfile
from pathlib import Path

from places import SOFTDAX, Unavailable


def rows(kernel, scenarios):
    """Scenario name -> row. A scenario that the model refuses has a row {"refused": WHY}."""
    if not SOFTDAX.exists():
        raise Unavailable(f'no {SOFTDAX}: scripts/build')
    with tempfile.TemporaryDirectory(prefix='softdax-oracle.') as scratch:
        files = {}
        for scenario in scenarios:
            path = Path(scratch) / f'{scenario.name}.scn'
            path.write_text(scenario.text())
            files[scenario.name] = str(path)
        return _run(kernel, files)


def _run(kernel, files):
    names = list(files)
    done = subprocess.run([SOFTDAX, 'scenario', 'run', '--kernel', kernel, *files.values()], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=600)
    found = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        found[row['name']] = row
    lacking = [name for name in names if name not in found]
    if not lacking:
        return found
    if len(names) == 1:
        return {names[0]: {'name': names[0], 'kernel': kernel, 'steps': [], 'refused': done.stderr.strip()[-400:]}}
    # One refused file ends the program: each that is lacking is tried alone.
    for name in lacking:
        found.update(_run(kernel, {name: files[name]}))
    return found
