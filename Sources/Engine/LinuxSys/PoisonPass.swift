internal import CSoftdax
public import SystemPackage

/// A child of `softdax bench poison`, which maps one page a number of times and touches it when told: CSoftdax/bench_poison.c.
@safe public struct PoisonPass: ~Copyable {
  // Safe: an owner; nobody else has the pointer.
  private let child: OpaquePointer

  /// ns from before a load to the first line of the program's handler.
  public struct Touch: Sendable {
    /// The touch that meets the error.
    public let first: Double
    /// The next one, which finds the marker.
    public let again: Double
  }

  /// - Parameters:
  ///   - mappings: 1 to 4096.
  ///   - program: what implements the hidden command that calls ``work(mappings:device:)``.
  ///   - memory: One page at least; the C side.
  public init(mappings: UInt32, program: String, memory: BenchMemory) throws(Errno) {
    var child: OpaquePointer?
    try checked(
      unsafe withUnsafeMutablePointer(to: &child) {
        unsafe sd_bench_poison_start($0, mappings, program, memory.file.raw, nil, nil, nil)
      })
    unsafe self.child = child!
  }

  /// The same on a device of the softdax server whose session directory is `directory`.
  public init(
    mappings: UInt32, program: String, device: String, directory: String, preload: String
  ) throws(Errno) {
    var child: OpaquePointer?
    try checked(
      unsafe withUnsafeMutablePointer(to: &child) {
        unsafe sd_bench_poison_start($0, mappings, program, -1, device, preload, directory)
      })
    unsafe self.child = child!
  }

  deinit { unsafe sd_bench_poison_end(child) }

  /// The child's part.
  public static func work(mappings: UInt32, device: String) throws(Errno) {
    try checked(unsafe sd_bench_poison_workload(mappings, device))
  }

  /// Has it touch every mapping, all of which must be good.
  public borrowing func touchAll() throws(Errno) {
    try checked(unsafe sd_bench_poison_tell(child, CChar(SD_BENCH_TOUCH_ALL)).error)
  }

  /// Has it touch what must fail.
  public borrowing func fail() throws(Errno) -> Touch {
    let touch = unsafe sd_bench_poison_tell(child, CChar(SD_BENCH_FAIL))
    try checked(touch.error)
    return Touch(first: touch.first, again: touch.again)
  }

  /// The C side: breaks the page. Returns ns.
  ///
  /// - Parameter lossy: without saving its bytes.
  public borrowing func inject(lossy: Bool) throws(Errno) -> Double {
    let spent = unsafe sd_bench_poison_inject(child, lossy ? 1 : 0)
    guard spent >= 0 else { throw Errno(rawValue: CInt(-spent)) }
    return spent
  }

  /// The C side: makes it good.
  public borrowing func clear() throws(Errno) { try checked(unsafe sd_bench_poison_clear(child)) }
}
