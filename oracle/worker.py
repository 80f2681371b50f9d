# SPDX-License-Identifier: Apache-2.0
"""The program that runs scenarios in the guest."""
import subprocess

from places import ROOT, WORKER, Unavailable


def build():
    """Builds the static worker if its sources are newer; where it is."""
    done = subprocess.run([ROOT / 'scripts' / 'build-worker', '--static', WORKER], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f'the worker does not compile: {done.stdout.strip()[-400:]}')
    return WORKER
