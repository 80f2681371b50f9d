# SPDX-License-Identifier: Apache-2.0
"""The page of zeroes, which a whole kernel shares: once it was poisoned, in whatever scenario of the boot, it answers otherwise (EHWPOISON for
EBUSY; from 6.12 on BUS_MCEERR_AR for who shows it). Holes of files show it, and memory that is read before it was
written."""
from dataclasses import replace


def _actor(scenario):
    """A letter that the scenario does not use; it may start as many as there are letters."""
    used = {line[0] for line in scenario.lines}
    named = ''.join(line.split(' ', 2)[2] for line in scenario.lines if line.startswith('- proc'))
    used |= set(named) | {line.split()[2] for line in scenario.lines if line.split()[1:2] in (['fork'], ['thread'])}
    return next((letter for letter in 'HGFEDCBA' if letter not in used), None)


def _lines(actor):
    """Behind a mapping lies memory that is reserved; mprotect lets the actor read it."""
    return [f'- proc {actor}', f'{actor} handler on', f'{actor} map m0 /dev/dax1.0 0 4096 shared ro', f'{actor} mprotect m0 0 8192',
            f'{actor} madv m0 4096 4096 hwpoison', f'{actor} exit 0']


def marked(scenario):
    """The scenario for a kernel on which the page was poisoned before; None where that cannot be said."""
    actor = _actor(scenario)
    if not actor:
        return None
    at = max((n + 1 for n, line in enumerate(scenario.lines) if line.startswith('- setup ')), default=0)
    return replace(scenario, lines=scenario.lines[:at] + _lines(actor) + scenario.lines[at:])


def unmarked(row, scenario):
    """The row of such a scenario without what was added."""
    actor = next(line.split()[0] for line in scenario.lines if line.endswith(' madv m0 4096 4096 hwpoison'))
    steps = [s for s in row['steps'] if s['step'] != f'- proc {actor}' and s['step'][0] != actor]
    for step in steps:
        step.get('actors', {}).pop(actor, None)
    return {**row, 'steps': steps}
