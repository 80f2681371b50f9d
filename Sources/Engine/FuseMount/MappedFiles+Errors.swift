internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import OwnerIndex
internal import PmemBase
internal import SystemPackage

/// Errors of the mount's medium come and go. Bytes from the device's start, whole sectors; may wait for agents.
extension MappedFiles {
  /// The medium cannot give the bytes from now on: the next touch meets the error, mapped before or not.
  func breakMedium(_ bytes: Range<UInt64>, isKnown: Bool) {
    let before = media.driver.badBlocks
    media.driver.latent.add(bytes: bytes)
    if isKnown { media.driver.badBlocks.add(bytes: bytes) }
    for run in filesystem.owners(in: bytes.lowerBound >> 12..<(bytes.upperBound + 4095) >> 12) {
      for owner in run.owners {
        guard let (inode, first) = owner.filePage, let mapping = filesystem.openMapping(of: inode)
        else { continue }
        for page in first..<first + UInt64(run.blocks.count) {
          hide(page, of: mapping)
        }
      }
    }
    settle()
    noteBadBlocks(before)
  }

  /// Page tables lose the page; the model goes on saying who has it, and is asked at the next touch.
  private func hide(_ page: UInt64, of mapping: FileMapping) {
    for mapper in mapping.mappers(of: page) where mapper.entry.block != nil {
      stale.append(
        PageTableChange(
          process: mapper.process, addresses: mapper.address..<mapper.address + 4096,
          isRemoval: true))
    }
  }

  /// A machine check: the handler runs for each page, and its sectors are bad blocks.
  func machineCheck(
    _ bytes: Range<UInt64>, mediumIsBad: Bool, _ origin: FailureOrigin
  ) {
    if mediumIsBad { breakMedium(bytes, isKnown: false) }
    let blocks = bytes.lowerBound >> 12..<(bytes.upperBound + 4095) >> 12
    for block in blocks { fail(block, origin, forces: origin != .machineCheck) }
    // The address is told in units of 4 KiB: 1 << MISC.LSB.
    let before = media.driver.badBlocks
    media.driver.badBlocks.add(bytes: MountMedia.bytes(blocks))
    noteBadBlocks(before)
  }

  /// What was bad of the bytes reads zero, and is no bad block any more.
  func clear(_ bytes: Range<UInt64>) {
    let before = media.driver.badBlocks
    withdraw(bytes, zeroes: true)
    media.driver.badBlocks.clear(bytes: bytes)
    settle()
    noteBadBlocks(before)
  }

  /// The medium gives the bytes again; what is known of them stays known.
  func withdraw(_ bytes: Range<UInt64>, zeroes: Bool) {
    if zeroes {
      for run in media.driver.latent.ranges {
        let part = (run.lowerBound << 9..<run.upperBound << 9).clamped(to: bytes)
        var at = part.lowerBound
        while at < part.upperBound {
          let end = min(part.upperBound, (at | 4095) + 1)
          let low = Int(at & 4095)
          filesystem.contents.fill(at >> 12, low..<low + Int(end - at), with: 0)
          at = end
        }
      }
    }
    media.driver.latent.clear(bytes: bytes)
  }

  /// What the medium cannot give is known afterwards.
  func scrub() {
    let before = media.driver.badBlocks
    for run in media.driver.latent.ranges {
      media.driver.badBlocks.add(bytes: run.lowerBound << 9..<run.upperBound << 9)
    }
    noteBadBlocks(before)
  }

  // MARK: Looking

  /// Where windows show a block, present or not, in the order in which the kernel goes through processes.
  func places(of block: UInt64) -> [(space: Int, address: UInt64, entry: FilePTE?)] {
    var places: [(space: Int, address: UInt64, entry: FilePTE?)] = []
    for owner in filesystem.owners(ofBlock: block) {
      guard let (inode, page) = owner.filePage else { continue }
      for window in filesystem.openMapping(of: inode)?.windows ?? [] {
        guard let address = window.address(of: page) else { continue }
        let entry = window.entry(for: page)
        if entry?.isCopy != true { places.append((window.process, address, entry)) }
      }
    }
    func age(_ space: Int) -> (UInt64, Int32) {
      spaces[space].map { ($0.host.startTime, $0.host.process) } ?? (.max, 0)
    }
    return places.sorted { age($0.space) < age($1.space) }
  }

  /// The block at an address of a space, where a page of the medium is present.
  func block(at address: UInt64, in space: Int) -> (block: UInt64, mapping: FileMapping)? {
    let at = PageSize.base.roundDown(address)
    guard let view = spaces[space]?.views[at]?.value,
      let mapping = filesystem.openMapping(of: view.inode),
      let entry = mapping.entry(of: space, at: at), let first = entry.block
    else { return nil }
    return (first + (at >> 12 &+ view.shift) & (entry.size.pages - 1), mapping)
  }
}
