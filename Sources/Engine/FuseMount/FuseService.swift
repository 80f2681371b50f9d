public import ExtentFS
internal import SystemPackage

/// Answers the kernel's requests from a volume: translates, and decides nothing that the filesystem can decide.
///
/// Total: whatever a request says, the answer is an errno or what was asked for. Who may do what the kernel has checked before
/// (`default_permissions`), but for what it does not pass on. One thread at a time.
public final class FuseService {
  let volume: Volume
  /// How often the kernel has been told of each inode, and not yet forgotten it.
  private var lookups: [UInt64: UInt64] = [:]
  /// Files can be mapped as windows; these name them.
  var offersWindows = false
  var handles = WindowHandles()
  var pins: [FilePin] = []

  public init(_ volume: Volume) { self.volume = volume }

  var filesystem: ExtentFS { volume.filesystem }

  public func handle(_ request: FuseRequest, at time: Timestamp) -> FuseOutcome {
    filesystem.clock = time
    do throws(Errno) {
      return try answer(request)
    } catch {
      return FuseOutcome(.error(error.rawValue))
    }
  }

  /// The kernel's name for the root is 1.
  func inode(_ node: UInt64) -> UInt64 { node == 1 ? filesystem.root : node }

  private func answer(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    switch request.operation {
    case .lookup: try lookup(request)
    case .forget: forget(request)
    case .getAttributes: FuseOutcome(.attributes(try status(request.node)))
    case .setAttributes: try setAttributes(request)
    case .readLink: FuseOutcome(.text(try filesystem.target(of: inode(request.node))))
    case .make, .symbolicLink, .create: try make(request)
    case .createNameless: try makeNameless(request)
    case .link: try link(request)
    case .unlink, .removeDirectory: try remove(request)
    case .rename: try rename(request)
    case .open: try open(request)
    case .read: try read(request)
    case .write: try write(request)
    case .synchronize: try synchronize(request)
    case .readDirectory: try readDirectory(request)
    case .status: FuseOutcome(.space(filesystem.status))
    case .setExtended, .removeExtended: try setExtended(request)
    case .getExtended, .listExtended: try getExtended(request)
    case .allocate: try allocate(request)
    case .copyRange: try copyRange(request)
    case .seek: try seek(request)
    case .control: try control(request)
    }
  }

  func status(_ node: UInt64) throws(Errno) -> NodeStatus {
    try filesystem.status(of: inode(node))
  }

  // MARK: Inodes that the kernel knows

  /// The kernel is told of an inode, which stays until it forgets it.
  private func remember(_ number: UInt64) throws(Errno) {
    guard number != filesystem.root else { return }
    if lookups[number] == nil { try filesystem.get(number) }
    lookups[number, default: 0] += 1
  }

  /// The kernel does not know an inode any more, or never got the answer that told it.
  public func forget(_ number: UInt64, count: UInt64) {
    guard let present = lookups[number] else { return }
    guard count >= present else {
      lookups[number] = present - count
      return
    }
    lookups[number] = nil
    try? volume.change { fs throws(Errno) in _ = fs.put(number) }
  }

  private func forget(_ request: FuseRequest) -> FuseOutcome {
    forget(request.node, count: request.length)
    return FuseOutcome(.nothing)
  }

  private func lookup(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let directory = inode(request.node)
    let number =
      switch String(decoding: request.name.bytes, as: UTF8.self) {
      case ".": directory
      case "..": try filesystem.parent(of: directory)
      default: try filesystem.lookup(request.name, in: directory)
      }
    let status = try filesystem.status(of: number)
    try remember(number)
    return FuseOutcome(.entry(status))
  }

  // MARK: Names

  /// Metadata that a new name may take, bytes.
  private static let nameGrowth = 2048

  private func make(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let kind: NodeKind
    var mode = request.mode
    if request.operation == .symbolicLink {
      kind = .symbolicLink
      mode = 0o777
    } else {
      // As mknod(2): no type is a regular file.
      guard let made = NodeKind(mode: mode & 0o170000 == 0 ? mode | 0o100000 : mode),
        made != .symbolicLink
      else { throw .invalidArgument }
      kind = made
    }
    let isDevice = kind == .characterDevice || kind == .blockDevice
    let attributes = Attributes(
      mode: UInt16(mode & 0o7777), user: request.user, group: request.group,
      device: isDevice ? request.device : 0)
    let target = kind == .symbolicLink ? request.data : []
    let number = try volume.change(growth: Self.nameGrowth + target.count) {
      fs throws(Errno) in
      try fs.make(kind, request.name, in: inode(request.node), attributes, target: target)
    }
    try remember(number)
    let status = try filesystem.status(of: number)
    return FuseOutcome(request.operation == .create ? .created(status) : .entry(status))
  }

  /// open(2) with O_TMPFILE.
  private func makeNameless(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let attributes = Attributes(
      mode: UInt16(request.mode & 0o7777), user: request.user, group: request.group)
    let number = try volume.change(growth: Self.nameGrowth) { fs throws(Errno) in
      try fs.makeNameless(in: inode(request.node), attributes)
    }
    try remember(number)
    return FuseOutcome(.created(try filesystem.status(of: number)))
  }

  private func link(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let number = inode(request.other)
    try volume.change(growth: Self.nameGrowth) { fs throws(Errno) in
      try fs.link(number, request.name, in: inode(request.node))
    }
    try remember(number)
    return FuseOutcome(.entry(try filesystem.status(of: number)))
  }

  private func remove(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    try volume.change { fs throws(Errno) in
      let directory = inode(request.node)
      _ =
        request.operation == .unlink
        ? try fs.unlink(request.name, in: directory)
        : try fs.removeDirectory(request.name, in: directory)
    }
    return FuseOutcome(.done)
  }

  private func rename(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let mode: ExtentFS.RenameMode =
      switch request.flags {
      case 0: .replace
      case 1: .noReplace
      case 2: .exchange
      default: throw .invalidArgument
      }
    try volume.change(growth: Self.nameGrowth) { fs throws(Errno) in
      _ = try fs.rename(
        request.name, in: inode(request.node), to: request.otherName,
        in: inode(request.other), mode)
    }
    return FuseOutcome(.done)
  }

  /// `struct fuse_dirent`: inode, place, length of the name, type, name, to a multiple of eight. Places 1 and 2 are "."
  /// and "..".
  ///
  /// Source: <linux/fuse.h>.
  private func readDirectory(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let directory = inode(request.node)
    let room = Int(min(request.length, 1 << 20))
    var bytes: [UInt8] = []
    func add(_ number: UInt64, _ place: UInt64, _ name: [UInt8], _ kind: NodeKind) -> Bool {
      let size = (24 + name.count + 7) & ~7
      guard bytes.count + size <= room else { return false }
      var writer = LittleEndian()
      writer.put(number)
      writer.put(place)
      writer.put(UInt32(name.count))
      writer.put(UInt32(kind.rawValue))
      bytes += writer.bytes
      bytes += name
      bytes += repeatElement(0, count: size - 24 - name.count)
      return true
    }
    let parent = try filesystem.parent(of: directory)
    var place = request.offset
    if place == 0 {
      guard add(directory, 1, [UInt8(ascii: ".")], .directory) else { throw .invalidArgument }
      place = 1
    }
    if place == 1 {
      guard add(parent, 2, [UInt8(ascii: "."), UInt8(ascii: ".")], .directory) else {
        return FuseOutcome(.bytes(bytes))
      }
      place = 2
    }
    // An entry takes 32 bytes at least.
    let found = try filesystem.entries(of: directory, behind: place - 2, limit: room / 32 + 1)
    for entry in found {
      guard add(entry.inode, entry.place + 2, entry.name.bytes, entry.kind) else { break }
    }
    return FuseOutcome(.bytes(bytes))
  }

  // MARK: Attributes

  private func setAttributes(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let number = inode(request.node)
    let set = request.changes
    let now = filesystem.clock
    var change = AttributeChange()
    if set.contains(.mode) { change.mode = UInt16(request.mode & 0o7777) }
    if set.contains(.user) { change.user = request.newUser }
    if set.contains(.group) { change.group = request.newGroup }
    if set.contains(.accessed) { change.accessed = request.accessed }
    if set.contains(.modified) { change.modified = request.modified }
    if set.contains(.accessedNow) { change.accessed = now }
    if set.contains(.modifiedNow) { change.modified = now }
    guard (change.accessed?.nanoseconds ?? 0) < 1_000_000_000,
      (change.modified?.nanoseconds ?? 0) < 1_000_000_000
    else { throw .invalidArgument }
    if set.contains(.size) {
      guard request.length <= Self.largestFile else { throw .fileTooLarge }
      let progress = try volume.change { fs throws(Errno) in
        let progress = try fs.truncate(number, to: request.length)
        if progress == .done { fs.noteModified(number, bySuperuser: request.user == 0) }
        return progress
      }
      guard progress == .done else { return waiting }
    }
    if !set.subtracting(.size).isEmpty {
      try volume.change { fs throws(Errno) in try fs.change(number, change) }
    }
    return FuseOutcome(.attributes(try filesystem.status(of: number)))
  }

  /// MAX_LFS_FILESIZE
  static let largestFile = UInt64(Int64.max)

  var waiting: FuseOutcome {
    var outcome = FuseOutcome(.error(Errno.resourceBusy.rawValue))
    outcome.waits = true
    return outcome
  }

  private func setExtended(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    try Self.checkAttributeName(request.name)
    guard request.flags <= 2, request.data.count <= 65536 else { throw .invalidArgument }
    let isRemoval = request.operation == .removeExtended
    let mustExist: Bool? = request.flags == 0 ? nil : request.flags == 2
    try volume.change(growth: isRemoval ? 0 : request.data.count + 1024) { fs throws(Errno) in
      try fs.setAttribute(
        request.name, of: inode(request.node), to: isRemoval ? nil : request.data,
        mustExist: mustExist)
    }
    return FuseOutcome(.done)
  }

  private static let trusted = Array("trusted.".utf8)
  /// Not "system.": access control lists would be kept, and not be obeyed.
  private static let namespaces = [trusted, Array("user.".utf8), Array("security.".utf8)]

  /// Source: `xattr_resolve_name`, fs/xattr.c.
  private static func checkAttributeName(_ name: FileName) throws(Errno) {
    guard let namespace = namespaces.first(where: { name.bytes.starts(with: $0) }) else {
      throw .notSupported
    }
    guard name.bytes.count > namespace.count else { throw .invalidArgument }
  }

  private func getExtended(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let number = inode(request.node)
    var bytes: [UInt8] = []
    if request.operation == .getExtended {
      try Self.checkAttributeName(request.name)
      bytes = try filesystem.attribute(request.name, of: number)
    } else {
      for name in try filesystem.attributeNames(of: number)
      where request.user == 0 || !name.bytes.starts(with: Self.trusted) {
        bytes += name.bytes + [0]
      }
    }
    guard request.length > 0 else { return FuseOutcome(.room(bytes.count)) }
    guard UInt64(bytes.count) <= request.length else { throw .outOfRange }
    return FuseOutcome(.bytes(bytes))
  }
}

/// Numbers as the kernel's structs have them here.
struct LittleEndian {
  private(set) var bytes: [UInt8] = []

  mutating func put<Number: FixedWidthInteger>(_ number: Number) {
    for byte in 0..<Number.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: number >> (8 * byte)))
    }
  }

  /// A number inside `bytes`; they must be long enough.
  static func number<Number: FixedWidthInteger>(
    _ bytes: [UInt8], at offset: Int, _ type: Number.Type = Number.self
  ) -> Number {
    (0..<Number.bitWidth / 8).reduce(0) {
      $0 | Number(truncatingIfNeeded: bytes[offset + $1]) << (8 * $1)
    }
  }
}
