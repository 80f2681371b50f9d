import LinuxSys
import SystemPackage
import TestSupport
import Testing

/// The device of a mount goes, as programs meet it: `file-removal` has it unbound with the command of a user, and says in one line what it
/// found wrong.
@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `The device of a mounted filesystem` {
  /// Catches a process that is not told, or told what it has not; a wrong code or address; a page that is there still; a private copy that is
  /// lost; a removal that waits for a stopped workload; a filesystem that goes on.
  @Test(arguments: [("announced", "7.2"), ("announced", "6.12"), ("unannounced", "6.1")])
  func `goes as on a kernel with DAX`(name: String, kernel: String) throws {
    let ground = try Ground()
    let output = try Softdax.run(
      ["--fs", ground.mount, "--size", "64m", "--kernel", kernel],
      [
        "bash", "-c",
        "cd \(ground.mount); exec \(Project.program("file-removal")) \(name) \(Project.softdax)",
      ])
    #expect(output.status == 0, "\(name) \(kernel): \(output.all)")
    #expect(!ground.isMounted)
  }

  /// Catches bytes that go with the device: what was written, and what was stored through a mapping.
  @Test(arguments: ["/var/tmp", "/dev/shm"])
  func `keeps its bytes, and can be mounted again`(folder: String) throws {
    let ground = try Ground()
    let scratch = try Scratch(in: folder)
    let image = scratch.path + "/image"
    func run(_ script: String, _ options: [String] = []) throws -> Program.Output {
      try Softdax.run(
        ["--fs", ground.mount, "--medium", image] + options,
        ["bash", "-c", "set -e; cd \(ground.mount); \(script)"])
    }
    let store = """
      import mmap
      with open("m", "r+b") as f:
          m = mmap.mmap(f.fileno(), 0); m[70000:70005] = b"bytes"
      """
    let write = try run(
      """
      head -c 300001 /dev/urandom > d; head -c 131072 /dev/zero > m
      python3 -c '\(store)'; cp --reflink=always d e
      sha256sum d m e > sums; cp sums \(scratch.path)/sums
      \(Project.softdax) unbind .
      if ls . 2>/dev/null; then exit 98; fi
      """, ["--size", "64m"])
    #expect(write.status == 0, "\(write.all)")
    #expect(!ground.isMounted)
    let read = try run("cmp sums \(scratch.path)/sums; sha256sum -c --quiet sums; touch new")
    #expect(read.status == 0, "\(read.all)")
    let checked = try Softdax.tool(["fsck", "-n", image])
    #expect(checked.status == 0, "\(checked.all)")
  }

  /// Catches a mount that the tools of the field do not find, errors that the filesystem does not meet, a namespace that can be disabled under
  /// it, and an unbind that only the bus knows of.
  @Test func `is a namespace to ndctl, which can break it and not disable it`() throws {
    let ground = try Ground()
    let output = try Softdax.run(
      ["--fs", ground.mount, "--size", "64m"],
      [
        "bash", "-c",
        """
        set -e; cd \(ground.mount)
        [ "$(ndctl list | python3 -c '
        import json, sys
        for n in json.load(sys.stdin): print(n["dev"], n["mode"], n["size"])
        ')" = "namespace0.0 fsdax 67108864" ]
        head -c 65536 /dev/zero > f
        first=$(( $(filefrag -b512 -v f | awk '$1 == "0:" { print $4 + 0 }') ))
        ndctl inject-error namespace0.0 -B $((first + 8)) -n 8 > /dev/null
        if dd if=f of=/dev/null bs=4096 skip=1 count=1 2> /dev/null; then exit 91; fi
        dd if=f of=/dev/null bs=4096 skip=2 count=1 2> /dev/null
        grep -qx "$((first + 8)) 8" /sys/bus/nd/devices/region0/badblocks
        if ndctl disable-namespace namespace0.0 2> /dev/null; then exit 92; fi
        ls > /dev/null
        echo namespace0.0 > /sys/bus/nd/drivers/nd_pmem/unbind
        if ls > /dev/null 2>&1; then exit 93; fi
        [ ! -e /sys/bus/nd/devices/namespace0.0/driver ]
        if \(Project.softdax) unbind pmem0 2> /dev/null; then exit 94; fi
        ndctl enable-namespace namespace0.0
        [ -e /sys/bus/nd/devices/namespace0.0/driver ]
        if ls > /dev/null 2>&1; then exit 95; fi
        """,
      ])
    #expect(output.status == 0, "\(output.status) \(output.all)")
  }
}
