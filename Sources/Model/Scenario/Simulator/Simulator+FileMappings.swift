internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// System calls on mappings of files.
extension Simulator {
  /// mmap() of a file.
  mutating func mapFile(_ arguments: MapArguments, process: Int, actor: Actor) -> Fields {
    let found = lookup(arguments.path)
    guard case .success(let file) = found else {
      if case .failure(let errno) = found { return [.error("open: \(errno.name)")] }
      return []
    }
    let length = UInt64(arguments.length)
    let offset = UInt64(bitPattern: arguments.offset)
    guard length > 0, offset & 4095 == 0, arguments.shift & 4095 == 0,
      let rounded = PageSize.base.roundUp(length), offset < 1 << 50
    else { return [.error(.invalidArgument)] }
    guard let filesystem = filesystem(file.namespace) else { return [.error(.invalidArgument)] }
    guard let mapping = filesystem.mapping(of: file.inode) else {
      if arguments.kind == .sync {
        note("daxdev_mapping_supported", "MAP_SYNC of a file that is not DAX: EOPNOTSUPP")
        return [.error(.notSupported)]
      }
      note("simulator", "\(arguments.path) is no DAX file: its page cache is not modelled")
      return [.error(.notSupported)]
    }
    do throws(Errno) { try filesystem.get(file.inode) } catch { return [.error(error)] }
    guard let reservation = processes[process].reserve(length) else { return [.error(.noMemory)] }
    let address = reservation.lowerBound + 4096 + UInt64(arguments.shift)
    let range = address..<(address + rounded)
    processes[process].reserved.remove(range)
    mapping.map(
      process: process, addresses: range, firstPage: offset >> 12,
      protection: arguments.readOnly ? .read : [.read, .write],
      isShared: arguments.kind != .isPrivate, isSynchronous: arguments.kind == .sync)
    processes[process].insert(
      FileRegion(
        range: range, namespace: file.namespace, inode: file.inode,
        isPrivate: arguments.kind == .isPrivate,
        isWrittenBack: arguments.kind != .isPrivate && !arguments.readOnly))
    if arguments.kind == .populate { _ = populateFiles(range, write: false, process: process) }
    return named(arguments.name, address..<(address + length), process: process, actor: actor)
  }

  /// Pages that one call can bring in: as many as a device has. What goes on behind them is holes, for whose page tables the
  /// machine has no memory.
  private static let populateLimit = 1 << 17

  /// Faults in every page, up to the first that cannot be.
  mutating func populateFiles(
    _ range: Range<UInt64>, write: Bool, process: Int
  ) -> Result<Void, Errno> {
    var next = range.lowerBound
    while next < range.upperBound {
      guard fileRegion(at: next, of: process) != nil,
        (next - range.lowerBound) >> 12 < Self.populateLimit
      else { return .failure(.noMemory) }
      if case .signal(let signal) = touch(next, write: write, by: process) {
        switch signal.kind {
        case .denied: return .failure(.invalidArgument)
        case .actionRequired: return .failure(.hardwarePoison)
        default: return .failure(.badAddress)
        }
      }
      next += 4096
    }
    return .success(())
  }

  /// munmap() of what `range` has of files.
  mutating func unmapFiles(_ range: Range<UInt64>, process: Int) {
    guard processes[process].files.contains(where: { $0.range.overlaps(range) }) else { return }
    var kept: [FileRegion] = []
    for region in processes[process].files {
      let part = range.clamped(to: region.range)
      guard !part.isEmpty else {
        kept.append(region)
        continue
      }
      mapping(region)?.unmap(process: process, addresses: part)
      var left = region
      left.range = region.range.lowerBound..<part.lowerBound
      var right = region
      right.range = part.upperBound..<region.range.upperBound
      var rest = [left, right].filter { !$0.range.isEmpty }
      if rest.count == 2 { rest[1].isCounted = count(region) }
      if rest.isEmpty { discount(region) }
      kept += rest
    }
    processes[process].files = kept
  }

  /// MADV_DONTFORK of a part of a region, which becomes one of its own.
  private mutating func leaveBehind(
    _ part: Range<UInt64>, of region: FileRegion, process: Int
  ) {
    guard
      let index = processes[process].files.firstIndex(where: {
        $0.range.lowerBound == region.range.lowerBound
      })
    else { return }
    let ends = [
      region.range.lowerBound..<part.lowerBound, part,
      part.upperBound..<region.range.upperBound,
    ]
    var parts: [FileRegion] = []
    for range in ends where !range.isEmpty {
      var one = region
      one.range = range
      if !parts.isEmpty { one.isCounted = count(region) }
      if range == part { one.staysBehind = true }
      parts.append(one)
    }
    processes[process].files.replaceSubrange(index...index, with: parts)
  }

  /// madvise() of what `range` has of files.
  mutating func adviseFiles(
    _ advice: AdviceName, _ range: Range<UInt64>, process: Int
  ) -> Result<Void, Errno> {
    switch advice {
    case .populateRead: return populateFiles(range, write: false, process: process)
    case .populateWrite: return populateFiles(range, write: true, process: process)
    default: break
    }
    for region in fileRegions(in: range, of: process) {
      let part = range.clamped(to: region.range)
      guard let mapping = mapping(region) else { continue }
      switch advice {
      case .dontNeed: mapping.zap(process: process, addresses: part)
      case .hugePage: mapping.setAllowsHuge(process: process, addresses: part, true)
      case .dontFork:
        mapping.separate(process: process, addresses: part)
        leaveBehind(part, of: region, process: process)
      case .remove:
        let result = removePart(part, region, mapping, process)
        if case .failure = result { return result }
      default: break
      }
    }
    return processes[process].isMapped(range) ? .success(()) : .failure(.noMemory)
  }

  /// MADV_REMOVE: a hole in the file, where the mapping is shared and may write.
  private func removePart(
    _ part: Range<UInt64>, _ region: FileRegion, _ mapping: FileMapping, _ process: Int
  ) -> Result<Void, Errno> {
    guard let window = mapping.window(of: process, at: part.lowerBound),
      let filesystem = filesystem(region.namespace)
    else { return .failure(.invalidArgument) }
    guard window.isShared, window.protection.contains(.write) else {
      return .failure(.permissionDenied)
    }
    do throws(Errno) {
      try filesystem.allocate(
        region.inode, .punchHole, at: window.page(at: part.lowerBound) << 12,
        count: UInt64(part.count))
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  /// msync(MS_SYNC) of what `range` has of files.
  func synchronizeFiles(_ range: Range<UInt64>, process: Int) -> Result<Void, Errno> {
    for region in fileRegions(in: range, of: process) where region.isWrittenBack {
      do throws(Errno) {
        try filesystem(region.namespace)?.synchronize(region.inode)
      } catch {
        return .failure(error)
      }
    }
    return .success(())
  }

  /// mremap() of one whole mapping of a file; entries that were there are there afterwards.
  mutating func remapFile(
    _ name: String, _ region: FileRegion, at range: Range<UInt64>, to length: UInt64, thread: Int
  ) -> Fields {
    let process = threads[thread].process
    guard let rounded = PageSize.base.roundUp(length), rounded > 0 else {
      return [.error(.invalidArgument)]
    }
    let old =
      range.lowerBound..<(range.lowerBound + (PageSize.base.roundUp(UInt64(range.count)) ?? 0))
    guard region.range.lowerBound <= old.lowerBound, old.upperBound <= region.range.upperBound,
      let mapping = mapping(region)
    else { return [.error(.badAddress)] }
    var address = old.lowerBound
    if rounded < UInt64(old.count) {
      unmapFiles((old.lowerBound + rounded)..<old.upperBound, process: process)
    } else if rounded > UInt64(old.count) {
      guard let room = processes[process].reserve(rounded) else { return [.error(.noMemory)] }
      address = room.lowerBound + 4096
      let new = address..<(address + rounded)
      processes[process].reserved.remove(new)
      var moved = region
      moved.range = new
      moved.isCounted = count(region)
      mapping.move(process: process, addresses: old, to: new)
      processes[process].insert(moved)
      unmapFiles(old, process: process)
    }
    let new = address..<(address + length)
    processes[process].maps.set(name, new)
    slots[threads[thread].actor].names.set(name, new)
    return [.ok, .hex("mapbase", address)]
  }

  /// One user more of a region's inode.
  private func count(_ region: FileRegion) -> Bool {
    do throws(Errno) {
      try filesystem(region.namespace)?.get(region.inode)
      return true
    } catch {
      return false
    }
  }

  private func discount(_ region: FileRegion) {
    if region.isCounted { filesystem(region.namespace)?.put(region.inode) }
  }

  // MARK: fork and exit

  /// The child's half of fork(): the files' windows, as their mappings copy them.
  mutating func forkFiles(_ parent: Int, child: Int) {
    var forked: [UInt64] = []
    for region in processes[parent].files {
      if !forked.contains(region.inode) {
        mapping(region)?.fork(process: parent, child: child)
        forked.append(region.inode)
      }
    }
    for region in processes[parent].files {
      if region.staysBehind {
        mapping(region)?.unmap(process: child, addresses: region.range)
      } else {
        var copy = region
        copy.isCounted = count(region)
        processes[child].files.append(copy)
      }
    }
  }

  mutating func dropFiles(_ process: Int) {
    let regions = processes[process].files
    processes[process].files = []
    for region in regions { mapping(region)?.unmapAll(process: process) }
    for region in regions { discount(region) }
  }
}
