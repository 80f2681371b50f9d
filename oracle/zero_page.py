# SPDX-License-Identifier: Apache-2.0
"""The page of zeroes, which a whole kernel shares: once it was poisoned, in whatever scenario of the boot, it answers otherwise (EHWPOISON for
EBUSY; from 6.12 on BUS_MCEERR_AR for who shows it). Only scenarios with files reach it."""
from dataclasses import replace


def _actor(scenario):
    """A letter that the scenario does not use; it may start as many as there are letters."""
    used = {line[0] for line in scenario.lines}
    named = ''.join(line.split(' ', 2)[2] for line in scenario.lines if line.startswith('- proc'))
    used |= set(named) | {line.split()[2] for line in scenario.lines if line.split()[1:2] in (['fork'], ['thread'])}
    return next((letter for letter in 'HGFEDCBA' if letter not in used), None)


def _lines(actor):
    return ['- sh truncate -s 4096 /mnt/zeroes', f'- proc {actor}', f'{actor} handler on',
            f'{actor} map m0 /mnt/zeroes 0 4096 shared ro', f'{actor} rd m0 0', f'{actor} madv m0 0 4096 hwpoison',
            f'{actor} rd m0 0', f'{actor} exit 0', '- sh rm /mnt/zeroes']


def marked(scenario):
    """The scenario for a kernel on which the page was poisoned before; None where that makes no difference or cannot be said."""
    places = [n for n, line in enumerate(scenario.lines) if line.startswith('- setup sh lib.sh ')]
    actor = _actor(scenario)
    if not places or not actor:
        return None
    at = places[-1] + 1
    return replace(scenario, lines=scenario.lines[:at] + _lines(actor) + scenario.lines[at:])


def unmarked(row, scenario):
    """The row of such a scenario without what was added."""
    actor = next(line.split()[0] for line in scenario.lines if '/mnt/zeroes' in line and ' map ' in line)
    added = {'- sh truncate -s 4096 /mnt/zeroes', '- sh rm /mnt/zeroes', f'- proc {actor}'}
    steps = [s for s in row['steps'] if s['step'] not in added and s['step'][0] != actor]
    for step in steps:
        step.get('actors', {}).pop(actor, None)
    return {**row, 'steps': steps}
