# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle compare`: the guest, the model, real processes under softdax and what was recorded, side by side in
one table."""
import json
import time
from dataclasses import dataclass, field

import collect
import rows
import simulate
from explained import explanation
from places import TRUTH

WIDTH = 34
# What was measured when the scenario was written, `softdax scenario run`, `softdax scenario run --live` on this host.
COLUMNS = ('recorded', 'model', 'live')


@dataclass
class Table:
    """What a comparison came to. Columns are what the guest is compared with; words are those of `verdict`."""
    sums: dict = field(default_factory=dict)           # (kernel, column, word) -> number of scenarios
    releases: dict = field(default_factory=dict)       # kernel -> uname -r
    seconds: dict = field(default_factory=dict)        # kernel -> for all its boots
    explanations: list = field(default_factory=list)   # (kernel, scenario, column, why)
    disagreements: list = field(default_factory=list)  # (kernel, scenario, column, what differs)
    absent: list = field(default_factory=list)         # (kernel, scenario, what the host lacks): not run live


def recorded():
    """(scenario, kernel such as "6.12") -> the row measured when the scenario was written."""
    return {(row['name'], '.'.join(rows.judge.version(row['kernel']))): row for row in rows.load(TRUTH)}


def verdict(kernel, scenario, truth, row, column):
    """"agrees", "not measured", "not here" (a host cannot do it), "unstable", "explained" or "differs", and what differs or why."""
    if truth is None or row is None:
        return 'not measured', []
    if 'skipped' in row:
        return 'not here', [row['skipped']]
    if row.get('refused'):
        return 'differs', [f'refused: {row["refused"]}']
    unstable = truth.get('unstable', [])
    if unstable and (truth.get('guest_died') or row.get('guest_died') or any('panicked' in u for u in unstable)):
        return 'unstable', ['the kernel stopped in some runs and not in others']
    why = rows.differences(truth, row)
    because = explanation(kernel, scenario, why, column) if why else ''
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
    collect.ready(kernels)
    simulate.ready()
    table = Table()
    truth = recorded()
    output = open(keep, 'w') if keep else None
    print(f'{"the guest and":{WIDTH}} {"kernel":7} ' + ''.join(f'{column:13}' for column in COLUMNS))
    for kernel in kernels:
        begin = time.monotonic()
        guest = measure(kernel, wanted, say, output)
        table.seconds[kernel] = time.monotonic() - begin
        table.releases[kernel] = collect.release(kernel)
        model = simulate.rows(kernel, wanted)
        live = simulate.rows(kernel, wanted, live=True)
        for scenario in wanted:
            if scenario.possible:
                others = {'recorded': truth.get((scenario.name, kernel)), 'model': model.get(scenario.name),
                          'live': live.get(scenario.name)}
                _compare_one(table, kernel, scenario, guest.get(scenario.name), others)
        told = ', '.join(f'{count} {word} ({column})' for (k, column, word), count in sorted(table.sums.items()) if k == kernel)
        skipped = sum(not s.possible for s in wanted)
        print(f'{"":{WIDTH}} {kernel:7} {told}, {table.seconds[kernel]:.0f} s' +
              (f'; {skipped} need nfit_test: not in Debian kernels' if skipped else ''), flush=True)
    return table


def _compare_one(table, kernel, scenario, guest, others):
    known = others['recorded']
    if guest and known and known.get('unstable'):
        guest = {**guest, 'unstable': known['unstable']}
    found = {column: verdict(kernel, scenario, known, guest, column) if column == 'recorded' else
             verdict(kernel, scenario, guest, others[column], column) for column in COLUMNS}
    # Of a row of signals each of the two may have lost others: the model loses none, and both are part of what it says.
    if found['live'][0] == 'differs' and found['model'][0] == 'agrees':
        found['live'] = verdict(kernel, scenario, others['model'], others['live'], 'live')
    for column, (word, why) in found.items():
        table.sums[kernel, column, word] = table.sums.get((kernel, column, word), 0) + 1
        if word == 'not here':
            # "STEP: WHAT THE HOST LACKS"
            table.absent.append((kernel, scenario.name, why[0].rpartition(': ')[2]))
        elif word == 'differs':
            table.disagreements.append((kernel, scenario.name, column, why))
        elif word in ('explained', 'unstable'):
            table.explanations.append((kernel, scenario.name, column, why[0]))
    words = [word for word, _ in found.values()]
    if set(words) <= {'agrees', 'not here'}:
        return
    print(f'{scenario.name:{WIDTH}} {kernel:7} ' + ''.join(f'{word:13}' for word in words))
    for column, (word, why) in found.items():
        for text in why[:4] if word == 'differs' else []:
            print(f'    guest and {column}: {text}')
