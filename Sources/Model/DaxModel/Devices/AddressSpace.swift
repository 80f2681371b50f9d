internal import PmemBase
public import SystemPackage

/// The device windows of one process, and which of their pages have page-table entries: the model of an `mm_struct`.
///
/// A value without a lock: whoever owns it guards it with one (the kernel's mmap_lock) and holds that for one call at a
/// time. It knows device mappings only; what else lies in the address space is not its business.
///
/// A range that is under a change (`begin` to `complete`) is *changing*: touches in it wait.
public struct AddressSpace: Sendable {
  /// The windows, ascending, apart or unlike enough not to be one.
  public internal(set) var windows: ContiguousArray<Window> = []

  var pending: [PendingChange] = []
  /// Entries into interval trees so far.
  var entries: UInt64 = 0
  private var lastHit = 0

  public init() {}

  /// What lies above is nobody's: a range that reaches there is refused, as above the kernel's TASK_SIZE.
  ///
  /// 2^48 bytes: arm64's 48 bits, and twice what x86-64 gives to who does not ask for more.
  public static let end: UInt64 = 1 << 48

  /// VMAs that a process may have. Source: `sysctl_max_map_count`, mm/util.c (v6.12).
  static let maximumWindows = 65530

  /// Enters a window that the process has mapped: every page of it is absent.
  ///
  /// It becomes one with a neighbour that continues it with the same attributes, as VMAs do. The kernel also asks for
  /// the same `struct file`, which is not known here: what differs is whether mremap() finds one VMA or two.
  ///
  /// - Parameters:
  ///   - range: Addresses in the workload, bytes.
  ///   - device: Index of the device.
  ///   - offset: Bytes from the start of the device.
  ///   - entered: Of a window that fork() has given this process: its number in the parent. Windows of one offset keep their order.
  /// - Throws: EINVAL for a place the device's rules refuse; EEXIST if a window is there; ENOMEM if there are too many; EAGAIN if the range is
  ///   changing (another thread's munmap is not complete): ask again when it is not.
  public mutating func add(
    range: Range<UInt64>, device: Int, geometry: DeviceGeometry, offset: UInt64,
    protection: Protection, access: AccessMode, entered: UInt64? = nil
  ) throws(Errno) {
    try DeviceDaxRules.place(
      address: range.lowerBound, length: range.upperBound - range.lowerBound, offset: offset,
      on: geometry)
    guard !isChanging(range) else { throw .resourceTemporarilyUnavailable }
    guard !overlapsWindow(range) else { throw .fileExists }
    guard windows.count < Self.maximumWindows else { throw .noMemory }
    insert(
      Window(
        range: range, device: device, geometry: geometry, offset: offset,
        protection: protection.known, access: access),
      entered: entered)
  }

  /// Forgets every window and every change under way, as exit and exec do.
  ///
  /// - Returns: Every page-table entry there was.
  public mutating func removeAll() -> [ReleasedRun] {
    let released = windows.flatMap { $0.released(in: $0.range) }
    self = AddressSpace()
    return released
  }

  /// Takes back what a fault or `populate` marked present, because it could not be installed.
  ///
  /// - Returns: The entries that were marked and now are not. If a change came in between and released them already, they are
  ///   not here again: give back exactly these.
  @discardableResult
  public mutating func retract(device: Int, address: UInt64, length: UInt64) -> [ReleasedRun] {
    clearPresence(in: Self.range(address, length)) { $0.device == device }
  }

  /// Whether any change is under way.
  public var isChanging: Bool { !pending.isEmpty }

  /// Whether a change under way touches `range`.
  public func isChanging(_ range: Range<UInt64>) -> Bool {
    pending.contains { $0.touches(range) }
  }

  /// The window at `address`.
  public func window(at address: UInt64) -> Window? {
    let index = firstWindow(endingAfter: address)
    guard index < windows.count, windows[index].range.contains(address) else { return nil }
    return windows[index]
  }

  /// Whether some window shows the device, present or not.
  public func maps(device: Int) -> Bool { windows.contains { $0.device == device } }

  /// Addresses at which the folio has a page-table entry, ascending: its mapcount in this address space.
  public func addresses(ofFolio folio: Int, device: Int) -> [UInt64] {
    windows.compactMap { $0.device == device ? $0.address(of: folio) : nil }
  }

  /// Page-table entries on the device's folios; a folio mapped twice counts twice.
  public func mappedFolios(device: Int) -> Int {
    windows.reduce(0) { $1.device == device ? $0 + $1.presentCount : $0 }
  }

  /// Bytes of resident set that the entries are charged for where the regime charges them.
  public var residentBytes: UInt64 {
    windows.reduce(0) { $0 + UInt64($1.presentCount) << $1.alignment.shift }
  }

  // MARK: Lookup

  /// The window that holds `address`, tried first where the last one was found.
  @inline(__always)
  mutating func find(_ address: UInt64) -> Int? {
    if lastHit < windows.count, windows[lastHit].range.contains(address) { return lastHit }
    let index = firstWindow(endingAfter: address)
    guard index < windows.count, windows[index].range.lowerBound <= address else { return nil }
    lastHit = index
    return index
  }

  /// Index of the first window that ends above `address`.
  func firstWindow(endingAfter address: UInt64) -> Int {
    windows.partitioningIndex { $0.range.upperBound > address }
  }

  /// Indices of the windows that `range` touches.
  func indices(touching range: Range<UInt64>) -> Range<Int> {
    guard !range.isEmpty else { return 0..<0 }
    let first = firstWindow(endingAfter: range.lowerBound)
    var last = first
    while last < windows.count, windows[last].range.lowerBound < range.upperBound { last += 1 }
    return first..<last
  }

  func overlapsWindow(_ range: Range<UInt64>) -> Bool { !indices(touching: range).isEmpty }

  /// Whether every byte of `range` is in some window.
  func covers(_ range: Range<UInt64>) -> Bool {
    var next = range.lowerBound
    for index in indices(touching: range) {
      guard windows[index].range.lowerBound <= next else { return false }
      next = windows[index].range.upperBound
    }
    return next >= range.upperBound
  }

  /// The addresses from `address` on, cut at the end of 64 bits.
  static func range(_ address: UInt64, _ length: UInt64) -> Range<UInt64> {
    address..<(length > UInt64.max - address ? UInt64.max : address + length)
  }
}
