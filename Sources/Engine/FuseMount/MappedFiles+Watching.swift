internal import DaxModel
internal import ExtentFS
internal import Latency
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// What is counted and told of faults. While nobody watches and no error waits for a fault: two stamps, three histograms, one look at each of
/// the two.
extension MappedFiles {
  /// Pages that became visible, from an address on; no blocks: a page of zeroes.
  struct Inserted {
    let address: UInt64
    let blocks: Range<UInt64>?
  }

  /// Somebody wants to be told of each page-table entry.
  var watches: Bool { witness?.watchesPages ?? false }

  func note(
    _ pages: Inserted, _ host: any WindowHost, _ touch: FileTouch, since counted: Ticks
  ) {
    inserted += UInt64(pages.blocks?.count ?? 1)
    if touch.thread != 0 {
      latencies.note(read: touch.read, counted: counted, installed: Clock.now())
    }
    guard let witness, witness.watchesPages else { return }
    witness.saw(
      .inserted(
        process: host.process, device: device, folios: Self.folios(pages.blocks),
        address: pages.address))
  }

  /// Before a touch is answered: tells of it, and carries out the errors that waited for it. May wait for agents.
  func takeCare(_ own: Space, _ view: View, _ touch: FileTouch) {
    let page = touch.address >> 12 &+ view.shift
    let byte = filesystem.address(of: view.inode, at: page << 12)
    if let witness, witness.watchesPages {
      witness.saw(
        .fault(
          process: own.host.process, thread: touch.thread, device: device, offset: byte,
          address: touch.address))
    }
    if faults + 1 >= alarm { carryOutArmed(own, touch, byte) }
  }

  /// Entries go that the model had; those of holes have an address only.
  func tellZapped(_ change: PageTableChange) {
    guard change.isRemoval, let witness, witness.watchesPages, let space = spaces[change.process]
    else { return }
    var isTold = false
    for part in space.shown(in: change.addresses) {
      isTold = true
      witness.saw(
        .zapped(
          process: space.host.process, device: device, folios: Self.folios(part.blocks),
          address: part.addresses.lowerBound))
    }
    if !isTold {
      witness.saw(
        .zapped(
          process: space.host.process, device: device, folios: nil,
          address: change.addresses.lowerBound))
    }
  }

  private static func folios(_ blocks: Range<UInt64>?) -> Range<Int>? {
    blocks.map { Int($0.lowerBound)..<Int($0.upperBound) }
  }
}
