/// The names of a filesystem at one moment: who looks for a file's path walks them while the filesystem goes on.
public struct NameSnapshot: Sendable {
  private let root: UInt64
  private let directories: [UInt64: Directory]

  init(root: UInt64, directories: [UInt64: Directory]) {
    self.root = root
    self.directories = directories
  }

  /// A path of each inode that has one: the one with the fewest directories, of those the first.
  ///
  /// Cost: every name down to the last path found; all of them if an inode has none.
  public func paths(of inodes: Set<UInt64>) -> [UInt64: String] {
    var found: [UInt64: String] = [:]
    if inodes.contains(root) { found[root] = "/" }
    var level: [(number: UInt64, path: String)] = [(root, "")]
    while !level.isEmpty, found.count < inodes.count {
      var below: [(number: UInt64, path: String)] = []
      for directory in level {
        var deeper: [(name: FileName, inode: UInt64)] = []
        var here: [UInt64: FileName] = [:]
        guard let names = directories[directory.number] else { continue }
        for entry in names.pairs {
          if directories[entry.inode] != nil { deeper.append(entry) }
          guard inodes.contains(entry.inode), found[entry.inode] == nil else { continue }
          here[entry.inode] = min(here[entry.inode] ?? entry.name, entry.name)
        }
        for (inode, name) in here { found[inode] = "\(directory.path)/\(name)" }
        below += deeper.sorted { $0.name < $1.name }.map {
          ($0.inode, "\(directory.path)/\($0.name)")
        }
      }
      level = below
    }
    return found
  }
}

extension ExtentFS {
  /// Every name that there is now. Cost: one look at each inode; directories that change afterwards are copied then.
  public var names: NameSnapshot {
    NameSnapshot(
      root: root,
      directories: inodes.compactMapValues { $0.kind == .directory ? $0.names : nil })
  }

  /// Whether a page of a file has a block that was never written: it reads as zeroes.
  public func isUnwritten(_ page: UInt64, of inode: UInt64) -> Bool {
    inodes[inode]?.extents.extent(at: page)?.isUnwritten ?? false
  }
}
