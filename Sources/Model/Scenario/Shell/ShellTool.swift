/// The commands that there are in a scenario's guest.
///
/// A tool gets its words and what it reads, and says what it prints and how it ended.
enum ShellTool {
  typealias Run =
    @Sendable (inout Simulator, ShellCall, inout ShellState) -> Simulator.CommandResult

  /// The tool of that name; nil for one that the guest does not have.
  static func named(_ name: String) -> Run? { table[name] }

  static var names: [String] { table.keys.sorted() }

  private static let table: [String: Run] = {
    var table = Dictionary(uniqueKeysWithValues: withoutEffect.map { ($0, silent) })
    for part in [builtins, text, filters, files, machine] {
      table.merge(part) { _, new in new }
    }
    return table
  }()

  /// What changes or shows nothing that the model knows.
  private static let withoutEffect = [
    "blkid", "blockdev", "chattr", "chgrp", "chmod", "chown", "date", "dmesg", "e2fsck", "fdisk",
    "free", "fsck", "hexdump", "hostname", "insmod", "kill", "logger", "losetup", "lsattr", "lsblk",
    "lsmod", "modprobe", "od", "parted", "partprobe", "partx", "ps", "rmmod", "sfdisk", "sleep",
    "sync", "trap", "tune2fs", "udevadm", "ulimit", "umask", "usleep", "wait", "wipefs",
    "xfs_admin",
    "xfs_info", "xfs_repair", "xxd", "zcat",
  ]

  private static let silent: Run = { simulator, call, _ in
    simulator.note("shell", "\(call.tool) has no effect in the model, and prints nothing")
    return Simulator.CommandResult()
  }
}

extension Simulator.CommandResult {
  /// What a tool says when it fails.
  static func failure(_ call: ShellCall, _ message: String, status: Int = 1) -> Self {
    let shell = ShellTool.builtins[call.tool] == nil ? "" : "sh: 1: "
    return Self(status: status, errors: "\(shell)\(call.tool): \(message)\n")
  }
}
