internal import DaxModel
internal import ExtentFS
internal import PmemBase
internal import SystemPackage

/// Calls on paths.
extension Simulator {
  struct OpenFile {
    let namespace: Int
    let inode: UInt64
  }

  /// The path under the mount point; nil for one elsewhere.
  static func mountedPath(_ path: String) -> String? {
    path == "/mnt" ? "/" : path.hasPrefix("/mnt/") ? String(path.dropFirst("/mnt".count)) : nil
  }

  /// The filesystem that is mounted.
  var mountedFilesystem: (namespace: Int, filesystem: ExtentFS)? {
    machine.mounted.flatMap { namespace in filesystem(namespace).map { (namespace, $0) } }
  }

  /// open() of a file that is there.
  func lookup(_ path: String) -> Result<OpenFile, Errno> {
    guard let inner = Self.mountedPath(path), let (namespace, filesystem) = mountedFilesystem else {
      return .failure(.noSuchFileOrDirectory)
    }
    do throws(Errno) {
      return .success(OpenFile(namespace: namespace, inode: try filesystem.lookup(inner)))
    } catch {
      return .failure(error)
    }
  }

  /// open() with O_CREAT.
  private func create(_ path: String) -> Result<OpenFile, Errno> {
    let found = lookup(path)
    guard case .failure(.noSuchFileOrDirectory) = found, let inner = Self.mountedPath(path),
      let (namespace, filesystem) = mountedFilesystem
    else { return found }
    do throws(Errno) {
      return .success(OpenFile(namespace: namespace, inode: try filesystem.create(inner)))
    } catch {
      return .failure(error)
    }
  }

  /// Runs `body` on an open file's filesystem.
  private func with<T>(
    _ file: OpenFile, _ body: (ExtentFS) throws(Errno) -> T
  ) -> Result<T, Errno> {
    guard let filesystem = filesystem(file.namespace) else {
      return .failure(.noSuchFileOrDirectory)
    }
    do throws(Errno) {
      return .success(try body(filesystem))
    } catch {
      return .failure(error)
    }
  }

  // MARK: Actors

  /// pread()
  mutating func readFile(_ path: String, _ part: Part, direct: Bool) -> Fields {
    if let refusal = refusal(path, .read) { return outcome(refusal) }
    let file: OpenFile
    switch lookup(path) {
    case .failure(let errno): return [.error("open: \(errno.name)")]
    case .success(let found): file = found
    }
    switch with(
      file,
      { (filesystem) throws(Errno) in
        try filesystem.read(file.inode, at: UInt64(part.offset), count: Int(part.length))
      })
    {
    case .success(let bytes):
      return [.int("bytes", bytes.count), .int("first", bytes.first.map(Int.init) ?? -1)]
    case .failure(let errno): return [.error(errno)]
    }
  }

  /// pwrite() of 0x77 and fsync()
  mutating func writeFile(_ path: String, _ part: Part, direct: Bool) -> Fields {
    if let refusal = refusal(path, .write) { return outcome(refusal) }
    let file: OpenFile
    switch lookup(path) {
    case .failure(let errno): return [.error("open: \(errno.name)")]
    case .success(let found): file = found
    }
    switch write(file, part, 0x77) {
    case .failure(let errno): return [.error(errno)]
    case .success(let count):
      return [.int("bytes", count), .string("fsync", synchronize(file)?.name ?? "ok")]
    }
  }

  private func write(_ file: OpenFile, _ part: Part, _ value: UInt8) -> Result<Int, Errno> {
    guard part.offset >= 0, part.length >= 0 else { return .failure(.invalidArgument) }
    return with(file) { (filesystem) throws(Errno) in
      try filesystem.write(
        file.inode, at: UInt64(part.offset), fill: value, count: Int(part.length))
    }
  }

  /// What fsync() fails with.
  private func synchronize(_ file: OpenFile) -> Errno? {
    switch with(
      file,
      { (filesystem) throws(Errno) in _ = try filesystem.synchronize(file.inode) })
    {
    case .success: nil
    case .failure(let errno): errno
    }
  }

  /// What a device node says to a call on it (DD-12); nil for a path that is none.
  private mutating func refusal(
    _ path: String, _ call: DeviceDaxRules.Call
  ) -> Result<Void, Errno>? {
    guard isDevice(path) else { return nil }
    do throws(Errno) {
      _ = try DeviceDaxRules.answer(call)
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private mutating func isDevice(_ path: String) -> Bool {
    Machine.deviceName(path: path).map { machine.device(named: $0) != nil } ?? false
  }

  mutating func truncateFile(_ path: String, to length: Int64) -> Result<Void, Errno> {
    if let refusal = refusal(path, .truncate) { return refusal }
    guard length >= 0 else { return .failure(.invalidArgument) }
    guard case .success(let file) = lookup(path) else { return lookup(path).map { _ in } }
    return with(file) { (filesystem) throws(Errno) in
      _ = try filesystem.truncate(file.inode, to: UInt64(length))
    }
  }

  mutating func allocateFile(
    _ path: String, _ mode: AllocationMode, _ part: Part
  ) -> Result<Void, Errno> {
    if let refusal = refusal(path, .allocate) { return refusal }
    guard case .success(let file) = lookup(path) else { return .failure(.badFileDescriptor) }
    guard part.offset >= 0, part.length > 0 else { return .failure(.invalidArgument) }
    return with(file) { (filesystem) throws(Errno) in
      _ = try filesystem.allocate(
        file.inode, mode.action, at: UInt64(part.offset), count: UInt64(part.length))
    }
  }

  // MARK: The coordinator

  mutating func performOnFiles(_ operation: CoordinatorOperation) -> Fields {
    switch operation {
    case .extents(let path): return extents(path)
    case .daxState(let path):
      switch lookup(path) {
      case .failure(let errno): return [.error(errno)]
      case .success(let file):
        return [.bool("dax", filesystem(file.namespace)?.isDax(file.inode) ?? false)]
      }
    case .clone(let from, let to):
      return outcome(clone(from, to, fromOffset: 0, toOffset: 0, length: 0))
    case .makeFile(let path, let length, let value):
      return outcome(makeFile(path, length, value))
    case .probe(let path): return probe(path)
    default: return []
    }
  }

  /// FIEMAP
  private func extents(_ path: String) -> Fields {
    switch lookup(path) {
    case .failure(let errno): return [.error(errno)]
    case .success(let file):
      let extents = filesystem(file.namespace)?.extents(of: file.inode) ?? []
      let text = extents.map { extent in
        "\(extent.pages.lowerBound)+\(extent.pages.count)@\(extent.block)"
          + (extent.isUnwritten ? ":unwritten" : "") + (extent.isShared ? ":shared" : "")
      }
      return [.string("extents_in_4k", text.joined(separator: " "))]
    }
  }

  private func clone(
    _ from: String, _ to: String, fromOffset: Int64, toOffset: Int64, length: Int64
  ) -> Result<Void, Errno> {
    guard case .success(let source) = lookup(from) else { return .failure(.badFileDescriptor) }
    guard case .success(let target) = create(to) else { return .failure(.badFileDescriptor) }
    guard fromOffset >= 0, toOffset >= 0, length >= 0 else { return .failure(.invalidArgument) }
    let result = with(target) { (filesystem) throws(Errno) in
      _ = try filesystem.reflink(
        from: source.inode, at: UInt64(fromOffset), to: target.inode, at: UInt64(toOffset),
        count: length == 0 ? nil : UInt64(length))
    }
    if case .success = result { _ = synchronize(target) }
    return result
  }

  private func makeFile(_ path: String, _ length: Int64, _ value: UInt8) -> Result<Void, Errno> {
    create(path).flatMap { file in
      let emptied = with(file) { (filesystem) throws(Errno) in
        _ = try filesystem.truncate(file.inode, to: 0)
      }
      return emptied.flatMap { _ in
        write(file, Part(offset: 0, length: length), value)
      }.flatMap { _ in
        synchronize(file).map { .failure($0) } ?? .success(())
      }
    }
  }

  /// Whether the filesystem still takes a new file, a byte and an fsync.
  private func probe(_ path: String) -> Fields {
    var created = "ok"
    var written = "-"
    var synced = "-"
    if Self.mountedPath(path) != nil, mountedFilesystem != nil {
      let name = path + "/.probe"
      switch create(name) {
      case .failure(let errno): created = errno.name
      case .success(let file):
        switch write(file, Part(offset: 0, length: 1), 0x78) {
        case .success: written = "ok"
        case .failure(let errno): written = errno.name
        }
        synced = synchronize(file)?.name ?? "ok"
        if let inner = Self.mountedPath(name) {
          _ = with(file) { (filesystem) throws(Errno) in _ = try filesystem.unlink(inner) }
        }
      }
    } else {
      written = "ok"
      synced = "ok"
    }
    return [
      .string("create", created), .string("write", written), .string("fsync", synced),
      .bool("shutdown", [created, written, synced].contains("EIO")),
    ]
  }

  /// The physical address of a file's byte.
  func physical(path: String, offset: UInt64) -> Result<UInt64, Errno> {
    lookup(path).flatMap { file in
      guard let address = filesystem(file.namespace)?.address(of: file.inode, at: offset) else {
        return .failure(.noSuchAddressOrDevice)
      }
      return .success(machine.dataStart(file.namespace) + address)
    }
  }

  // MARK: Shell tools

  mutating func perform(_ command: FileCommand) -> CommandResult {
    let result: Result<Void, Errno>
    switch command {
    case .create(let path): result = create(path).map { _ in }
    case .write(let path, let part, let value):
      result = lookup(path).flatMap { write($0, part, value).map { _ in } }
    case .read(let path, let part):
      result = lookup(path).flatMap { file in
        with(file) { (filesystem) throws(Errno) in
          _ = try filesystem.read(file.inode, at: UInt64(part.offset), count: Int(part.length))
        }
      }
    case .truncate(let path, let length): result = truncateFile(path, to: length)
    case .allocate(let path, let mode, let part): result = allocateFile(path, mode, part)
    case .extentSizeHint(let path, let length):
      result = lookup(path).flatMap { file in
        with(file) { (filesystem) throws(Errno) in
          try filesystem.setExtentSize(file.inode, UInt64(max(0, length)))
        }
      }
    case .clone(let from, let to, let fromOffset, let toOffset, let length):
      result = clone(from, to, fromOffset: fromOffset, toOffset: toOffset, length: length)
    case .synchronize(let path):
      result = lookup(path).flatMap { synchronize($0).map { .failure($0) } ?? .success(()) }
    case .remove(let path):
      result = Self.mountedPath(path) == nil ? .success(()) : remove(path)
    case .copy(let from, let to): result = copy(from, to)
    case .list(let path):
      guard path.hasPrefix("/mnt"), machine.mounted != nil else { return CommandResult() }
      result = lookup(path).map { _ in }
    }
    switch result {
    case .success: return CommandResult()
    case .failure(let errno):
      return CommandResult(status: 1, errors: "\(errno.name)\n")
    }
  }

  private func remove(_ path: String) -> Result<Void, Errno> {
    guard let inner = Self.mountedPath(path), let (_, filesystem) = mountedFilesystem else {
      return .failure(.noSuchFileOrDirectory)
    }
    do throws(Errno) {
      try filesystem.unlink(inner)
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private func copy(_ from: String, _ to: String) -> Result<Void, Errno> {
    guard case .success(let source) = lookup(from) else {
      return .failure(.noSuchFileOrDirectory)
    }
    return create(to).flatMap { target in
      with(target) { (filesystem) throws(Errno) in
        let bytes = try filesystem.read(
          source.inode, at: 0, count: Int(min(filesystem.size(of: source.inode), 1 << 30)))
        _ = try filesystem.truncate(target.inode, to: 0)
        _ = try filesystem.write(target.inode, at: 0, bytes)
      }
    }
  }

  /// Bytes of one file, written into another.
  mutating func copy(
    _ from: String, at offset: Int64, to: String, at place: Int64, count: Int64
  ) -> CommandResult {
    let result = lookup(from).flatMap { source in
      lookup(to).flatMap { target in
        with(target) { (filesystem) throws(Errno) in
          let bytes = try filesystem.read(source.inode, at: UInt64(offset), count: Int(count))
          _ = try filesystem.write(target.inode, at: UInt64(place), bytes)
        }
      }
    }
    guard case .failure(let errno) = result else { return CommandResult() }
    return CommandResult(status: 1, errors: "\(errno.name)\n")
  }

  /// What a file holds, at most 64 MiB of it; nil where none is.
  func shellBytes(_ path: String) -> [UInt8]? {
    guard Self.mountedPath(path) != nil, machine.mounted != nil else {
      return shellText(path).map { Array($0.utf8) }
    }
    guard case .success(let file) = lookup(path), let filesystem = filesystem(file.namespace)
    else { return nil }
    let count = Int(min(filesystem.size(of: file.inode), 1 << 26))
    return try? filesystem.read(file.inode, at: 0, count: count)
  }

  /// A shell's `> FILE`.
  mutating func writeShellFile(_ path: String, _ text: String, append: Bool) -> Int {
    let result = create(path).flatMap { file in
      with(file) { (filesystem) throws(Errno) in
        if !append { _ = try filesystem.truncate(file.inode, to: 0) }
        let end = append ? filesystem.size(of: file.inode) : 0
        if !text.isEmpty { _ = try filesystem.write(file.inode, at: end, Array(text.utf8)) }
      }
    }
    if case .success = result { return 0 }
    return 1
  }
}

extension AllocationMode {
  fileprivate var action: AllocateMode {
    switch self {
    case .plain: .allocate
    case .punch: .punchHole
    case .zero: .zeroRange
    case .unshare: .unshareRange
    }
  }
}
