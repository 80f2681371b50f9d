import DaxModel
import ExtentFS
import PmemBase
import SystemPackage
import Testing

@Suite struct `the end of a file` {
  enum Growth: CaseIterable {
    case truncate, write, allocate, clone
  }

  /// Catches bytes that were stored behind the end, in the last page, and are the file's when the end moves on.
  @Test(arguments: Growth.allCases)
  func `moves on over zeroes, whatever was stored behind it`(growth: Growth) throws {
    let fs = try xfs()
    let file = try fs.create("/f")
    try fs.write(file, at: 0, fill: 0x11, count: 5)
    fs.map(file, 1)
    #expect(fs.store(file, 1, 100, 0x74))
    #expect(fs.store(file, 1, 4, 0x12))
    switch growth {
    case .truncate: try fs.truncate(file, to: 200)
    case .write: try fs.write(file, at: 5000, fill: 0x22, count: 1)
    case .allocate: try fs.allocate(file, .allocate, at: page, count: page)
    case .clone: try fs.reflink(from: try fs.file("/g", pages: 1), at: 0, to: file, at: page)
    }
    #expect(fs.load(file, 1, 100) == 0)
    #expect(fs.load(file, 1, 4) == 0x12)
    #expect(
      try fs.read(file, at: 0, count: 200) == [0x11, 0x11, 0x11, 0x11, 0x12]
        + Array(repeating: 0, count: 195))
  }

  /// Catches an end that moves although the call fails.
  @Test func `stays where it is when nothing can be written behind it`() throws {
    let fs = try xfs()
    let file = try fs.create("/f")
    try fs.write(file, at: 0, fill: 0x11, count: 5)
    try fs.allocate(try fs.create("/rest"), .allocate, at: 0, count: fs.freeBlocks << 12)
    #expect(throws: Errno.noSpace) { try fs.write(file, at: 1 << 20, fill: 0x22, count: 4096) }
    #expect(fs.size(of: file) == 5)
  }

  /// Catches a clone without a length whose end is behind the largest file: it took effect, and no checkpoint could hold the size.
  @Test func `cannot be cloned to where no file reaches`() throws {
    let fs = try xfs()
    let source = try fs.file("/f", pages: 4)
    let target = try fs.create("/g")
    let last = UInt64(Int64.max) & ~4095
    #expect(throws: Errno.invalidArgument) {
      try fs.reflink(from: source, at: 0, to: target, at: last)
    }
    #expect(fs.size(of: target) == 0 && fs.shape(target).isEmpty)
  }
}
