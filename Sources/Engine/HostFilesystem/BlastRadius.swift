public import LinuxSys
internal import SystemPackage

/// What a bad page of a mounted filesystem's device takes with it: its owners, and who maps them now. Read-only.
///
/// Two ways: XFS with a reverse map answers at once (GETFSMAP), metadata included. Where a filesystem does not know, every file of it
/// is asked for its extents (FIEMAP): exact for data, and as long as the filesystem has files.
public struct BlastRadius: Sendable {
  /// One owner of a part of the range.
  public struct Owner: Equatable, Sendable {
    public let owner: SpaceOwner
    /// Bytes of the device that are its.
    public let physical: Range<UInt64>
    public let isShared: Bool
    public let isUnwritten: Bool
    /// A path of the file, if one was looked for and found.
    public internal(set) var path: String?
  }

  /// One mapping of an owner's bytes.
  public struct Mapper: Equatable, Sendable {
    public let process: Int32
    public let command: String
    public let inode: UInt64
    /// Where the bad bytes are in the process.
    public let address: UInt64
    public let mapping: ProcessMapping
    /// It has a page-table entry there; `nil` if that cannot be known.
    public let isPresent: Bool?
  }

  /// How the owners were found.
  public enum Way: String, Sendable {
    case fsmap = "GETFSMAP"
    case fiemap = "FIEMAP"
  }

  public let mount: Mount
  /// Bytes of the filesystem's device (btrfs: of its own address space).
  public let range: Range<UInt64>
  public let way: Way
  public let owners: [Owner]
  public let mappers: [Mapper]

  /// Finds who owns `range`, and who maps it.
  ///
  /// - Parameter wantsPaths: walk the filesystem for the names of inodes that no mapping names.
  public init(of range: Range<UInt64>, on mount: Mount, wantsPaths: Bool = true)
    throws(HostFilesystemError)
  {
    self.mount = mount
    self.range = range
    guard mount.kind != "fuse.softdax" else { throw .ownMount(mount.point) }
    if let size = Self.size(of: mount), range.upperBound > size {
      throw .outside(device: mount.source, end: range.upperBound, size: size)
    }
    var found = try Self.ask(mount, range)
    var way = Way.fsmap
    if found.map({ $0.contains { $0.owner == .unknown } }) ?? true {
      way = .fiemap
      let searched = try Self.search(mount, range)
      // What the filesystem does know stays: metadata and free space.
      found = (found ?? []).filter { $0.owner != .unknown } + searched
      if searched.isEmpty && found!.isEmpty {
        found = [
          Owner(owner: .unknown, physical: range, isShared: false, isUnwritten: false, path: nil)
        ]
      }
    }
    var owners = found ?? []
    self.way = way
    mappers = Self.mappers(of: owners, on: mount)
    if wantsPaths { try Self.name(&owners, on: mount) }
    self.owners = owners
  }

  /// Bytes; nil for a filesystem that is not on one block device.
  ///
  /// Source: `/sys/dev/block`, in sectors of 512 bytes.
  private static func size(of mount: Mount) -> UInt64? {
    SmallFile.number("/sys/dev/block/\(mount.device)/size").map { $0 << 9 }
  }

  /// Where byte `offset` of a file is on the device.
  ///
  /// - Throws: when it is a hole, or not written out yet.
  public static func place(of path: String, offset: UInt64, on mount: Mount)
    throws(HostFilesystemError) -> UInt64
  {
    guard try Mount(showing: path).device == mount.device else {
      throw .notOnMount(path: path, mount: mount.point)
    }
    let extents: [SpaceRecord]
    do throws(Errno) {
      extents = try SpaceMap.extents(
        of: try Folder.canonical(path), in: offset..<offset.addingClamped(1))
    } catch .invalidArgument {
      throw .noFile(path)
    } catch {
      throw .system(call: "FIEMAP of", path: path, error)
    }
    guard
      let extent = extents.first(where: {
        $0.offset <= offset && offset - $0.offset < UInt64($0.physical.count)
      })
    else { throw .hole(path: path, offset: offset) }
    guard extent.flags.isDisjoint(with: [.nowhere]) else {
      throw .nowhere(path: path, offset: offset)
    }
    return extent.physical.lowerBound + (offset - extent.offset)
  }

  // MARK: Owners

  /// `nil` where the filesystem has no such call.
  private static func ask(_ mount: Mount, _ range: Range<UInt64>) throws(HostFilesystemError)
    -> [Owner]?
  {
    let records: [SpaceRecord]
    do throws(Errno) {
      records = try SpaceMap.records(of: mount.point, in: range)
    } catch .notPermitted {
      throw .system(call: "GETFSMAP of", path: mount.point, .notPermitted)
    } catch {
      return nil
    }
    // A log or realtime device counts from its own start: those records are not about these bytes.
    let data = records.filter { Self.name(ofDevice: $0.device) == mount.device }
    return (data.isEmpty ? records : data).filter { $0.physical.overlaps(range) }.map { record in
      let physical = record.physical.clamped(to: range)
      return Owner(
        owner: SpaceOwner(record, from: physical.lowerBound, kind: mount.kind),
        physical: physical, isShared: record.flags.contains(.shared),
        isUnwritten: record.flags.contains(.unwritten), path: nil)
    }
  }

  /// "MAJOR:MINOR" of the kernel's new dev_t.
  private static func name(ofDevice device: UInt32) -> String {
    "\(device >> 8 & 0xfff):\(device & 0xff | device >> 12 & 0xfff00)"
  }

  /// Asks every file. An extent shared by several files comes once for each.
  private static func search(_ mount: Mount, _ range: Range<UInt64>)
    throws(HostFilesystemError) -> [Owner]
  {
    var owners: [Owner] = []
    var seen: Set<UInt64> = []
    var walk = try walk(mount)
    while let entry = walk.next() {
      guard entry.isFile, seen.insert(entry.inode).inserted else { continue }
      // Beyond the file's end there may be blocks too.
      let extents = (try? SpaceMap.extents(of: entry.path, in: 0..<UInt64(Int64.max))) ?? []
      for extent in extents
      where extent.physical.overlaps(range) && extent.flags.isDisjoint(with: [.nowhere]) {
        let physical = extent.physical.clamped(to: range)
        let inside =
          extent.flags.contains(.encoded) ? 0 : physical.lowerBound - extent.physical.lowerBound
        owners.append(
          Owner(
            owner: .file(inode: entry.inode, offset: extent.offset + inside), physical: physical,
            isShared: extent.flags.contains(.shared),
            isUnwritten: extent.flags.contains(.unwritten), path: entry.path))
      }
    }
    return owners
  }

  private static func name(_ owners: inout [Owner], on mount: Mount) throws(HostFilesystemError) {
    var wanted = Set(owners.filter { $0.path == nil }.compactMap(\.owner.inode))
    guard !wanted.isEmpty else { return }
    var names: [UInt64: String] = [:]
    var walk = try walk(mount)
    while !wanted.isEmpty, let entry = walk.next() {
      if wanted.remove(entry.inode) != nil { names[entry.inode] = entry.path }
    }
    for index in owners.indices where owners[index].path == nil {
      owners[index].path = owners[index].owner.inode.flatMap { names[$0] }
    }
  }

  private static func walk(_ mount: Mount) throws(HostFilesystemError) -> FileWalk {
    do throws(Errno) { return try FileWalk(mount.point) } catch {
      throw .system(call: "list", path: mount.point, error)
    }
  }

  // MARK: Mappers

  private static func mappers(of owners: [Owner], on mount: Mount) -> [Mapper] {
    let files = owners.compactMap { owner -> (inode: UInt64, bytes: Range<UInt64>)? in
      guard case .file(let inode, let offset) = owner.owner else { return nil }
      return (inode, offset..<offset.addingClamped(UInt64(owner.physical.count)))
    }
    guard !files.isEmpty else { return [] }
    var mappers: [Mapper] = []
    for process in ProcessFacts.all {
      for mapping in ProcessFacts.mappings(process)
      where mapping.device == mount.device && mapping.inode != 0 {
        let shown =
          mapping.offset..<mapping.offset.addingClamped(UInt64(mapping.addresses.count))
        for file in files where file.inode == mapping.inode && file.bytes.overlaps(shown) {
          guard let address = mapping.address(of: max(file.bytes.lowerBound, shown.lowerBound))
          else { continue }
          mappers.append(
            Mapper(
              process: process, command: ProcessFacts.name(process), inode: file.inode,
              address: address, mapping: mapping,
              isPresent: ProcessFacts.isPresent(process, address: address)))
        }
      }
    }
    return mappers
  }
}

extension UInt64 {
  fileprivate func addingClamped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
