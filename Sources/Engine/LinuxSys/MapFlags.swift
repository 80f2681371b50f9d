/// The flags of mmap(2) that the server looks at, as a workload gave them.
public struct MapFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  // include/uapi/linux/mman.h, asm-generic/mman-common.h: the same on x86-64 and arm64.
  public static let shared = MapFlags(rawValue: 0x1)
  public static let fixed = MapFlags(rawValue: 0x10)
  public static let locked = MapFlags(rawValue: 0x2000)
  public static let synchronous = MapFlags(rawValue: 0x80000)
  public static let populate = MapFlags(rawValue: 0x8000)
  public static let fixedNoReplace = MapFlags(rawValue: 0x100000)

  /// MAP_SHARED or MAP_SHARED_VALIDATE.
  public var isShared: Bool { rawValue & 0xf == 1 || rawValue & 0xf == 3 }
  /// MAP_SYNC, which counts with MAP_SHARED_VALIDATE only.
  public var isSynchronous: Bool { rawValue & 0xf == 3 && contains(.synchronous) }
  public var isFixed: Bool { contains(.fixed) || contains(.fixedNoReplace) }
  /// The pages are there when mmap returns.
  public var populates: Bool { contains(.populate) || contains(.locked) }
}
