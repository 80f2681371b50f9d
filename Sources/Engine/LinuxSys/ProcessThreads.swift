extension ProcessFacts {
  /// A thread, and what it has asked for with PR_MCE_KILL.
  public struct Thread: Sendable, Equatable {
    public let identifier: Int32
    /// PF_MCE_PROCESS: it has asked for something.
    public let hasPolicy: Bool
    /// PF_MCE_EARLY
    public let isEarly: Bool
  }

  /// The threads in the order in which they were created, leader first; none when the process is gone.
  ///
  /// Cost: about 10 µs for each. Source: field 9 of /proc/PID/task/TID/stat; PF_MCE_* in include/linux/sched.h (v6.1 to v7.3).
  public static func threads(_ identifier: Int32) -> [Thread] {
    Folder.entries("/proc/\(identifier)/task").compactMap { name in
      guard let thread = Int32(name),
        let flags = fields("/proc/\(identifier)/task/\(name)/stat").flatMap({ UInt64($0[6]) })
      else { return nil }
      return Thread(
        identifier: thread, hasPolicy: flags & 0x80 != 0, isEarly: flags & 0x0800_0000 != 0)
    }
  }

  /// Whether the thread blocks the signal, or its process ignores it. Source: SigBlk, SigIgn of proc_pid_status(5).
  public static func avoids(signal: Int32, _ identifier: Int32, thread: Int32) -> Bool {
    guard let text = try? SmallFile.read("/proc/\(identifier)/task/\(thread)/status") else {
      return false
    }
    return ["SigBlk", "SigIgn"].contains { name in
      SmallFile.field(name, of: text).flatMap { UInt64($0, radix: 16) }
        .map { $0 >> UInt64(signal - 1) & 1 == 1 } ?? false
    }
  }

  /// Whether it is ending, and how it has ended; nil when it is gone. Source: PF_EXITING in include/linux/sched.h.
  static func state(_ identifier: Int32) -> (isExiting: Bool, status: Int32?)? {
    guard let fields = fields("/proc/\(identifier)/stat"), fields.count > 49,
      let flags = UInt64(fields[6])
    else { return nil }
    return (flags & 4 != 0, fields[0] == "Z" ? Int32(fields[49]) : nil)
  }

  /// When it was started, in ticks since boot; 0 when it is gone. Source: field 22 of /proc/PID/stat.
  public static func startTime(_ identifier: Int32) -> UInt64 {
    fields("/proc/\(identifier)/stat").flatMap { UInt64($0[19]) } ?? 0
  }

  /// The fields of a stat file from the third on: the second, the name, may hold anything.
  private static func fields(_ path: String) -> [Substring]? {
    guard let text = try? SmallFile.read(path), let name = text.lastIndex(of: ")") else {
      return nil
    }
    let rest = text[text.index(after: name)...].split(separator: " ")
    return rest.count >= 20 ? rest : nil
  }
}
