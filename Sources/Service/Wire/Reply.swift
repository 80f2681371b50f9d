internal import CWire
public import Latency
public import MemoryFailure
public import OwnerIndex

/// What the server answers, or commands an agent.
public enum Reply: Sendable {
  case done(error: Int32)
  case attached(error: Int32, token: UInt64, nonce: Int32)
  case mapPlan(MapPlan)
  case changePlan(ChangePlan)
  /// To an agent: the medium's descriptor comes with this.
  case deviceDescriptor(device: Int)
  /// To an agent: map this page of the medium here.
  case insert(Insert)
  /// To an agent: make this of a file's window.
  case place(Place)
  /// What ioctl() of the control device returns, or -errno; and what to write over the start of its struct.
  case controlled(result: Int32, bytes: [UInt8])
  case poisoned(Poisoned)
  case cleared(bytes: UInt64)
  case located(Location)
  /// Sectors of 512 bytes; `next`: the one to ask for next.
  case errors([Range<UInt64>], next: UInt64)
  case scrubbed(count: UInt64)
  case owners([PageMapper], next: UInt32)
  case blockOwners([BlockHolding], next: UInt32)
  /// Of the first so many inodes that were asked for, from the mount's directory on; empty: without a name.
  case paths([String])
  /// Errors that wait for a fault.
  case armed([WaitingError], next: UInt32)
  case prediction(Prediction, next: UInt32)
  /// `lost` came before them, and are in no message.
  case events([Happening], lost: UInt64)
  case server(ServerInfo)
  case device(DeviceInfo)
  case pages([PageInfo], next: UInt64)
  case latency(LatencySnapshot, next: UInt32)

  public struct MapPlan: Sendable {
    public var error: Int32
    /// Map the medium's descriptor, which comes with this; else anonymous memory.
    public var mapsMedium: Bool
    /// Of a file: pieces of the medium come into it as they are touched.
    public var isOfFile: Bool
    public var length: UInt64
    public var alignment: UInt64
    public var congruence: UInt64

    public init(
      error: Int32, mapsMedium: Bool = false, isOfFile: Bool = false, length: UInt64 = 0,
      alignment: UInt64 = 0, congruence: UInt64 = 0
    ) {
      self.error = error
      self.mapsMedium = mapsMedium
      self.isOfFile = isOfFile
      self.length = length
      self.alignment = alignment
      self.congruence = congruence
    }
  }

  public struct ChangePlan: Sendable {
    public enum Effect: Sendable { case perform, nothing, populated }
    public var error: Int32
    public var effect: Effect
    public var address: UInt64
    public var length: UInt64
    public var alignment: UInt64
    public var congruence: UInt64

    public init(
      error: Int32, effect: Effect = .perform, address: UInt64 = 0, length: UInt64 = 0,
      alignment: UInt64 = 0, congruence: UInt64 = 0
    ) {
      self.error = error
      self.effect = effect
      self.address = address
      self.length = length
      self.alignment = alignment
      self.congruence = congruence
    }
  }

  public struct Insert: Sendable {
    public var address: UInt64
    public var length: UInt64
    public var offset: UInt64
    public var device: Int
    public var protection: UInt32
    public enum Content: UInt32, Sendable {
      /// The device's pages.
      case medium
      /// Something whose touch is SIGBUS/BUS_ADRERR.
      case nothing
      /// Memory without a page, whose touch is an event.
      case absent
    }
    public var content: Content

    public init(
      address: UInt64, length: UInt64, offset: UInt64, device: Int, protection: UInt32,
      content: Content
    ) {
      self.address = address
      self.length = length
      self.offset = offset
      self.device = device
      self.protection = protection
      self.content = content
    }
  }
}

extension Reply {
  /// What is to be where a file's window is.
  public struct Place: Sendable {
    public enum Piece: Sendable, CaseIterable {
      case nothingMapped, shared, isPrivate, beyond, zap

      var wire: UInt32 {
        switch self {
        case .nothingMapped: SD_PIECE_NOTHING_MAPPED.rawValue
        case .shared: SD_PIECE_SHARED.rawValue
        case .isPrivate: SD_PIECE_PRIVATE.rawValue
        case .beyond: SD_PIECE_BEYOND.rawValue
        case .zap: SD_PIECE_ZAP.rawValue
        }
      }
    }
    public var piece: Piece
    public var address: UInt64
    public var length: UInt64
    /// Byte of the medium.
    public var offset: UInt64
    public var device: Int
    public var protection: UInt32

    public init(
      _ piece: Piece, address: UInt64, length: UInt64, offset: UInt64 = 0, device: Int,
      protection: UInt32 = 0
    ) {
      self.piece = piece
      self.address = address
      self.length = length
      self.offset = offset
      self.device = device
      self.protection = protection
    }
  }

  /// As many pages as one message holds.
  public static let pagesPerMessage = Int(SD_PAGES_PER_MESSAGE)
  /// As many histogram buckets as one message holds.
  public static let bucketsPerMessage = Int(SD_BUCKETS_PER_MESSAGE)

  var encoded: [UInt8] {
    switch self {
    case .done(let error):
      return Codec.bytes(
        of: sd_done(header: Codec.header(SD_DONE), error: error, reserved: 0))
    case .attached(let error, let token, let nonce):
      return Codec.bytes(
        of: sd_attached(
          header: Codec.header(SD_ATTACHED), error: error, nonce: nonce, token: token))
    case .poisoned(let poisoned): return poisoned.encoded
    case .cleared(let bytes):
      return Codec.bytes(of: sd_cleared(header: Codec.header(SD_CLEARED), bytes: bytes))
    case .errors, .scrubbed, .owners, .blockOwners, .paths, .armed, .prediction, .events:
      return failureBytes
    case .mapPlan(let plan):
      return Codec.bytes(
        of: sd_map_plan(
          header: Codec.header(SD_MAP_PLAN), error: plan.error,
          window: (plan.isOfFile
            ? SD_WINDOW_PIECES : plan.mapsMedium ? SD_WINDOW_FILE : SD_WINDOW_ANONYMOUS).rawValue,
          length: plan.length, alignment: plan.alignment, congruence: plan.congruence))
    case .changePlan(let plan):
      let flags: UInt32 =
        switch plan.effect {
        case .perform: 0
        case .nothing: SD_PLAN_NOTHING
        case .populated: SD_PLAN_POPULATE
        }
      return Codec.bytes(
        of: sd_change_plan(
          header: Codec.header(SD_CHANGE_PLAN), error: plan.error, flags: flags,
          address: plan.address, length: plan.length, alignment: plan.alignment,
          congruence: plan.congruence))
    case .deviceDescriptor(let device):
      return Codec.bytes(
        of: sd_device_fd(
          header: Codec.header(SD_DEVICE_FD), device: UInt32(device), reserved: 0))
    case .insert(let insert):
      return Codec.bytes(
        of: sd_insert(
          header: Codec.header(SD_INSERT), address: insert.address, length: insert.length,
          offset: insert.offset, device: UInt32(insert.device), protection: insert.protection,
          content: insert.content.rawValue, reserved: 0))
    case .place(let place):
      return Codec.bytes(
        of: sd_put(
          header: Codec.header(SD_PUT), address: place.address, length: place.length,
          offset: place.offset, device: UInt32(place.device), protection: place.protection,
          piece: place.piece.wire, reserved: 0))
    case .controlled(let result, let bytes):
      let room = Int(SD_ENVELOPE_MOST)
      let kept = bytes.prefix(room)
      return Codec.bytes(
        of: sd_controlled(
          header: Codec.header(SD_CONTROLLED), result: result, length: UInt32(kept.count)))
        + kept + Array(repeating: 0, count: room - kept.count)
    case .located(let location): return location.encoded
    case .server(let info): return info.encoded
    case .device(let info): return info.encoded
    case .pages(let pages, let next):
      return Codec.bytes(
        of: sd_pages(
          header: Codec.header(SD_PAGES), count: UInt32(pages.count), reserved: 0, next: next))
        + pages.flatMap(\.encoded)
    case .latency(let snapshot, let next):
      return Codec.bytes(
        of: sd_latency_reply(
          header: Codec.header(SD_LATENCY), count: UInt32(snapshot.buckets.count), next: next,
          maximum: snapshot.maximum, minimum: snapshot.minimum))
        + snapshot.buckets.flatMap {
          Codec.bytes(of: sd_bucket_count(bucket: $0.bucket, reserved: 0, count: $0.count))
        }
    }
  }

  /// Decodes what tools are answered; the rest is for the C shim.
  init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    guard let type = Codec.type(of: bytes) else {
      throw .malformed(type: 0, bytes: bytes.count)
    }
    switch sd_type(rawValue: UInt32(type)) {
    case SD_DONE:
      self = .done(error: try Codec.doneError(bytes))
    case SD_CLEARED:
      self = .cleared(bytes: try Codec.exactly(sd_cleared.self, bytes).bytes)
    case SD_ERRORS, SD_SCRUBBED, SD_OWNERS, SD_BLOCK_OWNERS, SD_PATHS, SD_ARMED, SD_PREDICTION,
      SD_EVENTS:
      self = try Self.failure(bytes, type)
    case SD_SERVER:
      self = .server(ServerInfo(try Codec.exactly(sd_server.self, bytes)))
    case SD_DEVICE:
      self = .device(DeviceInfo(try Codec.exactly(sd_device.self, bytes)))
    case SD_PAGES:
      let (head, entries) = try Codec.list(
        sd_pages.self, of: sd_page.self, count: { $0.count }, limit: SD_PAGES_PER_MESSAGE, bytes)
      self = .pages(entries.map { PageInfo($0) }, next: head.next)
    case SD_LATENCY:
      let (head, entries) = try Codec.list(
        sd_latency_reply.self, of: sd_bucket_count.self, count: { $0.count },
        limit: SD_BUCKETS_PER_MESSAGE, bytes)
      self = .latency(
        LatencySnapshot(
          buckets: entries.map { ($0.bucket, $0.count) }, minimum: head.minimum,
          maximum: head.maximum), next: head.next)
    default:
      throw .unexpected(type: type)
    }
  }
}
