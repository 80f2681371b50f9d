internal import ExtentFS
internal import OwnerIndex

/// What xfs_db says of a filesystem: the commands that tell where something is.
///
/// A place is an object (superblock, group header, inode) or a block; `addr FIELD` goes where a field points. Block numbers are
/// XFS's own: the group's number above the bits that a block of a group needs.
struct XFSDebugger {
  let filesystem: ExtentFS
  private var type = "sb"
  private var group: UInt64 = 0
  /// From the device's start.
  private var block: UInt64 = 0
  private var inode: UInt64?

  init(_ filesystem: ExtentFS) { self.filesystem = filesystem }

  private var groupBlocks: UInt64 { filesystem.format.groupBlocks }
  private var groupBits: UInt64 {
    UInt64(UInt64.bitWidth - max(1, groupBlocks - 1).leadingZeroBitCount)
  }

  /// XFS's number of a block.
  private func number(of block: UInt64) -> UInt64 {
    (block / groupBlocks) << groupBits | block % groupBlocks
  }

  private func block(numbered number: UInt64) -> UInt64 {
    (number >> groupBits) &* groupBlocks &+ number & (1 << groupBits - 1)
  }

  /// Carries out one command.
  ///
  /// - Returns: What it prints; nil for one that is not known.
  mutating func run(_ command: String) -> String? {
    var words = command.split(separator: " ").map(String.init)
    guard !words.isEmpty else { return "" }
    let verb = words.removeFirst()
    let value = words.first.flatMap { Words.number($0) }.flatMap(UInt64.init(exactly:))
    switch verb {
    case "sb", "agf", "agi", "agfl":
      let group = value ?? 0
      guard group < groupCount else { return "bad allocation group number \(group)\n" }
      (type, self.group, block, inode) = (verb, group, group * groupBlocks, nil)
      return ""
    case "inode":
      guard let value else { return "current inode number is \(inode ?? 0)\n" }
      (type, inode) = ("inode", value)
      block = value / 8
      return ""
    case "fsblock", "fsb":
      guard let value else { return "current fsblock is \(number(of: block))\n" }
      return go(to: block(numbered: value))
    case "daddr":
      guard let value else { return "current daddr is \(block << 3)\n" }
      return go(to: value >> 3)
    case "addr", "a":
      guard let field = words.first else { return address }
      guard let target = fields.first(where: { $0.name == field })?.points else {
        return "field \(field) is no block number\n"
      }
      return go(to: target)
    case "p", "print": return shown(words)
    case "convert": return convert(words)
    case "bmap": return inode.map { bmap($0) } ?? "no current inode\n"
    case "type", "push", "pop", "back", "forward", "ring", "quit", "q", "version": return ""
    default: return nil
    }
  }

  private var groupCount: UInt64 { (filesystem.blockCount + groupBlocks - 1) / groupBlocks }

  private mutating func go(to block: UInt64) -> String {
    guard block < filesystem.blockCount else { return "block number is out of range\n" }
    (type, self.block, inode) = ("data", block, nil)
    group = block / groupBlocks
    return ""
  }

  private var address: String {
    """
    current
    \tbyte offset \(block << 12), length 4096
    \tbuffer block \(block << 3) (fsbno \(number(of: block))), 8 bbs
    \tinode \(inode.map { String($0) } ?? "-1"), dir inode -1, type \(type)

    """
  }

  // MARK: Fields

  private struct Field {
    let name: String
    let text: String
    /// The block that it is the number of, from the device's start.
    var points: UInt64?
  }

  private func shown(_ names: [String]) -> String {
    let all = fields
    if names.isEmpty { return all.map { "\($0.name) = \($0.text)\n" }.joined() }
    return names.map { name in
      all.first { $0.name == name }.map { "\($0.name) = \($0.text)\n" }
        ?? "no field named \(name)\n"
    }.joined()
  }

  private var fields: [Field] {
    switch type {
    case "sb": superblock
    case "agf", "agi", "agfl": header
    case "inode": inode.map { file($0) } ?? []
    default: []
    }
  }

  private var superblock: [Field] {
    let log = filesystem.firstBlocks { $0 == .metadata(.log) }
    let start = log.map { number(of: $0.lowerBound) } ?? 0
    let numbers: [(String, UInt64)] = [
      ("blocksize", 4096), ("dblocks", filesystem.blockCount), ("rblocks", 0), ("rextents", 0),
      ("logstart", start), ("rootino", filesystem.root), ("rbmino", filesystem.root + 1),
      ("rsumino", filesystem.root + 2), ("agblocks", groupBlocks), ("agcount", groupCount),
      ("logblocks", filesystem.format.logBlocks), ("sectsize", 512), ("inodesize", 512),
      ("inopblock", 8), ("blocklog", 12), ("sectlog", 9), ("inodelog", 9), ("inopblog", 3),
      ("agblklog", groupBits),
    ]
    return [Field(name: "magicnum", text: "0x58465342")]
      + numbers.map { name, value in
        Field(
          name: name, text: String(value),
          points: name == "logstart" ? log?.lowerBound : name == "rootino" ? value / 8 : nil)
      }
  }

  /// The roots of a group's trees, which are the blocks behind its header.
  private var header: [Field] {
    let start = group * groupBlocks
    let end = min(start + groupBlocks, filesystem.blockCount)
    func root(_ kind: BlockOwner.Metadata, _ index: Int = 0) -> UInt64? {
      var left = index
      for run in filesystem.owners(in: start..<end) where run.owners.contains(.metadata(kind)) {
        if left < run.blocks.count { return run.blocks.lowerBound + UInt64(left) }
        left -= run.blocks.count
      }
      return nil
    }
    func field(_ name: String, _ block: UInt64?) -> [Field] {
      block.map { [Field(name: name, text: String($0 - start), points: $0)] } ?? []
    }
    let common = [
      Field(name: "seqno", text: String(group)), Field(name: "length", text: String(end - start)),
    ]
    switch type {
    case "agf":
      return common + field("bnoroot", root(.freeSpace)) + field("cntroot", root(.freeSpace, 1))
        + field("rmaproot", root(.reverseMap)) + field("refcntroot", root(.refcounts))
    case "agi":
      return common + field("root", root(.inodeIndex)) + field("free_root", root(.inodeIndex, 1))
    default: return (0..<4).flatMap { field("bno[\($0)]", root(.freeSpace, 2 + $0)) }
    }
  }

  private func file(_ number: UInt64) -> [Field] {
    guard let status = try? filesystem.status(of: number) else { return [] }
    let extents = filesystem.extents(of: number)
    let map = filesystem.firstBlocks { $0 == .extentMap(inode: number) }
    var fields = [
      Field(name: "core.size", text: String(status.size)),
      Field(name: "core.nextents", text: String(extents.count)),
      Field(name: "core.nblocks", text: String(status.blocks)),
      Field(name: "core.format", text: map == nil ? "2 (extents)" : "3 (btree)"),
    ]
    if let map {
      let place = self.number(of: map.lowerBound)
      fields.append(
        Field(name: "u3.bmbt.ptrs[1]", text: "1:\(place)", points: map.lowerBound))
    } else {
      let texts = extents.enumerated().map { index, extent in
        let start = self.number(of: extent.block)
        let flag = extent.isUnwritten ? 1 : 0
        return "\(index):[\(extent.pages.lowerBound),\(start),\(extent.pages.count),\(flag)]"
      }
      fields.append(Field(name: "u3.bmx", text: texts.joined(separator: " ")))
    }
    return fields
  }

  private func bmap(_ inode: UInt64) -> String {
    filesystem.extents(of: inode).map { extent in
      let (group, place) = (extent.block / groupBlocks, extent.block % groupBlocks)
      return "data offset \(extent.pages.lowerBound) startblock \(number(of: extent.block)) "
        + "(\(group)/\(place)) count \(extent.pages.count) flag \(extent.isUnwritten ? 1 : 0)\n"
    }.joined()
  }

  // MARK: Conversions

  /// `convert TYPE NUMBER [TYPE NUMBER…] TYPE`: parts of one address, as something else.
  private func convert(_ words: [String]) -> String? {
    guard words.count % 2 == 1, let wanted = words.last else { return nil }
    var bytes: UInt64 = 0
    for index in stride(from: 0, to: words.count - 1, by: 2) {
      guard let signed = Words.number(words[index + 1]),
        let value = UInt64(exactly: signed), value < 1 << 48
      else { return nil }
      switch words[index] {
      case "agnumber", "agno": bytes &+= value &* groupBlocks << 12
      case "agblock", "agbno": bytes &+= value << 12
      case "fsblock", "fsb", "fsbno": bytes &+= block(numbered: value) << 12
      case "daddr", "bb": bytes &+= value << 9
      case "byte", "fsbyte", "blkoff": bytes &+= value
      case "inode", "ino": bytes &+= value << 9
      default: return nil
      }
    }
    let block = bytes >> 12
    let result: UInt64
    switch wanted {
    case "agnumber", "agno": result = block / groupBlocks
    case "agblock", "agbno": result = block % groupBlocks
    case "fsblock", "fsb", "fsbno": result = number(of: block)
    case "daddr", "bb": result = bytes >> 9
    case "byte", "fsbyte": result = bytes
    case "blkoff": result = bytes & 4095
    case "inode", "ino": result = bytes >> 9
    default: return nil
    }
    return "0x\(String(result, radix: 16)) (\(result))\n"
  }
}

extension ExtentFS {
  /// The first run of blocks that has such an owner.
  func firstBlocks(where isWanted: (BlockOwner) -> Bool) -> Range<UInt64>? {
    owners(in: 0..<blockCount).first { $0.owners.contains(where: isWanted) }?.blocks
  }
}
