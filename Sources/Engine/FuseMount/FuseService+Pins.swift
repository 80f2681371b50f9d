internal import DaxModel
internal import ExtentFS
internal import SystemPackage

/// A page that is pinned, as by a device that transfers to or from it.
struct FilePin {
  let inode: UInt64
  let page: UInt64
  let use: FolioUse
  /// It outlives the file's name.
  let mapping: FileMapping
}

/// `softdax pin`. A pin is taken through a mapping, where the kernel finds the page, and stays when that goes: whoever would take the page from the
/// file waits until it is given back.
extension FuseService {
  private static let longterm: UInt32 = 1
  private static let release: UInt32 = 2
  private static let mostPages: UInt64 = 1 << 18

  /// `struct sd_fuse_pin`: offset, length, flags, 4 bytes. Of the root directory only release: all pins of the mount.
  ///
  /// - Throws: EOPNOTSUPP for a long-term pin; EFAULT where nobody has the page mapped, or nothing is to be had; EINVAL if nothing is pinned.
  func pin(_ request: FuseRequest, _ number: UInt64) throws(Errno) -> FuseOutcome {
    guard request.data.count >= 24 else { throw .invalidArgument }
    let offset = LittleEndian.number(request.data, at: 0, UInt64.self)
    let length = LittleEndian.number(request.data, at: 8, UInt64.self)
    let flags = LittleEndian.number(request.data, at: 16, UInt32.self)
    let status = try filesystem.status(of: number)
    guard request.user == 0 || request.user == status.attributes.user else { throw .notPermitted }
    guard length > 0, offset <= Self.largestFile, length <= Self.largestFile - offset else {
      throw .invalidArgument
    }
    let pages = offset >> 12..<(offset + length + 4095) >> 12
    guard flags & Self.release == 0 else {
      try unpin { $0.inode == number && pages.contains($0.page) || number == filesystem.root }
      var outcome = FuseOutcome(.control([]))
      outcome.wakesWaiters = true
      return outcome
    }
    guard flags & ~Self.longterm == 0, status.kind == .file, UInt64(pages.count) <= Self.mostPages
    else { throw .invalidArgument }
    try GupRequest(isPin: true, isLongterm: flags & Self.longterm != 0).check(isFsDax: true)
    let before = pins.count
    do throws(Errno) {
      for page in pages { pins.append(try pin(page, of: number)) }
    } catch {
      for taken in pins[before...] { taken.mapping.release(taken.use) }
      pins.removeSubrange(before...)
      throw error
    }
    return FuseOutcome(.control([]))
  }

  private func pin(_ page: UInt64, of number: UInt64) throws(Errno) -> FilePin {
    let mapping = filesystem.openMapping(of: number)
    guard let mapping,
      let window = mapping.windows.first(where: { $0.isShared && $0.address(of: page) != nil }),
      let address = window.address(of: page)
    else { throw .badAddress }
    let wanted = GupRequest(isWrite: window.protection.contains(.write), isPin: true)
    let got = try volume.change(growth: 4096) { _ throws(Errno) in
      mapping.gup(process: window.process, address: address, wanted)
    }
    switch got {
    case .taken(let use): return FilePin(inode: number, page: page, use: use, mapping: mapping)
    case .refused(let error): throw error
    case .ordinary, .waits: throw .badAddress
    }
  }

  private func unpin(_ isMeant: (FilePin) -> Bool) throws(Errno) {
    let gone = pins.filter(isMeant)
    guard !gone.isEmpty else { throw .invalidArgument }
    pins.removeAll(where: isMeant)
    for pin in gone { pin.mapping.release(pin.use) }
    // Files whose end had to wait.
    let inodes = Set(gone.map(\.inode))
    try volume.change { fs throws(Errno) in for inode in inodes { fs.evict(inode) } }
  }
}
