internal import LinuxSys
internal import SystemPackage
internal import TestSupport

/// A real filesystem in a file, mounted for one test.
final class LoopMount {
  let point: String
  private let folder: Scratch

  /// - Throws: what mkfs or mount said.
  init(mkfs: String) throws {
    folder = try Scratch()
    point = folder.path + "/mnt"
    try run("truncate -s 400M '\(folder.path)/image' && mkdir '\(point)'")
    try run("\(mkfs) '\(folder.path)/image' && mount -o loop '\(folder.path)/image' '\(point)'")
  }

  deinit { _ = try? Program.run(["umount", "-l", point]) }

  /// Runs a shell line; returns what it printed.
  @discardableResult
  func run(_ line: String) throws -> String {
    let output = try Program.run(["sh", "-ec", line])
    guard output.status == 0 else { throw Failed(line: line, output: output.all) }
    return output.out
  }

  struct Failed: Error {
    let line: String
    let output: String
  }

  /// Whether this host lets us: root, a loop device, and `tool`.
  static func canUse(_ tool: String) -> Bool {
    guard ThisProcess.effectiveUser == 0, Folder.exists("/dev/loop-control") else { return false }
    guard let output = try? Program.run(["sh", "-c", "command -v \(tool)"]) else { return false }
    return output.status == 0
  }
}
