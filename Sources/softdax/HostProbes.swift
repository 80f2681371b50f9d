internal import LinuxSys
internal import Medium
internal import PmemBase
internal import SystemPackage

/// What `check` found out about this host, before it is judged.
struct HostProbes {
  /// Whether something works, or the errno that says why not.
  enum Outcome: Equatable {
    case works
    case fails(Errno)

    /// Whether `probe` returns.
    init(_ probe: () throws(Errno) -> Void) {
      do throws(Errno) {
        try probe()
        self = .works
      } catch {
        self = .fails(error)
      }
    }

    var isWorking: Bool { self == .works }
  }

  struct HugePages: Equatable {
    var reserved: UInt64
    /// And not promised to anybody.
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
  var features: Userfaultfd.Features
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
  var preload: Result<String, CommandFailure>
  var preloadIsMapped: Outcome
  var realDevices: RealDevices

  /// Tries everything; some 50 ms, nothing is left behind.
  static func run() -> HostProbes {
    // What userfaultfd offers is the same whichever way it was opened.
    var features: Userfaultfd.Features = []
    func open(_ way: HostProbe.Way) -> Outcome {
      Outcome { () throws(Errno) in features = try HostProbe.userfaultfd(way) }
    }
    let (systemCall, userMode, device) = (open(.systemCall), open(.userMode), open(.device))
    let preload = Result { () throws(CommandFailure) in try PreloadLibrary.find() }
    return HostProbes(
      systemCall: systemCall, userMode: userMode, device: device,
      features: features, memfd: Outcome(HostProbe.memfd),
      insertion: Outcome { () throws(Errno) in try HostProbe.insertion() },
      hugeInsertion: Outcome { () throws(Errno) in
        try HostProbe.insertion(hugePageBytes: 1 << 21)
      },
      huge2M: hugePages(.huge), huge1G: hugePages(.giant),
      hasMemoryFailure: HostProbe.hasMemoryFailure,
      hasDeviceDax: Folder.exists("/sys/bus/dax/drivers/device_dax"),
      hasDaxBus: Folder.exists("/sys/bus/dax"),
      preload: preload,
      preloadIsMapped: (try? preload.get()).map(preloading) ?? .fails(.noSuchFileOrDirectory),
      realDevices: findRealDevices())
  }

  /// Whether programs have `library` mapped when LD_PRELOAD names it.
  private static func preloading(_ library: String) -> Outcome {
    Outcome { () throws(Errno) in
      // The loader says nothing that a program could read: it ignores what it cannot load.
      guard try HostProbe.isPreloaded(library, in: ThisProcess.executable) else {
        throw .execFormatError
      }
    }
  }

  private static func hugePages(_ size: PageSize) -> HugePages? {
    let pool = HugePagePool(size)
    return pool.exists ? HugePages(reserved: pool.total, free: pool.free) : nil
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
