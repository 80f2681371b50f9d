internal import PmemBase

extension InodeTable {
  /// What cannot be in any filesystem: each as a sentence. Nothing, for what this softdax wrote.
  ///
  /// - Parameters:
  ///   - fixed: Blocks that belong to no file and no chunk of inodes.
  ///   - hasChunks: Inodes are where their numbers say (XFS), and not in tables.
  func problems(
    root: UInt64, blockCount: UInt64, fixed: [Range<UInt64>], hasChunks: Bool
  ) -> [String] {
    var problems: [String] = []
    guard let top = inodes[root], top.kind == .directory else {
      return ["the root directory, inode \(root), is not there"]
    }
    var names: [UInt64: Int] = [:]
    for directory in inodes.values where !directory.names.isEmpty {
      if directory.kind != .directory {
        problems.append("inode \(directory.number) has names in it and is no directory")
      }
      for (name, child) in directory.names.pairs {
        guard let inode = inodes[child] else {
          problems.append(
            "\"\(name)\" in inode \(directory.number) names inode \(child), which is not there")
          continue
        }
        names[child, default: 0] += 1
        if inode.kind == .directory, inode.parent != directory.number || child == root {
          problems.append(
            "directory \(child) is named by inode \(directory.number), not by its parent \(inode.parent)"
          )
        }
      }
    }
    for inode in inodes.values where inode.number != root {
      let count = names[inode.number] ?? 0
      if count != inode.links {
        problems.append("inode \(inode.number) has \(count) names and counts \(inode.links)")
      }
    }
    problems += unreachable(root)
    problems += misplaced(blockCount, fixed, hasChunks)
    return problems.sorted()
  }

  /// Directories that do not hang on the root.
  private func unreachable(_ root: UInt64) -> [String] {
    var seen: Set<UInt64> = [root]
    var next = [root]
    while let number = next.popLast() {
      guard let directory = inodes[number] else { continue }
      for child in directory.names.children
      where inodes[child]?.kind == .directory && seen.insert(child).inserted {
        next.append(child)
      }
    }
    return inodes.values.filter { $0.kind == .directory && !seen.contains($0.number) }
      .map { "directory \($0.number) does not hang on the root" }
  }

  /// Blocks outside the device, or in places that are not files'.
  private func misplaced(
    _ blockCount: UInt64, _ fixed: [Range<UInt64>], _ hasChunks: Bool
  ) -> [String] {
    var problems: [String] = []
    var metadata = fixed
    for chunk in hasChunks ? chunks : [] { metadata.append(chunk..<chunk + 8) }
    var data: [(blocks: Range<UInt64>, inode: UInt64)] = []
    for inode in inodes.values {
      for block in inode.mapBlocks { metadata.append(block..<block + 1) }
      if inode.kind != .file, !inode.extents.isEmpty {
        problems.append("inode \(inode.number) has blocks and is no file")
      }
      for extent in inode.extents.extents { data.append((extent.blocks, inode.number)) }
    }
    if metadata.contains(where: { $0.upperBound > blockCount || $0.isEmpty }) {
      return problems + ["metadata is behind the end of the device"]
    }
    metadata.sort { $0.lowerBound < $1.lowerBound }
    for (one, next) in zip(metadata, metadata.dropFirst()) where one.upperBound > next.lowerBound {
      problems.append("blocks \(next) are metadata twice")
    }
    for (blocks, inode) in data {
      if blocks.upperBound > blockCount {
        problems.append("inode \(inode) has blocks \(blocks) behind the end of the device")
        continue
      }
      let next = metadata.partitioningIndex { $0.upperBound > blocks.lowerBound }
      if next < metadata.count, metadata[next].lowerBound < blocks.upperBound {
        problems.append("inode \(inode) has blocks \(blocks), of which some are metadata")
      }
    }
    return problems
  }

  /// First blocks of the chunks that the inodes are in: an inode's number says where it is (XFS, eight in a block).
  var chunks: Set<UInt64> { Set(inodes.keys.map { $0 / 64 * 8 }) }
}
