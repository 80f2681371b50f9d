/// A mounted filesystem of this host: a line of /proc/self/mountinfo.
public struct Mount: Equatable, Sendable {
  /// Where it is mounted.
  public let point: String
  /// "xfs"
  public let kind: String
  /// "/dev/pmem0"
  public let source: String
  /// "259:0": what /proc/PID/maps calls it.
  public let device: String
  /// Of the filesystem: "rw,dax=always".
  public let options: [String]

  /// Whether every file's pages are the device's: mounted with dax or dax=always.
  public var isDax: Bool { options.contains("dax") || options.contains("dax=always") }

  /// Reads a line of mountinfo; `nil` if it is none. Source: `proc_pid_mountinfo(5)`.
  public init?(line: Substring) {
    let halves = line.split(separator: " - ", maxSplits: 1)
    guard halves.count == 2 else { return nil }
    let first = halves[0].split(separator: " ")
    let second = halves[1].split(separator: " ", omittingEmptySubsequences: false)
    guard first.count >= 5, second.count >= 3 else { return nil }
    device = String(first[2])
    point = Self.unescaped(first[4])
    kind = String(second[0])
    source = Self.unescaped(second[1])
    options = second[2].split(separator: ",").map(String.init)
  }

  /// All that this process sees, in the order in which they were mounted.
  public static var all: [Mount] {
    let table = (try? SmallFile.read("/proc/self/mountinfo")) ?? ""
    return table.split(separator: "\n").compactMap { Mount(line: $0) }
  }

  /// mountinfo writes space, tab, newline and backslash as octal numbers.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
