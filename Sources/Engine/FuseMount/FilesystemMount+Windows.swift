public import DaxModel
internal import ExtentFS
internal import LinuxSys
public import Medium
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Windows of files: mmap is DAX. Any thread; everything is under the mount's lock, which is taken before any lock of a workload or an agent.
///
/// Who holds it may wait for agents; so a thread that an agent may wait for, the reader of a userfaultfd, only tries it.
extension FilesystemMount {
  /// The media whose files can have windows: those of 4 KiB pages that userfaultfd can map and protect.
  public static func canHaveWindows(_ medium: any Medium) -> Bool {
    medium.insertion == .continued && medium.pageBytes == PageSize.base.bytes
  }

  /// From here on files can be mapped as windows; before it is mounted.
  public func offerWindows() { files.withLock { $0.service.offersWindows = true } }

  /// Files can be mapped as windows; else the host's kernel maps them.
  public var offersWindows: Bool { files.withLock { $0.service.offersWindows } }

  /// A new address space.
  public func enter(_ host: any WindowHost) -> Int { files.withLock { $0.enter(host) } }

  /// An address space has gone, with all its windows.
  public func leave(_ space: Int) {
    files.withLock { files in
      files.leave(space)
      files.settle()
    }
  }

  /// The rules of mmap for a file.
  ///
  /// - Parameter handle: What the file's descriptor was told.
  /// - Returns: nil if the handle is none of this mount's.
  /// - Throws: EACCES, EINVAL, ENOMEM, EOVERFLOW as do_mmap.
  public func plan(
    handle: UInt64, length: UInt64, offset: UInt64, protection: Protection, isShared: Bool
  ) throws(Errno) -> MapPlan? {
    guard let file = files.withLock({ $0.service.handles[handle] }) else { return nil }
    guard length > 0, offset & 4095 == 0 else { throw .invalidArgument }
    guard let rounded = PageSize.base.roundUp(length), rounded < 1 << 47 else { throw .noMemory }
    guard offset <= UInt64(Int64.max) - rounded else { throw .overflow }
    guard file.access != .writeOnly else { throw .permissionDenied }
    guard !isShared || !protection.contains(.write) || file.access == .readWrite else {
      throw .permissionDenied
    }
    let isLarge = rounded >= PageSize.huge.bytes
    return MapPlan(
      length: rounded, alignment: isLarge ? PageSize.huge.bytes : 0,
      congruence: isLarge ? offset & (PageSize.huge.bytes - 1) : 0)
  }

  /// Enters a window that the workload has mapped as anonymous memory, and watches it.
  public func map(
    _ space: Int, handle: UInt64, addresses: Range<UInt64>, offset: UInt64,
    protection: Protection, isShared: Bool, isSynchronous: Bool
  ) throws(Errno) {
    try files.withLock { files throws(Errno) in
      files.settle()
      guard let file = files.service.handles[handle], files.service.isThere(file),
        let host = files.spaces[space]?.host
      else { throw .operationNotSupportedByDevice }
      try files.map(
        space, file, addresses, offset: offset, protection: protection, isShared: isShared,
        isSynchronous: isSynchronous)
      do throws(Errno) {
        try host.register(addresses, ofMedium: false)
      } catch {
        files.forget(space, addresses)
        throw error
      }
    }
  }

  /// A forked child's private window: its copies are its own, the rest is watched from here on.
  ///
  /// - Parameter process: Must not run anything of its own yet.
  public func adoptPrivate(
    _ space: Int, handle: UInt64, addresses: Range<UInt64>, offset: UInt64,
    protection: Protection, process: Int32
  ) throws(Errno) {
    let inherited = try medium.withDescriptor { file throws(Errno) in
      try InheritedMemory(of: process, in: addresses, file: file)
    }
    try files.withLock { files throws(Errno) in
      files.settle()
      guard let file = files.service.handles[handle], files.service.isThere(file),
        let host = files.spaces[space]?.host, let mapping = files.mapping(file.inode)
      else { throw .operationNotSupportedByDevice }
      try files.map(
        space, file, addresses, offset: offset, protection: protection, isShared: false,
        isSynchronous: false)
      do throws(Errno) {
        for piece in inherited.pieces {
          try host.register(piece.addresses, ofMedium: piece.offset != nil)
          if let offset = piece.offset {
            files.spaces[space]!.backing.set(
              piece.addresses,
              .medium(shift: offset >> 12 &- piece.addresses.lowerBound >> 12))
          }
        }
      } catch {
        files.forget(space, addresses)
        throw error
      }
      mapping.adopt(process: space, copies: inherited.copies)
      files.zapAllButCopies(space, addresses, mapping)
      files.settle()
    }
  }

  /// Answers a touch. With `mayWait` false it never blocks.
  public func answer(_ touch: FileTouch, in space: Int, mayWait: Bool) -> FileTouchAnswer {
    if mayWait {
      return files.withLock { files in
        files.settle()
        return files.touch(space, touch, mayWait: true)
      }
    }
    return files.withLockIfAvailable { $0.touch(space, touch, mayWait: false) } ?? .needsAgent
  }

  /// Faults in what a range shows of files.
  ///
  /// - Parameter isWrite: As what; nil: as MAP_POPULATE chooses.
  public func populate(_ space: Int, _ range: Range<UInt64>, isWrite: Bool?) {
    var at = range.lowerBound
    while at < range.upperBound {
      let from = at
      at = files.withLock { files in
        files.settle()
        return files.populate(space, from..<range.upperBound, isWrite: isWrite)
      }
    }
  }

  // MARK: Changes

  /// - Returns: nil if the range has no window of this mount.
  public func begin(
    _ change: Change, in space: Int, address: UInt64, length: UInt64, id: UInt64
  ) throws(Errno) -> ChangePlan? {
    let plan = try files.withLock { files throws(Errno) in
      files.settle()
      defer { files.settle() }
      return try files.begin(space, change, address: address, length: length, id: id)
    }
    if plan != nil, case .sync(let flags) = change, flags & 4 != 0 { try synchronizeMedium() }
    return plan
  }

  public func complete(in space: Int, id: UInt64, succeeded: Bool, newAddress: UInt64) {
    files.withLock { files in
      files.settle()
      files.complete(space, id: id, succeeded: succeeded, newAddress: newAddress)
      files.settle()
    }
  }
}
