internal import CWire
public import MemoryFailure
public import PmemBase

/// What a workload or a tool asks of the server, decoded.
///
/// Decoding is a total function: any bytes give a request or a ``WireError``.
public enum Request: Sendable {
  case attach(Attach)
  case map(Map)
  case mapped(Mapped)
  case adopt(Adopt)
  case change(Change)
  case changed(Changed)
  case populate(Populate)
  case writeAttribute(WriteAttribute)
  case control(Control)
  case poison(Poison)
  case inject(Injection)
  /// Sectors of 512 bytes; `count` 0: to the device's end.
  case clearErrors(device: Int, first: UInt64, count: UInt64)
  /// A setting of the emulated kernel, from now on.
  case set(Setting, Bool)
  /// Which page the process that asks has at this address of its own.
  case locate(address: UInt64)
  /// Takes injections back.
  case withdraw(device: Int, first: UInt64, count: UInt64)
  case getErrors(device: Int, ErrorList, first: UInt64)
  case scrub(starts: Bool)
  /// `page`: of 4 KiB; `first`: the mapping to begin with.
  case getOwners(device: Int, page: UInt64, first: UInt32)
  /// Whose the page is; of a mount's device. `first`: the owner to begin with.
  case getBlockOwners(device: Int, page: UInt64, first: UInt32)
  /// Errors that wait for a fault; `first`: the one to begin with.
  case getArmed(device: Int, first: UInt32)
  /// Names of inodes; of a mount's device.
  case getPaths(device: Int, inodes: [UInt64])
  /// `kernel`: whose rules; nil: the server's.
  case predict(
    device: Int, page: UInt64, kind: InjectionRule.Kind, process: Int32?, kernel: KernelBehavior?,
    first: UInt32)
  case watch(pages: Bool)
  /// The driver of a mount's device is unbound.
  case unbind(device: Int)
  case getServer
  case getDevice(Int)
  case getPages(device: Int, first: UInt64, count: UInt64)
  case getLatency(device: Int, LatencyKind, first: UInt32)
  /// The agent's answer to an insertion, or an empty reply.
  case done(error: Int32)

  /// A process presents its userfaultfd.
  public struct Attach: Sendable {
    /// The program's name; which process it is, the socket says.
    public var command: String
  }

  /// mmap() of a device, before anything is mapped. Addresses, lengths and offsets in bytes.
  public struct Map: Sendable {
    public var token: UInt64
    public var address: UInt64
    public var length: UInt64
    public var offset: UInt64
    public var device: Int
    /// The descriptor's O_ACCMODE.
    public var access: UInt32
    public var protection: UInt32
    /// MAP_*.
    public var flags: UInt32
    /// Names a file of a mount; 0 for a device.
    public var file: UInt64
  }

  /// The caller of mmap() has mapped the range, or could not.
  public struct Mapped: Sendable {
    public var error: Int32
    public var address: UInt64
    public var length: UInt64
  }

  /// A range that a forked child inherited.
  public struct Adopt: Sendable {
    public var token: UInt64
    public var address: UInt64
    public var length: UInt64
    public var offset: UInt64
    /// Rises with the windows' age in the parent.
    public var entered: UInt64
    public var device: Int
    public var access: UInt32
    public var protection: UInt32
    /// Names a file of a mount; 0 for a device.
    public var file: UInt64
    /// MAP_PRIVATE; of a file.
    public var isPrivate: Bool
  }

  /// munmap() and kin, before the call.
  public struct Change: Sendable {
    public enum Operation: Sendable { case unmap, zap, protect, move, sync, advise }
    public var token: UInt64
    public var operation: Operation
    public var address: UInt64
    public var length: UInt64
    public var argument: UInt64
    public var target: UInt64
    public var scratch: UInt64
    public var flags: UInt32

    /// MADV_POPULATE has met addresses without a mapping before this range.
    public var isBehindHole: Bool { operation == .advise && flags & SD_BEHIND_HOLE != 0 }
  }

  /// munmap() and kin, after the call.
  public struct Changed: Sendable {
    public var error: Int32
    public var address: UInt64
    public var length: UInt64
  }

  public struct Populate: Sendable {
    public var token: UInt64
    public var address: UInt64
    public var length: UInt64
  }

  /// write() to a file of the session's /sys.
  public struct WriteAttribute: Sendable {
    /// `st_dev` and `st_ino` of the file.
    public var fileDevice: UInt64
    public var fileInode: UInt64
    public var bytes: [UInt8]
  }

  /// ioctl() of the bus's control device.
  public struct Control: Sendable {
    public var request: UInt64
    /// The descriptor's O_ACCMODE.
    public var access: UInt32
    /// What could be read where the third argument points.
    public var envelope: [UInt8]
  }
}

/// Which latency is meant; figures of different kinds are never mixed.
public enum LatencyKind: String, Sendable, CaseIterable {
  /// In the server: event read to page installed.
  case insert
  /// Its first part: event read to reference taken.
  case lookup
  /// Its second part: the ioctl, or the agent's remap.
  case install

  var wire: UInt32 {
    switch self {
    case .insert: SD_LATENCY_INSERT.rawValue
    case .lookup: SD_LATENCY_LOOKUP.rawValue
    case .install: SD_LATENCY_INSTALL.rawValue
    }
  }
}

extension Request {
  init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    guard let type = Codec.type(of: bytes) else {
      throw .malformed(type: 0, bytes: bytes.count)
    }
    switch sd_type(rawValue: UInt32(type)) {
    case SD_ATTACH:
      let m = try Codec.exactly(sd_attach.self, bytes)
      self = .attach(Attach(command: Codec.text(m.command)))
    case SD_MAP:
      let m = try Codec.exactly(sd_map.self, bytes)
      self = .map(
        Map(
          token: m.token, address: m.address, length: m.length, offset: m.offset,
          device: Int(m.device), access: m.access, protection: m.protection, flags: m.flags,
          file: m.file))
    case SD_MAPPED:
      let m = try Codec.exactly(sd_mapped.self, bytes)
      self = .mapped(
        Mapped(error: try Codec.error(m.error, in: bytes), address: m.address, length: m.length))
    case SD_ADOPT:
      let m = try Codec.exactly(sd_adopt.self, bytes)
      self = .adopt(
        Adopt(
          token: m.token, address: m.address, length: m.length, offset: m.offset,
          entered: m.entered, device: Int(m.device), access: m.access, protection: m.protection,
          file: m.file, isPrivate: m.is_private != 0))
    case SD_CHANGE:
      let m = try Codec.exactly(sd_change.self, bytes)
      guard let operation = Change.Operation(wire: m.operation) else {
        throw .malformed(type: type, bytes: bytes.count)
      }
      self = .change(
        Change(
          token: m.token, operation: operation, address: m.address, length: m.length,
          argument: m.argument, target: m.target, scratch: m.scratch, flags: m.flags))
    case SD_CHANGED:
      let m = try Codec.exactly(sd_changed.self, bytes)
      self = .changed(
        Changed(error: try Codec.error(m.error, in: bytes), address: m.address, length: m.length))
    case SD_POPULATE:
      let m = try Codec.exactly(sd_populate.self, bytes)
      self = .populate(Populate(token: m.token, address: m.address, length: m.length))
    case SD_WRITE_ATTRIBUTE:
      let (m, text) = try Codec.list(
        sd_write_attribute.self, of: UInt8.self, count: { $0.length }, limit: SD_ATTRIBUTE_MOST,
        bytes)
      self = .writeAttribute(
        WriteAttribute(fileDevice: m.node_dev, fileInode: m.node_ino, bytes: text))
    case SD_CONTROL:
      let (m, envelope) = try Codec.list(
        sd_control.self, of: UInt8.self, count: { $0.length }, limit: SD_ENVELOPE_MOST, bytes)
      self = .control(Control(request: m.request, access: m.access, envelope: envelope))
    case SD_LOCATE:
      self = .locate(address: try Codec.exactly(sd_locate.self, bytes).address)
    case SD_POISON, SD_INJECT, SD_CLEAR_ERRORS, SD_SET, SD_WITHDRAW, SD_GET_ERRORS, SD_SCRUB,
      SD_GET_OWNERS, SD_GET_BLOCK_OWNERS, SD_GET_PATHS, SD_GET_ARMED, SD_PREDICT, SD_WATCH,
      SD_UNBIND:
      self = try Self.failure(bytes, type)
    case SD_GET_SERVER:
      _ = try Codec.exactly(sd_header.self, bytes)
      self = .getServer
    case SD_GET_DEVICE:
      self = .getDevice(Int(try Codec.exactly(sd_get_device.self, bytes).device))
    case SD_GET_PAGES:
      let m = try Codec.exactly(sd_get_pages.self, bytes)
      self = .getPages(device: Int(m.device), first: m.first, count: m.count)
    case SD_GET_LATENCY:
      let m = try Codec.exactly(sd_get_latency.self, bytes)
      guard let kind = LatencyKind.allCases.first(where: { $0.wire == m.latency }) else {
        throw .malformed(type: type, bytes: bytes.count)
      }
      self = .getLatency(device: Int(m.device), kind, first: m.first)
    case SD_DONE:
      self = .done(error: try Codec.doneError(bytes))
    default:
      throw .unexpected(type: type)
    }
  }

  /// The message, for those requests that Swift code sends: the tools'.
  var encoded: [UInt8] {
    get throws(WireError) {
      switch self {
      case .inject(let injection): return injection.encoded
      case .clearErrors, .withdraw, .getErrors, .scrub, .getOwners, .getBlockOwners, .getPaths,
        .getArmed,
        .predict, .watch, .unbind:
        return failureBytes
      case .getServer:
        return Codec.bytes(of: Codec.header(SD_GET_SERVER))
      case .getDevice(let index):
        return Codec.bytes(
          of: sd_get_device(
            header: Codec.header(SD_GET_DEVICE), device: UInt32(index), reserved: 0))
      case .getPages(let device, let first, let count):
        return Codec.bytes(
          of: sd_get_pages(
            header: Codec.header(SD_GET_PAGES), device: UInt32(device), reserved: 0,
            first: first, count: count))
      case .getLatency(let device, let kind, let first):
        return Codec.bytes(
          of: sd_get_latency(
            header: Codec.header(SD_GET_LATENCY), device: UInt32(device), latency: kind.wire,
            first: first, reserved: 0))
      default:
        throw .unexpected(type: 0)
      }
    }
  }
}

extension Request.Change.Operation {
  init?(wire: UInt32) {
    switch sd_operation(rawValue: wire) {
    case SD_UNMAP: self = .unmap
    case SD_ZAP: self = .zap
    case SD_PROTECT: self = .protect
    case SD_MOVE: self = .move
    case SD_SYNC: self = .sync
    case SD_ADVISE: self = .advise
    default: return nil
    }
  }
}
