/// The server that `bench insert` embeds: one device, in this process.
struct BenchServer {
  /// The session directory, for SOFTDAX_DIR.
  let directory: String
  /// "/dev/dax0.0".
  let device: String
  let preload: String
  /// Memory of one page descriptor.
  let descriptorBytes: Int

  /// Starts it.
  ///
  /// - Parameters:
  ///   - size: Of the device, in bytes; every page of its medium exists when this returns.
  ///   - pageSize: Its alignment; above 4 KiB the medium is hugetlb.
  static func start(size: UInt64, pageSize: UInt64) throws(CommandFailure) -> BenchServer {
    guard PreloadLibrary.find() != nil else {
      throw CommandFailure(
        "\(PreloadLibrary.fileName) not found; build it with scripts/build-preload, "
          + "or measure the C side alone with --baseline")
    }
    throw CommandFailure("no server to embed yet; measure the C side alone with --baseline")
  }

  /// Ends it and takes its session directory away.
  func stop() {}
}
