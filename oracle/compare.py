# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle compare`: one table, a line for each scenario and kernel that does not agree everywhere, and the sums."""
import json

import collect
import rows
import simulate
from explained import explanation
from places import TRUTH

WIDTH = 34


def recorded():
    """(scenario, kernel such as "6.12") -> the row measured when the scenario was written."""
    return {(row['name'], '.'.join(rows.judge.version(row['kernel']))): row for row in rows.load(TRUTH)}


def verdict(kernel, scenario, truth, row):
    """"agrees", "not measured", "unstable", "explained" or "differs", and what differs or why."""
    if truth is None or row is None:
        return 'not measured', []
    if truth.get('unstable') and (truth.get('guest_died') or any('panicked' in u for u in truth['unstable'])):
        return 'unstable', []
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
    """Prints the table; 0 when the guest agrees with the model and with what was recorded."""
    truth = recorded()
    bad = 0
    output = open(keep, 'w') if keep else None
    print(f'{"scenario":{WIDTH}} {"kernel":7} {"guest/recorded":15} {"guest/model":12}')
    for kernel in kernels:
        guest = measure(kernel, wanted, say, output)
        model = simulate.rows(kernel, wanted)
        sums = {}
        for scenario in wanted:
            if not scenario.possible:
                continue
            row = guest.get(scenario.name)
            known = truth.get((scenario.name, kernel))
            first, why_first = verdict(kernel, scenario, known, row)
            if known and known.get('unstable'):
                row = {**row, 'unstable': known['unstable']}
            second, why_second = verdict(kernel, scenario, row, model.get(scenario.name))
            for column, word in [('recorded', first), ('model', second)]:
                sums[column, word] = sums.get((column, word), 0) + 1
            if first == 'agrees' and second == 'agrees':
                continue
            bad += 'differs' in (first, second)
            print(f'{scenario.name:{WIDTH}} {kernel:7} {first:15} {second:12}')
            for label, whys in [('recorded != guest', why_first), ('guest != model', why_second)]:
                for why in whys[:4]:
                    print(f'    {label}: {why}')
        told = ', '.join(f'{count} {word} ({column})' for (column, word), count in sorted(sums.items()))
        skipped = sum(not s.possible for s in wanted)
        print(f'{"":{WIDTH}} {kernel:7} {told}' + (f'; {skipped} need nfit_test: not in Debian kernels' if skipped else ''))
    return 1 if bad else 0
