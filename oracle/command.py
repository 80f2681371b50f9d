# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/oracle."""
import argparse
import json
import re
import signal
import sys
from pathlib import Path

import fetch as fetching
import scenarios
from places import BUILD, KERNELS, QUICK, REFERENCE, SCENARIOS, Unavailable


def say(text):
    print(f'oracle: {text}', file=sys.stderr, flush=True)


def chosen(names):
    """Scenarios by file, or by name (a regular expression); all public ones when none is named."""
    if not names:
        return scenarios.folder(SCENARIOS)
    found = []
    for name in names:
        if name.endswith('.scn') and Path(name).exists():
            found.append(scenarios.read(name))
            continue
        try:
            some = [s for s in scenarios.folder(SCENARIOS) if re.fullmatch(name, s.name)]
        except re.error as error:
            raise Unavailable(f'{name} is no file, and no regular expression of names: {error}')
        if not some:
            raise Unavailable(f'no scenario {name}, neither a file nor in {SCENARIOS}')
        found += some
    return found


def fetch(arguments):
    fetching.fetch(arguments.kernel or KERNELS, say, again=arguments.again)


def run(arguments):
    import collect
    import rows
    wanted = chosen(arguments.scenario)
    for scenario in wanted:
        if not scenario.possible:
            say(f'{scenario.name} needs nfit_test: not in Debian kernels')
    for kernel in arguments.kernel or [REFERENCE]:
        for scenario, row in collect.rows(kernel, wanted, say):
            print(json.dumps(rows.finish(row, scenario.group)), flush=True)


def compare(arguments):
    import compare as comparing
    wanted = chosen(arguments.scenario)
    table = comparing.compare(arguments.kernel or KERNELS, wanted, say, arguments.keep)
    return 1 if table.disagreements else 0


def quick(arguments):
    """For CI: never fails because something cannot be had here."""
    import compare as comparing
    if arguments.fetch:
        try:
            fetching.fetch(arguments.kernel or KERNELS, say)
        except Unavailable as why:
            say(f'cannot fetch: {why}')
    kernels, lacking = fetching.available(arguments.kernel or KERNELS)
    if lacking:
        print(f'oracle: SKIPPED {", ".join(k for k in arguments.kernel or KERNELS if k not in kernels)}: {lacking}')
    names = QUICK.read_text().split()
    table = comparing.compare(kernels, [scenarios.read(SCENARIOS / f'{name}.scn') for name in names], say)
    return 1 if table.disagreements else 0


def all_of_it(arguments):
    import conformance
    return conformance.measure(arguments.kernel or KERNELS, arguments.seed, arguments.count, say)


def random(arguments):
    import random_run
    bad = 0
    for kernel in arguments.kernel or KERNELS:
        outcome = random_run.run(kernel, arguments.seed, arguments.count, say, arguments.begin, arguments.again)
        bad += len(outcome.unexplained)
        for found in outcome.unexplained:
            path = random_run.keep(found, Path(arguments.keep))
            print(f'{path}: {len(found.scenario.lines)} steps; {found.why[0]}')
        for name, why in outcome.unstable:
            print(f'{kernel}: {name} did not happen again: {why}')
        print(f'{kernel}: seed {arguments.seed}: {outcome.run} scenarios, {outcome.agreed} agree, '
              f'{len(outcome.unstable)} did not happen again, {len(outcome.explained)} explained, '
              f'{len(outcome.unexplained)} unexplained', flush=True)
    return 1 if bad else 0


def device(arguments):
    import device as devices
    bad = 0
    for kernel in arguments.kernel or KERNELS:
        held, broken, notes = devices.run(kernel, say)
        for text in held:
            print(f'{kernel}: ok {text}')
        for text in broken:
            print(f'{kernel}: FAILED {text}')
        if arguments.verbose:
            print('\n'.join(f'{kernel}: {note}' for note in notes))
        bad += len(broken)
    return 1 if bad else 0


def shell(arguments):
    import collect
    import device as devices
    from boot import boot
    kernel = (arguments.kernel or [REFERENCE])[0]
    collect.release(kernel)
    payload = devices.payload()
    payload.program('worker', collect.worker.build())
    for scenario in scenarios.folder(SCENARIOS):
        payload.text(f's/{scenario.name}.scn', scenario.text())
    command = ('export PATH=/payload/bin:$PATH PS1="guest# "; sh lib.sh devdax; sh lib.sh fsdax; '
               'echo "/dev/dax0.0 (2M), /dev/dax1.0 (4K), /dev/pmem2, /dev/pmem3; ./worker s/NAME.scn; exit ends"; exec sh -i')
    boot(kernel, command, payload, memory='2G', interactive=True)


class Parser(argparse.ArgumentParser):
    """Answers what it does not understand with one line."""

    def error(self, message):
        self.exit(2, f'oracle: {message}; see {self.prog} --help\n')


def number(least):
    def parse(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'must be a number of {least} or more, not {text}')
        return int(text)
    return parse


def parser():
    top = Parser(prog='scripts/oracle', description='Real kernels under QEMU as the measure of softdax. '
                                  'docs/oracle.md is the manual.')
    commands = top.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(name, function, text, default='all'):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        sub.add_argument('--kernel', action='append', choices=KERNELS, help=f'again for several; {default} when not given')
        return sub

    sub = command('fetch', fetch, 'Kernels from the Debian archive of this machine, unpacked into the cache; host packages.')
    sub.add_argument('--again', action='store_true', help='also when there')
    sub = command('run', run, 'Scenarios in a guest; a row of JSON each on standard output.', REFERENCE)
    sub.add_argument('scenario', nargs='*', help='a file, or a regular expression of names; all public ones when none')

    sub = command('compare', compare, 'Scenarios in the guest, in the model and as recorded, side by side.')
    sub.add_argument('scenario', nargs='*', help='as for run')
    sub.add_argument('--keep', metavar='FILE', help="the guest's rows go there too")
    sub = command('random', random, 'Random scenarios in the guest and in the model; disagreements are shrunk and kept as files.')
    sub.add_argument('--seed', default='1')
    sub.add_argument('--count', type=number(1), default=100)
    sub.add_argument('--begin', type=number(0), default=0, help='number of the first one')
    sub.add_argument('--again', action='store_true', help='measure what was measured before, too')
    sub.add_argument('--keep', metavar='FOLDER', default=str(BUILD / 'oracle' / 'found'))
    sub = command('device', device, 'softdax, fio, daxio and pmempool on real devices in the guest.')
    sub.add_argument('--verbose', action='store_true', help='what softdax check and softdax run --report say there')
    command('shell', shell, 'A prompt in the guest, with devices, clients, softdax and all scenarios.', REFERENCE)
    sub = command('quick', quick, 'A subset of the scenarios for CI; says so and succeeds when there is no QEMU or no kernel.')
    sub.add_argument('--fetch', action='store_true', help='first try to get what is missing')

    sub = command('all', all_of_it, 'Everything: compare, device and random; the summary goes to docs/conformance.md.')
    sub.add_argument('--seed', default='1')
    sub.add_argument('--count', type=number(1), default=2000)
    return top


def main():
    arguments = parser().parse_args()
    # Ended from outside: by an exception, so that the guest and its folder go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:       # nohup
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return arguments.function(arguments) or 0
    except Unavailable as why:
        print(f'oracle: {why}', file=sys.stderr)
        return 3
    except OSError as error:
        print(f'oracle: {error}', file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
