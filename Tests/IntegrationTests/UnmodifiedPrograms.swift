internal import LinuxSys
internal import TestSupport
import Testing

/// The programs that pmem engineers use, as Debian ships them, on a device that is not there.
@Suite(.serialized) struct `Unmodified programs` {
  /// Catches a sysfs tree, a node or a major number that libdaxctl does not believe.
  @Test func `daxctl lists the device with its size and alignment`() throws {
    let result = try Softdax.run(["--size", "256M"], ["daxctl", "list"])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.out.contains(#""chardev":"dax0.0""#), "\(result.all)")
    #expect(result.out.contains(#""size":268435456"#), "\(result.all)")
    #expect(result.out.contains(#""align":2097152"#), "\(result.all)")
    #expect(result.out.contains(#""mode":"devdax""#), "\(result.all)")
  }

  /// Catches a hole in the libnvdimm half of the tree, which PMDK takes size and alignment from.
  @Test func `ndctl lists region, namespace and device`() throws {
    let result = try Softdax.run([], ["ndctl", "list", "-NRD"])
    #expect(result.status == 0, "\(result.all)")
    for word in [#""dev":"region0""#, #""dev":"namespace0.0""#, #""chardev":"dax0.0""#] {
      #expect(result.out.contains(word), "\(result.all)")
    }
  }

  /// Catches a page handed out at the wrong offset, or twice: fio reads back what it wrote and compares checksums.
  @Test(arguments: [
    ["--rw=write", "--bs=2m", "--size=64m"], ["--rw=randwrite", "--bs=2m", "--size=64m"],
    ["--rw=randrw", "--bs=4k", "--size=32m", "--thread"],
  ])
  func `fio verifies what it wrote`(options: [String]) throws {
    let result = try Softdax.run(
      [], Fio.words(options + ["--verify=crc32c", "--do_verify=1"]))
    #expect(result.status == 0, "\(result.all)")
    #expect(result.out.contains("err= 0"), "\(result.all)")
    #expect(!result.all.contains("verify failed"), "\(result.all)")
  }

  /// Catches a job, forked or a thread, whose pages nobody serves. The jobs share their offsets (the dev-dax engine maps every job's file
  /// from offset 0), so they are not verified: on a real device they would overwrite each other as well.
  @Test(arguments: [[], ["--thread"]])
  func `fio runs two jobs at once`(options: [String]) throws {
    let result = try Softdax.run(
      ["--report"],
      Fio.words(["--rw=randwrite", "--bs=4k", "--size=64m", "--numjobs=2"] + options))
    #expect(result.status == 0, "\(result.all)")
    #expect(result.out.components("err= 0") == 2, "\(result.all)")
    #expect(result.err.contains("pages of /dev/dax0.0 idle"), "\(result.all)")
  }

  /// The same with pages of 4 KiB, one fault for each.
  @Test func `fio verifies on a device of 4 KiB pages`() throws {
    let result = try Softdax.run(
      ["--align", "4k", "--size", "64M", "--report"],
      Fio.words(["--rw=randwrite", "--bs=4k", "--size=16m", "--verify=crc32c"]))
    #expect(result.status == 0, "\(result.all)")
    #expect(result.err.contains("all 16384 pages of /dev/dax0.0 idle"), "\(result.all)")
  }

  /// Catches faults inside system calls: daxio copies by read(2) and write(2) from and to the mapping.
  @Test func `daxio copies in and out the same bytes`() throws {
    let folder = try Scratch()
    let script = """
      head -c 33554432 /dev/urandom > in &&
      daxio -i in -o /dev/dax0.0 -l 32M && daxio -i /dev/dax0.0 -o out -l 32M && cmp in out
      """
    let result = try Softdax.run([], ["sh", "-c", script], in: folder.path)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches what libpmemobj needs of a device: MAP_SYNC, flock, alignment through libndctl, and the bytes from one process to the next.
  @Test func `pmempool creates, describes, checks and removes a pool`() throws {
    let script = """
      pmempool create obj /dev/dax0.0 && pmempool info /dev/dax0.0 && pmempool check -v /dev/dax0.0 &&
      pmempool rm /dev/dax0.0 && ! pmempool info /dev/dax0.0
      """
    let result = try Softdax.run([], ["sh", "-c", script])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.out.contains("consistent"), "\(result.all)")
  }

  /// Catches a step that needs privilege: where the host lets ordinary users have a userfaultfd, everything works for them too.
  @Test(.enabled(if: ThisProcess.effectiveUser == 0, "must be root to become somebody else"))
  func `an ordinary user runs them as well`() throws {
    let folder = try Scratch()
    let script = """
      chmod 777 . && cat > t.sh <<'END'
      set -e
      daxctl list
      fio --ioengine=dev-dax --filename=/dev/dax0.0 --name=t --rw=write --bs=2m --size=32m --verify=crc32c \\
        --verify_state_save=0
      head -c 8388608 /dev/urandom > in
      daxio -i in -o /dev/dax0.0 -l 8M
      daxio -i /dev/dax0.0 -o out -l 8M
      cmp in out
      daxio -z -o /dev/dax0.0 -l 8M
      pmempool create obj /dev/dax0.0
      pmempool check /dev/dax0.0
      END
      exec setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/tmp \
        \(Project.softdax) run --report -- sh t.sh
      """
    let result = try Program.run(["sh", "-c", script], in: folder.path)
    #expect(result.status == 0, "\(result.all)")
    #expect(result.err.contains("idle"), "\(result.all)")
  }

  /// Catches path mapping that covers only what daxctl happens to call.
  @Test func `shells, coreutils and python see a character device`() throws {
    let script = """
      test -c /dev/dax0.0 && ls -la /dev/dax0.0 | grep -q '^crw' &&
      [ "$(stat -c %s /dev/dax0.0)" = 0 ] &&
      [ "$(cat /sys/bus/dax/devices/dax0.0/size)" = 536870912 ] &&
      [ "$(realpath /sys/bus/dax/devices/dax0.0/subsystem)" = /sys/bus/dax ] &&
      find /sys/bus/dax/ -name dax0.0 | grep -q dax0.0 &&
      ! dd if=/dev/dax0.0 of=/dev/null bs=4k count=1 2>/dev/null &&
      python3 -c "
      import mmap, os
      fd = os.open('/dev/dax0.0', os.O_RDWR)
      m = mmap.mmap(fd, 1 << 21)
      m[0:5] = b'hello'
      assert bytes(m[0:5]) == b'hello'
      assert os.fstat(fd).st_size == 0
      "
      """
    let result = try Softdax.run([], ["sh", "-c", script])
    #expect(result.status == 0, "\(result.all)")
  }
}
