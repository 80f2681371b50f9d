internal import DaxModel
internal import ExtentFS
package import PageModel
package import PmemBase

/// What a test may see of the machine beside the rows.
extension Simulator {
  /// A page-table entry: who can translate what to which frame.
  package struct Translation: Equatable, Sendable {
    package let process: Int
    /// The page, in the process.
    package let address: UInt64
    /// The frame, in physical memory; of a huge entry the 4 KiB that this address shows.
    package let physical: UInt64
    /// A private mapping's.
    package let isPrivate: Bool
  }

  /// A machine that is told one line at a time.
  package init(kernel: KernelBehavior) {
    self.init(
      Scenario(name: "steps", group: "fs", lines: []), kernel: kernel, named: kernel.shortName,
      explained: false)
  }

  /// Carries out a line of the language.
  ///
  /// - Throws: For one that is not in the language.
  @discardableResult
  package mutating func perform(line text: String) throws -> JSONValue? {
    guard stopped == nil else { return nil }
    let step = try Step(parsing: text)
    return perform(Scenario.Line(number: 0, text: text, step: step, own: []))
  }

  /// Processes, threads and windows that were looked at so far.
  package var work: Int {
    guard let (_, filesystem) = mountedFilesystem else { return visits }
    let names = (try? filesystem.list()) ?? []
    return names.reduce(visits) { sum, name in
      let mapping = (try? filesystem.lookup("/" + name)).flatMap(filesystem.mapping)
      return sum + (mapping?.visits ?? 0)
    }
  }

  package var hasStopped: Bool { stopped != nil }

  /// Pages that memory failure has counted: HardwareCorrupted.
  package var poisonedPages: Int { machine.poisonedPages }

  /// The process that the actor is, or is a thread of; nil if it was never started.
  package func process(of actor: Actor) -> Int? {
    slots[actor.index].thread.map { threads[$0].process }
  }

  package func isAlive(_ process: Int) -> Bool { processes[process].isAlive }

  /// How many signals the actor's handler got that no step has shown.
  package func signalCount(of actor: Actor) -> Int { slots[actor.index].signals.count }

  /// Whether a SIGBUS waits for the actor.
  package func isPending(_ actor: Actor) -> Bool {
    slots[actor.index].thread.map { threads[$0].pending != nil } ?? false
  }

  /// The frame behind an address of a named mapping; nil while it is absent.
  package mutating func physical(_ process: Int, _ name: String, _ offset: UInt64) -> UInt64? {
    guard let range = processes[process].maps[name] else { return nil }
    return frame(at: range.lowerBound &+ offset, of: process).map(PageSize.base.roundDown)
  }

  /// Every page-table entry for device memory, 4 KiB at a time (2 MiB on a device of that alignment).
  package func translations() -> [Translation] {
    var all: [Translation] = []
    for process in processes.indices {
      for window in processes[process].space.windows {
        let start = machine.dataStart(machine.devices[window.device].region)
        for address in stride(
          from: window.range.lowerBound, to: window.range.upperBound,
          by: Int(window.alignment.bytes)) where window.isPresent(address)
        {
          all.append(
            Translation(
              process: process, address: address,
              physical: start + window.offset + (address - window.range.lowerBound),
              isPrivate: false))
        }
      }
    }
    for (namespace, inode, mapping) in mappings {
      _ = inode
      for window in mapping.windows {
        for page in window.pages {
          guard let entry = window.entry(for: page), let address = window.address(of: page),
            let first = entry.block
          else { continue }
          let block = entry.size == .huge ? first + page & 511 : first
          all.append(
            Translation(
              process: window.process, address: address,
              physical: machine.dataStart(namespace) + block << 12,
              isPrivate: !window.isShared))
        }
      }
    }
    return all
  }

  /// What breaks an invariant of the model: counts, translations of what is not there any more, things left by the dead.
  ///
  /// Cost: the page-table entries there are, not the devices' size.
  package func violations() -> [String] {
    var result = processes.indices.filter { !processes[$0].isAlive }.compactMap { process in
      processes[process].space.windows.isEmpty && processes[process].files.isEmpty
        ? nil : "process \(process) is dead and has mappings"
    }
    result += deviceViolations() + fileViolations()
    return result
  }

  /// What is left when everybody has gone; scans every page.
  package func leftovers() -> [String] {
    machine.devices.filter { !$0.pagemap.isIdle() }.map { "\($0.name) has a page in use" }
      + machine.blocks.sorted { $0.key < $1.key }.compactMap { number, block in
        block.filesystem?.pagemap.isIdle() == false ? "pmem\(number) has a page in use" : nil
      }
  }

  /// Whether the page carries the kernel's mark for memory that failed (PG_hwpoison).
  package func isFlagged(_ physical: UInt64) -> Bool {
    machine.region(at: physical).map { region in
      machine.regions[region].media.flagged.contains((physical - machine.dataStart(region)) >> 12)
    } ?? false
  }

  /// Whether any page carries it.
  package var hasFlags: Bool { machine.regions.contains { !$0.media.flagged.isEmpty } }

  /// The counts of the folio at an address; nil where no device is.
  package func counts(_ physical: UInt64) -> PageCounts? {
    folio(physical).map { $0.counts(folio: $1) }
  }

  /// pin_user_pages of one page.
  package func pin(_ physical: UInt64) {
    if let (pagemap, number) = folio(physical) { pagemap.pin(folio: number) }
  }

  package func unpin(_ physical: UInt64) {
    if let (pagemap, number) = folio(physical) { pagemap.unpin(folio: number) }
  }

  // MARK: Private

  private func folio(_ physical: UInt64) -> (Pagemap, Int)? {
    guard let region = machine.region(at: physical) else { return nil }
    let offset = physical - machine.dataStart(region)
    if let filesystem = filesystem(region) {
      return (filesystem.pagemap, Int(filesystem.folios.head(of: offset >> 12)))
    }
    return machine.devices.last { $0.region == region }.map {
      ($0.pagemap, Int(offset >> $0.geometry.alignment.shift))
    }
  }

  private var mappings: [(namespace: Int, inode: UInt64, mapping: FileMapping)] {
    machine.blocks.sorted { $0.key < $1.key }.flatMap { namespace, block in
      (block.filesystem?.inodeNumbers ?? []).compactMap { inode in
        block.filesystem?.openMapping(of: inode).map { (namespace, inode, $0) }
      }
    }
  }

  private func deviceViolations() -> [String] {
    var result: [String] = []
    for device in machine.devices.indices {
      let pagemap = machine.devices[device].pagemap
      var entries: [Int: UInt32] = [:]
      for process in processes {
        for window in process.space.windows where window.device == device {
          for address in stride(
            from: window.range.lowerBound, to: window.range.upperBound,
            by: Int(window.alignment.bytes)) where window.isPresent(address)
          {
            let offset = window.offset + (address - window.range.lowerBound)
            entries[Int(offset >> window.alignment.shift), default: 0] += 1
          }
        }
      }
      let name = machine.devices[device].name
      if machine.devices[device].state != .bound, !entries.isEmpty {
        result.append("\(name) is gone and has page-table entries")
      }
      result += Self.differences(entries, pagemap, of: name)
    }
    return result
  }

  private func fileViolations() -> [String] {
    var result: [String] = []
    var entries: [Int: [Int: UInt32]] = [:]
    for (namespace, inode, mapping) in mappings {
      guard let filesystem = filesystem(namespace) else { continue }
      for window in mapping.windows {
        for page in window.pages {
          guard let entry = window.entry(for: page), let first = entry.block else { continue }
          let block = entry.size == .huge ? first + page & 511 : first
          if entry.size == .base || page & 511 == 0 {
            entries[namespace, default: [:]][
              Int(filesystem.folios.head(of: block)), default: 0] += 1
          }
          let place = filesystem.address(of: inode, at: page << 12).map { $0 >> 12 }
          if place != block, !filesystem.isShutDown {
            result.append(
              "process \(window.process) shows block \(block) for page \(page) of inode \(inode), "
                + "which has \(place.map(String.init) ?? "none") there")
          }
          if entry.isWritable, !mapping.entries.isDirty(page) {
            result.append("page \(page) of inode \(inode) can be stored to without notice")
          }
        }
      }
    }
    result += copyViolations()
    for (namespace, block) in machine.blocks {
      guard let filesystem = block.filesystem else { continue }
      result += Self.differences(
        entries[namespace] ?? [:], filesystem.pagemap, of: "pmem\(namespace)")
    }
    return result
  }

  /// Frames of private copies that are counted other than page tables show them.
  private func copyViolations() -> [String] {
    var shown: [UInt64: Int] = [:]
    for (_, _, mapping) in mappings {
      for window in mapping.windows {
        for page in window.pages {
          guard case .anonymous(let frame) = window.entry(for: page)?.target else { continue }
          shown[frame, default: 0] += 1
        }
      }
    }
    return Set(machine.frames.mappedFrames).union(shown.keys).sorted().compactMap { frame in
      let count = machine.frames.mapcount(frame)
      let entries = shown[frame] ?? 0
      return count == entries
        ? nil : "frame \(frame) has mapcount \(count), with \(entries) page-table entries"
    }
  }

  /// Where a pagemap counts other than there are entries; nobody else holds references here.
  private static func differences(
    _ entries: [Int: UInt32], _ pagemap: Pagemap, of name: String
  ) -> [String] {
    let regime = pagemap.regime
    let idle = regime.idleRefcount(pagemap.type)
    var result: [String] = []
    for (folio, count) in entries.sorted(by: { $0.key < $1.key }) {
      let counts = pagemap.counts(folio: folio)
      if counts.refcount < counts.mapcount || counts.mapcount != count * regime.mappingReferences
        || counts.refcount != idle + count * regime.mappingReferences
      {
        result.append("\(name) folio \(folio): \(counts), with \(count) page-table entries")
      }
    }
    if pagemap.mappedFolios() != entries.count, regime.mappingReferences > 0 {
      result.append("\(name) counts \(pagemap.mappedFolios()) folios mapped, not \(entries.count)")
    }
    return result
  }
}
