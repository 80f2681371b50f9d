/// Frames of ordinary memory that hold the private copies of file pages, for every process of a machine.
///
/// A frame is one page of memory, however many page tables show it: fork shares it, a store gives the writer one of its own, and the
/// last entry that goes frees it. Entries say which frame they show; this table says what is in it and how many there are. Not
/// thread-safe.
///
/// Source: `page_dup_anon_rmap`, `wp_can_reuse_anon_folio`, `wp_page_copy`, mm/memory.c (v6.1, v6.12, v7.3).
public final class AnonymousFrames {
  /// The page of a file that a frame is a copy of: where the reverse map looks for those who show it (`page->index`, `anon_vma`).
  public struct Origin {
    public unowned let mapping: FileMapping
    public let page: UInt64
  }

  /// What is known of a frame.
  public enum State {
    /// Page tables show it.
    case mapped(Origin)
    /// Nobody does, the allocator has it.
    case free
    /// It failed, or was taken out of use: nobody gets it again (PG_hwpoison).
    case poisoned
  }

  private struct Frame {
    let origin: Origin
    var mapcount = 0
    /// Empty until something is stored: zeroes, or bytes that only a real machine knows.
    var bytes: [UInt8]
  }

  private let first: UInt64
  private var next: UInt64
  private var mapped: [UInt64: Frame] = [:]
  private var poisoned: Set<UInt64> = []

  /// - Parameter first: The number of the first frame.
  public init(first: UInt64 = 0) {
    self.first = first
    next = first
  }

  /// nil for a number that no copy ever had, unless it is poisoned.
  public func state(of frame: UInt64) -> State? {
    if poisoned.contains(frame) { return .poisoned }
    guard frame >= first, frame < next else { return nil }
    return mapped[frame].map { .mapped($0.origin) } ?? .free
  }

  /// Page-table entries that show the frame.
  public func mapcount(_ frame: UInt64) -> Int { mapped[frame]?.mapcount ?? 0 }

  /// Frames that somebody shows.
  public var mappedFrames: [UInt64] { mapped.keys.sorted() }

  /// - Parameter offset: In the frame, bytes.
  public func load(_ frame: UInt64, _ offset: Int) -> UInt8 {
    mapped[frame].map { $0.bytes.isEmpty ? 0 : $0.bytes[offset] } ?? 0
  }

  public func store(_ value: UInt8, to frame: UInt64, _ offset: Int) {
    if mapped[frame]?.bytes.isEmpty == true {
      mapped[frame]?.bytes = [UInt8](repeating: 0, count: 4096)
    }
    mapped[frame]?.bytes[offset] = value
  }

  /// Fills a frame that was just taken.
  ///
  /// - Parameter bytes: 4096 of them.
  public func fill(_ frame: UInt64, with bytes: [UInt8]) {
    precondition(bytes.count == 4096, "a frame has 4096 bytes, not \(bytes.count)")
    mapped[frame]?.bytes = bytes
  }

  // MARK: For page tables

  /// A new frame that one entry shows, with the bytes of another or zeroes.
  func take(for page: UInt64, of mapping: FileMapping, copying other: UInt64? = nil) -> UInt64 {
    defer { next += 1 }
    mapped[next] = Frame(
      origin: Origin(mapping: mapping, page: page), mapcount: 1,
      bytes: other.flatMap { mapped[$0]?.bytes } ?? [])
    return next
  }

  /// One entry more.
  func map(_ frame: UInt64) { mapped[frame]!.mapcount += 1 }

  /// One entry less; the last one frees the frame.
  func unmap(_ frame: UInt64) {
    mapped[frame]!.mapcount -= 1
    if mapped[frame]!.mapcount == 0 { mapped[frame] = nil }
  }

  /// The frame is bad: whoever shows it still is to be taken away next. A frame of the kernel's own gets the mark too, and stays where it is.
  public func poison(_ frame: UInt64) { poisoned.insert(frame) }
}
