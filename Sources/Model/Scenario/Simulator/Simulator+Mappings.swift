internal import DaxModel
internal import PmemBase
internal import SystemPackage

/// System calls on mappings.
extension Simulator {
  /// mmap(): at a 2 MiB aligned address inside a reservation that is 4 MiB larger, as the probe does it.
  mutating func map(_ arguments: MapArguments, process: Int, actor: Actor) -> Fields {
    guard let name = Machine.deviceName(path: arguments.path) else {
      return mapFile(arguments, process: process, actor: actor)
    }
    guard let device = machine.device(named: name) else {
      return [.error("open: \(Errno.noSuchFileOrDirectory.name)")]
    }
    guard machine.devices[device].state == .bound else {
      panic("oops in check_vma: \(name) was mapped after its driver was unbound")
      return []
    }
    let access = arguments.readOnly ? AccessMode.readOnly : .readWrite
    let protection: Protection = arguments.readOnly ? .read : [.read, .write]
    let length = UInt64(arguments.length)
    guard let reservation = processes[process].reserve(length) else { return [.error(.noMemory)] }
    let address = reservation.lowerBound + 4096 + UInt64(arguments.shift)
    let offset = UInt64(bitPattern: arguments.offset)
    do throws(Errno) {
      let geometry = machine.devices[device].geometry
      let plan = try DeviceDaxRules.map(
        MapRequest(
          address: address, length: length, offset: offset, protection: protection,
          access: access, isShared: arguments.kind != .isPrivate, isFixed: true),
        on: geometry)
      let range = address..<(address + plan.length)
      processes[process].reserved.remove(range)
      try processes[process].space.add(
        range: range, device: device, geometry: geometry, offset: offset, protection: protection,
        access: access)
      if arguments.kind == .populate { _ = populate(range, process: process) }
    } catch {
      processes[process].reserved.remove(reservation)
      return [.error(error)]
    }
    return named(arguments.name, address..<(address + length), process: process, actor: actor)
  }

  /// Gives a mapping its name, for the actor and for the coordinator.
  mutating func named(
    _ name: String, _ range: Range<UInt64>, process: Int, actor: Actor
  ) -> Fields {
    processes[process].maps.add(name, range)
    slots[actor.index].names.set(name, range)
    return [.ok, .hex("mapbase", range.lowerBound)]
  }

  /// Inserts what is absent, up to the first page that cannot be. 6.1 looks at each mapping by itself and goes on behind a hole.
  ///
  /// Source: `madvise_walk_vmas`, `madvise_populate`, mm/madvise.c (v6.1, v6.12); devdax-populate-hole.scn.
  mutating func populate(_ range: Range<UInt64>, process: Int) -> Result<Void, Errno> {
    var next = range.lowerBound
    var hole: Errno?
    while next < range.upperBound {
      if let window = facts(at: next, of: process),
        machine.devices[window.device].state != .bound
      {
        return .failure(.badAddress)
      }
      let from = next
      let (decision, end) = processes[process].space.populate(
        from: from, upTo: range.upperBound, limit: 512)
      next = end
      switch decision {
      case .install(let device, let folios, _, _): machine.devices[device].map(folios)
      case nil, .present: break
      case .unmapped:
        // Reservations are mapped, and may not be read.
        var lowest = from
        while let window = processes[process].space.window(at: lowest) {
          lowest = window.range.upperBound
        }
        if processes[process].reserved.isReadable(lowest) { continue }
        let reserved = processes[process].reserved.ranges.filter { $0.overlaps(lowest..<end) }
        let goesOn = machine.kernel.populatesBehindHoles
        if reserved.contains(where: { goesOn || $0.contains(lowest) }) {
          return .failure(.invalidArgument)
        }
        hole = .noMemory
        if !goesOn { return .failure(.noMemory) }
      case .beyondDevice, .wait: return .failure(.badAddress)
      }
    }
    return hole.map { .failure($0) } ?? .success(())
  }

  /// The first address that is no process's (x86-64, four levels).
  static let taskSize: UInt64 = 0x7fff_ffff_f000

  mutating func unmap(
    _ name: String, at range: Range<UInt64>, part: Part?, thread: Int
  ) -> Fields {
    let process = threads[thread].process
    let start = part.map { range.lowerBound &+ $0.offset } ?? range.lowerBound
    let length = part.map { UInt64(bitPattern: $0.length) } ?? UInt64(range.count)
    // As `do_vmi_munmap` before it looks at anything: aligned, not empty, below TASK_SIZE.
    guard length > 0,
      let gone = try? AddressSpace.pages(start, length, below: Self.taskSize)
    else { return [.error(.invalidArgument)] }
    let result = change(.unmap, start, length, process: process)
    if case .success = result {
      processes[process].reserved.remove(gone)
      unmapFiles(gone, process: process)
      if part == nil {
        processes[process].maps.remove(name)
        slots[threads[thread].actor].names.remove(name)
      }
    }
    return outcome(result)
  }

  mutating func protect(
    _ start: UInt64, _ length: UInt64, process: Int
  ) -> Result<Void, Errno> {
    let range: Range<UInt64>
    do throws(Errno) {
      range = try AddressSpace.pages(start, length, overflow: .noMemory)
    } catch {
      return .failure(error)
    }
    // What comes before a hole is changed; then the call fails.
    let end = processes[process].firstHole(in: range) ?? range.upperBound
    if end > start {
      let result = change(.protect(.read), start, end - start, process: process)
      if case .failure = result { return result }
      for region in fileRegions(in: start..<end, of: process) {
        mapping(region)?.protect(
          process: process, addresses: (start..<end).clamped(to: region.range), .read)
      }
      processes[process].reserved.open(start..<end)
    }
    return end < range.upperBound ? .failure(.noMemory) : .success(())
  }

  /// msync(MS_SYNC)
  mutating func synchronize(
    _ start: UInt64, _ length: UInt64, process: Int
  ) -> Result<Void, Errno> {
    let range: Range<UInt64>
    do throws(Errno) {
      range = try AddressSpace.pages(start, length, overflow: .noMemory)
    } catch {
      return .failure(error)
    }
    let result = change(.sync(flags: 4), start, length, process: process)
    if case .failure = result { return result }
    let files = synchronizeFiles(range, process: process)
    if case .failure = files { return files }
    return processes[process].isMapped(range) ? .success(()) : .failure(.noMemory)
  }

  mutating func remap(
    _ name: String, at range: Range<UInt64>, to length: Int64, thread: Int
  ) -> Fields {
    let process = threads[thread].process
    guard length >= 0, length <= 1 << 40 else { return [.error(.invalidArgument)] }
    let newLength = UInt64(length)
    if let region = fileRegion(at: range.lowerBound, of: process) {
      return remapFile(name, region, at: range, to: newLength, thread: thread)
    }
    // What follows a mapping is its reservation, so it can grow only by moving.
    let grows = newLength > UInt64(range.count)
    do throws(Errno) {
      let id: UInt64 = 1
      guard let window = processes[process].space.window(at: range.lowerBound) else {
        throw .badAddress
      }
      let alignment = window.alignment.bytes
      let plan = try processes[process].space.begin(
        .move(newLength: newLength, target: nil, mayMove: true, fixed: false),
        address: range.lowerBound, length: UInt64(range.count), id: id)
      var address = range.lowerBound
      if grows {
        guard let room = processes[process].reserve(newLength) else { throw .noMemory }
        address = room.lowerBound + 4096 + plan.congruence
        // The driver looks for room for one page of its own more than it needs, and nothing is mapped there.
        // Source: `dax_get_unmapped_area`, drivers/dax/device.c (v6.1, v7.3); mremap-hole.scn.
        let size = PageSize.base.roundUp(newLength) ?? newLength
        processes[process].reserved.remove(address..<(address + size + alignment))
      }
      give(
        back: processes[process].space.complete(
          id: id, succeeded: true, newAddress: address, newLength: newLength))
      let new = address..<(address + newLength)
      processes[process].maps.set(name, new)
      slots[threads[thread].actor].names.set(name, new)
      return [.ok, .hex("mapbase", address)]
    } catch {
      return [.error(error)]
    }
  }

  /// madvise()
  mutating func advise(
    _ advice: AdviceName, _ start: UInt64, _ length: UInt64, thread: Int
  ) -> Result<Void, Errno> {
    let process = threads[thread].process
    guard PageSize.base.isAligned(start), let rounded = PageSize.base.roundUp(length),
      rounded <= UInt64.max - start
    else { return .failure(.invalidArgument) }
    let range = start..<(start + rounded)
    switch advice {
    case .poison: return poison(range, thread: thread)
    case .softOffline: return softOffline(range, process: process)
    default: break
    }
    if !fileRegions(in: range, of: process).isEmpty {
      return adviseFiles(advice, range, process: process)
    }
    let result = change(.advise(advice.value), start, length, process: process)
    if case .failure = result { return result }
    return processes[process].isMapped(range) ? .success(()) : .failure(.noMemory)
  }

  /// Asks the address space about a change and carries it out at once: nothing else runs meanwhile.
  mutating func change(
    _ change: Change, _ start: UInt64, _ length: UInt64, process: Int
  ) -> Result<Void, Errno> {
    do throws(Errno) {
      let id: UInt64 = 1
      let plan = try processes[process].space.begin(change, address: start, length: length, id: id)
      switch plan.effect {
      case .perform:
        give(back: processes[process].space.complete(id: id, succeeded: true))
      case .nothing: break
      case .populate:
        let range = plan.address..<(plan.address + plan.length)
        if case .failure(let errno) = populate(range, process: process) { return .failure(errno) }
        if let failure = plan.failure { return .failure(failure) }
      }
      return .success(())
    } catch {
      return .failure(error)
    }
  }
}

extension SimulatedProcess {
  /// Takes address space for a mapping of `length` bytes: one page below a 2 MiB aligned address, and 4 MiB more than
  /// needed. Each is below the one before it, as mmap() of Linux goes; nil when there is no room left (ENOMEM).
  mutating func reserve(_ length: UInt64) -> Range<UInt64>? {
    let huge = PageSize.huge
    guard let rounded = PageSize.base.roundUp(length), rounded < nextAddress - 8 * huge.bytes
    else { return nil }
    let size = rounded + 2 * huge.bytes
    nextAddress = huge.roundDown(nextAddress - size) - 2 * huge.bytes
    let start = nextAddress + huge.bytes - 4096
    let end = start + size
    reserved.insert(start..<end)
    return start..<end
  }
}
