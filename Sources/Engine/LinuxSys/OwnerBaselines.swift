internal import CSoftdax

/// Memory to compare lookups with: each load waits for the one before.
@safe public struct DependentLoads: ~Copyable {
  private let words: UnsafeMutableBufferPointer<UInt64>

  /// Cost: writes every word once.
  public init(bytes: UInt64) {
    unsafe words = .allocate(capacity: Int(max(8, bytes) / 8))
    for index in unsafe words.indices { unsafe words[index] = UInt64(index) &* 0x9e37_79b9 }
  }

  deinit { unsafe words.deallocate() }

  /// A sum of what `count` loads read.
  public func chase(_ count: Int) -> UInt64 {
    unsafe sd_bench_loads(words.baseAddress!, UInt64(words.count), UInt64(count))
  }
}

/// An absl::btree_map of extents, from a shared object: CSupport/Bench. One thread.
@safe public struct BTreeBaseline: ~Copyable {
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  private let tree: OpaquePointer

  public init(library path: String) throws(Failure) {
    var reason: UnsafePointer<CChar>?
    guard let tree = unsafe sd_btree_open(path, &reason) else {
      throw Failure(description: unsafe reason.map { unsafe String(cString: $0) } ?? path)
    }
    unsafe self.tree = tree
  }

  deinit { unsafe sd_btree_close(tree) }

  /// Blocks and pages of 4 KiB; in ascending order of blocks.
  public func append(_ blocks: Range<UInt64>, inode: UInt64, page: UInt64) {
    unsafe sd_btree_append(tree, blocks.lowerBound, UInt64(blocks.count), inode, page)
  }

  /// The sum of inode ^ page over `count` lookups of blocks below `blocks`; 0 if one had no owner.
  public func chase(_ count: Int, blocks: UInt64, isDependent: Bool) -> UInt64 {
    unsafe sd_btree_chase(tree, blocks, UInt64(count), isDependent ? 1 : 0)
  }
}
