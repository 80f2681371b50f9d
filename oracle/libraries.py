# SPDX-License-Identifier: Apache-2.0
"""What a dynamic program of the host needs in order to travel into the guest."""
import re
import subprocess


def needed(program):
    """Paths of the program's shared objects and of its loader; none for a static program or a script."""
    answer = subprocess.run(['ldd', str(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return re.findall(r'(?:=> |^\s*)(/\S+)', answer.stdout, re.M) if answer.returncode == 0 else []


def carry(archive, program, name):
    """Puts the program under `name`, and its shared objects where the loader looks for them."""
    archive.copy(program, name)
    for library in needed(program):
        if not archive.has(library):
            archive.copy(library, library)
