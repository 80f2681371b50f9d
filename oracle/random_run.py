# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle random`: random scenarios in the guest and in the model; what disagrees is run again, shrunk and kept."""
import dataclasses
import re
from dataclasses import dataclass, field

import collect
import generate
import rows
import simulate
from explained import explanation
from shrink import relocated, shrink

BATCH = 100          # scenarios in a boot: fewer than there are slots on a device
SHRUNK_OF_A_KIND = 2


@dataclass
class Disagreement:
    scenario: object
    kernel: str
    why: list
    because: str = ''     # an explanation that is known


@dataclass
class Outcome:
    kernel: str
    run: int = 0
    agreed: int = 0
    steps: int = 0
    unstable: list = field(default_factory=list)      # names: did not happen again
    explained: list = field(default_factory=list)
    unexplained: list = field(default_factory=list)


def kind(why):
    """What a disagreement is about: the operation and the fields of the first step that differs. Shrinking must not lose it."""
    first = why[0]
    step = re.match(r'\d+ (\S+ \S+)[^:]*(?:\+0x[0-9a-f]+)?.*?: (.*)', first)
    if not step:
        return first
    fields = re.findall(r'(?:^|; )(\w+): ', step.group(2)) or ['order']
    return f'{step.group(1).split()[1]} {" ".join(sorted(fields))}'


def judged(kernel, scenarios, say):
    """Yields (scenario, what differs between guest and model)."""
    model = simulate.rows(kernel, scenarios)
    for scenario, row in collect.rows(kernel, scenarios, say):
        answer = model[scenario.name]
        if answer.get('refused'):
            yield scenario, row, [f'the model refuses: {answer["refused"]}']
        else:
            yield scenario, row, rows.differences(first_time(rows.finish(row, scenario.group)), first_time(answer))


def first_time(row):
    """The row as if no scenario before it in the same boot had poisoned the page of zeroes, which keeps its mark as long as the
    kernel runs: EBUSY (a reserved page) is EHWPOISON from the second time on."""
    for step in row.get('steps', []):
        if step.get('err') == 'EHWPOISON' and ('hwpoison' in step['step'] or ' hwp ' in f' {step["step"]} '):
            step['err'] = 'EBUSY'
    return row


def apart(scenarios):
    """The same scenarios on slots of a device that no other of them uses."""
    return [relocated(s, 1 + number % generate.SLOTS) for number, s in enumerate(scenarios)]


def alone(scenarios):
    """In boots of their own: the page of zeroes that an earlier scenario poisoned is a signal more for whoever poisons it again. What is on a
    device is not judged in their group, so those of devices stay in it."""
    return [dataclasses.replace(s, group='iso') if s.group == 'fs' else s for s in scenarios]


def run(kernel, seed, count, say, begin=0):
    outcome = Outcome(kernel)
    confirmed = []
    for first in range(begin, begin + count, BATCH):
        batch = generate.scenarios(seed, first, min(BATCH, begin + count - first))
        suspects = []
        for scenario, row, why in judged(kernel, batch, say):
            outcome.run += 1
            outcome.steps += len(row.get('steps', []))
            if why:
                suspects.append((scenario, kind(why)))
            else:
                outcome.agreed += 1
        kinds = {s.name: k for s, k in suspects}
        for scenario, row, why in judged(kernel, alone(apart([s for s, _ in suspects])), say):
            if not why or kind(why) != kinds[scenario.name]:
                outcome.unstable.append(scenario.name)
                continue
            found = Disagreement(scenario, kernel, why)
            found.because = explanation(kernel, scenario, why)
            (outcome.explained if found.because else confirmed).append(found)
        say(f'{kernel}: {outcome.run} run, {outcome.agreed} agree, {len(outcome.unstable)} did not happen again, '
            f'{len(outcome.explained)} explained, {len(confirmed)} not')
    for found in _shrunk(kernel, confirmed, say):
        (outcome.explained if found.because else outcome.unexplained).append(found)
    return outcome


def _shrunk(kernel, confirmed, say):
    """Two of each kind are made small; the others are kept as they are."""
    taken, subjects, rest = {}, [], []
    for found in sorted(confirmed, key=lambda f: len(f.scenario.lines)):
        number = taken[kind(found.why)] = taken.get(kind(found.why), 0) + 1
        (subjects if number <= SHRUNK_OF_A_KIND else rest).append(found)

    def still(candidates):
        """Name -> what differs, of those that disagree."""
        found = {}
        for begin in range(0, len(candidates), generate.SLOTS):
            for scenario, _, why in judged(kernel, apart(candidates[begin:begin + generate.SLOTS]), say):
                if why:
                    found[scenario.name] = why
        return found

    shrink(subjects, still, kind, say)
    for found in subjects:      # small ones are easier to recognise
        found.because = explanation(kernel, found.scenario, found.why)
    return subjects + rest


def keep(found, folder):
    """Writes the scenario to a file that says what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{found.scenario.name}-{found.kernel}.scn'
    head, body = found.scenario.text().split('\n', 1)
    _, name, group = head.split()
    notes = [f'# guest {found.kernel} != model: {why}' for why in found.why[:6]]
    path.write_text(f'# {path.stem} {group}\n' + '\n'.join(notes) + '\n' + body)
    return path
