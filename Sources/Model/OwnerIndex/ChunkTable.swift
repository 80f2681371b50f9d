/// The chunks of a device, in leaves: what a change copies after a snapshot is one leaf and one chunk, not a table of all.
struct ChunkTable {
  private static let leafShift = 7
  private static let leafChunks = 1 << leafShift

  let count: Int
  private var leaves: ContiguousArray<ContiguousArray<Chunk>>

  init(count: Int) {
    self.count = count
    leaves = ContiguousArray(
      repeating: ContiguousArray(repeating: Chunk(), count: Self.leafChunks),
      count: (count + Self.leafChunks - 1) >> Self.leafShift)
  }

  subscript(chunk: Int) -> Chunk {
    @inline(__always)
    _read { yield leaves[chunk >> Self.leafShift][chunk & (Self.leafChunks - 1)] }
    @inline(__always)
    _modify { yield &leaves[chunk >> Self.leafShift][chunk & (Self.leafChunks - 1)] }
  }

  var indices: Range<Int> { 0..<count }

  /// Bytes in use. Cost: O(chunks).
  var byteCount: Int {
    leaves.reduce(0) { sum, leaf in
      leaf.reduce(sum + Self.leafChunks * MemoryLayout<Chunk>.stride + arrayHeader) {
        $0 + $1.byteCount
      }
    }
  }
}
