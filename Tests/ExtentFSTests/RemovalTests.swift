import DaxModel
import ExtentFS
import MemoryFailure
import PmemBase
import SystemPackage
import Testing

@Suite struct `the device of a mounted filesystem is unbound` {
  private static func words(_ removal: DeviceRemoval) -> [String] {
    removal.acts.map { act in
      switch act {
      case .note: "note"
      case .fail(let inode, let pages): "fail \(inode) \(pages)"
      case .unmap(_, let pages): "unmap \(pages)"
      case .shutDown(let reason): "\(reason)"
      }
    }.filter { $0 != "note" }
  }

  /// Catches a file that is not told, one that nobody opened and is, pages that stay behind the announcement, and the 6.1 that has one
  /// (kernel-semantics 4.9; oracle `xfs-unbind-mounted`, `xfs-unbind-early`).
  @Test(arguments: KernelBehavior.allCases)
  func `each file with entries fails page by page, then it shuts down`(kernel: KernelBehavior)
    throws
  {
    let fs = try xfs(kernel: kernel)
    let one = try fs.file("/f1", pages: 4)
    let clone = try fs.create("/f2")
    try fs.reflink(from: one, to: clone)
    let unmapped = try fs.file("/f3", pages: 4)
    fs.map(one, 1)
    fs.map(clone, 2)
    #expect(fs.load(one, 1, 0x1000) == 0x11)
    #expect(fs.load(clone, 2, 0x2000) == 0x11)
    let removal = DeviceRemoval(of: fs, kernel: kernel)
    let words = Self.words(removal)
    if kernel == .v6_1 {
      #expect(words == ["fail \(one) 0..<4", "fail \(clone) 0..<4", "corruptOnDisk"])
    } else {
      #expect(
        words == [
          "fail \(one) 0..<4", "unmap 0..<4", "fail \(clone) 0..<4", "unmap 0..<4",
          "forcedUnmount",
        ])
    }
    #expect(removal.tellsEveryone == (kernel != .v6_1))
    #expect(removal.leavesEntries == (kernel == .v6_1))
    let pages = Array(removal.failures(of: clone, pages: 0..<4, in: fs))
    #expect(pages.count == 1)
    for act in pages[0].acts {
      switch act {
      case .kill(_, let page): #expect(page == 2)
      // The pages themselves are good.
      case .flag: #expect(kernel == .v6_1)
      default: Issue.record("\(act)")
      }
    }
    #expect(Array(removal.failures(of: unmapped, pages: 0..<4, in: fs)).isEmpty)
  }

  /// Catches owners that are asked for after a shutdown, and a device that goes unnoticed by who is no holder (oracle
  /// `xfs-shutdown-unbind`, `ext4-unbind-mounted`).
  @Test func `who cannot be told is shut down, and who has shut down tells nobody`() throws {
    let old = try xfs(kernel: .v6_12, reverseMap: false, reflink: false)
    let other = try ext4()
    for fs in [old, other] {
      let inode = try fs.file("/f1", pages: 4)
      fs.map(inode, 1)
      #expect(fs.load(inode, 1, 0) == 0x11)
      let removal = DeviceRemoval(of: fs, kernel: .v6_12)
      #expect(Self.words(removal) == ["forcedUnmount"])
      #expect(removal.leavesEntries)
    }
    let dead = try xfs(kernel: .v6_12)
    let inode = try dead.file("/f1", pages: 4)
    dead.map(inode, 1)
    #expect(dead.load(inode, 1, 0) == 0x11)
    dead.shutDown(.corruptOnDisk)
    #expect(Self.words(DeviceRemoval(of: dead, kernel: .v6_12)).isEmpty)
  }
}
