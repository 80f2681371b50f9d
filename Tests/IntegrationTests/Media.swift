internal import TestSupport
import Testing

/// Where the bytes live, and that they stay there.
@Suite(.serialized) struct Media {
  /// Catches a file medium whose bytes are a copy, or a server that resets the file.
  @Test(arguments: ["/dev/shm", "/var/tmp"])
  func `a file keeps its bytes across runs, at the device's offsets`(base: String) throws {
    let folder = try Scratch(in: base)
    let medium = ["--medium", folder.path + "/pmem", "--size", "64M"]
    let script = """
      head -c 4194304 /dev/urandom > \(folder.path)/in
      daxio -i \(folder.path)/in -o /dev/dax0.0 -s 8M -l 4M
      """
    let written = try Softdax.run(medium, ["sh", "-c", script])
    #expect(written.status == 0, "\(written.all)")
    let read = try Softdax.run(
      Array(medium.prefix(2)),
      [
        "sh", "-c",
        "daxio -i /dev/dax0.0 -k 8M -l 4M -o \(folder.path)/out && cmp \(folder.path)/in \(folder.path)/out",
      ])
    #expect(read.status == 0, "\(read.all)")
    let direct = try Program.run([
      "sh", "-c",
      "tail -c +8388609 \(folder.path)/pmem | head -c 4194304 | cmp - \(folder.path)/in",
    ])
    #expect(direct.status == 0, "\(direct.all)")
  }

  /// Catches devices that share a medium, a name or a node.
  @Test func `a run has as many devices as it asks for`() throws {
    let result = try Softdax.run(
      ["--device", "size=64M,align=2m", "--device", "size=32M,align=4k"],
      [
        "sh", "-c",
        """
        daxctl list | grep -c chardev | grep -qx 2 && ndctl list -N | grep -c devdax | grep -qx 2 &&
        head -c 2097152 /dev/urandom > /tmp/softdax-in.$$ && daxio -i /tmp/softdax-in.$$ -o /dev/dax0.0 -l 2M &&
        daxio -z -o /dev/dax1.0 -l 4K && daxio -i /dev/dax0.0 -l 2M -o /tmp/softdax-out.$$ &&
        cmp /tmp/softdax-in.$$ /tmp/softdax-out.$$; status=$?; rm -f /tmp/softdax-in.$$ /tmp/softdax-out.$$; exit $status
        """,
      ])
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches eager insertion that leaves holes, and fault-around that counts pages it did not map.
  @Test func `populate inserts everything at mmap, fault-around a block`() throws {
    let touch = [Project.program("map-hold"), "/dev/dax0.0", "0", "16777216"]
    let eager = try Softdax.run(
      ["--size", "16M", "--align", "4k", "--populate", "--report"], touch)
    #expect(eager.status == 0, "\(eager.all)")
    #expect(eager.err.contains("4096 pages of 4k inserted, 0 faults"), "\(eager.all)")
    let around = try Softdax.run(
      ["--size", "16M", "--align", "4k", "--fault-around", "16", "--report"], touch)
    #expect(around.status == 0, "\(around.all)")
    // Blocks are aligned by address: one more if the window begins inside one.
    let counts = [256, 257].map { "4096 pages of 4k inserted, \($0) faults" }
    #expect(counts.contains { around.err.contains($0) }, "\(around.all)")
  }
}
