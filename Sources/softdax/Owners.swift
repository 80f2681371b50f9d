internal import ArgumentParser
internal import HostFilesystem
internal import LinuxSys
internal import PmemBase

/// `softdax owners`: what a bad page takes with it.
struct Owners: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell whose a page of a mounted filesystem is, and who maps it.",
    discussion: """
      Reads, changes nothing. XFS with a reverse map answers at once, its own blocks included; elsewhere every file is asked for its \
      extents. With a filesystem on /dev/pmemN mounted with dax, the processes listed are those that a failure of the page would reach.

      Example: softdax owners --fs /mnt/pmem0 --file /mnt/pmem0/pool@0x3000
      """)

  @Option(help: ArgumentHelp("A mounted filesystem: any path on it.", valueName: "mountpoint"))
  var fs: String

  @Option(
    name: [.customShort("B"), .long],
    help: ArgumentHelp(
      "Sector of 512 bytes from the device's start, as badblocks files count.", valueName: "sector")
  )
  var block: UInt64?

  @Option(help: ArgumentHelp("Byte from the device's start.", valueName: "bytes"))
  var offset: String?

  @Option(help: ArgumentHelp("A byte of a file.", valueName: "path@bytes"))
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Bytes that are bad (default: a page; 512 with --block).", valueName: "bytes"))
  var length: String?

  @Flag(help: "Do not walk the filesystem for the names of files that nobody maps.")
  var noPaths = false

  @Flag(help: "JSON.")
  var json = false

  func validate() throws {
    guard [block != nil, offset != nil, file != nil].count(where: { $0 }) == 1 else {
      throw ValidationError("Give one of --block, --offset and --file.")
    }
  }

  func run() throws {
    do {
      let mount = try Mount(showing: fs)
      let radius = try BlastRadius(of: try range(on: mount), on: mount, wantsPaths: !noPaths)
      print(
        json ? try jsonText(OwnersReport(radius)) : OwnersReport(radius).text,
        terminator: json ? "\n" : "")
    } catch let error as HostFilesystemError {
      throw CommandFailure("owners: \(error)")
    }
  }

  private func range(on mount: Mount) throws -> Range<UInt64> {
    let page = PageSize.base.bytes
    var start: UInt64
    var bytes = page
    if let block {
      let (byte, overflow) = block.multipliedReportingOverflow(by: 512)
      guard !overflow else {
        throw CommandFailure("--block \(block): no device has so many sectors")
      }
      (start, bytes) = (byte, 512)
    } else if let offset {
      start = PageSize.base.roundDown(try Self.bytes(offset, of: "--offset"))
    } else {
      let text = file ?? ""
      guard let sign = text.lastIndex(of: "@") else {
        throw CommandFailure("--file \(text): write PATH@BYTES, such as \(fs)/pool@0x3000")
      }
      let byte = PageSize.base.roundDown(
        try Self.bytes(String(text[text.index(after: sign)...]), of: "--file"))
      start = try BlastRadius.place(of: String(text[..<sign]), offset: byte, on: mount)
    }
    if let length { bytes = try Self.bytes(length, of: "--length") }
    let (end, overflow) = start.addingReportingOverflow(bytes)
    guard bytes > 0, !overflow else {
      throw CommandFailure(
        "a range of \(bytes) bytes from byte \(start): give a --length of at least 1 that ends on the device"
      )
    }
    return start..<end
  }

  private static func bytes(_ text: String, of option: String) throws -> UInt64 {
    do throws(SizeError) {
      return try ByteCount(parsing: text).bytes
    } catch {
      throw CommandFailure("\(option): \(error)")
    }
  }
}

/// The answer of `softdax owners`, for people and for programs.
struct OwnersReport: Encodable {
  struct Owner: Encodable {
    let type: String
    var inode: UInt64?
    /// Byte of the file.
    var offset: UInt64?
    var path: String?
    /// What the filesystem calls it.
    var name: String?
    /// Bytes of the device.
    let start: UInt64
    let length: UInt64
    let shared: Bool
    let unwritten: Bool
  }

  struct Mapper: Encodable {
    let pid: Int32
    let command: String
    let inode: UInt64
    let path: String
    let address: String
    let permissions: String
    let present: Bool?
  }

  let mountpoint: String
  let filesystem: String
  let source: String
  let dax: Bool
  let start: UInt64
  let length: UInt64
  let asked: String
  let owners: [Owner]
  let mappers: [Mapper]

  init(_ radius: BlastRadius) {
    mountpoint = radius.mount.point
    filesystem = radius.mount.kind
    source = radius.mount.source
    dax = radius.mount.isDax
    start = radius.range.lowerBound
    length = UInt64(radius.range.count)
    asked = radius.way.rawValue
    owners = radius.owners.map { owner in
      var row = Owner(
        type: owner.owner.type, start: owner.physical.lowerBound,
        length: UInt64(owner.physical.count), shared: owner.isShared, unwritten: owner.isUnwritten)
      row.inode = owner.owner.inode
      row.path = owner.path
      if case .file(_, let offset) = owner.owner { row.offset = offset }
      if case .metadata(let name) = owner.owner { row.name = name }
      return row
    }
    mappers = radius.mappers.map { mapper in
      Mapper(
        pid: mapper.process, command: mapper.command, inode: mapper.inode,
        path: mapper.mapping.path, address: "0x" + String(mapper.address, radix: 16),
        permissions: mapper.mapping.permissions, present: mapper.isPresent)
    }
  }

  var text: String {
    var text =
      "\(mountpoint): \(filesystem)\(dax ? ", dax" : ""), on \(source); bytes \(start) to "
      + "\(start + length - 1), sector \(start / 512) on; by \(asked)\n"
    var table = TextTable([
      ("owner", .left), ("inode", .right), ("offset", .right), ("state", .left), ("path", .left),
    ])
    for owner in owners {
      let state = [owner.shared ? "shared" : nil, owner.unwritten ? "unwritten" : nil]
      table.add([
        owner.name ?? owner.type, owner.inode.map { "\($0)" } ?? "",
        owner.offset.map { "0x" + String($0, radix: 16) } ?? "",
        state.compactMap { $0 }.joined(separator: ","), owner.path ?? "",
      ])
    }
    text += table.text
    guard !mappers.isEmpty else { return text + "no process maps it\n" }
    var people = TextTable([
      ("pid", .right), ("command", .left), ("address", .right), ("perm", .left),
      ("page", .left), ("path", .left),
    ])
    for mapper in mappers {
      people.add([
        "\(mapper.pid)", mapper.command, mapper.address, mapper.permissions,
        mapper.present.map { $0 ? "present" : "absent" } ?? "unknown", mapper.path,
      ])
    }
    return text + people.text
  }
}

extension SpaceOwner {
  fileprivate var type: String {
    switch self {
    case .file: "file"
    case .attributes: "attributes"
    case .extentMap: "extent map"
    case .metadata: "metadata"
    case .free: "free"
    case .unknown: "unknown"
    }
  }
}
