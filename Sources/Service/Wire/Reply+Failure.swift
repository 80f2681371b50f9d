internal import CWire

extension Reply {
  /// What madvise(MADV_HWPOISON) of one folio came to.
  public struct Poisoned: Sendable {
    public var error: Int32
    /// Bytes to the next folio.
    public var step: UInt64
    /// The caller gets a BUS_MCEERR_AR that says so.
    public var signal: (address: UInt64, shift: UInt32)?

    public init(error: Int32, step: UInt64 = 0, signal: (address: UInt64, shift: UInt32)? = nil) {
      self.error = error
      self.step = step
      self.signal = signal
    }

    var encoded: [UInt8] {
      Codec.bytes(
        of: sd_poisoned(
          header: Codec.header(SD_POISONED), error: error,
          flags: signal == nil ? 0 : SD_POISONED_SIGNAL, address: signal?.address ?? 0,
          step: step, shift: signal?.shift ?? 0, reserved: 0))
    }
  }
}

extension Reply {
  /// A page of a device that the asking process has mapped.
  public struct Location: Sendable {
    public var device: Int
    /// Of its first byte.
    public var physical: UInt64
    /// Nobody else maps it, as far as the emulated kernel's pagemap tells.
    public var isExclusive: Bool

    public init(device: Int, physical: UInt64, isExclusive: Bool) {
      self.device = device
      self.physical = physical
      self.isExclusive = isExclusive
    }

    var encoded: [UInt8] {
      // A page of a device belongs to a file.
      let flags = SD_LOCATED_FILE_OR_SHARED | (isExclusive ? SD_LOCATED_EXCLUSIVE : 0)
      return Codec.bytes(
        of: sd_located(
          header: Codec.header(SD_LOCATED), physical: physical, device: UInt32(device),
          flags: flags))
    }
  }
}

/// The file from which workloads' signal handlers learn which pages the media cannot give.
public enum PoisonFile {
  public static let name = SD_POISON_NAME

  /// Where the bits of each device begin, and how long the file is; in bytes.
  ///
  /// - Parameter pages: of each device, of 4 KiB.
  public static func layout(pages: [Int]) -> (starts: [Int], length: Int) {
    var end = Int(SD_POISON_BITS)
    let starts = pages.map { count in
      defer { end += (count + 4096 * 8 - 1) / (4096 * 8) * 4096 }
      return end
    }
    return (starts, end)
  }

  /// Byte offset of the generation.
  public static let generation = 8
}

/// The memory in which a workload notes the signals that its handlers were called with.
public enum HandledRing {
  public static let bytes = Int(SD_HANDLED_ENTRIES + SD_NOTES + 1) * 32
  /// Where the server's notes are, so many of 32 bytes: page, address, shift.
  public static let notes = (at: Int(SD_HANDLED_ENTRIES + 1) * 32, count: Int(SD_NOTES))

  public struct Entry: Sendable, Equatable {
    public let thread: UInt32
    public let code: Int32
    public let address: UInt64
    public let shift: UInt32
    /// 0 if nobody watched then, and the thread likewise.
    public let time: UInt64
  }

  public static let places = UInt64(SD_HANDLED_ENTRIES)

  /// Byte offset of the number that is not 0 while somebody watches.
  public static let watched = 8

  /// How many were noted ever; a workload may write anything there, and it is cut to 32 bits.
  public static func count(_ bytes: [UInt8]) -> Int {
    Int(UInt32(clamping: Codec.value(UInt64.self, in: bytes[...]) ?? 0))
  }

  /// What was noted as number `index`, counted from 0; nil: it is not complete, or others have taken its place. Total: any bytes.
  public static func entry(_ index: UInt64, in bytes: [UInt8]) -> Entry? {
    guard bytes.count >= Self.bytes,
      let entry = Codec.value(
        sd_handled.self, in: bytes[(32 + Int(index % places) * 32)...]),
      entry.turn == UInt32(truncatingIfNeeded: index) &+ 1
    else { return nil }
    return Entry(
      thread: entry.thread, code: entry.code, address: entry.address, shift: entry.shift,
      time: entry.time)
  }
}
