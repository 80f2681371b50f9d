internal import Glibc
public import LinuxSys
internal import Synchronization
public import SystemPackage

/// Memory that this process has mapped, given back with its owner. Addresses and lengths in bytes.
public final class Mapping: Sendable {
  public let address: UInt64
  public let length: UInt64
  private let moved = Atomic(false)

  /// `length` bytes of nothing at an address that is a multiple of `alignment`: a touch is SIGSEGV.
  public init(reserving length: UInt64, alignment: UInt64 = 4096) throws(Errno) {
    let spare = length + alignment
    let start = try Self.map(0, spare, -1, 0, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS)
    address = (start + alignment - 1) / alignment * alignment
    self.length = length
    // What is left over on both sides goes back.
    if address > start { Self.unmap(start, address - start) }
    let end = address + length
    if start + spare > end { Self.unmap(end, start + spare - end) }
  }

  /// Maps `file` from `offset` on, shared, over all of it.
  public func put(_ file: borrowing OwnedDescriptor, offset: UInt64 = 0) throws(Errno) {
    try Self.put(file, offset: offset, at: address, length: length)
  }

  /// Zeroed memory over all of it.
  public func putZeroes() throws(Errno) { try Self.putZeroes(at: address, length: length) }

  /// Maps `file` over [address, address + length), whatever is there.
  public static func put(
    _ file: borrowing OwnedDescriptor, offset: UInt64, at address: UInt64, length: UInt64
  ) throws(Errno) {
    _ = try map(
      address, length, file.raw, offset, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED)
  }

  public static func putZeroes(at address: UInt64, length: UInt64) throws(Errno) {
    _ = try map(
      address, length, -1, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
  }

  private static func map(
    _ address: UInt64, _ length: UInt64, _ file: CInt, _ offset: UInt64, _ protection: CInt,
    _ flags: CInt
  ) throws(Errno) -> UInt64 {
    let start = unsafe mmap(
      UnsafeMutableRawPointer(bitPattern: UInt(address)), Int(length), protection, flags, file,
      Int(offset))
    guard unsafe start != MAP_FAILED, let start = unsafe start else { throw Errno(rawValue: errno) }
    return UInt64(UInt(bitPattern: start))
  }

  private static func unmap(_ address: UInt64, _ length: UInt64) {
    _ = unsafe munmap(UnsafeMutableRawPointer(bitPattern: UInt(address)), Int(length))
  }

  /// Reads the byte at `offset`; the thread waits while it is not there.
  public func read(_ offset: UInt64) -> UInt8 {
    unsafe pointer(offset).load(as: UInt8.self)
  }

  public func write(_ byte: UInt8, at offset: UInt64) {
    unsafe pointer(offset).storeBytes(of: byte, as: UInt8.self)
  }

  /// madvise(MADV_DONTNEED): the page-table entries go, the mapping stays.
  public func zap(_ offset: UInt64, length: UInt64) throws(Errno) {
    guard unsafe madvise(pointer(offset), Int(length), MADV_DONTNEED) == 0 else {
      throw Errno(rawValue: errno)
    }
  }

  /// Takes a part away: a touch is SIGSEGV. The addresses stay taken, so that the end gives back nobody else's.
  public func unmap(_ offset: UInt64, length: UInt64) throws(Errno) {
    _ = try Self.map(
      address + offset, length, -1, 0, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
  }

  /// mremap() of all of it to where `target` is, which owns it from then on.
  public func move(to target: Mapping) throws(Errno) {
    // mremap() is variadic, which Swift does not import; integers are passed as to any function.
    typealias Call = @convention(c) (UInt, Int, Int, CInt, UInt) -> UInt
    guard let symbol = unsafe dlsym(nil, "mremap") else { throw .noFunction }
    let call = unsafe unsafeBitCast(symbol, to: Call.self)
    // MREMAP_MAYMOVE | MREMAP_FIXED
    let place = call(UInt(address), Int(length), Int(target.length), 3, UInt(target.address))
    guard place != .max else { throw Errno(rawValue: errno) }
    moved.store(true, ordering: .relaxed)
  }

  /// Pages of 4 KiB that the page table holds, by /proc/self/pagemap.
  public var presentPages: Int {
    let words =
      (try? SmallFile.bytes(
        "/proc/self/pagemap", offset: address / 4096 * 8, count: Int(length / 4096 * 8))) ?? []
    return stride(from: 7, to: words.count, by: 8).count { words[$0] & 0x80 != 0 }
  }

  private func pointer(_ offset: UInt64) -> UnsafeMutableRawPointer {
    precondition(offset < length, "offset \(offset) is outside a mapping of \(length)")
    return unsafe UnsafeMutableRawPointer(bitPattern: UInt(address + offset))!
  }

  deinit { if !moved.load(ordering: .relaxed) { Self.unmap(address, length) } }
}

/// A thread of a test; its end can be looked for without waiting.
public final class TestThread: Sendable {
  private final class Flag: Sendable {
    let value = Atomic(false)
  }
  private let ended: Flag
  private let thread: WorkerThread

  public init(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    let ended = Flag()
    self.ended = ended
    thread = try WorkerThread(name: "test") {
      body()
      ended.value.store(true, ordering: .releasing)
    }
  }

  public var hasEnded: Bool { ended.value.load(ordering: .acquiring) }

  /// Waits for its end; once.
  public func join() { thread.join() }
}

/// Waits for `condition`; a test's time limit is what bounds it.
public func waitUntil(_ condition: () -> Bool) {
  while !condition() { Pause.short() }
}

/// Whether `condition` comes true before one must think that it never will.
///
/// Ten minutes: on a machine that runs everything at once, a guard of seconds is the machine's failure and not the program's.
public func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let start = ContinuousClock.now
  var pause: UInt32 = 1
  while try !condition() {
    if start.duration(to: .now) > .seconds(600) { return false }
    Pause.milliseconds(pause)
    pause = min(pause + 1, 20)
  }
  return true
}

/// What a symbolic link says; "" if it is none.
public func target(ofLink path: String) -> String {
  var buffer = [UInt8](repeating: 0, count: 4096)
  let count = unsafe buffer.withUnsafeMutableBytes {
    unsafe readlink(path, $0.baseAddress!, $0.count)
  }
  return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
}
