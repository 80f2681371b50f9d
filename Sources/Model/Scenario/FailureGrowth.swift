internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import PmemBase

/// A page that many processes map through many files, for the question how the answer's cost grows.
///
/// `owners` files share one block. Each of `processes` processes has `mappings` mappings, of one file after the other, and
/// has the page in its page table in each of them. Every second process wants to know early. The kernel is 6.1: in later
/// ones the readers of a shared page take it from each other.
package struct FailureGrowth {
  private var machine: Simulator
  private let physical: UInt64
  /// Mappings of the page, all together.
  package let mappings: Int

  /// Cost: quadratic in what is asked for; it is the answer that is measured.
  package init?(processes: Int, mappings: Int, owners: Int) {
    machine = Simulator(kernel: .v6_1)
    self.mappings = processes * mappings
    guard processes > 0, owners > 0, let actor = Actor(letter: "A"),
      (try? machine.perform(line: "- sh sh lib.sh xfs")) != nil,
      let (namespace, filesystem) = machine.mountedFilesystem
    else { return nil }
    var files: [FileMapping] = []
    do {
      for number in 0..<owners {
        let inode = try filesystem.create("/f\(number)")
        if number == 0 {
          try filesystem.write(inode, at: 0, fill: 0x11, count: 4096)
        } else {
          try filesystem.reflink(from: filesystem.lookup("/f0"), to: inode)
        }
      }
      for number in 0..<owners {
        guard let mapping = filesystem.mapping(of: try filesystem.lookup("/f\(number)")) else {
          return nil
        }
        files.append(mapping)
      }
      guard let address = filesystem.address(of: try filesystem.lookup("/f0"), at: 0) else {
        return nil
      }
      physical = machine.machine.dataStart(namespace) + address
    } catch {
      return nil
    }
    for process in 0..<processes {
      machine.startProcess(for: actor)
      machine.processes[process].onBus = .handler
      if process % 2 == 0 { machine.threads[process].policy = .early }
      for turn in 0..<mappings {
        let start = 0x1000_0000 + UInt64(turn) << 21
        files[turn % owners].map(
          process: process, addresses: start..<start + 4096, firstPage: 0, protection: .read)
        _ = files[turn % owners].fault(process: process, address: start, write: false)
      }
    }
  }

  /// Lets the page fail.
  ///
  /// - Returns: Signals sent, one for each mapping of whoever is told.
  package mutating func fail() -> Int {
    machine.sentSignals = 0
    _ = machine.fail(physical, origin: .injectionByBystander)
    return machine.sentSignals
  }
}
