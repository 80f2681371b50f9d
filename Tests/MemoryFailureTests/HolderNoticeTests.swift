internal import MemoryFailure
internal import PmemBase
internal import Testing

@Suite struct `a notice of failure` {
  private let volume = HolderNotice.Volume(blocks: 0..<1000, groupBlocks: 250)

  /// Catches owners looked up in a filesystem that is not ready to answer.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-29: during mount is EIO`(kernel: KernelBehavior) {
    var volume = volume
    volume.isBorn = false
    volume.hasReverseMap = false
    #expect(HolderNotice(5..<6, on: volume, kernel: kernel) == .notBorn)
  }

  /// Catches a failure of somebody else's blocks that is taken for one of the filesystem's.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-30: beyond the filesystem is ENXIO, and shuts nothing down but 6_1 by its log`(
    kernel: KernelBehavior
  ) {
    #expect(HolderNotice(1000..<1001, on: volume, kernel: kernel) == .outside)
    var log = volume
    log.part = .externalLog
    #expect(
      HolderNotice(1000..<1001, on: log, kernel: kernel) == (kernel == .v6_1 ? .logLost : .outside))
  }

  /// Catches a damaged log that is looked up in the reverse map, or a shutdown because the device is removed.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-31: of an external log is a loss, its removal is not`(kernel: KernelBehavior) {
    var log = volume
    log.part = .externalLog
    log.hasReverseMap = false
    #expect(HolderNotice(5..<6, on: log, kernel: kernel) == .logLost)
    #expect(HolderNotice(5..<6, on: log, kernel: kernel, isRemoval: true) == .ignored)
  }

  /// Catches a query that stops at the end of a group, or runs past what failed.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-32: across groups asks each, cut at both ends`(kernel: KernelBehavior) {
    #expect(
      HolderNotice(240..<510, on: volume, kernel: kernel)
        == .query([240..<250, 250..<500, 500..<510]))
    #expect(
      HolderNotice(990..<2000, on: volume, kernel: kernel) == .query([990..<1000]))
    #expect(
      HolderNotice(0..<UInt64.max, on: volume, kernel: kernel)
        == .query([0..<250, 250..<500, 500..<750, 750..<1000]))
  }

  /// Catches an order of the two refusals that only the newest kernel has.
  @Test(arguments: KernelBehavior.allCases)
  func `without a reverse map is declined, outside by all but 7_2`(kernel: KernelBehavior) {
    var volume = volume
    volume.hasReverseMap = false
    #expect(HolderNotice(5..<6, on: volume, kernel: kernel) == .declined)
    #expect(
      HolderNotice(1000..<1001, on: volume, kernel: kernel)
        == (kernel == .v7_2 ? .outside : .declined))
  }

  /// Catches owners found in metadata that is not read any more, and a damaged log or a missing reverse map that is not noticed then.
  @Test(arguments: KernelBehavior.allCases)
  func `finds nobody once the filesystem has shut down`(kernel: KernelBehavior) {
    var volume = volume
    volume.isShutDown = true
    #expect(HolderNotice(5..<6, on: volume, kernel: kernel) == .unreadable)
    #expect(HolderNotice(1000..<1001, on: volume, kernel: kernel) == .outside)
    volume.hasReverseMap = false
    #expect(HolderNotice(5..<6, on: volume, kernel: kernel) == .declined)
    volume.part = .externalLog
    #expect(HolderNotice(5..<6, on: volume, kernel: kernel) == .logLost)
  }

  /// Catches a realtime device that is asked for owners before it could be.
  @Test(arguments: KernelBehavior.allCases)
  func `of the realtime device is declined before 7_2`(kernel: KernelBehavior) {
    var volume = volume
    volume.part = .realtime
    #expect(
      HolderNotice(5..<6, on: volume, kernel: kernel)
        == (kernel == .v7_2 ? .query([5..<6]) : .declined))
  }
}
