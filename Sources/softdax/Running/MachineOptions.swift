internal import ArgumentParser
internal import FaultEngine
internal import MemoryFailure
internal import PmemBase
internal import Server

/// The machine that `run` and `serve` build.
struct MachineOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: "Size of the device, such as 512M or 2g (default 512M, or the file's size).")
  var size: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Alignment of the device, that is its page size: 4k, 2m or 1g (default 2m, or a real device's own)."
    ))
  var align: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Where the bytes live: memfd, hugetlb, or the path of a file (created if it does not exist) or of a real /dev/daxN.M."
    ))
  var medium = "memfd"

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A device of several: size=1G,align=4k,medium=PATH; may be repeated. Instead of --size, --align and --medium.",
      valueName: "device"))
  var device: [String] = []

  @Option(
    help: ArgumentHelp(
      "Mount the device's filesystem on this directory, where every program sees it; the device is no /dev/dax0.0 then. May be repeated, with as many --device.",
      valueName: "directory"))
  var fs: [String] = []

  @Flag(
    help: "Erase what the medium holds and make a new filesystem; a blank medium gets one anyway.")
  var format = false

  @Flag(help: "Insert every page at mmap.")
  var populate = false

  @Option(help: "Insert up to this many pages around a faulting one.")
  var faultAround = 0

  @Flag(help: "Do without UFFDIO_POISON, as on Linux before 6.6.")
  var withoutMarkers = false

  @Option(help: "Run fault threads, and the program of run, on this CPU.")
  var cpu: Int?

  @Option(
    help: ArgumentHelp(
      "Behave as this kernel where kernels differ: 6.1, 6.12 or 7.2 (default 7.2).",
      valueName: "version"))
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      "A setting of the emulated kernel: vm.memory_failure_early_kill=0|1 or vm.memory_failure_recovery=0|1; may be repeated.",
      valueName: "name=value"))
  var sysctl: [String] = []

  func validate() throws {
    if !device.isEmpty && (size != nil || align != nil || medium != "memfd") {
      throw ValidationError(
        "--device says all of a device: leave out --size, --align and --medium, or --device")
    }
    if format && fs.isEmpty { throw ValidationError("--format goes with --fs DIRECTORY") }
    if faultAround < 0 { throw ValidationError("--fault-around counts pages: 0 or more") }
    _ = try specifications
    _ = try failures
  }

  /// What is said of memory failures.
  var failures: FailureOptions {
    get throws {
      var options = FailureOptions()
      if let kernel {
        guard let version = KernelBehavior(parsing: kernel) else {
          let known = KernelBehavior.allCases.map(\.shortName).joined(separator: ", ")
          throw ValidationError("no kernel \(kernel): use one of \(known)")
        }
        options.kernel = version
      }
      for setting in sysctl {
        let pair = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, let on = ["0": false, "1": true][pair[1]] else {
          throw ValidationError("--sysctl \(setting): write NAME=0 or NAME=1")
        }
        switch pair[0] {
        case "vm.memory_failure_early_kill": options.earlyKill = on
        case "vm.memory_failure_recovery": options.recovers = on
        default:
          throw ValidationError(
            "no sysctl \(pair[0]): vm.memory_failure_early_kill or vm.memory_failure_recovery")
        }
      }
      return options
    }
  }

  /// Nothing was asked for but, perhaps, the CPU that the program runs on.
  var isDefault: Bool {
    size == nil && align == nil && medium == "memfd" && device.isEmpty && !populate
      && faultAround == 0 && !withoutMarkers && kernel == nil && sysctl.isEmpty && fs.isEmpty
      && !format
  }

  var specifications: [DeviceSpecification] {
    get throws {
      do {
        guard device.isEmpty else { return try device.map { try DeviceSpecification(parsing: $0) } }
        return [
          DeviceSpecification(
            medium: try DeviceSpecification.medium(parsing: medium),
            size: try size.map { try DeviceSpecification.size(parsing: $0) },
            alignment: try align.map { try DeviceSpecification.alignment(parsing: $0) })
        ]
      } catch let error as SpecificationError {
        throw ValidationError(error.description)
      }
    }
  }

  func serverOptions(socket: String? = nil) throws -> Server.Options {
    Server.Options(
      devices: try specifications, socket: socket,
      insertion: InsertionOptions(
        populates: populate, around: faultAround, usesMarkers: !withoutMarkers), cpu: cpu,
      failures: try failures, mounts: fs, formats: format)
  }
}
