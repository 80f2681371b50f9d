internal import LinuxSys
internal import SystemPackage

/// GETFSMAP on a filesystem with a file of many extents, which is gone afterwards.
struct FilesystemQueries {
  /// As many as leave no part of the reverse map out: like the index, it is asked where nobody asked just before.
  private static let asked = 100_000
  private static let block: UInt64 = 4096

  /// One question, mean of each repetition.
  let nanoseconds: [Double]

  /// Every other block of a file is allocated: neighbours on the device, and never one extent.
  init(directory: String, extents: Int, count: Int) throws {
    let path = "\(directory)/.softdax-bench-\(UInt64.unguessable())"
    do throws(Errno) {
      let file = try OwnedDescriptor.create(path, mode: 0o600)
      // Whatever ends this process ends the file.
      Folder.removeFile(path)
      for number in 0..<UInt64(extents) {
        try file.allocate(offset: number * 2 * Self.block, length: Self.block)
      }
      var nanoseconds: [Double] = []
      // The first repetition is not counted.
      for _ in 0...count {
        let places = try Self.places(of: file, extents: extents)
        let begun = MonotonicClock.now
        for place in places { _ = try SpaceMap.records(of: file, in: place) }
        nanoseconds.append(Double(MonotonicClock.now - begun) / Double(places.count))
      }
      self.nanoseconds = Array(nanoseconds.dropFirst())
    } catch {
      throw CommandFailure(
        "\(directory): \(error); --fs needs a mounted XFS with room for \(extents) blocks")
    }
  }

  /// Where blocks of the file are on its device, in no order.
  private static func places(
    of file: borrowing OwnedDescriptor, extents: Int
  ) throws(Errno) -> [Range<UInt64>] {
    var places: [Range<UInt64>] = []
    for _ in 0..<asked {
      let page = UInt64.random(in: 0..<UInt64(extents)) * 2 * block
      places += try SpaceMap.extents(of: file, in: page..<page + block).map(\.physical)
    }
    return places
  }
}
