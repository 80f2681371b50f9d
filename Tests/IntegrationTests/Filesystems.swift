import LinuxSys
import SystemPackage
import TestSupport
import Testing

/// Whether this process may mount: root with /dev/fuse.
let canMount: Bool =
  ThisProcess.effectiveUser == 0 && (try? OwnedDescriptor.openExisting("/dev/fuse")) != nil

/// A directory to mount on and a file for a medium.
final class Ground: Sendable {
  let scratch: Scratch
  var mount: String { scratch.path + "/mnt" }
  var image: String { scratch.path + "/image" }

  init() throws {
    scratch = try Scratch(in: "/var/tmp")
    try Folder.make(mount, mode: 0o755)
  }

  deinit { MountPoint.clear(mount, ifDeadOf: "fuse.softdax") }

  var isMounted: Bool { MountPoint.type(of: mount) != nil }

  /// `softdax run --fs` with this medium, made if it is not there.
  func run(
    _ script: String, _ options: [String] = [], size: String? = "64m"
  ) throws -> Program.Output {
    // `!` before a command is nothing to `set -e`: `no` is for what must fail.
    let no = #"no() { if "$@" 2>/dev/null; then echo "must fail: $*" >&2; exit 99; fi; }"#
    return try Softdax.run(
      ["--fs", mount, "--medium", image] + (size.map { ["--size", $0] } ?? []) + options,
      ["bash", "-c", "set -e; \(no); cd \(mount); \(script)"])
  }

  func serve(_ options: [String] = []) throws -> Service {
    try Service(["--fs", mount, "--medium", image, "--size", "64m"] + options)
  }
}

@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `A mounted filesystem` {
  /// Catches bytes that change on their way through the kernel, calls that programs need, and a medium that forgets.
  @Test func `cp, tar, git and python find what they wrote, after a remount too`() throws {
    let ground = try Ground()
    let write = try ground.run(
      """
      mkdir src; for i in 1 2 3 4 5 6 7 8; do head -c $((i * 70001)) /dev/urandom > src/$i; done
      ln -s 1 src/link; ln src/2 src/hard; mkfifo src/pipe; chmod 4750 src/3
      cp -a src copy; diff -r --no-dereference -x pipe src copy
      tar -cf t.tar src; mkdir out; tar -C out -xf t.tar; diff -r --no-dereference -x pipe src out/src
      [ $(stat -c %a out/src/3) = 4750 ]; [ $(stat -c %h src/hard) = 2 ]
      git init -q repo; cd repo; cp ../src/[1-8] .; git add .; git -c user.name=n -c user.email=e commit -qm m
      cd ..; git clone -q repo clone; diff -r -x .git repo clone; git -C clone fsck
      (cd src; find . -type f | sort | xargs sha256sum) > sums
      """)
    #expect(write.status == 0, "\(write.all)")
    #expect(!ground.isMounted)
    let read = try ground.run(
      """
      (cd src; sha256sum -c --quiet ../sums); git -C clone fsck; tar -df t.tar
      rm -rf src copy out repo clone t.tar sums; [ -z "$(ls -A)" ]
      """, size: nil)
    #expect(read.status == 0, "\(read.all)")
  }

  /// Catches a file that has a name before it gets one, one that gets none, or with O_EXCL one; bytes that do not come along.
  @Test func `a file without a name can be written and mapped, and gets a name`() throws {
    let ground = try Ground()
    let script = """
      import errno, mmap, os
      def new(flags=0):
          f = os.open(".", os.O_TMPFILE | os.O_RDWR | flags, 0o640)
          os.write(f, b"a" * 8192)
          return f
      f, g = new(), new(os.O_EXCL)
      assert os.listdir(".") == [], os.listdir(".")
      assert os.fstat(f).st_nlink == 0 and os.fstat(f).st_mode & 0o777 == 0o640, os.fstat(f)
      m = mmap.mmap(f, 8192); m[5000:5005] = b"bytes"
      here = os.open(".", os.O_RDONLY)
      def name(f, to): os.link("/proc/self/fd/%d" % f, to, src_dir_fd=here, follow_symlinks=True)
      name(f, "named")
      try:
          name(g, "other"); raise SystemExit("O_EXCL: it has a name")
      except OSError as e:
          assert e.errno == errno.ENOENT, e
      os.close(g)
      assert os.listdir(".") == ["named"] and os.stat("named").st_nlink == 1
      assert os.stat("named").st_ino == os.fstat(f).st_ino
      """
    let write = try ground.run("python3 -c '\(script)'")
    #expect(write.status == 0, "\(write.all)")
    let read = try ground.run(
      "[ $(dd if=named bs=1 skip=5000 count=5 2>/dev/null) = bytes ]; [ $(stat -c %s named) = 8192 ]",
      size: nil)
    #expect(read.status == 0, "\(read.all)")
  }

  /// Catches a mapping that does not see writes, or the other way round: SQLite's log in WAL mode is a shared mapping.
  @Test func `SQLite keeps its promises, with a rollback journal and with a shared log`() throws {
    let ground = try Ground()
    let script = """
      import sqlite3
      for mode in ("delete", "wal"):
          db = sqlite3.connect(mode + ".db")
          assert db.execute("pragma journal_mode=" + mode).fetchone() == (mode,)
          db.execute("create table t(a integer primary key, b)")
          for i in range(40):
              db.execute("insert into t(b) values(?)", ("x" * i * 50,)); db.commit()
          other = sqlite3.connect(mode + ".db")
          assert other.execute("select count(*), sum(length(b)) from t").fetchone() == (40, 39000)
          assert other.execute("pragma integrity_check").fetchone() == ("ok",)
      """
    let output = try ground.run("python3 - <<'END'\n\(script)\nEND")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a clone that takes room, shares what it should not, or is none; and lists of extents that are wrong.
  @Test func `cp --reflink shares blocks, and filefrag says so`() throws {
    let ground = try Ground()
    let output = try ground.run(
      """
      head -c 20000001 /dev/zero | tr '\\0' a > a; used=$(df --output=used -k . | tail -1)
      cp --reflink=always a b; cmp a b
      [ $(($(df --output=used -k . | tail -1) - used)) -lt 1000 ]
      filefrag -v b | grep -q shared
      printf x | dd of=b bs=1 seek=5000000 conv=notrunc status=none
      [ "$(echo $(cmp -l a b))" = '5000001 141 170' ]; filefrag -v b | grep -E '^ *[0-9]+:' | grep -qv shared
      sum=$(sha256sum < a); rm b; [ "$(sha256sum < a)" = "$sum" ]; no grep -q shared <(filefrag -v a)
      no cp --reflink=always a /dev/shm/softdax-never; rm -f /dev/shm/softdax-never
      """)
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a call that does something else than what arrays in memory do: reads, writes, clones, holes, mappings, truncation.
  @Test(arguments: [11, 12]) func `random calls do what they do in memory`(seed: Int) throws {
    let ground = try Ground()
    let output = try ground.run(
      "\(Project.program("fsx")) . \(seed) 600 clone; sha256sum fsx-0 fsx-1 > sums; sync")
    #expect(output.status == 0, "\(output.all)")
    let after = try ground.run("sha256sum -c --quiet sums", size: nil)
    #expect(after.status == 0, "\(after.all)")
    #expect(try Softdax.tool(["fsck", ground.image]).status == 0)
  }

  /// Catches a change that is lost, or half there, when the server is killed, on a medium in memory with the files mapped and on one that is a
  /// file; and a program that hangs then: the next server finds what was answered.
  @Test(arguments: SeededGenerator.seeds([77]))
  func `a killed server loses nothing that was answered`(seed: UInt64) throws {
    let output = try Program.run([Project.root + "/scripts/fsx", "4000", String(seed)])
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a rule for a device that is not there: it ended the server, and the mount stayed.
  @Test func `--inject of a device that is not there is refused, and nothing is mounted`() throws {
    let ground = try Ground()
    let refused = try ground.run("true", ["--inject", "fault=3,device=dax0.0"])
    #expect(
      refused.status == 125 && refused.err.contains("no device dax0.0; there is pmem0"),
      "\(refused.all)")
    #expect(!ground.isMounted)
  }

  /// Catches a clone of what was on the medium before the kernel wrote stores back that it had in pages of its own, and attributes that are set
  /// with an error.
  @Test
  func `what was stored is in a clone, and attributes can be set, on a medium that is a file`()
    throws
  {
    let ground = try Ground()
    let output = try ground.run(
      """
      cd \(ground.mount); python3 -c '
      import fcntl, mmap, os, struct
      f = open("f", "w+b"); f.write(b"x" * 16384); f.flush()
      m = mmap.mmap(f.fileno(), 16384); m[5000:5004] = b"dax!"
      g = open("g", "w+b"); fcntl.ioctl(g.fileno(), 0x40049409, f.fileno())
      assert os.pread(g.fileno(), 4, 5000) == b"dax!"
      flags = bytearray(fcntl.ioctl(g.fileno(), 0x801c581f, bytes(28)))
      struct.pack_into("<I", flags, 0, 0x8000); fcntl.ioctl(g.fileno(), 0x401c5820, bytes(flags))
      assert fcntl.ioctl(g.fileno(), 0x801c581f, bytes(28))[:4] == struct.pack("<I", 0x8000)'
      """)
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a mount whose files are not DAX and that does not say so: "no process maps it" of a page that is mapped.
  @Test func `a mount says when the host's kernel maps its files`() throws {
    let ground = try Ground()
    let asking =
      "echo hi > f; \(Project.softdax) owners pmem0 --file f@0; \(Project.softdax) owners pmem0 --page 0 --json"
    let onDisk = try ground.run(asking)
    #expect(onDisk.status == 0, "\(onDisk.all)")
    #expect(
      onDisk.err.contains("host kernel's") && onDisk.err.contains(ground.image), "\(onDisk.all)")
    #expect(onDisk.out.contains("not known") && !onDisk.out.contains("no process"), "\(onDisk.all)")
    #expect(onDisk.out.contains("mapped_by_host"), "\(onDisk.all)")
    let inMemory = try ground.run(asking, ["--medium", "memfd"])
    #expect(inMemory.status == 0 && inMemory.err.isEmpty, "\(inMemory.all)")
    #expect(inMemory.out.contains("no process maps it"), "\(inMemory.all)")
    #expect(!inMemory.out.contains("mapped_by_host"), "\(inMemory.all)")
  }

  /// Catches a medium with somebody's bytes that is erased without a word, and one that is broken and served.
  @Test func `a foreign or damaged medium is refused, fsck repairs, --format erases`() throws {
    let ground = try Ground()
    #expect(
      try Program.run(["sh", "-c", "yes precious | head -c 16777216 > \(ground.image)"]).status == 0
    )
    let foreign = try ground.run("true", size: nil)
    #expect(foreign.status == 125 && foreign.err.contains("--format"), "\(foreign.all)")
    #expect(try ground.run("echo kept > f", ["--format"], size: nil).status == 0)
    #expect(try Softdax.tool(["fsck", ground.image]).status == 0)
    let damage = "printf Z | dd of=\(ground.image) bs=1 seek=20 conv=notrunc status=none"
    #expect(try Program.run(["sh", "-c", damage]).status == 0)
    let damaged = try ground.run("true", size: nil)
    #expect(damaged.status == 125 && damaged.err.contains("softdax fsck"), "\(damaged.all)")
    let look = try Softdax.tool(["fsck", "-n", ground.image])
    #expect(look.status == 4 && look.out.contains("superblock"), "\(look.all)")
    #expect(try Softdax.tool(["fsck", ground.image]).status == 1)
    #expect(try Softdax.tool(["fsck", ground.image]).status == 0)
    #expect(try ground.run("[ $(cat f) = kept ]", size: nil).status == 0)
    #expect(try Program.run(["truncate", "-s", "14M", ground.image]).status == 0)
    let short = try ground.run("true", size: nil)
    #expect(short.status == 125 && short.err.contains("end is missing"), "\(short.all)")
    #expect(try Softdax.tool(["fsck", ground.image]).status == 4)
  }

  /// Catches errors that hang, crash, or say the wrong thing, through the kernel.
  @Test func `a full medium, a long name and a refused call are errors, and nothing is lost`()
    throws
  {
    let ground = try Ground()
    let output = try ground.run(
      """
      echo kept > kept
      no dd if=/dev/zero of=big bs=1M count=80
      [ $(cat kept) = kept ]; rm big; head -c 30000000 /dev/urandom > again
      no touch $(printf 'x%.0s' $(seq 256)); touch $(printf 'x%.0s' $(seq 255))
      fallocate -p -o 0 -l 4096 again; no fallocate -c -o 0 -l 4096 again
      fallocate -c -o 0 -l 4096 again 2> err || grep -qi "not supported" err
      no mkdir nowhere/x; no rmdir .
      python3 -c 'import os; os.setxattr("kept", "user.a", b"1"); assert os.listxattr("kept") == ["user.a"]'
      """)
    #expect(output.status == 0, "\(output.all)")
    let none = try Softdax.run(["--fs", ground.mount + "/none"], ["true"])
    #expect(none.status == 125 && none.err.contains("mkdir"), "\(none.all)")
  }

  /// Catches a mount that stays behind.
  @Test func `nothing is left after a run that was killed and another`() throws {
    let ground = try Ground()
    let run = try Program(
      [Project.softdax, "run", "--fs", ground.mount, "--", "sleep", "30"])
    try #require(eventually { ground.isMounted })
    let children = try? SmallFile.read("/proc/\(run.identifier)/task/\(run.identifier)/children")
    run.send(signal: 9)
    _ = try run.wait()
    let next = try Softdax.run(["--fs", ground.mount], ["ls", ground.mount])
    #expect(next.status == 0, "\(next.all)")
    #expect(!ground.isMounted)
    for child in (children ?? "").split(separator: " ") {
      _ = try Program.run(["kill", "-9", String(child)])
    }
  }
}
