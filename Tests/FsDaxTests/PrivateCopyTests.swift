import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct PrivateCopyTests {
  /// A private window of process 1 that has stored to pages 0 and 1, and its child 2.
  private func family() -> (Opened, AnonymousFrames) {
    let opened = Machine(.v6_12).file(1, pages: 4, block: 64)
    opened.map(isShared: false)
    for page in 0..<2 as Range<UInt64> {
      opened.write(page)
      opened.mapping.frames.store(UInt8(page) + 7, to: opened.frame(page)!, 5)
    }
    opened.mapping.fork(process: 1, child: 2)
    return (opened, opened.mapping.frames)
  }

  /// Catches a fork that copies bytes, or that leaves the right to write.
  @Test func `after fork parent and child show one frame and neither may write`() {
    let (opened, frames) = family()
    #expect(opened.frame(0) == opened.frame(0, 2))
    #expect(frames.mapcount(opened.frame(0)!) == 2)
    #expect(opened.frame(0) != opened.frame(1))
    for process in [1, 2] {
      #expect(
        opened.mapping.entry(of: process, at: opened.address(0, process))?.isWritable == false)
    }
  }

  /// Catches a writer that keeps the common frame, and a second writer that copies what it has alone.
  @Test(arguments: [1, 2])
  func `the first writer gets a frame of its own, the other keeps the old one`(writer: Int) {
    let (opened, frames) = family()
    let old = opened.frame(0)!
    let other = 3 - writer
    #expect(opened.write(0, writer) != .unmapped)
    let own = opened.frame(0, writer)!
    #expect(own != old)
    #expect(opened.frame(0, other) == old)
    #expect(frames.load(own, 5) == 7)
    frames.store(9, to: own, 5)
    #expect(frames.load(old, 5) == 7)
    #expect(frames.mapcount(old) == 1)
    opened.write(0, other)
    #expect(opened.frame(0, other) == old)
    #expect(opened.mapping.entry(of: other, at: opened.address(0, other))?.isWritable == true)
  }

  /// Catches a frame that is counted for a page table it is not in any more, or freed too early.
  @Test func `whoever unmaps, zaps or truncates shows the frame no more; the last one frees it`() {
    let (opened, frames) = family()
    let (first, second) = (opened.frame(0)!, opened.frame(1)!)
    let start = opened.address(0, 2)
    opened.mapping.zap(process: 2, addresses: start..<start + 4096)
    #expect(frames.mapcount(first) == 1)
    opened.mapping.unmapAll(process: 2)
    #expect(frames.mapcount(second) == 1)
    opened.mapping.unmapPages(0..<4)
    #expect(frames.mappedFrames == [first, second])
    opened.mapping.truncatePages(from: 1)
    #expect(frames.mappedFrames == [first])
    guard case .free? = frames.state(of: second) else {
      Issue.record("a frame that nobody shows is not free")
      return
    }
    #expect(frames.state(of: second + 100) == nil)
  }

  /// Catches a failure that one of the two does not notice, a child that is born without the mark, and a mark that nothing takes away.
  @Test func `a frame that fails is lost to all who show it, and to their children`() {
    let (opened, frames) = family()
    let frame = opened.frame(0)!
    frames.poison(frame)
    opened.mapping.lose(frame, at: 0)
    opened.mapping.fork(process: 2, child: 3)
    for process in 1...3 {
      let address = opened.address(0, process)
      #expect(!opened.isPresent(0, process))
      #expect(opened.read(0, process) == .fatal(.memoryError(address)))
      #expect(opened.write(0, process) == .fatal(.memoryError(address)))
      #expect(opened.isPresent(1, process))
    }
    guard case .poisoned? = frames.state(of: frame) else {
      Issue.record("a frame that failed can be had again")
      return
    }
    let start = opened.address(0, 3)
    opened.mapping.zap(process: 3, addresses: start..<start + 4096)
    guard case .mapped = opened.read(0, 3) else {
      Issue.record("the file's page does not come back")
      return
    }
    opened.mapping.unmapPages(0..<1)
    #expect(opened.read(0, 1) == .fatal(.memoryError(opened.address(0, 1))))
    opened.mapping.unmapPages(0..<1, evenCopies: true)
    guard case .mapped = opened.read(0, 1) else {
      Issue.record("truncate leaves the mark")
      return
    }
  }

  /// Catches a cut window whose parts both have the mark, or neither.
  @Test func `the mark of a lost copy stays with its page when the window is cut`() {
    let (opened, frames) = family()
    frames.poison(opened.frame(1)!)
    opened.mapping.lose(opened.frame(1)!, at: 1)
    let start = opened.address(0)
    opened.mapping.protect(process: 1, addresses: start..<start + 4096, .read)
    #expect(opened.mapping.windows.count { $0.process == 1 && $0.isLost(1) } == 1)
    #expect(opened.read(1) == .fatal(.memoryError(start + 4096)))
    opened.mapping.unmap(process: 1, addresses: start + 4096..<start + 8192)
    #expect(opened.mapping.windows.allSatisfy { $0.process != 1 || !$0.isLost(1) })
  }

  /// Catches a migration that parts the family, or changes bytes or rights.
  @Test func `a frame taken out of use is replaced for all who show it`() {
    let (opened, frames) = family()
    let old = opened.frame(1)!
    opened.mapping.migrate(old, at: 1)
    let new = opened.frame(1)!
    #expect(new != old)
    #expect(opened.frame(1, 2) == new)
    #expect(frames.mapcount(new) == 2)
    #expect(frames.mapcount(old) == 0)
    #expect(frames.load(new, 5) == 8)
    #expect(opened.mapping.entry(of: 1, at: opened.address(1))?.isWritable == false)
    opened.write(1)
    opened.mapping.migrate(opened.frame(1)!, at: 1)
    #expect(opened.mapping.entry(of: 1, at: opened.address(1))?.isWritable == true)
  }

  /// Catches a move that copies, that forgets the mark, or that leaves an entry behind.
  @Test func `copies move with the mapping`() {
    let (opened, frames) = family()
    let frame = opened.frame(0)!
    frames.poison(opened.frame(1)!)
    opened.mapping.lose(opened.frame(1)!, at: 1)
    let start = opened.address(0)
    let new: UInt64 = 0x7777_0000_0000
    opened.mapping.move(process: 1, addresses: start..<start + 8192, to: new..<new + 16384)
    #expect(opened.mapping.entry(of: 1, at: new)?.target == .anonymous(frame))
    #expect(opened.mapping.window(of: 1, at: start) == nil)
    #expect(frames.mapcount(frame) == 2)
    #expect(
      opened.mapping.fault(process: 1, address: new + 4096, write: false)
        == .fatal(.memoryError(new + 4096)))
    guard case .mapped = opened.mapping.fault(process: 1, address: new + 12288, write: false)
    else {
      Issue.record("what the mapping grew by is not the file")
      return
    }
  }

  /// Catches a move that keeps a huge entry at addresses where there can be none.
  @Test(arguments: [0, 0x1000] as [UInt64])
  func `a huge entry moves by whole 2 MiB only`(distance: UInt64) {
    let opened = Machine(.v7_2).file(1, pages: 512, block: 512)
    opened.map()
    opened.read(0)
    #expect(opened.mapping.entry(of: 1, at: opened.address(0))?.size == .huge)
    let start = opened.address(0)
    let new = start + 0x4000_0000 + distance
    opened.mapping.move(
      process: 1, addresses: start..<start + 512 * 4096, to: new..<new + 512 * 4096)
    #expect(opened.isPresent(3) == (distance == 0))
    #expect(opened.counts(512).mapcount == (distance == 0 ? 1 : 0))
  }
}

extension Opened {
  /// The frame of a private copy.
  fileprivate func frame(_ page: UInt64, _ process: Int = 1) -> UInt64? {
    guard
      case .anonymous(let frame) = mapping.entry(of: process, at: address(page, process))?.target
    else { return nil }
    return frame
  }
}
