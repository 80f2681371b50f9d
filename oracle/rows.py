# SPDX-License-Identifier: Apache-2.0
"""Rows: what one scenario showed. The form is that of docs/scenarios.md, the judge is Tests/ScenarioData/compare.py."""
import importlib.util
import json
import re

from places import ROOT


def _judge():
    spec = importlib.util.spec_from_file_location('compare', ROOT / 'Tests' / 'ScenarioData' / 'compare.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


judge = _judge()
NOISE = re.compile(r'Mounting V5|Ending clean|Unmounting F|EXT4-fs.*mounted filesystem|unmounting filesystem|'
                   r'lock debugging|printk: .* callbacks')


def finish(row, group):
    """A worker's row with what is the same in every run: no process ids, no addresses; signals and ends by actor."""
    def plain(line):
        line = re.sub(r'\bw([A-H]):(\d+)', r'w\1:PID', line)
        return re.sub(r'virtual address 0x[0-9a-f]+', 'virtual address VA', re.sub(r'fault at [0-9a-f]+', 'fault at VA', line))

    signals, ends = {}, {}
    for step in row.get('steps', []):
        step.pop('mapbase', None)
        actor = step['step'][0]
        for signal in step.get('signals', []):
            signals.setdefault(actor, []).append(signal)
        for other, state in step.get('actors', {}).items():
            for signal in state.get('signals', []):
                signals.setdefault(other, []).append(signal)
            if state['state'] != 'alive':
                signals.setdefault(other, [])
                ends[other] = state['state']
        if 'died' in step:
            ends[actor] = step['died']
    row['dmesg'] = [plain(line) for line in row.get('dmesg', []) if not NOISE.search(line)]
    row['signals'] = {actor: [_signal(s) for s in some] for actor, some in sorted(signals.items())}
    row['group'] = group
    if ends:
        row['ends'] = ends
    order = ['name', 'kernel', 'group', 'signals', 'ends', 'guest_died', 'why', 'last_step', 'steps_given', 'steps', 'dmesg',
             'console']
    return {field: row[field] for field in order if field in row}


def _signal(s):
    lsb = f" lsb={s['addr_lsb']}" if 'addr_lsb' in s else ''
    return f"{s['sig']}/{s['code']} {s['addr']}{lsb} {s['in']}"


def load(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def differences(truth, row):
    """What of the row is not as in the truth, step by step as texts; empty when it agrees."""
    if bool(truth.get('guest_died')) != bool(row.get('guest_died')):
        died, lived, row = ('one', 'the other', truth) if truth.get('guest_died') else ('the other', 'one', row)
        where = f' at "{row["last_step"]}" ({row.get("why")})' if row.get('last_step') else ''
        return [f'{died} stopped{where}, {lived} did not']
    if truth.get('guest_died'):
        return []
    return judge.compare(truth, row)[1]
