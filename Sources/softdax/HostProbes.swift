internal import CSoftdax
internal import FoundationEssentials
internal import Medium
internal import SystemPackage

/// What `check` found out about this host, before it is judged.
struct HostProbes {
  /// Whether something works, or the errno that says why not.
  enum Outcome: Equatable {
    case works
    case fails(Errno)

    init(_ result: Int32) { self = result >= 0 ? .works : .fails(Errno(rawValue: -result)) }

    var isWorking: Bool { self == .works }
  }

  struct HugePages: Equatable {
    var reserved: UInt64
    var free: UInt64
  }

  enum RealDevices: Equatable {
    case notBuilt
    case found([String])
    case failed(String)
  }

  var systemCall: Outcome
  var userMode: Outcome
  var device: Outcome
  /// UFFD_FEATURE_* of whichever way works.
  var features: UInt64
  var memfd: Outcome
  /// A page of a memfd installed by UFFDIO_CONTINUE and read.
  var insertion: Outcome
  var hugeInsertion: Outcome
  /// Nil: this kernel has no pages of that size.
  var huge2M: HugePages?
  var huge1G: HugePages?
  var hasMemoryFailure: Bool
  var hasDeviceDax: Bool
  var hasDaxBus: Bool
  var preload: String?
  var preloadIsMapped: Outcome
  var realDevices: RealDevices

  /// Tries everything; some 50 ms, nothing is left behind.
  static func run() -> HostProbes {
    let ways = [SD_PROBE_SYSTEM_CALL, SD_PROBE_USER_MODE, SD_PROBE_DEVICE]
      .map { sd_probe_userfaultfd($0) }
    let preload = PreloadLibrary.find()
    return HostProbes(
      systemCall: Outcome(ways[0].error), userMode: Outcome(ways[1].error),
      device: Outcome(ways[2].error),
      features: ways.first { $0.error == 0 }?.features ?? 0,
      memfd: Outcome(sd_probe_memfd(0)), insertion: Outcome(sd_probe_insertion(0)),
      hugeInsertion: Outcome(sd_probe_insertion(21)),
      huge2M: hugePages(kibibytes: 2048), huge1G: hugePages(kibibytes: 1_048_576),
      hasMemoryFailure: sd_probe_memory_failure() == 1,
      hasDeviceDax: HostFile.exists("/sys/bus/dax/drivers/device_dax"),
      hasDaxBus: HostFile.exists("/sys/bus/dax"),
      preload: preload,
      preloadIsMapped: preload.map(preloading) ?? .fails(.noSuchFileOrDirectory),
      realDevices: findRealDevices())
  }

  /// Whether programs have `library` mapped when LD_PRELOAD names it.
  private static func preloading(_ library: String) -> Outcome {
    let result = unsafe sd_probe_preload(library)
    // The loader says nothing that a program could read: it ignores what it cannot load.
    return result == 0 ? .fails(.execFormatError) : Outcome(result)
  }

  private static func hugePages(kibibytes: Int) -> HugePages? {
    let directory = "/sys/kernel/mm/hugepages/hugepages-\(kibibytes)kB"
    guard let reserved = HostFile.number(directory + "/nr_hugepages"),
      let free = HostFile.number(directory + "/free_hugepages")
    else { return nil }
    return HugePages(reserved: reserved, free: free)
  }

  private static func findRealDevices() -> RealDevices {
    do {
      return .found(try RealDevice.all().map(\.name))
    } catch {
      if case .notBuilt = error { return .notBuilt }
      return .failed("\(error)")
    }
  }
}
