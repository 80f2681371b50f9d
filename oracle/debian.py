# SPDX-License-Identifier: Apache-2.0
"""Kernels from the Debian archive that this machine's apt uses already: downloaded and unpacked, never installed.

apt runs with a configuration of its own in the cache; the machine's stays as it is. The suites named here need not be in the
machine's sources: only where the archive is comes from there."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from places import Unavailable, cache

KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
SUITES = ['bookworm', 'bookworm-updates', 'trixie', 'trixie-updates', 'trixie-backports']
SECURITY_SUITES = ['bookworm-security']
# The command that proves a package, and the package.
PACKAGES = [('qemu-system-x86_64', 'qemu-system-x86'), ('ndctl', 'ndctl'), ('daxctl', 'daxctl'),
            ('mkfs.xfs', 'xfsprogs'), ('mkfs.ext4', 'e2fsprogs'), ('busybox', 'busybox-static'),
            ('depmod', 'kmod'), ('cc', 'gcc')]


def program(name):
    return shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def missing_packages():
    return [package for command, package in PACKAGES if not program(command)]


def install_packages():
    """qemu and what the guest is filled from. Asks for nothing when all is there."""
    missing = missing_packages()
    if not missing:
        return
    command = ['apt-get', 'install', '-y', '--no-install-recommends', *missing]
    if not shutil.which('apt-get') or os.geteuid() != 0:
        raise Unavailable(f'missing here: {" ".join(missing)}; as root run: {" ".join(command)}')
    subprocess.run(['apt-get', 'update', '-qq'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'})
    if done.returncode or missing_packages():
        raise Unavailable(f'could not install; as root run: {" ".join(command)}')


def archives():
    """The addresses of (the archive, its security archive) that the machine's apt is set up for."""
    answer = subprocess.run(['apt-get', 'indextargets', '--format', '$(REPO_URI) $(SUITE) $(RELEASE)', 'Created-By: Packages'],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    addresses = [line.split()[0].rstrip('/') for line in answer.stdout.splitlines() if line.split()]
    main = next((a for a in addresses if re.search(r'/debian$', a)), None)
    security = next((a for a in addresses if re.search(r'debian-security$', a)), None)
    return main, security


class Apt:
    """apt with lists, cache and sources in the oracle's cache."""

    def __init__(self):
        if not shutil.which('apt-get') or not Path(KEYRING).exists():
            raise Unavailable('kernels come through apt from a Debian archive: no apt-get or no Debian keyring here')
        main, security = archives()
        if not main:
            raise Unavailable('apt on this machine has no Debian archive in its sources')
        folder = cache() / 'apt'
        for sub in ['lists/partial', 'cache/archives/partial', 'parts']:
            (folder / sub).mkdir(parents=True, exist_ok=True)
        sources = [f'deb [signed-by={KEYRING}] {main} {suite} main' for suite in SUITES]
        sources += [f'deb [signed-by={KEYRING}] {security} {suite} main' for suite in SECURITY_SUITES if security]
        (folder / 'sources.list').write_text('\n'.join(sources) + '\n')
        self.options = []
        for option in [f'Dir::State::Lists={folder}/lists', f'Dir::Cache={folder}/cache',
                       f'Dir::Etc::SourceList={folder}/sources.list', f'Dir::Etc::SourceParts={folder}/parts',
                       'APT::Sandbox::User=root', 'Acquire::Languages=none', 'Acquire::Retries=3',
                       'Acquire::http::Timeout=60']:
            self.options += ['-o', option]

    def update(self):
        subprocess.run(['apt-get', *self.options, '-qq', 'update'], check=False, timeout=600)

    def newest(self, kernel):
        """The version of the newest image package of this kernel; None when the archive has none."""
        pattern = rf'^linux-image-{re.escape(kernel)}\.[0-9.-]+(\+deb[0-9]+)?-amd64$|^linux-image-{re.escape(kernel)}\.0-[0-9]+-amd64$'
        answer = subprocess.run(['apt-cache', *self.options, 'search', '--names-only', pattern],
                                stdout=subprocess.PIPE, text=True, check=True)
        names = [line.split()[0][len('linux-image-'):] for line in answer.stdout.splitlines() if line.split()]
        return max(names, key=lambda n: [int(x) for x in re.findall(r'\d+', n)], default=None)

    def unpack(self, packages, folder):
        """Downloads the packages and lays their files under `folder`."""
        debs = folder.with_name(folder.name + '.debs')
        for path in [debs, folder]:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        subprocess.run(['apt-get', *self.options, '-qq', 'download', *packages], cwd=debs, check=True, timeout=1800)
        for deb in sorted(debs.glob('*.deb')):
            subprocess.run(['dpkg', '-x', str(deb), str(folder)], check=True)
        shutil.rmtree(debs)


def unpack_kernel(apt, kernel, folder):
    """The kernel's files under `folder`; the release it is."""
    version = apt.newest(kernel)
    if version is None:
        raise Unavailable(f'the Debian archive has no kernel {kernel}')
    # From 7.x on the image package is empty and the files are in three others.
    packages = [f'linux-image-{version}']
    if int(kernel.split('.')[0]) >= 7:
        packages = [f'linux-{part}-{version}' for part in ['binary', 'modules', 'base']]
    apt.unpack(packages, folder)
    return version
