import DaxModel
import ExtentFS
import PmemBase
import SystemPackage

let page: UInt64 = 4096

/// A device of 502 MiB, as the measured one.
let deviceBlocks: UInt64 = 128_512

func xfs(
  kernel: KernelBehavior = .v7_2, reverseMap: Bool = true, reflink: Bool = true,
  media: any Media = HealthyMedia()
) throws -> ExtentFS {
  let format = Format.xfs(blocks: deviceBlocks, reverseMap: reverseMap, reflink: reflink)
  let fs = ExtentFS(format, blockCount: deviceBlocks, kernel: kernel, media: media)
  try fs.mount()
  return fs
}

func ext4(media: any Media = HealthyMedia()) throws -> ExtentFS {
  let fs = ExtentFS(
    .ext4(blocks: deviceBlocks), blockCount: deviceBlocks, media: media)
  try fs.mount()
  return fs
}

extension ExtentFS {
  /// A file of whole pages of one value.
  func file(_ path: String, pages: Int, _ value: UInt8 = 0x11) throws -> UInt64 {
    let inode = try create(path)
    try write(inode, at: 0, fill: value, count: pages * 4096)
    try synchronize(inode)
    return inode
  }

  /// A process maps a whole file at `address`.
  func map(
    _ inode: UInt64, _ process: Int, at address: UInt64 = 0x4000_0000, isShared: Bool = true
  ) {
    let pages = (size(of: inode) + 4095) / 4096
    mapping(of: inode)!.map(
      process: process, addresses: address..<address + pages * 4096, firstPage: 0,
      protection: [.read, .write], isShared: isShared)
  }

  /// A process loads one byte of a file that it maps, or nil if that is a signal.
  func load(_ inode: UInt64, _ process: Int, _ offset: UInt64) -> UInt8? {
    access(inode, process, offset, write: false) { load($0, $1) }
  }

  /// A process stores one byte; false if that is a signal.
  @discardableResult
  func store(_ inode: UInt64, _ process: Int, _ offset: UInt64, _ value: UInt8) -> Bool {
    access(inode, process, offset, write: true) { store(value, to: $0, $1) } != nil
  }

  /// The blocks of FIEMAP in short: `page+count@block`, `s` if shared, `u` if unwritten.
  func shape(_ inode: UInt64) -> String {
    extents(of: inode).map {
      "\($0.pages.lowerBound)+\($0.pages.count)@\($0.block)"
        + ($0.isShared ? "s" : "") + ($0.isUnwritten ? "u" : "")
    }.joined(separator: " ")
  }

  func isPresent(_ inode: UInt64, _ process: Int, _ offset: UInt64) -> Bool {
    let mapping = mapping(of: inode)!
    let window = mapping.windows.first { $0.process == process }!
    return window.isPresent(offset >> 12)
  }

  private func access<Result>(
    _ inode: UInt64, _ process: Int, _ offset: UInt64, write: Bool,
    _ body: (UInt64, Int) -> Result
  ) -> Result? {
    let mapping = mapping(of: inode)!
    let window = mapping.windows.first { $0.process == process }!
    let address = window.address(of: offset >> 12)! + (offset & 4095)
    let entry: FilePTE
    switch mapping.fault(process: process, address: address, write: write) {
    case .present(let found), .mapped(let found, _): entry = found
    default: return nil
    }
    guard let block = entry.block else { return body(0xffff_ffff, 0) }
    let within = entry.size == .huge ? offset >> 12 & 511 : 0
    return body(block + within, Int(offset & 4095))
  }
}

/// A device on which the test breaks blocks.
final class BrokenMedia: Media {
  var bad: Set<UInt64> = []
  var canClear = true

  func isReadable(blocks: Range<UInt64>) -> Bool { bad.isDisjoint(with: blocks) }

  func clear(blocks: Range<UInt64>) -> Bool {
    if canClear { bad.subtract(blocks) }
    return isReadable(blocks: blocks)
  }
}
