# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle compare`: the guest, the model and what was recorded side by side, in one table."""
import json
import time
from dataclasses import dataclass, field

import collect
import rows
import simulate
from explained import explanation
from places import TRUTH

WIDTH = 34


@dataclass
class Table:
    """What a comparison came to. Columns are "recorded" (guest and what was measured when the scenario was written) and "model"
    (guest and model); words are those of `verdict`."""
    sums: dict = field(default_factory=dict)           # (kernel, column, word) -> number of scenarios
    releases: dict = field(default_factory=dict)       # kernel -> uname -r
    seconds: dict = field(default_factory=dict)        # kernel -> for all its boots
    explanations: list = field(default_factory=list)   # (kernel, scenario, column, why)
    disagreements: list = field(default_factory=list)  # (kernel, scenario, column, what differs)


def recorded():
    """(scenario, kernel such as "6.12") -> the row measured when the scenario was written."""
    return {(row['name'], '.'.join(rows.judge.version(row['kernel']))): row for row in rows.load(TRUTH)}


def verdict(kernel, scenario, truth, row):
    """"agrees", "not measured", "unstable", "explained" or "differs", and what differs or why."""
    if truth is None or row is None:
        return 'not measured', []
    unstable = truth.get('unstable', [])
    if unstable and (truth.get('guest_died') or row.get('guest_died') or any('panicked' in u for u in unstable)):
        return 'unstable', ['the kernel stopped in some runs and not in others']
    why = rows.differences(truth, row)
    because = explanation(kernel, scenario, why) if why else ''
    if because:
        return 'explained', [because]
    return ('differs' if why else 'agrees'), why


def measure(kernel, wanted, say, keep=None):
    """Scenario name -> the guest's row."""
    guest = {}
    for scenario, row in collect.rows(kernel, wanted, say):
        guest[scenario.name] = rows.finish(row, scenario.group)
        if keep:
            keep.write(json.dumps(guest[scenario.name]) + '\n')
            keep.flush()
    return guest


def compare(kernels, wanted, say, keep=None):
    """Prints a line for each scenario that does not agree everywhere, and the sums."""
    table = Table()
    truth = recorded()
    output = open(keep, 'w') if keep else None
    print(f'{"scenario":{WIDTH}} {"kernel":7} {"guest/recorded":15} {"guest/model":12}')
    for kernel in kernels:
        begin = time.monotonic()
        guest = measure(kernel, wanted, say, output)
        table.seconds[kernel] = time.monotonic() - begin
        table.releases[kernel] = collect.release(kernel)
        model = simulate.rows(kernel, wanted)
        for scenario in wanted:
            if scenario.possible:
                _compare_one(table, kernel, scenario, truth.get((scenario.name, kernel)), guest.get(scenario.name),
                             model.get(scenario.name))
        told = ', '.join(f'{count} {word} ({column})' for (k, column, word), count in sorted(table.sums.items()) if k == kernel)
        skipped = sum(not s.possible for s in wanted)
        print(f'{"":{WIDTH}} {kernel:7} {told}, {table.seconds[kernel]:.0f} s' +
              (f'; {skipped} need nfit_test: not in Debian kernels' if skipped else ''), flush=True)
    return table


def _compare_one(table, kernel, scenario, known, guest, model):
    if guest and known and known.get('unstable'):
        guest = {**guest, 'unstable': known['unstable']}
    found = {'recorded': verdict(kernel, scenario, known, guest), 'model': verdict(kernel, scenario, guest, model)}
    for column, (word, why) in found.items():
        table.sums[kernel, column, word] = table.sums.get((kernel, column, word), 0) + 1
        if word == 'differs':
            table.disagreements.append((kernel, scenario.name, column, why))
        elif word in ('explained', 'unstable'):
            table.explanations.append((kernel, scenario.name, column, why[0]))
    words = [word for word, _ in found.values()]
    if words == ['agrees', 'agrees']:
        return
    print(f'{scenario.name:{WIDTH}} {kernel:7} {words[0]:15} {words[1]:12}')
    for column, (word, why) in found.items():
        for text in why[:4] if word == 'differs' else []:
            print(f'    guest and {column}: {text}')
