internal import ExtentFS
internal import OwnerIndex
internal import SystemPackage

/// The tools that say where a filesystem keeps something: xfs_db, debugfs, dumpe2fs, filefrag, and xfs_io's maps.
///
/// They print as the real ones do, so that what filters them finds what it looks for.
extension Simulator {
  /// The filesystem on the device that a tool's last words name.
  private func filesystem(
    on words: [String], _ kind: Format.Kind
  ) -> ExtentFS? {
    let device = words.last { $0.hasPrefix("/dev/") } ?? ""
    var name = String(device.dropFirst("/dev/".count))
    if name.hasSuffix("p1") { name.removeLast(2) }
    guard let namespace = machine.namespace(ofBlockDevice: name),
      let filesystem = filesystem(namespace), filesystem.format.kind == kind
    else { return nil }
    return filesystem
  }

  /// `xfs_db [-r] [-x] -c COMMAND… DEVICE`
  mutating func xfsDebugger(_ call: ShellCall, _ state: inout ShellState) -> CommandResult {
    guard let filesystem = filesystem(on: call.plain, .xfs) else {
      return .failure(call, "not a valid XFS filesystem")
    }
    var debugger = XFSDebugger(filesystem)
    var result = CommandResult()
    for command in Self.commands(call) {
      guard state.budget.spend(4096) else { break }
      guard let output = debugger.run(command) else {
        result.errors += "command \(command) not found\n"
        continue
      }
      result.output += output
    }
    return result
  }

  /// What `-c` is followed by, or what is fed in.
  private static func commands(_ call: ShellCall) -> [String] {
    var commands: [String] = []
    for (index, word) in call.arguments.enumerated().dropLast() where word == "-c" {
      commands.append(call.arguments[index + 1])
    }
    return commands.isEmpty ? ShellTool.lines(call.input.all()) : commands
  }

  // MARK: ext4

  /// `debugfs -R COMMAND DEVICE`
  mutating func ext4Debugger(_ call: ShellCall, _ state: inout ShellState) -> CommandResult {
    guard let filesystem = filesystem(on: call.plain, .ext4) else {
      return .failure(call, "Bad magic number in super-block")
    }
    var result = CommandResult(errors: "debugfs 1.47.0 (5-Feb-2023)\n")
    for command in call.value(of: "-R").map({ [$0] }) ?? ShellTool.lines(call.input.all()) {
      var words = command.split(separator: " ").map(String.init)
      guard !words.isEmpty, state.budget.spend(1 << 16) else { continue }
      let verb = words.removeFirst()
      if verb == "stats" || verb == "show_super_stats" {
        result.output += Self.groups(of: filesystem)
        continue
      }
      guard let name = words.first(where: { !$0.hasPrefix("-") }),
        let file = Self.file(name, in: filesystem)
      else {
        result.errors += "\(words.first ?? verb): File not found by ext2_lookup\n"
        continue
      }
      switch verb {
      case "blocks":
        let blocks = file.extents.flatMap { $0.block..<$0.block + UInt64($0.pages.count) }
        result.output += blocks.map(String.init).joined(separator: " ") + " \n"
      case "bmap":
        let page = words.count > 1 ? Words.number(words[1]).flatMap(UInt64.init(exactly:)) : 0
        let extent = file.extents.first { page.map($0.pages.contains) == true }
        let block = extent.map { $0.block + ((page ?? 0) - $0.pages.lowerBound) }
        result.output += "\(block ?? 0)\n"
      case "stat":
        let extents = file.extents.map { extent in
          let last = extent.block + UInt64(extent.pages.count) - 1
          return
            "(\(extent.pages.lowerBound)-\(extent.pages.upperBound - 1)):\(extent.block)-\(last)"
        }
        result.output +=
          "Inode: \(file.inode)   Type: regular\nEXTENTS:\n" + extents.joined(separator: ", ")
          + "\n"
      case "imap":
        result.output += Self.place(of: file.inode, in: filesystem)
      default: result.errors += "debugfs: Unknown request \"\(verb)\".\n"
      }
    }
    return result
  }

  /// `<8>`, the journal; `<N>`; or a path.
  private static func file(
    _ name: String, in filesystem: ExtentFS
  ) -> (inode: UInt64, extents: [ListedExtent])? {
    var inode: UInt64?
    if name.hasPrefix("<"), name.hasSuffix(">") {
      inode = UInt64(name.dropFirst().dropLast())
    } else {
      inode = try? filesystem.lookup(name)
    }
    guard let inode else { return nil }
    guard inode == 8 else { return (inode, filesystem.extents(of: inode)) }
    guard let log = filesystem.firstBlocks(where: { $0 == .metadata(.log) }) else { return nil }
    let journal = ListedExtent(
      pages: 0..<UInt64(log.count), block: log.lowerBound, isUnwritten: false, isShared: false)
    return (8, [journal])
  }

  private static func place(of inode: UInt64, in filesystem: ExtentFS) -> String {
    let tables = filesystem.owners(in: 0..<filesystem.blockCount).filter {
      $0.owners.contains(.metadata(.inodes))
    }
    // A table's blocks hold 16 inodes each; numbers begin with 1.
    var left = max(inode, 1) - 1
    for (group, table) in tables.enumerated() {
      let count = UInt64(table.blocks.count) * 16
      if left < count {
        return "Inode \(inode) is part of block group \(group)\n\tlocated at block "
          + "\(table.blocks.lowerBound + left / 16), offset 0x\(String(left % 16 * 256, radix: 16))\n"
      }
      left -= count
    }
    return "imap: inode \(inode) is out of range\n"
  }

  /// `dumpe2fs [-h] DEVICE`
  func ext4Groups(_ call: ShellCall) -> CommandResult {
    guard let filesystem = filesystem(on: call.plain, .ext4) else {
      return .failure(call, "Bad magic number in super-block")
    }
    let text = Self.groups(of: filesystem)
    let head = text.firstRange(of: "\n\n").map { String(text[..<$0.lowerBound]) + "\n" } ?? text
    return CommandResult(output: call.has("h") ? head : text, errors: "dumpe2fs 1.47.0\n")
  }

  private static func groups(of filesystem: ExtentFS) -> String {
    let log = filesystem.firstBlocks { $0 == .metadata(.log) }
    var text = """
      Block count:              \(filesystem.blockCount)
      Block size:               4096
      Blocks per group:         \(filesystem.format.groupBlocks)
      First inode:              11
      Inode size:               256
      Journal inode:            8
      Total journal blocks:     \(log?.count ?? 0)


      """
    var start: UInt64 = 0
    var group = 0
    while start < filesystem.blockCount {
      let end = min(start + filesystem.format.groupBlocks, filesystem.blockCount)
      text += "\nGroup \(group): (Blocks \(start)-\(end - 1))\n"
      for run in filesystem.owners(in: start..<end) {
        let (first, last) = (run.blocks.lowerBound, run.blocks.upperBound - 1)
        let place = "(+\(first - start))"
        switch run.owners.first {
        case .metadata(.superblock): text += "  Primary superblock at \(first)"
        case .metadata(.groupDescriptors): text += ", Group descriptors at \(first)-\(last)\n"
        case .metadata(.freeSpace): text += "  Block bitmap at \(first) \(place)\n"
        case .metadata(.inodeIndex): text += "  Inode bitmap at \(first) \(place)\n"
        case .metadata(.inodes): text += "  Inode table at \(first)-\(last) \(place)\n"
        default: break
        }
      }
      start = end
      group += 1
    }
    return text
  }

  // MARK: Files

  /// `filefrag [-b SIZE] [-e|-v] FILE`
  func fragments(of path: String, _ call: ShellCall) -> CommandResult {
    guard case .success(let file) = lookup(path), let filesystem = filesystem(file.namespace) else {
      return .failure(call, "\(path): No such file or directory")
    }
    let size = call.value(of: "-b").flatMap { UInt64($0) }.flatMap {
      [512, 1024, 4096].contains($0) ? $0 : nil
    }
    let unit = size ?? (call.has("b") ? 1024 : 4096)
    let extents = filesystem.extents(of: file.inode)
    let count = "\(path): \(extents.count) extent\(extents.count == 1 ? "" : "s") found\n"
    guard call.has("v") || call.has("e") else { return CommandResult(output: count) }
    let bytes = filesystem.size(of: file.inode)
    var text = """
      Filesystem type is: \(filesystem.format.kind == .xfs ? "58465342" : "ef53")
      File size of \(path) is \(bytes) (\((bytes + unit - 1) / unit) blocks of \(unit) bytes)
       ext:     logical_offset:        physical_offset: length:   expected: flags:

      """
    let scale = 4096 / unit
    for (index, extent) in extents.enumerated() {
      let length = UInt64(extent.pages.count) * scale
      let (first, start) = (extent.pages.lowerBound * scale, extent.block * scale)
      var flags = extent.isUnwritten ? ["unwritten"] : []
      if index == extents.count - 1 { flags += ["last"] }
      if extent.pages.upperBound << 12 >= bytes { flags += ["eof"] }
      if extent.isShared { flags += ["shared"] }
      text += "\(ShellTool.padded(index, 4)): \(ShellTool.padded(first, 8)).."
      text += "\(ShellTool.padded(first + length - 1, 8)): \(ShellTool.padded(start, 10)).."
      text += "\(ShellTool.padded(start + length - 1, 10)): \(ShellTool.padded(length, 6)):"
      text += "             \(flags.joined(separator: ","))\n"
    }
    return CommandResult(output: text + count)
  }

  /// xfs_io's `bmap` and `fiemap`: extents and holes, in sectors.
  func extentList(_ path: String) -> CommandResult {
    guard case .success(let file) = lookup(path), let filesystem = filesystem(file.namespace) else {
      return CommandResult(status: 1, errors: "\(path): No such file or directory\n")
    }
    var text = "\(path):\n"
    var next: UInt64 = 0
    var number = 0
    func add(_ pages: Range<UInt64>, _ place: String) {
      text += "\t\(number): [\(pages.lowerBound << 3)..\(pages.upperBound << 3 - 1)]: \(place)\n"
      number += 1
    }
    for extent in filesystem.extents(of: file.inode) {
      if next < extent.pages.lowerBound { add(next..<extent.pages.lowerBound, "hole") }
      let end = extent.block + UInt64(extent.pages.count)
      add(extent.pages, "\(extent.block << 3)..\(end << 3 - 1)")
      next = extent.pages.upperBound
    }
    return CommandResult(output: text)
  }

  /// xfs_io's `fsmap`: every block of the filesystem, with its owner.
  func filesystemMap() -> CommandResult {
    guard let (namespace, filesystem) = mountedFilesystem else { return CommandResult(status: 1) }
    var text = ""
    var number = 0
    var next: UInt64 = 0
    func add(_ blocks: Range<UInt64>, _ owner: String) {
      text +=
        "\t\(number): 259:\(namespace) [\(blocks.lowerBound << 3)..\(blocks.upperBound << 3 - 1)]: "
      text += "\(owner) \(blocks.count << 3)\n"
      number += 1
    }
    for run in filesystem.owners(in: 0..<filesystem.blockCount) {
      if next < run.blocks.lowerBound { add(next..<run.blocks.lowerBound, "free space") }
      for owner in run.owners { add(run.blocks, owner.mapText(pages: run.blocks.count)) }
      next = run.blocks.upperBound
      if text.utf8.count > ShellState.valueLimit { break }
    }
    if next < filesystem.blockCount { add(next..<filesystem.blockCount, "free space") }
    return CommandResult(output: text)
  }
}

extension BlockOwner {
  /// In the words of xfs_io's fsmap.
  fileprivate func mapText(pages: Int) -> String {
    switch self {
    case .file(let inode, let page):
      "inode \(inode) data \(page << 3)..\((page + UInt64(pages)) << 3 - 1)"
    case .extentMap(let inode): "inode \(inode) data extent map"
    case .attributes(let inode): "inode \(inode) attr 0..7"
    case .metadata(let kind):
      switch kind {
      case .superblock: "static fs metadata"
      case .groupDescriptors, .freeSpace, .reverseMap: "per-AG metadata"
      case .inodeIndex: "inode btree"
      case .inodes: "inodes"
      case .refcounts: "refcount btree"
      case .log: "journalling log"
      case .copyOnWriteStaging: "cow reservation"
      @unknown default: "unknown"
      }
    }
  }
}
