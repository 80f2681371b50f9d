internal import CSoftdax
public import SystemPackage

/// One measurement of `softdax bench insert`, made by a child of this process: CSoftdax/bench.c.
///
/// The timed code is C on both sides, so that both run the same instructions around the access.
public struct BenchPass: Sendable {
  public enum Work: Sendable, CaseIterable {
    /// First touch of each page, each one timed.
    case touch
    /// The same with a load.
    case load
    /// mmap(MAP_POPULATE), timed as a whole.
    case populate
    /// Passes over pages that are there already, each pass timed.
    case access

    /// What the child is told.
    public var number: UInt32 {
      switch self {
      case .touch: SD_BENCH_TOUCH
      case .load: SD_BENCH_LOAD
      case .populate: SD_BENCH_POPULATE
      case .access: SD_BENCH_ACCESS
      }
    }

    public init?(number: UInt32) {
      guard let work = Self.allCases.first(where: { $0.number == number }) else { return nil }
      self = work
    }
  }

  public let work: Work
  public let pages: UInt64
  /// Bytes: 4 KiB, 2 MiB or 1 GiB.
  public let pageSize: UInt64

  public init(work: Work, pages: UInt64, pageSize: UInt64) {
    self.work = work
    self.pages = pages
    self.pageSize = pageSize
  }

  private var raw: sd_bench_pass {
    sd_bench_pass(work: work.number, reserved: 0, pages: pages, page_size: pageSize)
  }

  /// The child's part: measures, and tells the parent.
  ///
  /// - Parameter device: a path, or "-" for the memfd that it inherited.
  public func measure(_ device: String) throws(Errno) {
    try checked(unsafe sd_bench_workload(raw, device))
  }

  /// Measures `memory` with the raw C loop as its server.
  ///
  /// - Parameter program: what implements the hidden command that calls ``measure(_:)``.
  public func baseline(_ memory: BenchMemory, program: String) throws(Errno) -> BenchFigures {
    try BenchFigures(unsafe sd_bench_baseline(raw, program, memory.file.raw))
  }

  /// Measures `device` of the softdax server whose session directory is `directory`.
  public func device(
    _ device: String, directory: String, preload: String, program: String
  ) throws(Errno) -> BenchFigures {
    try BenchFigures(unsafe sd_bench_device(raw, program, device, preload, directory))
  }

  /// The control: ns for one futex round trip between two threads on the calling thread's CPUs.
  public static func roundTrip() throws(Errno) -> Double {
    let spent = sd_bench_round_trip()
    guard spent >= 0 else { throw Errno(rawValue: CInt(-spent)) }
    return spent
  }
}

/// What one child measured: times in ns, for one page.
public struct BenchFigures: Sendable {
  /// How many were timed.
  public let samples: UInt32
  /// Pages in the child's page table at the end, from its /proc/self/pagemap.
  public let present: UInt64
  public let minimum: Double
  public let mean: Double
  public let p50: Double
  public let p90: Double
  public let p99: Double
  public let maximum: Double

  init(_ raw: sd_bench_figures) throws(Errno) {
    try checked(raw.error)
    samples = raw.samples
    present = raw.present
    minimum = raw.minimum
    mean = raw.mean
    p50 = raw.p50
    p90 = raw.p90
    p99 = raw.p99
    maximum = raw.maximum
  }
}

/// A memfd whose pages all exist and are mapped nowhere: what the C side of the bench maps.
public final class BenchMemory: Sendable {
  let file: OwnedDescriptor

  /// - Throws: `.noMemory`, `.noSpace` when the host, or its pool of huge pages, has not so much.
  public init(pages: UInt64, pageSize: UInt64) throws(Errno) {
    let shift = pageSize == 4096 ? 0 : CInt(pageSize.trailingZeroBitCount)
    file = OwnedDescriptor(adopting: try checked(sd_bench_memfd(pages * pageSize, shift)))
  }

  /// The very pages of a medium: where they are in the host's memory is worth 15 % of an access.
  public init(sharing medium: borrowing OwnedDescriptor) throws(Errno) {
    file = try medium.reopened()
  }
}
