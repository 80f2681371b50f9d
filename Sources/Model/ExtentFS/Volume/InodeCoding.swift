/// Inodes as the medium has them: a list of items, each of which says what something is now. Saying it twice changes
/// nothing, so a record of the log may be applied to a state that has it already.
enum InodeItem: UInt8 {
  /// All that has a fixed size, the target and the map's blocks.
  case core = 1
  case gone
  /// Names of a directory; child 0 takes one away.
  case names
  /// All extents in a range of pages.
  case extents
  /// Extended attributes; length 2^32 - 1 takes one away.
  case attributes
}

extension ByteWriter {
  static let attributeGone = UInt32.max
  private static let unwritten = UInt64(1) << 63

  mutating func put(gone number: UInt64) {
    put(InodeItem.gone.rawValue)
    put(number)
  }

  /// All of an inode.
  mutating func put(whole inode: Inode) {
    put(core: inode)
    if !inode.names.isEmpty { put(names: inode.names.names.sorted(), of: inode) }
    if !inode.extents.isEmpty { put(extentsIn: 0..<UInt64.max, of: inode) }
    if !inode.extended.values.isEmpty {
      put(attributes: inode.extended.values.keys.sorted(), of: inode)
    }
  }

  /// What changed of an inode since this was last done.
  mutating func put(changesOf inode: Inode) {
    put(core: inode)
    if let names = inode.names.changed, !names.isEmpty {
      put(names: names.sorted(), of: inode)
    }
    if let pages = inode.extents.touched { put(extentsIn: pages, of: inode) }
    if let names = inode.extended.changed, !names.isEmpty {
      put(attributes: names.sorted(), of: inode)
    }
  }

  private mutating func put(core inode: Inode) {
    put(InodeItem.core.rawValue)
    put(inode.number)
    put(inode.kind.rawValue)
    put(inode.attributes.mode)
    put(inode.attributes.user)
    put(inode.attributes.group)
    put(inode.attributes.device)
    put(inode.attributes.accessed)
    put(inode.attributes.modified)
    put(inode.attributes.changed)
    put(inode.attributes.created)
    put(UInt32(inode.links))
    put(inode.size)
    put(inode.extentHint)
    put(UInt8(inode.hasDaxFlag ? 1 : 0))
    put(inode.parent)
    put(UInt16(inode.target.count))
    put(inode.target)
    put(UInt32(inode.mapBlocks.count))
    for block in inode.mapBlocks { put(block) }
  }

  private mutating func put(names: [FileName], of inode: Inode) {
    put(InodeItem.names.rawValue)
    put(inode.number)
    put(UInt32(names.count))
    for name in names {
      put(UInt8(name.bytes.count))
      put(name.bytes)
      put(inode.names[name] ?? 0)
    }
  }

  private mutating func put(extentsIn pages: Range<UInt64>, of inode: Inode) {
    put(InodeItem.extents.rawValue)
    put(inode.number)
    put(pages.lowerBound)
    put(pages.upperBound)
    let parts = inode.extents.parts(in: pages)
    put(UInt32(parts.count))
    for part in parts {
      put(part.pages.lowerBound)
      put(UInt64(part.pages.count))
      put(part.block | (part.isUnwritten ? Self.unwritten : 0))
    }
  }

  private mutating func put(attributes names: [FileName], of inode: Inode) {
    put(InodeItem.attributes.rawValue)
    put(inode.number)
    put(UInt32(names.count))
    for name in names {
      put(UInt8(name.bytes.count))
      put(name.bytes)
      guard let value = inode.extended[name] else {
        put(Self.attributeGone)
        continue
      }
      put(UInt32(value.count))
      put(value)
    }
  }
}

extension Inode {
  /// At most the bytes that `put(whole:)` writes.
  var encodedBytes: Int {
    160 + target.count + 8 * mapBlocks.count + names.nameBytes + 9 * names.count
      + 24 * extents.count + extended.bytes + 5 * extended.values.count
  }

  /// What changed is written: from here on anew.
  func clearChanges() {
    names.changed = []
    extended.changed = []
    extents.touched = nil
    isNoted = false
  }
}

/// Inodes as they are read from the medium: not yet checked against each other.
struct InodeTable {
  /// What pages and blocks stay below: so that sums of two do not overflow, and sizes are file offsets.
  private static let limit = UInt64(1) << 51

  private(set) var inodes: [UInt64: Inode] = [:]

  /// Changes the table as a checkpoint's body or a record says.
  mutating func apply(_ bytes: [UInt8]) throws(Undecodable) {
    var reader = ByteReader(bytes)
    while !reader.isAtEnd {
      guard let item = InodeItem(rawValue: try reader.take()) else { throw Undecodable() }
      let number: UInt64 = try reader.take()
      guard number > 0 else { throw Undecodable() }
      switch item {
      case .core: try applyCore(number, &reader)
      case .gone: inodes[number] = nil
      case .names: try applyNames(try known(number), &reader)
      case .extents: try applyExtents(try known(number), &reader)
      case .attributes: try applyAttributes(try known(number), &reader)
      }
    }
  }

  /// Takes out what has neither a name nor, after a mount, a user.
  mutating func removeUnnamed() -> Int {
    let unnamed = inodes.values.filter { $0.links == 0 }
    for inode in unnamed { inodes[inode.number] = nil }
    return unnamed.count
  }

  // MARK: Private

  private func known(_ number: UInt64) throws(Undecodable) -> Inode {
    guard let inode = inodes[number] else { throw Undecodable() }
    return inode
  }

  private mutating func applyCore(
    _ number: UInt64, _ reader: inout ByteReader
  ) throws(Undecodable) {
    guard let kind = NodeKind(rawValue: try reader.take()) else { throw Undecodable() }
    let inode: Inode
    if let present = inodes[number] {
      guard present.kind == kind else { throw Undecodable() }
      inode = present
    } else {
      inode = Inode(number, kind)
      inodes[number] = inode
    }
    var attributes = Attributes()
    attributes.mode = try reader.take()
    attributes.user = try reader.take()
    attributes.group = try reader.take()
    attributes.device = try reader.take()
    attributes.accessed = try reader.takeTime()
    attributes.modified = try reader.takeTime()
    attributes.changed = try reader.takeTime()
    attributes.created = try reader.takeTime()
    inode.attributes = attributes
    inode.links = Int(try reader.take(UInt32.self))
    inode.size = try reader.take()
    inode.extentHint = try reader.take()
    inode.hasDaxFlag = try reader.take(UInt8.self) != 0
    inode.parent = try reader.take()
    guard attributes.mode <= 0o7777, inode.size <= Int64.max,
      (1...Self.limit).contains(inode.extentHint)
    else { throw Undecodable() }
    inode.target = try reader.take(bytes: Int(try reader.take(UInt16.self)))
    let blocks = Int(try reader.take(UInt32.self))
    guard blocks <= reader.remaining / 8 else { throw Undecodable() }
    inode.mapBlocks = []
    for _ in 0..<blocks {
      let block: UInt64 = try reader.take()
      guard block < Self.limit else { throw Undecodable() }
      inode.mapBlocks.append(block)
    }
  }

  private func applyNames(_ inode: Inode, _ reader: inout ByteReader) throws(Undecodable) {
    for _ in 0..<(try reader.take(UInt32.self)) {
      let name = FileName(bytes: try reader.take(bytes: Int(try reader.take(UInt8.self))))
      let child: UInt64 = try reader.take()
      guard name.isValid else { throw Undecodable() }
      inode.names[name] = child == 0 ? nil : child
    }
  }

  private func applyExtents(_ inode: Inode, _ reader: inout ByteReader) throws(Undecodable) {
    let low: UInt64 = try reader.take()
    let high: UInt64 = try reader.take()
    guard low <= high else { throw Undecodable() }
    _ = inode.extents.remove(low..<high)
    var next = low
    for _ in 0..<(try reader.take(UInt32.self)) {
      let page: UInt64 = try reader.take()
      let count: UInt64 = try reader.take()
      let block: UInt64 = try reader.take()
      let first = block & ~(1 << 63)
      guard page >= next, count > 0, page < Self.limit, count < Self.limit, first < Self.limit,
        page + count <= high
      else { throw Undecodable() }
      next = page + count
      inode.extents.insert(
        Extent(pages: page..<next, block: first, isUnwritten: block != first))
    }
  }

  private func applyAttributes(
    _ inode: Inode, _ reader: inout ByteReader
  ) throws(Undecodable) {
    for _ in 0..<(try reader.take(UInt32.self)) {
      let name = FileName(bytes: try reader.take(bytes: Int(try reader.take(UInt8.self))))
      let count: UInt32 = try reader.take()
      inode.extended[name] =
        count == ByteWriter.attributeGone ? nil : try reader.take(bytes: Int(count))
    }
  }
}
