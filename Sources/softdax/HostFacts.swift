internal import FoundationEssentials

/// What a measurement has to say about the machine that it was taken on.
struct HostFacts: Encodable, Equatable {
  /// Release of the running kernel.
  var kernel: String
  /// Model name of the first CPU.
  var processor: String
  /// CPUs online, as the kernel lists them: "0-1".
  var online: String
  /// "KVM" and the like, or "none" when the CPU does not report a hypervisor.
  var hypervisor: String

  static func current() -> HostFacts {
    let processor = HostFile.text("/proc/cpuinfo") ?? ""
    let flags = HostFile.field("flags", of: processor)?.split(separator: " ") ?? []
    let isGuest = flags.contains("hypervisor")
    return HostFacts(
      kernel: HostFile.line("/proc/sys/kernel/osrelease") ?? "unknown",
      processor: HostFile.field("model name", of: processor) ?? "unknown",
      online: HostFile.line("/sys/devices/system/cpu/online") ?? "unknown",
      hypervisor: isGuest ? HostFile.line("/sys/hypervisor/type") ?? "yes" : "none")
  }

  /// "Linux 6.12.9, AMD EPYC, CPUs 0-1, in a virtual machine".
  var text: String {
    "Linux \(kernel), \(processor), CPUs \(online)"
      + (hypervisor == "none" ? "" : ", in a virtual machine")
  }
}

/// Small files of /proc and /sys.
enum HostFile {
  static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }

  /// The first line, or nil if there is none.
  static func line(_ path: String) -> String? {
    text(path)?.split(separator: "\n").first.map { trimmed($0) }
  }

  static func number(_ path: String) -> UInt64? { line(path).flatMap { UInt64($0) } }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// Names in a directory, sorted; empty if it cannot be read.
  static func names(in path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// The value of the first "name : value" line of `text`.
  static func field(_ name: String, of text: String) -> String? {
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":"), trimmed(line[..<colon]) == name else { continue }
      return trimmed(line[line.index(after: colon)...])
    }
    return nil
  }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return String(rest)
  }
}
