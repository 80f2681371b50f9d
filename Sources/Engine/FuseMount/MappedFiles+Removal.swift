internal import DaxModel
internal import ExtentFS
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// The device goes under the mount: the model decides (`DeviceRemoval`), page tables lose its pages, processes are told.
///
/// No workload is waited for, stopped or not: no block is used again after this, so nothing must be certain of who still sees one.
extension MappedFiles {
  /// - Throws: `.operationNotSupportedByDevice` if it is gone.
  func remove() throws(Errno) {
    guard !isRemoved else { throw .operationNotSupportedByDevice }
    isRemoved = true
    revoke()
    let removal = DeviceRemoval(of: filesystem, kernel: filesystem.kernel)
    for act in removal.acts {
      switch act {
      case .note: break
      case .fail(let inode, let pages):
        for failure in removal.failures(of: inode, pages: pages, in: filesystem) {
          carryOut(failure, everyone: removal.tellsEveryone)
        }
      case .unmap(let mapping, let pages):
        mapping.unmapPages(pages)
        revoke()
      case .shutDown(let reason): filesystem.shutDown(reason)
      }
    }
  }

  private func carryOut(_ failure: FileFailure, everyone: Bool) {
    for case .kill(let mapping, let page) in failure.acts {
      guard let blocks = mapping.entries[page]?.blocks else { continue }
      _ = kill(
        mapping, page, blocks.lowerBound + page & UInt64(blocks.count - 1),
        .injectionByBystander, everyone: everyone, revoke)
    }
  }

  /// As ``settle()``, and asks no agent where pages of the medium are shown: those leave every page table of the host at once, and come
  /// again only if a touch finds that the model still has them.
  private func revoke() {
    let changes = stale
    stale = []
    var blocks = AddressRuns<Bool>()
    for change in changes {
      guard let space = spaces[change.process] else { continue }
      guard change.isRemoval else {
        try? space.host.protect(change.addresses, true)
        continue
      }
      var shown: [Range<UInt64>] = []
      for part in space.shown(in: change.addresses) {
        shown.append(part.addresses)
        blocks.set(part.blocks, true)
      }
      // What is left is ordinary memory of the process: pages of zeroes.
      var at = change.addresses.lowerBound
      for part in shown {
        if at < part.lowerBound { space.host.zapLater(at..<part.lowerBound) }
        at = part.upperBound
      }
      if at < change.addresses.upperBound { space.host.zapLater(at..<change.addresses.upperBound) }
    }
    let failed = blocks.runs.filter { !unmapEverywhere($0.addresses) }
    guard !failed.isEmpty else { return }
    for change in changes where change.isRemoval {
      spaces[change.process]?.host.zapLater(change.addresses)
    }
  }

  /// - Returns: `false` where the medium's pages may be parts of larger ones, which cannot be taken out alone.
  private func unmapEverywhere(_ blocks: Range<UInt64>) -> Bool {
    guard let pipe else { return false }
    do throws(Errno) {
      try medium.withDescriptor { file throws(Errno) in
        try pipe.unmap(
          file, offset: blocks.lowerBound << 12, length: UInt64(blocks.count) << 12)
      }
      return true
    } catch {
      return false
    }
  }
}
