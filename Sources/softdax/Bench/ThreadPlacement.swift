internal import LinuxSys

/// On which CPUs a process's threads may run: it moves a fault's latency more than anything else does.
struct ThreadPlacement: Encodable, Equatable {
  /// The CPUs of each group of threads that share them, most threads first: "0-1".
  var cpus: [String]
  /// Some thread may not run everywhere.
  var isPinned: Bool

  /// The threads of `process` now; nil when it cannot be seen.
  init?(process: Int32, online: String) {
    let tasks = "/proc/\(process)/task"
    let lists = Folder.entries(tasks).compactMap { thread in
      (try? SmallFile.read("\(tasks)/\(thread)/status")).flatMap {
        SmallFile.field("Cpus_allowed_list", of: $0)
      }
    }
    self.init(lists: lists, online: online)
  }

  init?(lists: [String], online: String) {
    guard !lists.isEmpty else { return nil }
    let counts = Dictionary(grouping: lists) { $0 }.mapValues(\.count)
    cpus = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    isPinned = cpus != [online]
  }

  /// "pinned, threads on CPUs 1 and 0-1", or "not pinned".
  var text: String {
    isPinned ? "pinned, threads on CPUs " + cpus.joined(separator: " and ") : "not pinned"
  }
}
