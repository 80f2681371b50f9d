internal import MemoryFailure
internal import Testing

@Suite struct `a pmem device` {
  private func device(_ clearing: PmemDevice.Clearing, bad: Range<UInt64>...) -> PmemDevice {
    var device = PmemDevice(clearing: clearing)
    for range in bad { device.badBlocks.add(bytes: range) }
    return device
  }

  /// Catches a clear smaller than the bus can make, or one that reaches too far.
  @Test func `MF-45: a block write clears what it covers in whole units`() {
    var fine = device(.unit(512), bad: 4096..<8192)
    let fineCleared = fine.write(4096..<4608)
    #expect(fineCleared)
    #expect(fine.badBlocks.ranges == [9..<16])
    var coarse = device(.unit(4096), bad: 4096..<8192)
    let part = coarse.write(4096..<4608)
    #expect(!part)
    #expect(coarse.badBlocks.ranges == [8..<16])
    let whole = coarse.write(4096..<8192)
    #expect(whole)
    #expect(coarse.badBlocks.isEmpty)
    var never = device(.never, bad: 4096..<8192)
    let bad = never.write(4096..<8192)
    let good = never.write(0..<4096)
    #expect(!bad && good)
    #expect(!never.isReadable(4096..<4608))
  }

  /// Catches readers let in while the data is on its way.
  @Test func `MF-46: during a recovery write readers are refused, until it is finished`() throws {
    var device = device(.unit(256), bad: 4096..<4608)
    let begun = device.beginRecovery(4096..<8192)
    let write = try #require(begun)
    #expect(!device.isReadable(4096..<8192))
    #expect(device.copyable(4096..<8192) == 0)
    device.finish(write)
    #expect(device.isReadable(4096..<8192))
    #expect(device.copyable(4096..<8192) == 4096)
  }

  /// Catches a recovery of part of a page, or a refusal where the bad sector is out of its way.
  @Test func `a recovery write covers whole pages from their start`() {
    var device = device(.unit(256), bad: 6144..<6656)
    let asked: [Range<UInt64>] = [6144..<8192, 4096..<4608, 4096..<7168, 4096..<8192]
    let writes: [Bool?] = asked.map { device.beginRecovery($0)?.clears }
    // The kernel looks from the page's start for as many bytes as are written: the first one is let through.
    #expect(writes == [false, false, nil, true])
  }

  /// Catches poison that a copy runs over.
  @Test func `a copy ends at what is bad, known or not`() {
    var device = device(.never)
    device.latent.add(bytes: 8192..<8256)
    #expect(device.isReadable(0..<16384))
    #expect(device.copyable(0..<16384) == 8192)
    #expect(device.copyable(8192..<16384) == 0)
    device.badBlocks.add(bytes: 4096..<8192)
    #expect(device.copyable(0..<16384) == 4096)
  }
}
