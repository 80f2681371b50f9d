# SPDX-License-Identifier: Apache-2.0
"""`scripts/oracle fetch`: host packages, kernels, images."""
import fcntl
import shutil
from contextlib import contextmanager

import debian
import image as images
from places import KERNELS, Unavailable, cache, image


@contextmanager
def locked():
    """One fetch at a time."""
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / 'lock', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tree(kernel):
    return cache() / 'kernels' / kernel


def fetch(kernels, say, again=False):
    """Makes the images that are missing. What cannot be had is said, and is no error as long as there is one kernel."""
    debian.install_packages()
    with locked():
        apt = None
        failures = []
        for kernel in kernels:
            if again or not tree(kernel).exists():
                try:
                    if apt is None:
                        apt = debian.Apt()
                        apt.update()
                    new = tree(kernel).with_name(kernel + '.new')
                    version = debian.unpack_kernel(apt, kernel, new)
                    shutil.rmtree(tree(kernel), ignore_errors=True)
                    new.rename(tree(kernel))
                    say(f'{kernel} is {version}')
                except (Unavailable, OSError, debian.subprocess.SubprocessError) as error:
                    failures.append(f'{kernel}: {error}')
                    continue
            if again or images.stale(kernel):
                release = images.build(tree(kernel), image(kernel))
                say(f'image of {release} in {image(kernel)}')
        for failure in failures:
            say(f'cannot have {failure}')
        if len(failures) == len(kernels):
            raise Unavailable('no kernel could be had')


def available(kernels=KERNELS):
    """(kernels with an image, why none or not all)."""
    missing = debian.missing_packages()
    if missing:
        return [], f'not installed: {" ".join(missing)} (scripts/oracle fetch)'
    have = [k for k in kernels if not images.stale(k)]
    lack = [k for k in kernels if k not in have]
    return have, f'no image of kernel {", ".join(lack)} for this harness (scripts/oracle fetch)' if lack else ''
