# SPDX-License-Identifier: Apache-2.0
"""Rows of softdax: `softdax scenario run`, by the model or by real processes."""
import json
import subprocess
import tempfile
from pathlib import Path

from places import SOFTDAX, Unavailable


def rows(kernel, scenarios, live=False):
    """Scenario name -> row. A scenario that the model refuses has a row {"refused": WHY}, one that a host cannot do {"skipped": WHY}."""
    if not SOFTDAX.exists():
        raise Unavailable(f'no {SOFTDAX}: scripts/build')
    with tempfile.TemporaryDirectory(prefix='softdax-oracle.') as scratch:
        files = {}
        for scenario in scenarios:
            path = Path(scratch) / f'{scenario.name}.scn'
            path.write_text(scenario.text())
            files[scenario.name] = str(path)
        return _run(kernel, files, ['--live'] if live else [])


def _run(kernel, files, options):
    names = list(files)
    done = subprocess.run([SOFTDAX, 'scenario', 'run', *options, '--kernel', kernel, *files.values()], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=1200)
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
        found.update(_run(kernel, {name: files[name]}, options))
    return found
