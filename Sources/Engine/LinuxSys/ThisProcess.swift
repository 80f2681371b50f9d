internal import Glibc

/// Facts of this process.
public enum ThisProcess {
  public static var identifier: Int32 { getpid() }
  public static var effectiveUser: UInt32 { geteuid() }
  public static var effectiveGroup: UInt32 { getegid() }

  /// A variable of the environment, unless unset or empty.
  public static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
    return unsafe String(cString: value)
  }

  /// The whole environment, as `NAME=value`.
  public static var environment: [String] {
    var all: [String] = []
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      all.append(unsafe String(cString: text))
      unsafe entry += 1
    }
    return all
  }

  /// The executable file. Source: /proc/self/exe in `proc(5)`.
  public static var executable: String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/exe", $0.baseAddress!, $0.count)
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
  }
}

/// Facts of other processes.
public enum ProcessFacts {
  /// No such process, or a zombie that holds nothing any more.
  public static func isGone(_ identifier: Int32) -> Bool {
    let state = letter(identifier)
    return state == nil || state == "Z" || state == "X"
  }

  /// By SIGSTOP or the like, or by a debugger.
  public static func isStopped(_ identifier: Int32) -> Bool {
    let state = letter(identifier)
    return state == "T" || state == "t"
  }

  private static func letter(_ identifier: Int32) -> Character? {
    let text = try? SmallFile.read("/proc/\(identifier)/stat")
    return text?.drop { $0 != ")" }.dropFirst(2).first
  }

  /// Resident memory, in 4 KiB pages. Source: /proc/PID/statm.
  public static func residentPages(_ identifier: Int32) -> Int {
    let text = (try? SmallFile.read("/proc/\(identifier)/statm")) ?? ""
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }
}
