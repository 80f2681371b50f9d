internal import FaultEngine
internal import LinuxSys

/// What works on this host, in lines that say what to do about what does not.
struct HostReport: Encodable, Equatable {
  struct Item: Encodable, Equatable {
    enum State: String, Encodable { case works, missing, note }

    /// For `--require`.
    var name: String
    var state: State
    var detail: String
    /// What to do; nil where nothing is to be done.
    var remedy: String?
    /// `softdax run` cannot do without it.
    var isNeeded: Bool
  }

  var kernel: String
  var items: [Item]
  /// Everything that `run` needs works.
  var canRun: Bool

  init(_ probes: HostProbes, kernel: String) {
    self.kernel = kernel
    items =
      Self.userfaultfd(probes) + Self.features(probes.features) + Self.memory(probes)
      + Self.kernel(probes) + Self.preload(probes) + Self.realDevices(probes)
    canRun = items.allSatisfy { !$0.isNeeded || $0.state == .works }
  }

  /// The item of that name; nil: there is none.
  func item(_ name: String) -> Item? { items.first { $0.name == name } }

  var text: String {
    let width = items.map(\.name.count).max() ?? 0
    var text = "Linux \(kernel)\n"
    for item in items {
      let mark =
        switch item.state {
        case .works: "yes "
        case .missing: item.isNeeded ? "NO  " : "no  "
        case .note: "note"
        }
      let space = String(repeating: " ", count: width - item.name.count)
      text += "\(mark)  \(item.name)\(space)  \(item.detail)\n"
      if let remedy = item.remedy {
        text += String(repeating: " ", count: width + 8) + "-> \(remedy)\n"
      }
    }
    return text + (canRun ? "softdax run works here\n" : "softdax run does not work here\n")
  }

  // MARK: Its parts

  private static func userfaultfd(_ probes: HostProbes) -> [Item] {
    let sysctl = "sysctl vm.unprivileged_userfaultfd=1"
    let seesKernelFaults = probes.systemCall.isWorking || probes.device.isWorking
    let any = seesKernelFaults || probes.userMode.isWorking
    return [
      item(
        "userfaultfd", any ? .works : .missing,
        seesKernelFaults
          ? "sees faults of programs and of system calls"
          : any
            ? "sees faults of programs only: read(2) into an absent page is EFAULT"
            : "cannot be opened in any way: \(why(probes.userMode))",
        any
          ? nil
          : "use a kernel with CONFIG_USERFAULTFD (5.11 or newer), or allow userfaultfd(2) in the container's "
            + "seccomp profile", isNeeded: true),
      item(
        "userfaultfd-full", probes.systemCall,
        "userfaultfd(2), faults inside system calls included", "run as root, or \(sysctl)"),
      item(
        "userfaultfd-user-mode", probes.userMode,
        "userfaultfd(2) with UFFD_USER_MODE_ONLY, without privilege",
        "needs Linux 5.11 with CONFIG_USERFAULTFD"),
      item(
        "userfaultfd-device", probes.device, "/dev/userfaultfd (Linux 6.1)",
        "give your group access (chgrp, chmod 660 /dev/userfaultfd), or \(sysctl)"),
    ]
  }

  private static func features(_ offered: Userfaultfd.Features) -> [Item] {
    // Source: include/uapi/linux/userfaultfd.h; `userfaultfd_api`, fs/userfaultfd.c.
    let minor = " on x86-64 or arm64"
    let known: [(name: String, feature: Userfaultfd.Features, remedy: String, use: String)] = [
      ("minor-shmem", .minorShmem, "5.14 or newer" + minor, "pages of memfd and tmpfs, 4K"),
      ("minor-hugetlbfs", .minorHugetlb, "5.13 or newer" + minor, "pages of hugetlb, 2M and 1G"),
      ("missing-shmem", .missingShmem, "4.11 or newer", "absent pages of memfd and tmpfs"),
      ("missing-hugetlbfs", .missingHugetlb, "4.11 or newer", "absent pages of hugetlb"),
      ("event-remap", .remapEvents, "4.11 or newer", "mremap of a device mapping"),
      ("thread-id", .threadIdentifier, "4.14 or newer", "which thread touched a page"),
      (
        "poison", .poison, "6.6 or newer",
        "SIGBUS on a poisoned page (else programs' agents take it away)"
      ),
    ]
    return known.map { feature in
      item(
        feature.name, offered.contains(feature.feature) ? .works : .missing,
        "userfaultfd: \(feature.use)", "needs Linux \(feature.remedy)",
        isNeeded: !Workload.features.isDisjoint(with: feature.feature))
    }
  }

  private static func memory(_ probes: HostProbes) -> [Item] {
    [
      item(
        "memfd", probes.memfd, "memory for devices without a file",
        "needs memfd_create(2) and free memory", isNeeded: true),
      item(
        "insertion", probes.insertion, "a page installed by UFFDIO_CONTINUE, tried",
        "needs Linux 5.14; see userfaultfd above", isNeeded: true),
      hugePages("hugetlb-2m", probes.huge2M, kibibytes: 2048, inserted: probes.hugeInsertion),
      hugePages("hugetlb-1g", probes.huge1G, kibibytes: 1_048_576, inserted: nil),
    ]
  }

  private static func hugePages(
    _ name: String, _ pages: HostProbes.HugePages?, kibibytes: Int, inserted: HostProbes.Outcome?
  ) -> Item {
    guard let pages else {
      return item(
        name, .missing, "this kernel has no pages of \(kibibytes >> 10) MiB",
        "use a CPU and a kernel with CONFIG_HUGETLBFS that have them")
    }
    let node = "/sys/kernel/mm/hugepages/hugepages-\(kibibytes)kB/nr_hugepages"
    let reserve = kibibytes == 2048 ? "sysctl vm.nr_hugepages=256" : "echo 1 > \(node)"
    if pages.free > 0, let inserted, !inserted.isWorking {
      return item(
        name, .missing, "pages are free, but one cannot be installed: \(why(inserted))",
        "needs Linux 5.13")
    }
    let detail = "\(pages.reserved) pages of \(kibibytes >> 10) MiB reserved, \(pages.free) free"
    return item(name, pages.free > 0 ? .works : .missing, detail, reserve + " (as root)")
  }

  private static func kernel(_ probes: HostProbes) -> [Item] {
    [
      item(
        "map-sync", .note,
        "on an emulated device mmap(MAP_SYNC) is answered as a real one answers; "
          + "its bytes are no more durable than the medium", nil),
      item(
        "memory-failure", probes.hasMemoryFailure ? .works : .missing,
        probes.hasMemoryFailure
          ? "CONFIG_MEMORY_FAILURE: the kernel itself can report memory errors"
          : "this kernel lacks CONFIG_MEMORY_FAILURE; emulated devices do not need it", nil),
      item(
        "dev-dax", probes.hasDeviceDax ? .works : .missing,
        probes.hasDeviceDax
          ? "driver device_dax is loaded"
          : (probes.hasDaxBus ? "the dax bus without" : "no dax bus and no")
            + " driver device_dax: needed for real devices only",
        probes.hasDeviceDax ? nil : "modprobe device_dax, in a kernel with CONFIG_DEV_DAX"),
    ]
  }

  private static func preload(_ probes: HostProbes) -> [Item] {
    let library: Item =
      switch probes.preload {
      case .success(let path): item("preload", .works, path, nil, isNeeded: true)
      case .failure(let failure):
        item("preload", .missing, "no shim", failure.description, isNeeded: true)
      }
    return [
      library,
      item(
        "preload-exec", probes.preloadIsMapped,
        "the shim is in a program and in one that it starts",
        "build it for this machine's C library", isNeeded: true),
    ]
  }

  private static func realDevices(_ probes: HostProbes) -> [Item] {
    let isBuilt = probes.realDevices != .notBuilt
    let library = item(
      "libdaxctl", isBuilt ? .works : .missing,
      isBuilt ? "real devices are found through libdaxctl" : "built without the trait RealDevices",
      "install libndctl-dev and libdaxctl-dev and build with default traits")
    switch probes.realDevices {
    case .notBuilt: return [library]
    case .failed(let text):
      return [library, item("real-devices", .missing, text, "see `daxctl list`")]
    case .found(let names):
      let detail = names.isEmpty ? "this host has none" : names.joined(separator: ", ")
      return [library, item("real-devices", names.isEmpty ? .missing : .works, detail, nil)]
    }
  }

  // MARK: Wording

  private static func item(
    _ name: String, _ outcome: HostProbes.Outcome, _ detail: String, _ remedy: String,
    isNeeded: Bool = false
  ) -> Item {
    let isWorking = outcome.isWorking
    return item(
      name, isWorking ? .works : .missing, isWorking ? detail : "\(detail): \(why(outcome))",
      remedy, isNeeded: isNeeded)
  }

  private static func item(
    _ name: String, _ state: Item.State, _ detail: String, _ remedy: String?,
    isNeeded: Bool = false
  ) -> Item {
    Item(
      name: name, state: state, detail: detail, remedy: state == .works ? nil : remedy,
      isNeeded: isNeeded)
  }

  private static func why(_ outcome: HostProbes.Outcome) -> String {
    if case .fails(let errno) = outcome { "\(errno)" } else { "works" }
  }
}
