internal import LinuxSys
public import PmemBase

/// The host's pool of huge pages of one size.
public struct HugePagePool: Sendable {
  private let folder: String

  public init(_ pages: PageSize) {
    folder = "/sys/kernel/mm/hugepages/hugepages-\(pages.bytes >> 10)kB"
  }

  /// This host knows the size.
  public var exists: Bool { Folder.exists(folder) }
  public var total: UInt64 { value("nr_hugepages") }
  /// Free and not promised to anybody.
  public var free: UInt64 {
    let free = value("free_hugepages")
    let promised = value("resv_hugepages")
    return free > promised ? free - promised : 0
  }

  private func value(_ name: String) -> UInt64 { SmallFile.number("\(folder)/\(name)") ?? 0 }
}
