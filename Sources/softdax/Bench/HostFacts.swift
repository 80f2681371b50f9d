internal import LinuxSys

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
    let processor = (try? SmallFile.read("/proc/cpuinfo")) ?? ""
    let flags = SmallFile.field("flags", of: processor)?.split(separator: " ") ?? []
    let isGuest = flags.contains("hypervisor")
    return HostFacts(
      kernel: SmallFile.line("/proc/sys/kernel/osrelease") ?? "unknown",
      processor: SmallFile.field("model name", of: processor) ?? "unknown",
      online: SmallFile.line("/sys/devices/system/cpu/online") ?? "unknown",
      hypervisor: isGuest ? SmallFile.line("/sys/hypervisor/type") ?? "yes" : "none")
  }

  /// "Linux 6.12.9, AMD EPYC, CPUs 0-1, in a virtual machine".
  var text: String {
    "Linux \(kernel), \(processor), CPUs \(online)"
      + (hypervisor == "none" ? "" : ", in a virtual machine")
  }
}
