# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what the oracle needs to know of them."""
import re
from dataclasses import dataclass
from pathlib import Path

from places import Unavailable

GROUPS = ('devdax', 'fs', 'iso', 'nfit_test')


@dataclass
class Scenario:
    name: str
    group: str
    lines: list     # without the first

    @property
    def alone(self):
        """Whether it needs a boot of its own: it changes the machine for those after it, or stops it."""
        return self.group == 'iso' or any(line.split()[1:2] in (['mce'], ['mcear']) for line in self.lines)

    @property
    def possible(self):
        """nfit_test is a module for the kernel's own tests, which Debian does not build."""
        return self.group != 'nfit_test'

    def text(self):
        return f'# {self.name} {self.group}\n' + '\n'.join(self.lines) + '\n'


def parse(text):
    head, *lines = text.rstrip('\n').split('\n')
    mark, name, group = head.split()
    if mark != '#' or group not in GROUPS or not re.fullmatch('[A-Za-z0-9._-]+', name):
        raise ValueError
    return Scenario(name, group, lines)


def read(path):
    try:
        return parse(Path(path).read_text())
    except ValueError:      # of bytes that are no text, too
        raise Unavailable(f'{path} does not begin with "# NAME GROUP", a group being {", ".join(GROUPS)}')


def folder(path):
    return [read(p) for p in sorted(Path(path).glob('*.scn'))]
