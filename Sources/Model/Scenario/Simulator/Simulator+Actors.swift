internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import SystemPackage

/// What actors do.
extension Simulator {
  typealias Fields = [JSONValue.Member]

  /// Carries out an actor's step.
  mutating func perform(_ operation: ActorOperation, by actor: Actor) -> Fields {
    guard seemsAlive(actor.index), let thread = slots[actor.index].thread else {
      return [.string("dead", ending(of: actor.index))]
    }
    let process = threads[thread].process
    var fields: Fields
    if processes[process].isAlive {
      fields = answer(operation, thread: thread, process: process, actor: actor)
      deliverSignal(to: thread, inAccess: false)
    } else {
      fields = []
    }
    if !processes[process].isAlive {
      reap()
      fields = [.string("died", ending(of: actor.index))]
    }
    return fields + takeSignals(of: actor.index)
  }

  private mutating func answer(
    _ operation: ActorOperation, thread: Int, process: Int, actor: Actor
  ) -> Fields {
    switch operation {
    case .policy(let policy):
      threads[thread].policy = policy
      return [.ok]
    case .handler(let handling):
      set(handling, thread: thread, process: process)
      return [.ok]
    case .pending:
      return [.bool("sigbus_pending", threads[thread].pending != nil)]
    case .map(let arguments):
      return map(arguments, process: process, actor: actor)
    case .fork(let child):
      fork(thread, for: child)
      return [.ok]
    case .thread(let new):
      startThread(thread, for: new)
      return [.ok]
    case .readFile(let path, let part, let direct):
      return readFile(path, part, direct: direct)
    case .writeFile(let path, let part, let direct):
      return writeFile(path, part, direct: direct)
    case .truncate(let path, let length):
      return outcome(truncateFile(path, to: length))
    case .allocate(let path, let mode, let part):
      return outcome(allocateFile(path, mode, part))
    case .pause: return [.ok]
    case .exit(let status):
      end(process, "exit \(UInt8(truncatingIfNeeded: status))")
      return []
    case .unmap(let name, _), .read(let name, _), .write(let name, _, _),
      .touch(let name, _, _, _), .spin(let name, _, _), .advise(let name, _, _),
      .inject(let name, _), .page(let name, _), .writeFrom(let name, _), .readInto(let name, _),
      .synchronize(let name, _), .protect(let name, _), .remap(let name, _), .frame(let name, _),
      .smaps(let name):
      guard let range = processes[process].maps[name] else { return [.error("no map")] }
      return answer(operation, named: name, at: range, thread: thread, process: process)
    }
  }

  /// What is done with a mapping.
  private mutating func answer(
    _ operation: ActorOperation, named name: String, at range: Range<UInt64>, thread: Int,
    process: Int
  ) -> Fields {
    let base = range.lowerBound
    switch operation {
    case .unmap(_, let part):
      return unmap(name, at: range, part: part, thread: thread)
    case .read(_, let offset):
      return access(base &+ offset, write: nil, thread: thread)
    case .write(_, let offset, let value):
      return access(base &+ offset, write: value, thread: thread)
    case .spin(_, let offset, let milliseconds):
      // Longer than the coordinator waits at once, so that it looks who has ended.
      if milliseconds > 20 { reap() }
      let fields = access(base &+ offset, write: nil, thread: thread)
      return fields.first == .ok ? [.ok] : fields
    case .touch(_, let part, let step, let write):
      return touch(base &+ part.offset, part.length, step, write: write, thread: thread)
    case .advise(_, let part, let advice):
      return outcome(
        advise(advice, base &+ part.offset, UInt64(bitPattern: part.length), thread: thread))
    case .inject(_, let offset):
      return injectOwn(base &+ offset, thread: thread)
    case .page(_, let offset):
      return page(base &+ offset, process: process)
    case .frame(_, let offset):
      let frame = frame(at: base &+ offset, of: process) ?? 0
      return [.hex("_pfn", frame >> 12)]
    case .smaps:
      return smaps(range, process: process)
    case .writeFrom(_, let part):
      return transfer(base &+ part.offset, part.length, write: false, thread: thread)
    case .readInto(_, let part):
      return transfer(base &+ part.offset, part.length, write: true, thread: thread)
    case .synchronize(_, let part):
      let length = UInt64(bitPattern: part.length)
      return outcome(synchronize(base &+ part.offset, length, process: process))
    case .protect(_, let part):
      let length = UInt64(bitPattern: part.length)
      return outcome(protect(base &+ part.offset, length, process: process))
    case .remap(_, let length):
      return remap(name, at: range, to: length, thread: thread)
    default:
      return [.error("unknown op")]
    }
  }

  func outcome(_ result: Result<Void, Errno>) -> Fields {
    switch result {
    case .success: [.ok]
    case .failure(let errno): [.error(errno)]
    }
  }

  // MARK: Signals

  private mutating func set(_ handling: SignalHandling, thread: Int, process: Int) {
    switch handling {
    case .on:
      processes[process].onBus = .handler
      processes[process].onSegment = .handler
    case .standard:
      processes[process].onBus = .standard
      processes[process].onSegment = .standard
    case .ignore:
      processes[process].onBus = .ignore
      processes[process].onSegment = .ignore
      // Setting a signal to be ignored discards what waits, blocked or not.
      for other in processes[process].threads { threads[other].pending = nil }
    case .block:
      processes[process].onBus = .handler
      processes[process].onSegment = .standard
      threads[thread].blocksBus = true
    }
  }

  // MARK: Access

  /// rd and wr: one byte.
  private mutating func access(_ address: UInt64, write value: UInt8?, thread: Int) -> Fields {
    let process = threads[thread].process
    let place = touch(address, write: value != nil, by: process)
    if case .signal(let signal) = place {
      _ = raise(signal, on: thread)
      return [.bool("ok", false), .bool("faulted", true)]
    }
    if value == nil, consumes(place, thread: thread) {
      return [.bool("ok", false), .bool("faulted", true)]
    }
    guard let value else { return [.ok, .int("value", Int(load(place)))] }
    store(value, to: place)
    return [.ok]
  }

  private mutating func touch(
    _ start: UInt64, _ length: Int64, _ step: Int64, write: Bool, thread: Int
  ) -> Fields {
    var done: Int64 = 0
    var at: Int64 = 0
    let process = threads[thread].process
    while at < length {
      let place = touch(start &+ at, write: write, by: process)
      if case .signal(let signal) = place {
        let offset = Int64(bitPattern: start &+ at &- rangeBase(start, process))
        _ = raise(signal, on: thread)
        return [.bool("ok", false), .int("faulted_at", Int(offset))]
      }
      if !write, consumes(place, thread: thread) {
        let offset = Int64(bitPattern: start &+ at &- rangeBase(start, process))
        return [.bool("ok", false), .int("faulted_at", Int(offset))]
      }
      if write { store(0x5a, to: place) }
      done += 1
      at += step
    }
    return [.ok, .int("touched", Int(done))]
  }

  /// A load that meets latent poison is a machine check of its thread (MF-56).
  private mutating func consumes(_ place: Touch, thread: Int) -> Bool {
    guard let physical = physical(of: place), isLatent(physical..<physical + 1) else {
      return false
    }
    machineCheck(physical, origin: .consumed(process: threads[thread].process, thread: thread))
    deliverSignal(to: thread, inAccess: true)
    return true
  }

  private func physical(of place: Touch) -> UInt64? {
    switch place {
    case .physical(let physical): physical
    case .block(let namespace, let block, let offset):
      machine.dataStart(namespace) + block << 12 + UInt64(offset)
    case .zero, .copy, .signal: nil
    }
  }

  private func isLatent(_ bytes: Range<UInt64>) -> Bool {
    guard let region = machine.region(at: bytes.lowerBound) else { return false }
    let base = machine.regions[region].base
    return machine.regions[region].media.driver.latent.contains(
      anyOf: bytes.lowerBound - base..<bytes.upperBound - base)
  }

  private func rangeBase(_ address: UInt64, _ process: Int) -> UInt64 {
    for case let entry? in processes[process].maps.entries where entry.range.contains(address) {
      return entry.range.lowerBound
    }
    return address
  }

  /// wbuf and rbuf: the kernel reads or writes the mapping for write(2) and read(2).
  private mutating func transfer(
    _ start: UInt64, _ length: Int64, write: Bool, thread: Int
  ) -> Fields {
    let process = threads[thread].process
    var done: UInt64 = 0
    let length = UInt64(max(0, length))
    while done < length {
      let address = start &+ done
      guard let place = faultIn(address, write: write, by: process) else { break }
      let count = min(length - done, 4096 - address & 4095)
      if !write, let physical = physical(of: place), isLatent(physical..<physical + count) {
        // The copy survives; the call stops there, and the thread is told as if it had loaded the byte.
        machineCheck(physical, origin: .consumed(process: process, thread: thread))
        break
      }
      if write { clear(place, count: count) }
      done += count
    }
    guard done > 0 || length == 0 else { return [.error(.badAddress)] }
    return [.int("bytes", Int(done))]
  }

  // MARK: Looking

  private mutating func page(_ address: UInt64, process: Int) -> Fields {
    guard let frame = frame(at: address, of: process) else {
      return [
        .bool("present", false), .int("swap", isLost(address, of: process) ? 1 : 0),
      ]
    }
    let ordinary = machine.region(at: frame) == nil
    if kernel.pagemapReadsDescriptors, let region = machine.region(at: frame),
      machine.blocks[region]?.leftEntries == true
    {
      panic("pagemap looked at a page descriptor that is freed")
    }
    var fields: Fields = [
      .bool("present", true), .int("file_or_shared", ordinary ? 0 : 1),
      .int("exclusive", isExclusive(address, frame, process) ? 1 : 0), .hex("_pfn", frame >> 12),
    ]
    if !ordinary {
      fields += [
        .string("kpageflags", "0xffffffffffffffff"), .int("hwpoison", -1), .int("kpagecount", -1),
      ]
    }
    return fields
  }

  /// Whether pagemap says that nobody else maps the page: where mapcounts are not kept, it never does.
  private func isExclusive(_ address: UInt64, _ frame: UInt64, _ process: Int) -> Bool {
    guard let region = machine.region(at: frame) else {
      return machine.frames.mapcount(frame >> 12) == 1
    }
    if let window = facts(at: address, of: process) {
      let device = machine.devices[window.device]
      return device.pagemap.isMappedExclusively(
        folio: Int(window.deviceOffset >> device.geometry.alignment.shift))
    }
    guard let filesystem = filesystem(region) else { return false }
    let head = filesystem.folios.head(of: (frame - machine.dataStart(region)) >> 12)
    return filesystem.pagemap.isMappedExclusively(folio: Int(head))
  }

  private func smaps(_ range: Range<UInt64>, process: Int) -> Fields {
    guard let window = processes[process].space.window(at: range.lowerBound) else {
      return [.string("smaps", "")]
    }
    let size = window.alignment.bytes >> 10
    let charged = RefcountRegime(kernel).chargesResidentSet
    let resident = charged ? (UInt64(window.presentCount) << window.alignment.shift) >> 10 : 0
    return [
      .string(
        "smaps",
        "KernelPageSize: \(size) kB; MMUPageSize: \(size) kB; Rss: \(resident) kB; Pss: "
          + "\(resident) kB; ShmemPmdMapped: 0 kB; FilePmdMapped: 0 kB; "
          + "VmFlags: rd wr sh mr mw me ms sd hg")
    ]
  }
}

extension UInt64 {
  /// An address and a distance.
  static func &+ (left: UInt64, right: Int64) -> UInt64 { left &+ UInt64(bitPattern: right) }
}
