# SPDX-License-Identifier: Apache-2.0
"""Random scenarios: processes, mappings, clones, copy-on-write, truncate, fork, policies, poison, machine checks.

The same seed and number give the same scenario everywhere. A step may fail (mapping a device privately, poisoning a page that
nobody touched): the errno is what is compared."""
import random

from scenarios import Scenario

SLOT = 4 << 20       # bytes of a device that one scenario uses
SLOTS = 120          # of them in a namespace of 502 MiB; the first is left alone
PAGE = 4096
HUGE = 2 << 20


class Generator:
    """One scenario. Keeps account of what exists, so that most steps have something to act on."""

    def __init__(self, seed, number):
        self.random = random.Random(f'{seed}/{number}')
        self.slot = 1 + number % SLOTS
        self.lines = []
        self.maps = {}       # actor -> {name: (source, file offset, length)}
        self.files = {}      # path -> length
        self.removed = False
        self.group = 'fs'

    def scenario(self, name):
        kind = self.random.choices(['2m', '4k', 'xfs', 'ext4'], [20, 20, 40, 20])[0]
        early = self.random.random() < 0.15
        self.lines.append(f'- setup sysctl -q -w vm.memory_failure_early_kill={int(early)}')
        self.kind = kind
        if kind in ('2m', '4k'):
            self.begin_device(kind)
        else:
            self.begin_files(kind)
        for _ in range(self.random.randint(6, 22)):
            self.step()
        self.end()
        return Scenario(name, self.group, self.lines)

    # ---- beginnings

    def begin_device(self, kind):
        self.group = 'devdax'
        self.device = 'dax0.0' if kind == '2m' else 'dax1.0'
        self.pages = [0, 1, 3, 511] + ([512, 515] if self.chance(0.5) else [])
        self.begin_actors()

    def begin_files(self, kind):
        if kind == 'ext4':
            self.lines.append('- setup sh lib.sh ext4')
        else:
            plain = self.chance(0.12)
            self.lines.append('- setup sh lib.sh xfs' + (' -mreflink=0,rmapbt=1' if plain else ''))
        self.clones = kind == 'xfs' and not plain
        self.pages = [0, 1, 2, 3]
        self.make_file('/mnt/f1')
        if self.clones and self.chance(0.7):
            self.clone('/mnt/f1', '/mnt/f2')
            if self.chance(0.3):
                self.clone(self.random.choice(['/mnt/f1', '/mnt/f2']), '/mnt/f3')
        elif self.chance(0.3):
            self.make_file('/mnt/f2')
        self.begin_actors()

    def make_file(self, path):
        length = self.random.choice([2, 4, 4, 8, 16]) * PAGE
        self.files[path] = length
        self.lines.append(f'- mkfile {path} {length} {self.random.choice(["0x11", "0x22", "0x33"])}')

    def clone(self, source, copy):
        self.files[copy] = self.files[source]
        self.lines.append(f'- reflink {source} {copy}')

    def begin_actors(self):
        actors = 'ABCD'[:self.random.choice([1, 2, 2, 2, 3, 3, 4])]
        self.lines.append(f'- proc {actors}')
        for actor in actors:
            self.maps[actor] = {}
            self.handler(actor)
            if self.chance(0.5):
                self.policy(actor)
        for actor in actors:
            self.map(actor)
            if self.chance(0.8):
                self.touch(actor)

    # ---- the steps

    def chance(self, probability):
        return self.random.random() < probability

    def actor(self):
        return self.random.choice(list(self.maps))

    def window(self, actor):
        """(name, source, file offset, length) of one of the actor's mappings, or None."""
        names = self.maps[actor]
        if not names:
            return None
        name = self.random.choice(list(names))
        return name, *names[name]

    def at(self, length):
        """An offset in a mapping: few different ones, so that actors meet; now and then behind the end of the file."""
        page = self.random.choice(self.pages)
        return page * PAGE % max(length, PAGE) + (self.random.choice([0, 0, 0, 8, 0x123, 4095]) if self.chance(0.2) else 0)

    def step(self):
        steps = [(self.read, 14), (self.write, 10), (self.touch, 5), (self.page, 8), (self.fail_advised, 10),
                 (self.fail_own, 4), (self.fail_aimed, 8), (self.map, 5), (self.unmap, 4), (self.advise, 5),
                 (self.policy, 3), (self.handler, 2), (self.fork, 3), (self.thread, 2), (self.buffer, 3),
                 (self.protect, 2), (self.synchronize, 2), (self.pending, 1), (self.exit, 1), (self.settle, 2)]
        if self.files:
            steps += [(self.pread, 5), (self.pwrite, 5), (self.truncate, 3), (self.allocate, 6), (self.reclone, 4),
                      (self.extents, 2), (self.remove, 1), (self.fail_metadata, 0.3)]
        else:
            steps += [(self.move, 2)]
        if self.chance(0.002):
            steps = [(self.machine_check, 1)]
        chosen = self.random.choices([s for s, _ in steps], [w for _, w in steps])[0]
        actor = self.actor()
        chosen(actor)

    def say(self, actor, text):
        self.lines.append(f'{actor} {text}')

    def settle(self, actor=None):
        self.lines.append('- sync')

    def map(self, actor):
        if len(self.maps[actor]) >= 3:
            return
        name = f'm{self.random.randint(0, 3)}'
        if name in self.maps[actor]:
            return
        if self.files:
            source = self.random.choice(list(self.files))
            offset = self.random.choice([0, 0, 0, PAGE])
            length = self.random.choice([4, 4, 8, 16]) * PAGE
            kinds = ['shared'] * 6 + ['private'] * 3 + ['sync', 'populate']
        else:
            source = f'/dev/{self.device}'
            offset = self.slot * SLOT + self.random.choice([0, 0, 0, HUGE] if self.kind == '2m' else [0, 0, PAGE, HUGE])
            length = self.random.choice([HUGE, SLOT] if self.kind == '2m' else [4 * PAGE, 0x10000, HUGE, SLOT])
            length = min(length, (self.slot + 1) * SLOT - offset)
            if self.chance(0.04):
                length += self.random.choice([PAGE, 100])
            kinds = ['shared'] * 14 + ['sync', 'sync', 'populate', 'populate', 'private']
        kind = self.random.choice(kinds)
        protection = ' ro' if self.chance(0.15) else ''
        self.say(actor, f'map {name} {source} {hex(offset)} {hex(length)} {kind}{protection}')
        if not (kind == 'private' and not self.files):
            self.maps[actor][name] = (source, offset, length)

    def with_window(self, actor):
        found = self.window(actor)
        if found is None:
            self.map(actor)
            found = self.window(actor)
        return found

    def read(self, actor):
        if found := self.with_window(actor):
            self.say(actor, f'rd {found[0]} {hex(self.at(found[3]))}')

    def write(self, actor):
        if found := self.with_window(actor):
            self.say(actor, f'wr {found[0]} {hex(self.at(found[3]))} {hex(self.random.randint(1, 255))}')

    def touch(self, actor):
        if found := self.with_window(actor):
            length = min(found[3], 4 * PAGE) if self.kind == '4k' and self.chance(0.7) else found[3]
            step = PAGE if length <= 64 * PAGE or self.chance(0.3) else HUGE
            self.say(actor, f'touch {found[0]} 0 {hex(length)} {step} {self.random.choice("rrw")}')

    def page(self, actor):
        if found := self.window(actor):
            self.say(actor, f'page {found[0]} {hex(self.at(found[3]) & ~0xfff)}')

    def let_go(self):
        """Blocks of a file that was removed are its own until a worker of the kernel has come by, a moment later (`xfs_inodegc_worker`). A
        failure of one of them in between shuts XFS down."""
        if self.removed:
            self.lines.append('- sleep 40')

    def fail_advised(self, actor):
        if found := self.with_window(actor):
            self.let_go()
            pages = self.random.choice([1, 1, 1, 1, 2])
            self.say(actor, f'madv {found[0]} {hex(self.at(found[3]) & ~0xfff)} {pages * PAGE} hwpoison')
            self.settle()

    def fail_own(self, actor):
        if found := self.with_window(actor):
            at = hex(self.at(found[3]) & ~0xfff)
            self.say(actor, f'rd {found[0]} {at}')
            self.let_go()
            self.say(actor, f'hwp {found[0]} {at}')
            self.settle()

    def aim(self, actor):
        found = self.with_window(actor)
        if found is None:
            return None
        name, source, offset, length = found
        at = self.at(length) & ~0xfff
        if self.chance(0.5):
            return f'{actor}:{name}+{hex(at)}'
        if self.files:
            return f'file:{source}+{hex(offset + at)}'
        return f'dax:{self.device}+{hex(offset + at)}'

    def fail_aimed(self, actor):
        if aim := self.aim(actor):
            self.let_go()
            self.lines.append(f'- hwp {aim}')
            self.settle()

    def fail_metadata(self, actor):
        self.let_go()
        self.lines.append(f'- hwp bdev:{"pmem3" if self.kind == "ext4" else "pmem2"}+0')
        self.settle()

    def machine_check(self, actor):
        aim = self.aim(actor)
        if aim:
            self.group = 'iso'
            self.let_go()
            self.lines.append(f'- mce {aim}')
            self.settle()
            self.lines.append('- badblocks')

    def unmap(self, actor):
        if found := self.window(actor):
            if self.chance(0.3):
                length = self.random.choice([PAGE, 2 * PAGE, HUGE])
                self.say(actor, f'unmap {found[0]} {hex(self.at(found[3]) & ~0xfff)} {hex(length)}')
            else:
                self.say(actor, f'unmap {found[0]}')
                if self.kind != '2m':
                    del self.maps[actor][found[0]]

    def advise(self, actor):
        if found := self.window(actor):
            what = self.random.choice(['dontneed'] * 4 + ['popread', 'popwrite', 'remove', 'hugepage', 'dontfork', 'softoff'])
            if what == 'remove' and self.files:
                what = 'dontneed'
            at = hex(self.at(found[3]) & ~0xfff) if self.chance(0.5) else '0'
            length = PAGE if at != '0' else self.random.choice([PAGE, found[3]])
            self.say(actor, f'madv {found[0]} {at} {length} {what}')
            self.settle()

    def policy(self, actor):
        self.say(actor, self.random.choice(['early'] * 5 + ['late', 'dflt']))

    def handler(self, actor):
        self.say(actor, 'handler ' + self.random.choice(['on'] * 12 + ['default', 'ignore', 'block']))

    def new_actor(self):
        free = [a for a in 'EFGH' if a not in self.maps]
        return free[0] if free else None

    def fork(self, actor):
        if child := self.new_actor():
            self.say(actor, f'fork {child}')
            self.maps[child] = dict(self.maps[actor])

    def thread(self, actor):
        if child := self.new_actor():
            self.say(actor, f'thread {child}')
            self.maps[child] = self.maps[actor]

    def buffer(self, actor):
        if found := self.with_window(actor):
            self.say(actor, f'{self.random.choice(["wbuf", "rbuf"])} {found[0]} {hex(self.at(found[3]))} '
                            f'{self.random.choice([1, 512, PAGE, 2 * PAGE])}')

    def protect(self, actor):
        if found := self.window(actor):
            self.say(actor, f'mprotect {found[0]} {hex(self.at(found[3]) & ~0xfff)} {self.random.choice([PAGE, HUGE])}')

    def synchronize(self, actor):
        if found := self.window(actor):
            self.say(actor, f'msync {found[0]} 0 {PAGE}')

    def move(self, actor):
        if found := self.window(actor):
            if found[3] <= HUGE:
                self.say(actor, f'mremap {found[0]} {hex(HUGE)}')

    def pending(self, actor):
        self.say(actor, 'pending')

    def exit(self, actor):
        if len(self.maps) > 1:
            self.say(actor, f'exit {self.random.randint(0, 3)}')
            self.settle()

    # ---- files

    def path(self):
        return self.random.choice(list(self.files))

    def span(self):
        return hex(self.random.choice([0, 1, 2, 3]) * PAGE), hex(self.random.choice([1, 1, 2, 4]) * PAGE)

    def pread(self, actor):
        offset, length = self.span()
        self.say(actor, f'pread {self.path()} {offset} {length}')

    def pwrite(self, actor):
        offset, length = self.span()
        if self.chance(0.2):
            length = '512'
        self.say(actor, f'pwrite {self.path()} {offset} {length}')

    def truncate(self, actor):
        path = self.path()
        length = self.random.choice([0, 1, 2, 3, 4, 8]) * PAGE + (0x200 if self.chance(0.15) else 0)
        self.say(actor, f'truncate {path} {hex(length)}')

    def allocate(self, actor):
        modes = ['plain', 'punch', 'punch', 'zero'] + (['unshare'] if self.clones else [])
        offset, length = self.span()
        self.say(actor, f'falloc {self.path()} {self.random.choice(modes)} {offset} {length}')

    def reclone(self, actor):
        if self.clones:
            source = self.path()
            copy = self.random.choice([p for p in ['/mnt/f1', '/mnt/f2', '/mnt/f3'] if p != source])
            self.clone(source, copy)

    def extents(self, actor):
        self.lines.append(f'- fiemap {self.path()}')

    def remove(self, actor):
        if len(self.files) > 1:
            path = self.path()
            self.lines.append(f'- sh rm {path}')
            del self.files[path]
            self.removed = True

    def end(self):
        """Everybody looks and reads once more."""
        self.settle()
        for actor, names in list(self.maps.items()):
            for name, (_, _, length) in list(names.items())[:1]:
                at = hex(self.at(length) & ~0xfff)
                self.say(actor, f'page {name} {at}')
                self.say(actor, f'rd {name} {at}')
        self.settle()
        if self.files:
            self.lines.append('- fsprobe /mnt')


def scenarios(seed, begin, count):
    return [Generator(seed, number).scenario(f'random-{seed}-{number}') for number in range(begin, begin + count)]
