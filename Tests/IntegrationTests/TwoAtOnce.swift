import TestSupport
import Testing

/// Several programs, several servers: what is shared is the device, and nothing else.
@Suite(.serialized) struct `Two at once` {
  /// Copies `bytes` of a random file to the device at `offset` and back; says what differs.
  private static func roundTrip(_ folder: Scratch, _ name: String, offset: String) -> String {
    """
    cd \(folder.path) && head -c 16777216 /dev/urandom > \(name).in &&
    for round in 1 2 3 4; do
      daxio -i \(name).in -o /dev/dax0.0 -s \(offset) -l 16M && daxio -i /dev/dax0.0 -k \(offset) -l 16M -o \(name).out &&
      cmp \(name).in \(name).out || exit 1
    done
    """
  }

  /// Catches a server that serves one workload at a time, or gives one the pages of the other.
  @Test func `two programs work on one device at the same time`() throws {
    let folder = try Scratch()
    let service = try Service(["--size", "64M"])
    let programs = try [("a", "0"), ("b", "32M")].map { name, offset in
      try service.start(["sh", "-c", Self.roundTrip(folder, name, offset: offset)])
    }
    for program in programs {
      let ending = try program.wait()
      #expect(ending.status == 0, "\(ending.all)")
    }
    #expect(try service.stop().status == 0)
  }

  /// Catches a second copy of a page: what one process stores the other must load, at once.
  @Test(arguments: [[], ["--medium", "/var/tmp"]])
  func `what one process stores another loads`(medium: [String]) throws {
    let folder = try Scratch(in: medium.last ?? "/tmp")
    let options = medium.isEmpty ? [] : ["--medium", folder.path + "/pmem"]
    let script = """
      import mmap, os, sys, time
      fd = os.open('/dev/dax0.0', os.O_RDWR)
      m = mmap.mmap(fd, 1 << 21)
      mine, other = (0, 4096) if sys.argv[1] == 'a' else (4096, 0)
      for n in range(1, 200):
          m[mine] = n
          deadline = time.time() + 20
          while m[other] < n:
              if time.time() > deadline: sys.exit('lost store %d' % n)
      """
    let service = try Service(["--size", "4M"] + options)
    let programs = try ["a", "b"].map { try service.start(["python3", "-c", script, $0]) }
    for program in programs {
      let ending = try program.wait()
      #expect(ending.status == 0, "\(ending.all)")
    }
    #expect(try service.stop().status == 0)
  }

  /// Catches servers that share a directory, a socket, or bytes.
  @Test func `two servers have two devices of the same name`() throws {
    let folder = try Scratch()
    let services = try [Service(["--size", "64M"]), Service(["--size", "64M"])]
    let programs = try zip(services, ["a", "b"]).map { service, name in
      try service.start(["sh", "-c", Self.roundTrip(folder, name, offset: "0")])
    }
    for program in programs {
      let ending = try program.wait()
      #expect(ending.status == 0, "\(ending.all)")
    }
    for service in services { #expect(try service.stop().status == 0) }
  }

  /// Catches two runs that get in each other's way: each is a machine of its own.
  @Test func `two runs are two machines`() throws {
    let folder = try Scratch()
    let programs = try ["a", "b"].map { name in
      try Program([
        Project.softdax, "run", "--size", "64M", "--", "sh", "-c",
        Self.roundTrip(folder, name, offset: "0"),
      ])
    }
    for program in programs {
      let ending = try program.wait()
      #expect(ending.status == 0, "\(ending.all)")
    }
  }
}
