internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import SystemPackage

/// Touching memory that is a file.
extension Simulator {
  func fileRegion(at address: UInt64, of process: Int) -> FileRegion? {
    processes[process].file(at: address)
  }

  /// The regions that `range` touches.
  func fileRegions(in range: Range<UInt64>, of process: Int) -> [FileRegion] {
    processes[process].files.filter { $0.range.overlaps(range) }
  }

  func filesystem(_ namespace: Int) -> ExtentFS? { machine.blocks[namespace]?.filesystem }

  func mapping(_ region: FileRegion) -> FileMapping? {
    filesystem(region.namespace)?.mapping(of: region.inode)
  }

  mutating func touchFile(
    _ region: FileRegion, _ address: UInt64, write: Bool, by process: Int
  ) -> Touch {
    // The window itself is not kept: who holds a copy makes the fault copy its page table.
    guard let mapping = mapping(region),
      let (page, needsDevice, protection) = mapping.window(of: process, at: address).map({
        let page = $0.page(at: address)
        return (page, !$0.isPresent(page) && !$0.isLost(page), $0.protection)
      })
    else { return .signal(Signal(kind: .busAddress, address: address)) }
    guard
      !needsDevice || machine.blocks[region.namespace]?.isBound == true
        || !protection.contains(write ? .write : .read)
    else {
      note("dax_iomap_fault", "the device is gone: SIGBUS/BUS_ADRERR")
      return .signal(Signal(kind: .busAddress, address: address))
    }
    switch mapping.fault(process: process, address: address, write: write) {
    case .present(let entry):
      return place(entry, page: page, address, region)
    case .mapped(let entry, _):
      noteMapped(entry, page, region)
      return place(entry, page: page, address, region)
    case .copied(let source):
      guard case .anonymous(let frame) = mapping.entry(of: process, at: address)?.target else {
        return .signal(Signal(kind: .busAddress, address: address))
      }
      fill(frame, from: source, region)
      note("dax_fault_cow_page", "page \(page): a private copy")
      return .copy(frame, Int(address & 4095))
    case .fatal(let signal): return .signal(self.signal(signal))
    case .waits, .outOfMemory, .unmapped:
      return .signal(Signal(kind: .busAddress, address: address))
    }
  }

  private func signal(_ signal: FaultSignal) -> Signal {
    switch signal {
    case .addressError(let address):
      note("dax_iomap_fault", "VM_FAULT_SIGBUS: BUS_ADRERR")
      return Signal(kind: .busAddress, address: address)
    case .memoryError(let address):
      note("dax_iomap_fault", "VM_FAULT_HWPOISON: BUS_MCEERR_AR, lsb 12")
      return Signal(kind: .actionRequired, address: address, shift: 12)
    case .accessError(let address): return Signal(kind: .denied, address: address)
    }
  }

  private func place(
    _ entry: FilePTE, page: UInt64, _ address: UInt64, _ region: FileRegion
  ) -> Touch {
    switch entry.target {
    case .zero: .zero
    case .anonymous(let frame): .copy(frame, Int(address & 4095))
    case .block(let first):
      .block(
        namespace: region.namespace, entry.size == .huge ? first + page & 511 : first,
        Int(address & 4095))
    }
  }

  /// A new copy begins with what the file has; where that is nothing, with zeroes.
  private func fill(_ frame: UInt64, from source: Iomap.Source, _ region: FileRegion) {
    guard case .blocks(let block) = source,
      let bytes = filesystem(region.namespace)?.contents.read(block, 0..<4096), !bytes.isEmpty
    else { return }
    machine.frames.fill(frame, with: bytes)
  }

  /// Whether a private copy at the address has failed.
  func isLost(_ address: UInt64, of process: Int) -> Bool {
    guard let region = fileRegion(at: address, of: process),
      let window = mapping(region)?.window(of: process, at: address)
    else { return false }
    return window.isLost(window.page(at: address))
  }

  private func noteMapped(_ entry: FilePTE, _ page: UInt64, _ region: FileRegion) {
    guard log != nil else { return }
    switch entry.target {
    case .block(let block):
      guard let filesystem = filesystem(region.namespace) else { return }
      let head = filesystem.folios.head(of: block)
      let counts = filesystem.pagemap.counts(folio: Int(head))
      let share = filesystem.folios[block].share
      note(
        "dax_iomap_fault",
        "inode \(region.inode) page \(page) is block \(block), "
          + "\(entry.size == .huge ? "a PMD" : "a PTE"); refcount \(counts.refcount), "
          + "mapcount \(counts.mapcount), share \(share)")
    case .zero:
      note("dax_load_hole", "inode \(region.inode) page \(page) is a hole: the zero page")
    case .anonymous: break
    }
  }

  // MARK: Bytes

  /// A touched byte.
  func load(_ place: Touch) -> UInt8 {
    switch place {
    case .physical(let physical): machine.contents.byte(at: physical)
    case .block(let namespace, let block, let offset):
      filesystem(namespace)?.load(block, offset) ?? 0
    case .copy(let frame, let offset): machine.frames.load(frame, offset)
    case .zero, .signal: 0
    }
  }

  mutating func store(_ value: UInt8, to place: Touch) {
    switch place {
    case .physical(let physical): machine.contents.set(physical, to: value)
    case .block(let namespace, let block, let offset):
      filesystem(namespace)?.store(value, to: block, offset)
    case .copy(let frame, let offset): machine.frames.store(value, to: frame, offset)
    case .zero, .signal: break
    }
  }

  /// Zeroes that the kernel writes for read(2).
  mutating func clear(_ place: Touch, count: UInt64) {
    switch place {
    case .physical(let physical): machine.contents.fill(physical, count: count, with: 0)
    case .block(let namespace, let block, let offset):
      for byte in offset..<(offset + Int(count)) {
        filesystem(namespace)?.store(0, to: block, byte)
      }
    case .copy(let frame, let offset):
      for byte in offset..<(offset + Int(count)) { machine.frames.store(0, to: frame, byte) }
    case .zero, .signal: break
    }
  }

  // MARK: Frames

  /// The physical address behind a page-table entry of a file mapping.
  func fileFrame(
    at address: UInt64, _ region: FileRegion, _ process: Int
  ) -> UInt64? {
    guard let window = mapping(region)?.window(of: process, at: address) else { return nil }
    let page = window.page(at: address)
    guard let entry = window.entry(for: page) else { return nil }
    switch entry.target {
    case .zero: return Machine.zeroPage
    case .block(let first):
      let block = entry.size == .huge ? first + page & 511 : first
      return machine.dataStart(region.namespace) + block << 12 + address & 4095
    case .anonymous(let frame): return frame << 12 + address & 4095
    }
  }

  /// Bytes of the folio behind a page-table entry, as madvise(MADV_HWPOISON) steps: 2 MiB only where folios are built.
  func fileFolioSize(at address: UInt64, _ region: FileRegion, _ process: Int) -> UInt64 {
    guard let mapping = mapping(region),
      let window = mapping.window(of: process, at: address),
      let block = window.entry(for: window.page(at: address))?.block
    else { return 4096 }
    return mapping.folios[block].size.bytes
  }
}
