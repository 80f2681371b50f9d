import LinuxSys
import SystemPackage
import TestSupport
import Testing

/// mmap of files on a mount whose medium is memory: windows on the medium.
@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `A file that is mapped` {
  /// Runs a script in a mount of its own.
  private func run(
    _ script: String, size: String = "64m", _ options: [String] = []
  ) throws -> Program.Output {
    let ground = try Ground()
    return try Softdax.run(
      ["--fs", ground.mount, "--size", size] + options,
      ["bash", "-c", "set -e; cd \(ground.mount); \(script)"])
  }

  /// Catches bytes that one sees and another does not, mappings that show blocks which are not the file's any more, copies that are
  /// everybody's or get lost, signals that are missing or say something else: each in the words of the test program.
  @Test(arguments: [
    "shared", "read-only", "truncate", "punch", "clone", "private", "fork", "move", "sync", "full",
    "threads", "move-beyond", "huge", "locked", "limits", "sealed", "rare",
  ])
  func `shows what the file holds, to everybody, and no more`(test: String) throws {
    let output = try run("\(Project.program("file-map")) . \(test)")
    #expect(output.status == 0 && output.out == "ok \(test)\n", "\(output.all)")
  }

  /// Catches memory of softdax's own in a hole that the program has made for the mapping.
  @Test func `can be mapped where the program has made room`() throws {
    let output = try run(": > f; \(Project.program("address-hole")) f")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a touch that nothing ends where the host's kernel has no markers (UFFDIO_POISON, Linux 6.6).
  @Test(arguments: ["truncate", "punch", "full", "move-beyond", "limits"])
  func `is SIGBUS where the file has nothing, without markers too`(test: String) throws {
    let output = try run("\(Project.program("file-map")) . \(test)", ["--without-markers"])
    #expect(output.status == 0 && output.out == "ok \(test)\n", "\(output.all)")
  }

  /// Catches a copy of a block that is made while somebody can still store to the block: what was stored in between is lost.
  @Test(arguments: ["fork", "window", "write", "range", "cut"])
  func `keeps what is stored while its blocks are copied`(way: String) throws {
    let output = try run("\(Project.program("lost-stores")) f \(way) \(way == "cut" ? 1000 : 100)")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a server that ends, or a touch that hangs, when a page goes while its SIGBUS is being answered.
  @Test func `can be truncated under threads that handle their signals`() throws {
    let output = try run("\(Project.program("truncate-race")) f 500")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a mapping that is the kernel's page cache after all.
  @Test func `is the medium itself`() throws {
    let script = """
      import mmap, os
      f = open("f", "w+b"); f.write(b"x" * 40960); f.flush()
      m = mmap.mmap(f.fileno(), 40960); assert m[4096] == 120
      assert any("softdax0" in line and " rw-s " in line for line in open("/proc/self/maps"))
      m[5:9] = b"dax!"; assert os.pread(f.fileno(), 4, 5) == b"dax!"; m.resize(81920); m[81919] = 1
      assert os.stat("f").st_size == 81920 and os.pread(f.fileno(), 1, 81919) == b"\\x01"
      """
    let output = try run("python3 -c '\(script)'")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches blocks that a file loses while a device uses them, a wait that nobody can end, and one that has no end when the pin is given back; and a
  /// mount that stands still meanwhile.
  @Test func `keeps pages that are pinned until they are given back, or a signal comes`() throws {
    let output = try run(
      """
      python3 - '\(Project.softdax)' <<'END'
      import mmap, os, signal, subprocess, sys
      def tool(*words): return subprocess.run((sys.argv[1],) + words, capture_output=True, text=True)
      size = 64 * 4096
      f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"x" * size)
      assert "no process shares" in tool("pin", "f@8192").stderr
      m = mmap.mmap(f, size); m[8192] = 1
      refused = tool("pin", "f@8192", "--longterm"); assert refused.returncode == 1 and "EOPNOTSUPP" in refused.stderr, refused
      assert tool("pin", "f@8192").returncode == 0
      class Rung(Exception): pass
      def ring(number, frame): raise Rung
      signal.signal(signal.SIGALRM, ring)
      for change in (lambda: os.ftruncate(f, 0), lambda: os.truncate("f", 4096)):
          signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
          try: change(); raise SystemExit("did not wait")
          except Rung: pass
          finally: signal.setitimer(signal.ITIMER_REAL, 0)
      assert os.fstat(f).st_size == size and m[8192] == 1 and m[0] == 120
      # More waiters than threads that serve: the mount goes on.
      waiters, maps = [], []
      for name in ["f", "a", "b", "c", "d", "e"]:
          if name != "f":
              g = os.open(name, os.O_RDWR | os.O_CREAT); os.write(g, b"x" * size)
              maps.append(mmap.mmap(g, size)); os.close(g)
              assert tool("pin", name + "@0").returncode == 0
          waiters.append(subprocess.Popen(["fallocate", "-p", "-o", "8192", "-l", "4096", name]))
          while waiters[-1].poll() is None and "request_wait_answer" not in open("/proc/%d/wchan" % waiters[-1].pid).read(): pass
      clone = subprocess.Popen(["cp", "--reflink=always", "f", "g"])
      assert all(w.poll() is None for w in waiters), [w.poll() for w in waiters]
      open("other", "w").write("y"); assert open("other").read() == "y"
      assert tool("unpin", "f@0").returncode == 1
      assert tool("unpin", "f@8192").returncode == 0
      assert waiters[0].wait() == 0 and clone.wait() == 0 and m[8192] == 0 and m[0] == 120
      assert tool("unpin", ".").returncode == 0
      assert [w.wait() for w in waiters] == [0] * 6 and maps[0][8192] == 0
      # A file that has lost its name keeps its blocks as long.
      g = os.open("u", os.O_RDWR | os.O_CREAT); os.write(g, b"z" * (8 << 20)); n = mmap.mmap(g, 8 << 20); n[0] = 1
      free = lambda: os.statvfs(".").f_bfree
      assert tool("pin", "u@0").returncode == 0
      before = free(); n.close(); os.close(g); os.unlink("u")
      assert free() < before + 2048
      assert tool("unpin", ".").returncode == 0
      while free() < before + 2048: pass
      END
      """)
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a byte that fio wrote through a mapping and did not find again, by the mapping or by read(2); and a check that sees nothing.
  @Test(arguments: ["mmap", "libpmem"])
  func `verifies what fio writes`(engine: String) throws {
    let output = try run(
      """
      set -- --rw=randwrite --bs=4k --size=16m --verify=crc32c --verify_fatal=1 --verify_state_save=0 --output-format=terse
      fio --name=t --filename=f --ioengine=\(engine) --direct=1 --do_verify=1 "$@" > /dev/null
      fio --name=t --filename=f --ioengine=psync --verify_only "$@" > /dev/null
      printf x | dd of=f bs=1 seek=70000 conv=notrunc 2> /dev/null
      if fio --name=t --filename=f --ioengine=mmap --verify_only "$@" > seen 2>&1; then echo "the wrong byte is not seen"; exit 1; fi
      grep -q 'offset 69632' seen
      fio --name=u --filename=g --size=8m --ioengine=\(engine) --rw=write --bs=2m --verify=md5 --verify_state_save=0 \
        --output-format=terse > /dev/null
      """, size: "128m")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches pools that PMDK makes and does not find again, by another process and by read(2).
  @Test func `holds PMDK's pools`() throws {
    let output = try run(
      """
      pmempool create obj --layout=x --size=16M pool; pmempool check -v pool; pmempool info pool | grep -q 'Layout.*x'
      cp pool copy; pmempool check copy; cp --reflink=always pool clone; pmempool check clone; cmp pool clone
      pmempool create log --size=16M log; pmempool check log; pmempool rm pool copy clone log; [ -z "$(ls)" ]
      """, size: "128m")
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a database that is another one through its mapping.
  @Test func `keeps SQLite's databases, mapped`() throws {
    let script = """
      import sqlite3
      for mode in ("delete", "wal"):
          db = sqlite3.connect(mode + ".db")
          db.execute("pragma mmap_size=33554432"); db.execute("pragma journal_mode=" + mode)
          db.execute("create table t(a integer primary key, b)")
          for i in range(60):
              db.execute("insert into t(b) values(?)", ("x" * i * 90,)); db.commit()
          db.execute("delete from t where a % 3 = 0"); db.commit(); db.execute("vacuum")
          other = sqlite3.connect(mode + ".db"); other.execute("pragma mmap_size=33554432")
          assert other.execute("select count(*) from t").fetchone() == (40,)
          assert other.execute("pragma integrity_check").fetchone() == ("ok",)
      """
    let output = try run(
      """
      python3 - <<'END'
      \(script)
      END
      cp wal.db copy.db; cmp wal.db copy.db
      """)
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches programs that map what they read: git its packs, cmp and tar none.
  @Test func `is what git, cp and tar find`() throws {
    let output = try run(
      """
      mkdir src; for i in 1 2 3 4 5 6; do head -c $((i * 90001)) /dev/urandom > src/$i; done
      git init -q repo; cp src/* repo; cd repo; git add .; git -c user.name=n -c user.email=e commit -qm m; git gc -q
      cd ..; git clone -q repo clone; git -C clone fsck; diff -r -x .git repo clone
      cp --reflink=always -r src again; diff -r src again; tar -cf t.tar src; tar -df t.tar
      """)
    #expect(output.status == 0, "\(output.all)")
  }

  /// Catches a call that does something else to a mapping than to an array in memory: random reads, writes, stores, clones, holes, truncation.
  @Test(arguments: [21, 22, 23]) func `goes through random calls as an array would`(seed: Int)
    throws
  {
    let output = try run("\(Project.program("fsx")) . \(seed) 1500 clone mapped")
    #expect(output.status == 0, "\(output.all)")
  }
}
