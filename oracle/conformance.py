# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle all`: everything there is to compare, and docs/conformance.md with what it came to. What is written by hand is in
findings.md, beside this file."""
from collections import Counter
from pathlib import Path

import compare
import device
import random_run
import scenarios
from places import BUILD, ROOT, SCENARIOS

PAGE = ROOT / 'docs' / 'conformance.md'
FINDINGS = Path(__file__).resolve().parent / 'findings.md'
HEAD = """# Conformance

Written by `scripts/oracle all`; [oracle.md](oracle.md) is the manual. A row is one scenario on one kernel: every step's result, every
signal with its address and size, every end of an actor. "Unstable" scenarios stop the kernel in some runs and not in others;
there is nothing to agree with.
"""


def measure(kernels, seed, count, say):
    """0 when nothing is left unexplained."""
    device.ready()        # what is missing is said before an hour has gone
    table = compare.compare(kernels, scenarios.folder(SCENARIOS), say)
    devices = {kernel: device.run(kernel, say) for kernel in kernels}
    outcomes = [random_run.run(kernel, seed, count, say) for kernel in kernels]
    for outcome in outcomes:
        for found in outcome.unexplained:
            print(random_run.keep(found, BUILD / 'oracle' / 'found'))
    PAGE.write_text(HEAD + _public(table, kernels) + _devices(devices) + _random(outcomes, seed) + '\n' + FINDINGS.read_text())
    say(f'{PAGE.relative_to(ROOT)} is written')
    left = sum(len(o.unexplained) for o in outcomes) + sum(len(d[1]) for d in devices.values())
    return 1 if table.disagreements or left else 0


def _public(table, kernels):
    words = ['agrees', 'explained', 'unstable', 'not measured', 'not here', 'differs']
    text = '\n## The scenarios of `Tests/ScenarioData`\n\n'
    text += '| kernel | compared with | ' + ' | '.join(words) + ' | seconds in QEMU |\n' + '|---' * (len(words) + 3) + '|\n'
    for kernel in kernels:
        for column, what in [('model', '`softdax scenario run`'), ('live', '`softdax scenario run --live`'), ('recorded', 'the rows in `truth.jsonl`')]:
            numbers = [str(table.sums.get((kernel, column, word), 0)) for word in words]
            text += f'| {table.releases[kernel]} | {what} | ' + ' | '.join(numbers) + f' | {table.seconds[kernel]:.0f} |\n'
    text += _absent(table)
    text += '\nTwo scenarios need the kernel\'s `nfit_test` bus, which Debian does not build: they are judged by their recorded rows only.\n'
    some = {(k, name, why) for k, name, _, why in table.explanations}
    if some:
        text += '\nNot agreeing, explained:\n\n' + ''.join(f'- {name} ({k}): {why}.\n' for k, name, why in sorted(some))
    if table.disagreements:
        text += '\nNot explained:\n\n'
        text += ''.join(f'- {name} ({k}, {column}): {why[0]}\n' for k, name, column, why in table.disagreements)
    return text


def _absent(table):
    """Why real processes do not run some scenarios: by what the host lacks."""
    reasons = {}
    for kernel, name, why in table.absent:
        reasons.setdefault(why, set()).add(name)
    if not reasons:
        return ''
    text = '\n"Not here": the host lacks what a step needs; `softdax scenario run --live` says which step.\n\n'
    text += '| what the host lacks | scenarios |\n|---|---|\n'
    return text + ''.join(f'| {why} | {len(names)} |\n' for why, names in sorted(reasons.items(), key=lambda r: -len(r[1])))


def _devices(devices):
    text = '\n## softdax on real devices in the guest\n\n| kernel | holds | does not |\n|---|---|---|\n'
    for kernel, (held, broken, _) in devices.items():
        text += f'| {kernel} | {len(held)} | {len(broken)} |\n'
    counts = Counter(what for held, _, _ in devices.values() for what in held)
    text += '\n' + ''.join(f'- {what}\n' for what in counts)
    text += '\nWhat inserting a mapping costs there, under emulation, by the kernel alone ("native") and by softdax:\n\n'
    text += ''.join(f'- {kernel}: {note}\n' for kernel, (_, _, notes) in devices.items() for note in notes if ' touch: ' in note)
    broken = [(kernel, what) for kernel, (_, some, _) in devices.items() for what in some]
    if broken:
        text += '\nDoes not hold:\n\n' + ''.join(f'- {kernel}: {what}\n' for kernel, what in broken)
    return text


def _random(outcomes, seed):
    text = f'\n## Random scenarios, seed {seed}, guest and model\n\n'
    text += '| kernel | scenarios | steps | agree | did not happen again | explained | unexplained |\n|---|---|---|---|---|---|---|\n'
    explanations, open_ones, once = {}, [], []
    for o in outcomes:
        text += f'| {o.kernel} | {o.run} | {o.steps} | {o.agreed} | {len(o.unstable)} | {len(o.explained)} | {len(o.unexplained)} |\n'
        for found in o.explained:
            explanations.setdefault(found.because, []).append(f'{found.scenario.name} ({o.kernel})')
        open_ones += o.unexplained
        once += [(o.kernel, name, why) for name, why in o.unstable]
    if explanations:
        text += '\nExplained:\n\n' + ''.join(f'- {", ".join(names)}: {why}.\n' for why, names in explanations.items())
    if once:
        text += '\nDid not happen again in a boot of its own:\n\n'
        text += ''.join(f'- {name} on {kernel}: `{why}`\n' for kernel, name, why in once)
    if open_ones:
        text += '\nNot explained:\n\n'
        text += ''.join(f'- {f.scenario.name} on {f.kernel}, {len(f.scenario.lines)} steps: `{f.why[0]}`\n' for f in open_ones)
    return text
