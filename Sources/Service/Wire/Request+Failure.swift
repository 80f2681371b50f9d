internal import CWire
public import MemoryFailure
internal import PmemBase

extension Request {
  /// madvise(MADV_HWPOISON) or MADV_SOFT_OFFLINE of one folio.
  public struct Poison: Sendable {
    public var token: UInt64
    /// Any address of the folio, a multiple of 4096.
    public var address: UInt64
    public var thread: Int32
    /// Only faulted in, and then refused.
    public var isSoftOffline: Bool
  }

  /// An error to inject. Sectors have 512 bytes.
  public struct Injection: Sendable {
    public var device: Int
    public var kind: InjectionRule.Kind
    public var first: UInt64
    public var count: UInt64
    /// A machine check that leaves the medium good.
    public var dataStays: Bool
    /// Before the device's fault that comes so many faults from now; 0: now.
    public var after: UInt64
    /// Who consumes it; nil: nobody.
    public var process: Int32?

    public init(
      device: Int, kind: InjectionRule.Kind, first: UInt64, count: UInt64, dataStays: Bool = false,
      after: UInt64 = 0, process: Int32? = nil
    ) {
      self.device = device
      self.kind = kind
      self.first = first
      self.count = count
      self.dataStays = dataStays
      self.after = after
      self.process = process
    }

    var encoded: [UInt8] {
      Codec.bytes(
        of: sd_inject(
          header: Codec.header(SD_INJECT), device: UInt32(device), kind: kind.wire, first: first,
          count: count, after: after, process: process ?? 0,
          flags: dataStays ? SD_INJECT_DATA_STAYS : 0))
    }
  }

  /// Which list of bad sectors.
  public enum ErrorList: Sendable {
    /// What the medium cannot give.
    case injected
    /// What is known: the bad blocks.
    case known

    var wire: UInt32 {
      switch self {
      case .injected: SD_ERRORS_INJECTED.rawValue
      case .known: SD_ERRORS_KNOWN.rawValue
      }
    }
  }

  /// Encodes it.
  var failureBytes: [UInt8] {
    func range(_ type: sd_type, _ device: Int, _ first: UInt64, _ count: UInt64) -> [UInt8] {
      Codec.bytes(
        of: sd_clear_errors(
          header: Codec.header(type), device: UInt32(device), reserved: 0, first: first,
          count: count))
    }
    switch self {
    case .clearErrors(let device, let first, let count):
      return range(SD_CLEAR_ERRORS, device, first, count)
    case .withdraw(let device, let first, let count):
      return range(SD_WITHDRAW, device, first, count)
    case .getErrors(let device, let list, let first):
      return Codec.bytes(
        of: sd_get_errors(
          header: Codec.header(SD_GET_ERRORS), device: UInt32(device), list: list.wire,
          first: first))
    case .scrub(let starts):
      return Codec.bytes(
        of: sd_scrub(header: Codec.header(SD_SCRUB), starts: starts ? 1 : 0, reserved: 0))
    case .getOwners(let device, let page, let first):
      return Codec.bytes(
        of: sd_get_owners(
          header: Codec.header(SD_GET_OWNERS), device: UInt32(device), first: first, page: page))
    case .getBlockOwners(let device, let page, let first):
      return Codec.bytes(
        of: sd_get_owners(
          header: Codec.header(SD_GET_BLOCK_OWNERS), device: UInt32(device), first: first,
          page: page))
    case .getArmed(let device, let first):
      return Codec.bytes(
        of: sd_get_armed(
          header: Codec.header(SD_GET_ARMED), device: UInt32(device), first: first))
    case .getPaths(let device, let inodes):
      return Codec.bytes(
        of: sd_get_paths(
          header: Codec.header(SD_GET_PATHS), device: UInt32(device),
          count: UInt32(inodes.count))) + inodes.flatMap { Codec.bytes(of: $0) }
    case .predict(let device, let page, let kind, let process, let kernel, let first):
      return Codec.bytes(
        of: sd_predict(
          header: Codec.header(SD_PREDICT), device: UInt32(device), kind: kind.wire, page: page,
          process: process ?? 0, first: first,
          kernel: kernel?.wire ?? SD_KERNEL_SERVER.rawValue, reserved: 0))
    case .watch(let pages):
      return Codec.bytes(
        of: sd_watch(
          header: Codec.header(SD_WATCH), flags: pages ? SD_WATCH_PAGES : 0, reserved: 0))
    case .unbind(let device):
      return Codec.bytes(
        of: sd_get_device(
          header: Codec.header(SD_UNBIND), device: UInt32(device), reserved: 0))
    default: return []
    }
  }

  public enum Setting: Sendable, CaseIterable {
    /// `vm.memory_failure_early_kill`
    case earlyKill
    /// `vm.memory_failure_recovery`
    case recovery

    var wire: UInt32 {
      switch self {
      case .earlyKill: SD_SETTING_EARLY_KILL.rawValue
      case .recovery: SD_SETTING_RECOVERY.rawValue
      }
    }
  }

  /// Decodes what is about errors.
  static func failure(_ bytes: ArraySlice<UInt8>, _ type: UInt16) throws(WireError) -> Request {
    let malformed = WireError.malformed(type: type, bytes: bytes.count)
    switch sd_type(rawValue: UInt32(type)) {
    case SD_POISON:
      let m = try Codec.exactly(sd_poison.self, bytes)
      // MADV_HWPOISON, MADV_SOFT_OFFLINE
      guard m.advice == 100 || m.advice == 101, m.thread <= UInt32(Int32.max) else {
        throw malformed
      }
      return .poison(
        Poison(
          token: m.token, address: m.address, thread: Int32(m.thread),
          isSoftOffline: m.advice == 101))
    case SD_INJECT:
      let m = try Codec.exactly(sd_inject.self, bytes)
      guard let kind = InjectionRule.Kind.allCases.first(where: { $0.wire == m.kind }) else {
        throw malformed
      }
      return .inject(
        Injection(
          device: Int(m.device), kind: kind, first: m.first, count: m.count,
          dataStays: m.flags & SD_INJECT_DATA_STAYS != 0, after: m.after,
          process: m.process == 0 ? nil : m.process))
    case SD_CLEAR_ERRORS:
      let m = try Codec.exactly(sd_clear_errors.self, bytes)
      return .clearErrors(device: Int(m.device), first: m.first, count: m.count)
    case SD_SET:
      let m = try Codec.exactly(sd_set.self, bytes)
      guard let setting = Setting.allCases.first(where: { $0.wire == m.setting }) else {
        throw malformed
      }
      return .set(setting, m.value != 0)
    case SD_WITHDRAW:
      let m = try Codec.exactly(sd_clear_errors.self, bytes)
      return .withdraw(device: Int(m.device), first: m.first, count: m.count)
    case SD_GET_ERRORS:
      let m = try Codec.exactly(sd_get_errors.self, bytes)
      guard let list = [ErrorList.injected, .known].first(where: { $0.wire == m.list }) else {
        throw malformed
      }
      return .getErrors(device: Int(m.device), list, first: m.first)
    case SD_SCRUB:
      return .scrub(starts: try Codec.exactly(sd_scrub.self, bytes).starts != 0)
    case SD_GET_OWNERS:
      let m = try Codec.exactly(sd_get_owners.self, bytes)
      return .getOwners(device: Int(m.device), page: m.page, first: m.first)
    case SD_GET_BLOCK_OWNERS:
      let m = try Codec.exactly(sd_get_owners.self, bytes)
      return .getBlockOwners(device: Int(m.device), page: m.page, first: m.first)
    case SD_GET_ARMED:
      let m = try Codec.exactly(sd_get_armed.self, bytes)
      return .getArmed(device: Int(m.device), first: m.first)
    case SD_GET_PATHS:
      let (m, inodes) = try Codec.list(
        sd_get_paths.self, of: UInt64.self, count: { $0.count }, limit: SD_PATHS_PER_MESSAGE,
        bytes)
      return .getPaths(device: Int(m.device), inodes: inodes)
    case SD_PREDICT:
      let m = try Codec.exactly(sd_predict.self, bytes)
      guard let kind = InjectionRule.Kind.allCases.first(where: { $0.wire == m.kind }) else {
        throw malformed
      }
      let kernel = KernelBehavior.allCases.first { $0.wire == m.kernel }
      guard kernel != nil || m.kernel == SD_KERNEL_SERVER.rawValue else { throw malformed }
      return .predict(
        device: Int(m.device), page: m.page, kind: kind,
        process: m.process == 0 ? nil : m.process, kernel: kernel, first: m.first)
    case SD_WATCH:
      return .watch(pages: try Codec.exactly(sd_watch.self, bytes).flags & SD_WATCH_PAGES != 0)
    case SD_UNBIND: return .unbind(device: Int(try Codec.exactly(sd_get_device.self, bytes).device))
    default: throw .unexpected(type: type)
    }
  }
}

extension InjectionRule.Kind {
  /// As in the C header.
  public var wire: UInt32 {
    switch self {
    case .poison: SD_ERROR_POISON.rawValue
    case .machineCheck: SD_ERROR_MACHINE_CHECK.rawValue
    case .media: SD_ERROR_MEDIA.rawValue
    case .latent: SD_ERROR_LATENT.rawValue
    }
  }
}
