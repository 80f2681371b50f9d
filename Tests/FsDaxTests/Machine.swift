import DaxModel
import PageModel
import PmemBase

/// A device, and files on it that processes map.
final class Machine {
  static let start: UInt64 = 0x4000_0000
  static let huge: UInt64 = 512

  let kernel: KernelBehavior
  let pagemap: Pagemap
  let folios: FolioTable

  init(
    _ kernel: KernelBehavior = .v7_2, rules: AssociationRules? = nil,
    regime: RefcountRegime? = nil
  ) {
    self.kernel = kernel
    pagemap = Pagemap(
      type: .fsDax, pageCount: 8192, folioSize: .base,
      regime: regime ?? RefcountRegime(kernel))
    folios = FolioTable(rules ?? AssociationRules(kernel))
  }

  func open(_ file: FakeFile) -> Opened {
    Opened(
      file, FileMapping(file: file, kernel: kernel, pagemap: pagemap, folios: folios), pagemap)
  }

  /// A file of `pages` with blocks in a row.
  func file(_ inode: UInt64, pages: UInt64, block: UInt64) -> Opened {
    let file = FakeFile(inode, pages: pages)
    file.map(0, to: block, pages)
    return open(file)
  }

  /// A file without blocks.
  func hole(_ inode: UInt64, pages: UInt64) -> Opened { open(FakeFile(inode, pages: pages)) }
}

/// A file, its mapping, and what the mapping said.
final class Opened {
  let file: FakeFile
  let mapping: FileMapping
  private let pagemap: Pagemap
  private(set) var events: [FileEvent] = []

  private(set) var steps: [ZapStep] = []

  init(_ file: FakeFile, _ mapping: FileMapping, _ pagemap: Pagemap) {
    self.file = file
    self.mapping = mapping
    self.pagemap = pagemap
    mapping.trace = { [unowned self] in steps.append($0) }
    mapping.observe = { [unowned self] in events.append($0) }
  }

  var warnings: [DaxWarning] {
    events.compactMap { if case .warning(let warning) = $0 { warning } else { nil } }
  }

  var flushed: [Range<UInt64>] {
    events.compactMap { if case .flushed(let pages) = $0 { pages } else { nil } }
  }

  /// Folios that somebody slept for and that became idle, in order.
  var idle: [UInt64] {
    events.compactMap { if case .idle(let block) = $0 { block } else { nil } }
  }

  /// Tasks that were woken, in order.
  var woken: [UInt64] {
    events.flatMap { if case .woken(let tasks) = $0 { tasks } else { [] as [UInt64] } }
  }

  func gup(_ page: UInt64, _ process: Int = 1, _ request: GupRequest = .get) -> FileGup {
    mapping.gup(process: process, address: address(page, process), request)
  }

  /// A reference or pin that must be had.
  func take(_ page: UInt64, _ process: Int = 1, _ request: GupRequest = .get) throws -> FolioUse {
    guard case .taken(let use) = gup(page, process, request) else { throw NotTaken() }
    return use
  }

  struct NotTaken: Error {}

  /// Maps the whole file, readable and writable.
  func map(
    _ process: Int = 1, at address: UInt64 = Machine.start, isShared: Bool = true,
    isSynchronous: Bool = false, allowsHuge: Bool = true
  ) {
    mapping.map(
      process: process, addresses: address..<address + (file.size + 4095) / 4096 * 4096,
      firstPage: 0, protection: [.read, .write], isShared: isShared,
      isSynchronous: isSynchronous, allowsHuge: allowsHuge)
  }

  @discardableResult
  func read(_ page: UInt64, _ process: Int = 1) -> FileFault {
    mapping.fault(process: process, address: address(page, process), write: false)
  }

  @discardableResult
  func write(_ page: UInt64, _ process: Int = 1) -> FileFault {
    mapping.fault(process: process, address: address(page, process), write: true)
  }

  func attempt(
    _ size: PageSize, _ page: UInt64, _ process: Int = 1, write: Bool = false
  ) -> FaultResult {
    mapping.attempt(size, process: process, address: address(page, process), write: write)
  }

  func isPresent(_ page: UInt64, _ process: Int = 1) -> Bool {
    mapping.entry(of: process, at: address(page, process)) != nil
  }

  func counts(_ block: UInt64) -> PageCounts { pagemap.counts(folio: Int(block)) }

  func address(_ page: UInt64, _ process: Int = 1) -> UInt64 {
    mapping.windows.compactMap { $0.process == process ? $0.address(of: page) : nil }.first!
  }
}
