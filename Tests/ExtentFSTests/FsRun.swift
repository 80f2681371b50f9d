import DaxModel
import ExtentFS
import OwnerIndex
import PageModel
import PmemBase
import SystemPackage

/// Runs operations on a filesystem with processes that map its files, and on arrays of bytes, and
/// compares.
///
/// The reference knows what a file reads, and nothing of blocks, entries or pages.
struct FsRun {
  /// A file by its units' values.
  fileprivate struct NaiveFile {
    let inode: UInt64
    var units: [UInt8] = []
    var isNamed = true
  }

  private struct Process {
    var file: Int
    var isShared: Bool
    /// Private copies by page.
    var copies: [Int: [UInt8]] = [:]
  }

  static let unit: UInt64 = 1024
  private static let start: UInt64 = 0x4000_0000
  private static let windowPages: UInt64 = 16

  private let fs: ExtentFS
  private let free: UInt64
  private var files: [Int: NaiveFile] = [:]
  /// Files without a name that some process still maps.
  private var orphans: [Int: NaiveFile] = [:]
  private var nextOrphan = 1000
  private var processes: [Int: Process] = [:]
  private var pins: [Int] = []
  private var steps = 0

  init(_ kind: Format.Kind, _ kernel: KernelBehavior) throws {
    let format: Format =
      kind == .xfs
      ? .xfs(blocks: 1024, groups: 2, logBlocks: 16) : .ext4(blocks: 1024, logBlocks: 16)
    fs = ExtentFS(format, blockCount: 1024, kernel: kernel)
    try fs.mount()
    free = fs.freeBlocks
  }

  /// nil if the two agree after every step and at the end.
  static func difference(
    _ operations: [FsOperation], _ kind: Format.Kind, _ kernel: KernelBehavior
  ) -> (step: Int, text: String)? {
    do {
      var run = try FsRun(kind, kernel)
      for (step, operation) in operations.enumerated() {
        if let text = try run.perform(operation) ?? run.checkPages() { return (step, text) }
      }
      if let text = try run.checkFiles() ?? run.checkOwners() ?? run.end() {
        return (operations.count, text)
      }
    } catch {
      return (operations.count, "threw \(error)")
    }
    return nil
  }

  // MARK: Steps

  private mutating func perform(_ operation: FsOperation) throws -> String? {
    switch operation {
    case .create(let file):
      if files[file] == nil { files[file] = NaiveFile(inode: try fs.create("/\(file)")) }
    case .unlink(let file): return try unlink(file)
    case .write(let file, let at, let count, let value):
      guard var naive = files[file] else { return nil }
      let written = try fs.write(
        naive.inode, at: UInt64(at) * Self.unit, fill: value, count: count * 1024)
      if written != count * 1024 { return "wrote \(written)" }
      letGo(naive.inode, at..<at + count)
      naive.grow(at + count)
      for unit in at..<at + count { naive.units[unit] = value }
      files[file] = naive
      return check(file)
    case .truncate(let file, let to):
      guard let naive = files[file] else { return nil }
      switch try fs.truncate(naive.inode, to: UInt64(to) * Self.unit) {
      case .done:
        letGo(naive.inode, to..<to + 1)
        files[file]!.units = Array(naive.units.prefix(to))
        files[file]!.grow(to)
        dropCopies(file, from: (to + 3) / 4)
      case .waits: if pins.isEmpty { return "truncate waits for nobody" }
      }
      return check(file)
    case .allocate(let file, let mode, let at, let count, let keepsSize):
      let naive = files[file]
      let difference = try allocate(file, mode, at..<at + count, keepsSize)
      if let naive { letGo(naive.inode, at..<at + count) }
      return difference
    case .clone(let from, let page, let count, let to, let at):
      return try clone(from, page, count, to, at)
    case .sync(let file):
      if let naive = files[file] { try fs.synchronize(naive.inode) }
    case .map(let process, let file, let isShared):
      guard processes[process] == nil, let naive = files[file] else { return nil }
      try fs.get(naive.inode)
      fs.mapping(of: naive.inode)!.map(
        process: process, addresses: Self.start..<Self.start + Self.windowPages * 4096,
        firstPage: 0, protection: [.read, .write], isShared: isShared)
      processes[process] = Process(file: file, isShared: isShared)
    case .unmap(let process): return unmap(process)
    case .load(let process, let at): return touch(process, at, nil)
    case .store(let process, let at, let value): return touch(process, at, value)
    case .pin(let process, let at):
      guard let entry = entry(process, at), let block = entry.block else { return nil }
      let folio = Int(fs.folios.head(of: block))
      fs.pagemap.get(folio: folio)
      pins.append(folio)
    case .unpin:
      if let folio = pins.popLast() { fs.pagemap.put(folio: folio) }
    case .collect: fs.collectStaging()
    }
    return nil
  }

  private mutating func unlink(_ file: Int) throws -> String? {
    guard let naive = files[file] else { return nil }
    let progress = try fs.unlink("/\(file)")
    if case .waits = progress, pins.isEmpty { return "unlink waits for nobody" }
    files[file] = nil
    let orphan = nextOrphan
    nextOrphan += 1
    orphans[orphan] = naive
    for process in processes.keys where processes[process]!.file == file {
      processes[process]!.file = orphan
    }
    return nil
  }

  private mutating func allocate(
    _ file: Int, _ mode: AllocateMode, _ units: Range<Int>, _ keepsSize: Bool
  ) throws -> String? {
    guard var naive = files[file] else { return nil }
    if mode == .unshareRange, fs.format.kind == .ext4 { return nil }
    let progress = try fs.allocate(
      naive.inode, mode, at: UInt64(units.lowerBound) * Self.unit,
      count: UInt64(units.count) * Self.unit, keepsSize: keepsSize)
    guard progress == .done else { return pins.isEmpty ? "fallocate waits for nobody" : nil }
    if mode == .punchHole || mode == .zeroRange {
      for unit in units.clamped(to: 0..<naive.units.count) { naive.units[unit] = 0 }
    }
    if mode != .punchHole, !keepsSize { naive.grow(units.upperBound) }
    files[file] = naive
    return check(file)
  }

  private mutating func clone(
    _ from: Int, _ page: Int, _ count: Int, _ to: Int, _ at: Int
  ) throws -> String? {
    guard fs.format.hasReflink, let source = files[from], var target = files[to] else {
      return nil
    }
    let count = min(count, source.units.count / 4 - page)
    if count <= 0 { return nil }
    let units = page * 4..<(page + count) * 4
    let place = at * 4..<(at + count) * 4
    guard from != to || !units.overlaps(place) else { return nil }
    let progress = try fs.reflink(
      from: source.inode, at: UInt64(page) * 4096, to: target.inode, at: UInt64(at) * 4096,
      count: UInt64(count) * 4096)
    guard progress == .done else { return pins.isEmpty ? "clone waits for nobody" : nil }
    target.grow(place.upperBound)
    target.units.replaceSubrange(place, with: source.units[units])
    files[to] = target
    return check(to) ?? check(from)
  }

  private mutating func unmap(_ process: Int) -> String? {
    guard let naive = naive(of: process) else { return nil }
    fs.mapping(of: naive.inode)!.unmapAll(process: process)
    processes[process] = nil
    if case .waits = fs.put(naive.inode), pins.isEmpty { return "put waits for nobody" }
    return nil
  }

  private mutating func touch(_ process: Int, _ at: Int, _ value: UInt8?) -> String? {
    guard let naive = naive(of: process), var user = processes[process] else { return nil }
    // Behind the end inside the last page: nobody says what is there.
    if at >= naive.units.count, at / 4 < (naive.units.count + 3) / 4 { return nil }
    let address = Self.start + UInt64(at) * Self.unit
    let fault = fs.mapping(of: naive.inode)!.fault(
      process: process, address: address, write: value != nil)
    guard at / 4 < (naive.units.count + 3) / 4 else {
      return fault == .fatal(.addressError(address)) ? nil : "behind the end: \(fault)"
    }
    let page = at / 4
    var entry: FilePTE
    switch fault {
    case .present(let found), .mapped(let found, _): entry = found
    case .copied(let source):
      if user.isShared { return "a private copy in a shared window" }
      let units = naive.page(page)
      if case .blocks(let block) = source {
        for (step, unit) in units.enumerated() where fs.load(block, step * 1024) != unit {
          return "the copy of page \(page) is made of something else"
        }
      } else if units.contains(where: { $0 != 0 }) {
        return "page \(page) is copied from zeroes"
      }
      user.copies[page] = units
      entry = FilePTE(.anonymous(0), .base, isWritable: true)
    default: return "touch of unit \(at) in a file of \(naive.units.count): \(fault)"
    }
    switch entry.target {
    case .anonymous:
      if let value { user.copies[page]![at % 4] = value }
    case .block(let first):
      let block = first + (entry.size == .huge ? UInt64(page) & 511 : 0)
      if let value {
        if !user.isShared { return "a private store reaches the device" }
        for step in 0..<1024 { fs.store(value, to: block, at % 4 * 1024 + step) }
        update(user.file) { $0.units[at] = value }
      } else if fs.load(block, at % 4 * 1024 + 5) != naive.units[at] {
        return "a load of unit \(at) gets \(fs.load(block, at % 4 * 1024 + 5)),"
          + " not \(naive.units[at])"
      }
    case .zero:
      if value != nil { return "a store to the zero page" }
      if naive.units[at] != 0 { return "the zero page for unit \(at)" }
    }
    processes[process] = user
    return nil
  }

  /// 6.1 leaves windows with the old blocks of a copy-on-write by the filesystem (FT-30); the reference knows no old blocks.
  private func letGo(_ inode: UInt64, _ units: Range<Int>) {
    guard fs.kernel == .v6_1 else { return }
    let pages = UInt64(units.lowerBound / 4)..<UInt64((units.upperBound + 3) / 4)
    fs.mapping(of: inode)?.forget(pages, evenDirty: true)
  }

  // MARK: Judging

  /// No translation is stale: what a page-table entry shows is what the file has there now.
  private mutating func checkPages() -> String? {
    var mapcounts: [Int: UInt32] = [:]
    var inodes: [UInt64: Int] = [:]
    for process in processes.keys {
      guard let naive = naive(of: process) else { continue }
      inodes[naive.inode, default: 0] += 1
      let mapping = fs.mapping(of: naive.inode)!
      for page in 0..<Self.windowPages {
        let address = Self.start + page * 4096
        guard let entry = mapping.entry(of: process, at: address) else {
          processes[process]!.copies[Int(page)] = nil
          continue
        }
        let place = fs.address(of: naive.inode, at: page * 4096)
        switch entry.target {
        case .anonymous:
          if processes[process]!.copies[Int(page)] == nil { return "a copy out of nowhere" }
        case .zero:
          if naive.page(Int(page)).contains(where: { $0 != 0 }) {
            return "process \(process) has the zero page over page \(page)"
          }
        case .block(let block):
          if place != block << 12 {
            return "process \(process) has block \(block) for page \(page),"
              + " the file \(place.map { "\($0 >> 12)" } ?? "none")"
          }
          mapcounts[Int(fs.folios.head(of: block)), default: 0] += 1
        }
        if entry.isWritable, !entry.isCopy, !mapping.entries.isDirty(page) {
          return "page \(page) can be stored to without notice"
        }
      }
    }
    return checkCounts(mapcounts)
  }

  /// Of the pages that should be in use after every step, of all now and then.
  private mutating func checkCounts(_ mapcounts: [Int: UInt32]) -> String? {
    let regime = fs.pagemap.regime
    let idle = regime.idleRefcount(.fsDax)
    steps += 1
    let all = steps % 16 == 0
    for folio in all ? Array(0..<fs.pagemap.folioCount) : Array(mapcounts.keys) + pins {
      let counts = fs.pagemap.counts(folio: folio)
      let mapped = (mapcounts[folio] ?? 0) * regime.mappingReferences
      let pinned = UInt32(pins.count { $0 == folio })
      if counts.mapcount != mapped || counts.refcount != idle + mapped + pinned {
        return "block \(folio): \(counts), not \(mapped) entries and \(pinned) pins"
      }
    }
    return nil
  }

  private func check(_ file: Int) -> String? {
    guard let naive = files[file] ?? orphans[file] else { return nil }
    let size = UInt64(naive.units.count) * Self.unit
    if fs.size(of: naive.inode) != size { return "size \(fs.size(of: naive.inode)), not \(size)" }
    guard let bytes = try? fs.read(naive.inode, at: 0, count: 1 << 20) else {
      return "read of \(file) failed"
    }
    for (index, value) in naive.units.enumerated() {
      for step in [0, 511, 1023] where bytes[index * 1024 + step] != value {
        return "file \(file) reads \(bytes[index * 1024 + step]) in unit \(index), not \(value)"
      }
    }
    return nil
  }

  private func checkFiles() -> String? {
    for file in files.keys {
      if let text = check(file) { return text }
    }
    return nil
  }

  /// The index says of every block what the files' extents say.
  private func checkOwners() -> String? {
    var wanted: [UInt64: Set<BlockOwner>] = [:]
    var seen: [UInt64: Set<UInt64>] = [:]
    for inode in fs.inodeNumbers {
      for extent in fs.extents(of: inode) {
        for (step, page) in extent.pages.enumerated() {
          let block = extent.block + UInt64(step)
          wanted[block, default: []].insert(.file(inode: inode, page: page))
          seen[inode, default: []].insert(block)
        }
      }
    }
    for inode in fs.inodeNumbers {
      for extent in fs.extents(of: inode) {
        for step in 0..<UInt64(extent.pages.count) {
          let count = wanted[extent.block + step]!.count
          if extent.isShared != (count > 1) { return "shared flag of \(extent)" }
        }
      }
    }
    for block in Set(wanted.keys).union(fs.owners(in: 0..<fs.blockCount).flatMap(\.blocks)) {
      let told = fs.owners(ofBlock: block).filter { $0.filePage != nil }
      if told != (wanted[block] ?? []).sorted() { return "owners of \(block): \(told)" }
    }
    let owned = fs.owners(in: 0..<fs.blockCount).reduce(0) { $0 + UInt64($1.blocks.count) }
    return owned + fs.freeBlocks == fs.blockCount
      ? nil : "\(owned) blocks are owned and \(fs.freeBlocks) free"
  }

  /// Everybody goes: no block is lost and every page is idle.
  private mutating func end() throws -> String? {
    for process in processes.keys.sorted() { _ = unmap(process) }
    for folio in pins { fs.pagemap.put(folio: folio) }
    pins = []
    for file in files.keys.sorted() { _ = try unlink(file) }
    for orphan in orphans.values { fs.evict(orphan.inode) }
    if fs.inodeNumbers.count > 1 { return "inodes are left: \(fs.inodeNumbers)" }
    if !fs.pagemap.isIdle() { return "a page is in use" }
    // 6.1 never takes the mark of a shared page off.
    if fs.kernel != .v6_1, fs.folios.count > 0 { return "\(fs.folios.count) folios have owners" }
    return fs.freeBlocks == free ? nil : "\(fs.freeBlocks) blocks are free, not \(free)"
  }

  // MARK: Private

  private func naive(of process: Int) -> NaiveFile? {
    processes[process].flatMap { files[$0.file] ?? orphans[$0.file] }
  }

  private mutating func update(_ file: Int, _ body: (inout NaiveFile) -> Void) {
    if files[file] != nil { body(&files[file]!) } else { body(&orphans[file]!) }
  }

  private func entry(_ process: Int, _ at: Int) -> FilePTE? {
    naive(of: process).flatMap {
      fs.mapping(of: $0.inode)!.entry(of: process, at: Self.start + UInt64(at) * Self.unit)
    }
  }

  private mutating func dropCopies(_ file: Int, from page: Int) {
    for process in processes.keys where processes[process]!.file == file {
      processes[process]!.copies = processes[process]!.copies.filter { $0.key < page }
    }
  }
}

extension FsRun.NaiveFile {
  fileprivate mutating func grow(_ count: Int) {
    if count > units.count {
      units.append(contentsOf: repeatElement(0, count: count - units.count))
    }
  }

  /// The four units of a page; what is behind the end is zero.
  fileprivate func page(_ page: Int) -> [UInt8] {
    (page * 4..<page * 4 + 4).map { $0 < units.count ? units[$0] : 0 }
  }
}
