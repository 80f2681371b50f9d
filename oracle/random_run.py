# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle random`: random scenarios in the guest and in the model; what disagrees is run again, shrunk and kept."""
import dataclasses
import functools
import re
from dataclasses import dataclass, field

import collect
import generate
import kept_rows
import rows
import simulate
import zero_page
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
    unstable: list = field(default_factory=list)      # (name, what differed): did not happen again
    explained: list = field(default_factory=list)
    unexplained: list = field(default_factory=list)


def kind(why):
    """What a disagreement is about: the operation and the fields of the first step that differs. Shrinking must not lose it."""
    first = why[0]
    step = re.match(r'\d+ (\S+ \S+).*?: (.*)', first)
    if not step:
        return first
    fields = re.findall(r'(?:^|; )(\w+): ', step.group(2)) or ['order']
    return f'{step.group(1).split()[1]} {" ".join(sorted(fields))}'


def judged(kernel, scenarios, say, measure=collect.rows):
    """Yields (scenario, the guest's row, what differs between guest and model)."""
    model = simulate.rows(kernel, scenarios)
    differing = []
    for scenario, row in measure(kernel, scenarios, say):
        answer = model[scenario.name]
        if answer.get('refused'):
            yield scenario, row, [f'the model refuses: {answer["refused"]}']
            continue
        row = rows.finish(row, scenario.group)
        why = rows.differences(row, answer)
        if why and not scenario.alone:
            differing.append((scenario, row, why))
        else:
            yield scenario, row, why
    # The page of zeroes keeps its mark as long as a kernel runs: perhaps one before it in the same boot has poisoned it.
    again = {s.name: marked for s, _, _ in differing if (marked := zero_page.marked(s))}
    model = simulate.rows(kernel, list(again.values())) if again else {}
    for scenario, row, why in differing:
        answer = model.get(scenario.name, {'refused': True})
        agrees = not answer.get('refused') and not rows.differences(row, zero_page.unmarked(answer, again[scenario.name]))
        yield scenario, row, [] if agrees else why


def apart(scenarios):
    """The same scenarios on slots of a device that no other of them uses."""
    return [relocated(s, 1 + number % generate.SLOTS) for number, s in enumerate(scenarios)]


def alone(scenarios):
    """In boots of their own, where nothing is left of others. What is on a device is not judged in their group, so those of devices stay in it."""
    return [dataclasses.replace(s, group='iso') if s.group == 'fs' else s for s in scenarios]


def run(kernel, seed, count, say, begin=0, again=False):
    measure = functools.partial(kept_rows.rows, again=again)
    outcome = Outcome(kernel)
    confirmed = []
    for first in range(begin, begin + count, BATCH):
        batch = generate.scenarios(seed, first, min(BATCH, begin + count - first))
        suspects = []
        for scenario, row, why in judged(kernel, batch, say, measure):
            outcome.run += 1
            outcome.steps += len(row.get('steps', []))
            if why:
                suspects.append((scenario, why))
            else:
                outcome.agreed += 1
        first_time = {s.name: why for s, why in suspects}
        group = {s.name: s.group for s, _ in suspects}
        for scenario, row, why in judged(kernel, alone(apart([s for s, _ in suspects])), say):
            if not why or kind(why) != kind(first_time[scenario.name]):
                outcome.unstable.append((scenario.name, first_time[scenario.name][0]))
                continue
            # Shrinking runs many in a boot again.
            found = Disagreement(dataclasses.replace(scenario, group=group[scenario.name]), kernel, why)
            found.because = explanation(kernel, scenario, why, 'model')
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
        found.because = explanation(kernel, found.scenario, found.why, 'model')
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
