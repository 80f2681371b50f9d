# SPDX-License-Identifier: Apache-2.0
"""Where things lie: the checkout, and the cache outside it."""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUEST = ROOT / 'oracle' / 'guest'
SCENARIOS = ROOT / 'Tests' / 'ScenarioData' / 'scenarios'
QUICK = ROOT / 'oracle' / 'quick.txt'
TRUTH = ROOT / 'Tests' / 'ScenarioData' / 'truth.jsonl'
BUILD = ROOT / 'build'
SOFTDAX = Path(os.environ.get('SOFTDAX', BUILD / 'bin' / 'softdax'))
WORKER = BUILD / 'bin' / 'softdax-worker-static'

KERNELS = ['6.1', '6.12', '7.2']
REFERENCE = '6.12'


def cache():
    """Kernels and images: about 1.2 GB. $SOFTDAX_ORACLE_CACHE, or softdax/oracle in $XDG_CACHE_HOME."""
    named = os.environ.get('SOFTDAX_ORACLE_CACHE')
    if named:
        return Path(named)
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'softdax' / 'oracle'


def image(kernel):
    """The folder with the kernel's `vmlinuz`, `base.cpio` and `release`."""
    return cache() / 'images' / kernel


class Unavailable(Exception):
    """Something the oracle needs cannot be had here; the message says what and what to do."""
