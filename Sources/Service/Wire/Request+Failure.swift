internal import CWire

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
    public enum Kind: String, Sendable, CaseIterable {
      /// Software: the handler runs, the medium stays good.
      case poison
      /// The handler runs, bad blocks come, the medium is bad.
      case machineCheck = "machine-check"
      /// The medium is bad and known to be; the handler runs when somebody touches it.
      case media
      /// The medium is bad, and nobody knows.
      case latent

      var wire: UInt32 {
        switch self {
        case .poison: SD_ERROR_POISON.rawValue
        case .machineCheck: SD_ERROR_MACHINE_CHECK.rawValue
        case .media: SD_ERROR_MEDIA.rawValue
        case .latent: SD_ERROR_LATENT.rawValue
        }
      }
    }
    public var device: Int
    public var kind: Kind
    public var first: UInt64
    public var count: UInt64
    /// A machine check that leaves the medium good.
    public var dataStays: Bool

    public init(device: Int, kind: Kind, first: UInt64, count: UInt64, dataStays: Bool = false) {
      self.device = device
      self.kind = kind
      self.first = first
      self.count = count
      self.dataStays = dataStays
    }

    var encoded: [UInt8] {
      Codec.bytes(
        of: sd_inject(
          header: Codec.header(SD_INJECT), device: UInt32(device), kind: kind.wire, first: first,
          count: count, flags: dataStays ? SD_INJECT_DATA_STAYS : 0, reserved: 0))
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
      guard let kind = Injection.Kind.allCases.first(where: { $0.wire == m.kind }) else {
        throw malformed
      }
      return .inject(
        Injection(
          device: Int(m.device), kind: kind, first: m.first, count: m.count,
          dataStays: m.flags & SD_INJECT_DATA_STAYS != 0))
    case SD_CLEAR_ERRORS:
      let m = try Codec.exactly(sd_clear_errors.self, bytes)
      return .clearErrors(device: Int(m.device), first: m.first, count: m.count)
    case SD_SET:
      let m = try Codec.exactly(sd_set.self, bytes)
      guard let setting = Setting.allCases.first(where: { $0.wire == m.setting }) else {
        throw malformed
      }
      return .set(setting, m.value != 0)
    default: throw .unexpected(type: type)
    }
  }
}
