import DaxModel
import ExtentFS
import LinuxSys
import Medium
import MemoryFailure
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FuseMount

/// Page tables of a workload that is not there.
private final class NoPages: WindowHost {
  func place(_ piece: WindowPiece, at addresses: Range<UInt64>, protection: Protection) {}
  func zap(_ addresses: Range<UInt64>) {}
  func zapLater(_ addresses: Range<UInt64>) {}
  func insert(_ addresses: Range<UInt64>, isWritable: Bool) {}
  func insertZeroes(at address: UInt64, isWritable: Bool) {}
  func protect(_ addresses: Range<UInt64>, _ on: Bool) {}
  func wake(_ addresses: Range<UInt64>) {}
  func fail(_ address: UInt64) -> Bool { true }
  func kill() {}
  func register(_ addresses: Range<UInt64>, ofMedium: Bool) {}
  let process: Int32 = 1
  let command = "nobody"
  let startTime: UInt64 = 0
  func threads() -> [Candidate.Thread] { [] }
  func send(_ order: SignalOrder, forces: Bool) {}
  func note(page: UInt64, address: UInt64, shift: UInt64) {}
}

@Suite struct `A window that a workload says it has moved` {
  /// Catches a server that a workload ends by the address that it says mremap has returned.
  @Test(arguments: [
    0x3000_0000, 0x2000_4000, 0x2000_0000, 0x1000_4000, 0x3000_0001, UInt64.max - 4095,
  ])
  func `may be said to be anywhere`(address: UInt64) throws {
    let scratch = try Scratch()
    let mount = try FilesystemMount(
      MemoryMedium(name: "hostile-move", size: 16 << 20), at: scratch.path, formats: true)
    mount.offerWindows()
    let handle = try mount.files.withLock { files in
      var request = FuseRequest(.make, node: 1)
      request.name = "f"
      request.mode = 0o100644
      guard case .entry(let status) = files.service.handle(request, at: Timestamp(seconds: 1)).reply
      else { throw Errno.ioError }
      return files.service.handles.number(
        of: WindowHandles.File(
          inode: status.number, access: .readWrite, created: status.attributes.created),
        isThere: { _ in true })
    }
    let space = mount.enter(NoPages())
    for start: UInt64 in [0x1000_0000, 0x2000_0000] {
      try mount.map(
        space, handle: handle, addresses: start..<start + 0x8000, offset: 0,
        protection: [.read, .write], isShared: true, isSynchronous: false)
    }
    let change = Change.move(newLength: 0x8000, target: 0x3000_0000, mayMove: true, fixed: true)
    #expect(try mount.begin(change, in: space, address: 0x1000_0000, length: 0x8000, id: 1) != nil)
    mount.complete(in: space, id: 1, succeeded: true, newAddress: address)
    mount.leave(space)
  }
}
