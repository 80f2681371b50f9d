# SPDX-License-Identifier: Apache-2.0
"""Rows of softdax: `softdax scenario run`, by the model or by real processes."""
import json
import subprocess
import tempfile
from pathlib import Path

from places import SOFTDAX, Unavailable


def ready():
    if not SOFTDAX.exists():
        raise Unavailable(f'no {SOFTDAX}: scripts/build')


def rows(kernel, scenarios, live=False):
    """Scenario name -> row. A scenario that the model refuses has a row {"refused": WHY}, one that a host cannot do {"skipped": WHY}."""
    ready()
    with tempfile.TemporaryDirectory(prefix='softdax-oracle.') as scratch:
        files = {}
        for scenario in scenarios:
            path = Path(scratch) / f'{scenario.name}.scn'
            path.write_text(scenario.text())
            files[scenario.name] = str(path)
        return _run(kernel, files, ['--live'] if live else [])


def _run(kernel, files, options):
    names = list(files)
    limit = 300 + 10 * len(names)
    with tempfile.TemporaryFile('w+') as output, tempfile.TemporaryFile('w+') as errors:
        try:
            subprocess.run([SOFTDAX, 'scenario', 'run', *options, '--kernel', kernel, *files.values()], stdout=output, stderr=errors, timeout=limit)
            why = ''
        except subprocess.TimeoutExpired:
            why = f'no end after {limit} s'
        output.seek(0)
        errors.seek(0)
        why = why or errors.read().strip()[-400:]
        found = {row['name']: row for row in map(json.loads, (line for line in output if line.endswith('}\n')))}
    lacking = [name for name in names if name not in found]
    if not lacking:
        return found
    if len(names) == 1:
        return {names[0]: {'name': names[0], 'kernel': kernel, 'steps': [], 'refused': why}}
    # One file that is refused, or has no end, ends the program: each that is lacking is tried alone.
    for name in lacking:
        found.update(_run(kernel, {name: files[name]}, options))
    return found
