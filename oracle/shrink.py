# SPDX-License-Identifier: Apache-2.0
"""Smaller scenarios that disagree in the same way. Steps are taken out, all candidates of a round run in one boot."""
import re
import time
from dataclasses import replace

from generate import SLOT


def relocated(scenario, slot):
    """The scenario with its part of a device at another slot, so that many can share a boot."""
    def moved(match):
        return f'{match.group(1)}{hex(int(match.group(2), 16) % SLOT + slot * SLOT)}'

    def line(text):
        text = re.sub(r'(map \S+ /dev/dax[01]\.0 )(0x[0-9a-f]+)', moved, text)
        return re.sub(r'(dax:dax[01]\.0\+)(0x[0-9a-f]+)', moved, text)

    return replace(scenario, lines=[line(text) for text in scenario.lines])


def fixed(line):
    """Steps that stay: without them the machine is another one."""
    return line.startswith(('- setup', '- proc'))


def without(scenario, gone):
    """The scenario without the lines of those numbers, and without processes that do nothing then."""
    lines = [text for number, text in enumerate(scenario.lines) if number not in gone]
    acting = {text[0] for text in lines}
    aimed = {a for text in lines for a in re.findall(r'^- \w+ ([A-H]):', text)}

    def trimmed(text):
        if not text.startswith('- proc '):
            return text
        return '- proc ' + ''.join(a for a in text[len('- proc '):] if a in acting | aimed)

    return replace(scenario, lines=[t for t in map(trimmed, lines) if t != '- proc '])


def chunks(scenario, size):
    """Sets of `size` neighbouring steps that may go."""
    may_go = [n for n, text in enumerate(scenario.lines) if not fixed(text)]
    return [frozenset(may_go[i:i + size]) for i in range(0, len(may_go), size)]


def shrink(subjects, still, kind, say, limit=900):
    """Makes each subject's scenario as small as taking out steps makes it, within `limit` seconds (scenarios with a machine check
    need a boot for each candidate); `why` follows. `still` runs candidates and tells, by
    name, what differs in those that disagree; `kind` of that must stay the same."""
    sizes = {id(s): max(1, len(s.scenario.lines) // 3) for s in subjects}
    active = list(subjects)
    rounds = 0
    end = time.monotonic() + limit
    while active and rounds < 24 and time.monotonic() < end:
        rounds += 1
        say(f'shrinking {len(active)}, round {rounds}, {sum(len(s.scenario.lines) for s in active)} steps')
        first = _try([(s, chunks(s.scenario, sizes[id(s)])) for s in active], still, kind)
        # Steps that can go one by one can often go together.
        second = _try([(s, _unions([gone for gone, _ in first.get(id(s), [])])) for s in active], still, kind)
        for subject in list(active):
            works = second.get(id(subject), []) + first.get(id(subject), [])
            if works:
                gone, why = max(works, key=lambda w: len(w[0]))
                subject.scenario, subject.why = without(subject.scenario, gone), why
            elif sizes[id(subject)] == 1:
                active.remove(subject)
                continue
            sizes[id(subject)] = max(1, sizes[id(subject)] // 2) if not works or sizes[id(subject)] > 1 else 1


def _unions(sets):
    """Everything together, and the halves."""
    if len(sets) < 2:
        return []
    half = len(sets) // 2
    return list({frozenset().union(*part) for part in [sets, sets[:half], sets[half:], sets[::2], sets[1::2]] if part})


def _try(plans, still, kind):
    """id of the subject -> [(steps taken out, what differs)] for what still disagrees."""
    candidates, origin = [], {}
    for number, (subject, sets) in enumerate(plans):
        for index, gone in enumerate(sets):
            name = f'shrink-{number}-{index}'
            candidates.append(replace(without(subject.scenario, gone), name=name))
            origin[name] = (subject, gone)
    found = {}
    if candidates:
        for name, why in still(candidates).items():
            subject, gone = origin[name]
            if kind(why) == kind(subject.why):
                found.setdefault(id(subject), []).append((gone, why))
    return found
