internal import DaxModel
internal import PageModel
internal import PmemBase
internal import SystemPackage

/// Touching memory.
extension Simulator {
  /// What a touch of one byte came to.
  enum Touch {
    /// A device-dax byte's physical address.
    case physical(UInt64)
    /// A block of a filesystem's device, and the byte in it.
    case block(namespace: Int, UInt64, Int)
    /// The zero page.
    case zero
    /// A private copy's frame, and the byte in it.
    case copy(UInt64, Int)
    case signal(Signal)
  }

  /// What is known of a window without holding it.
  struct WindowFacts {
    let device: Int
    let protection: Protection
    let deviceOffset: UInt64
  }

  /// Touches the byte as the process would.
  ///
  /// Source: x86 `do_user_addr_fault`: first the mapping and what it may be used for, then the device.
  mutating func touch(_ address: UInt64, write: Bool, by process: Int) -> Touch {
    guard let window = facts(at: address, of: process) else {
      return touchElsewhere(address, write: write, by: process)
    }
    guard window.protection.contains(write ? .write : .read) else {
      return .signal(Signal(kind: .denied, address: address))
    }
    let device = window.device
    guard machine.devices[device].state == .bound else {
      note("dev_dax_huge_fault", "\(machine.devices[device].name) is gone: SIGBUS/BUS_ADRERR")
      return .signal(Signal(kind: .busAddress, address: address))
    }
    switch processes[process].space.fault(at: address) {
    case .install(_, let folios, let start, let length):
      machine.devices[device].map(folios)
      noteInstall(device, folios, start, length, process)
    case .present: break
    case .wait, .unmapped, .beyondDevice:
      note(
        "dev_dax_huge_fault",
        "nothing of \(machine.devices[device].name) belongs there: SIGBUS/BUS_ADRERR")
      return .signal(Signal(kind: .busAddress, address: address))
    }
    return .physical(
      machine.dataStart(machine.devices[device].region) + window.deviceOffset)
  }

  private mutating func touchElsewhere(_ address: UInt64, write: Bool, by process: Int) -> Touch {
    if let region = fileRegion(at: address, of: process) {
      return touchFile(region, address, write: write, by: process)
    }
    let reserved = processes[process].reserved
    guard !write, reserved.isReadable(address) else {
      return .signal(Signal(kind: reserved[address] == nil ? .unmapped : .denied, address: address))
    }
    processes[process].reserved.read(address)
    return .zero
  }

  /// The window at an address.
  func facts(at address: UInt64, of process: Int) -> WindowFacts? {
    guard let window = processes[process].space.window(at: address) else { return nil }
    return WindowFacts(
      device: window.device, protection: window.protection,
      deviceOffset: window.offset + (address - window.range.lowerBound))
  }

  /// Touches from inside a system call, or for gup: nil where the process would get a signal.
  mutating func faultIn(_ address: UInt64, write: Bool, by process: Int) -> Touch? {
    let touch = touch(address, write: write, by: process)
    if case .signal = touch { return nil }
    return touch
  }

  /// The physical address behind a page-table entry; nil if there is none.
  mutating func frame(at address: UInt64, of process: Int) -> UInt64? {
    if let region = fileRegion(at: address, of: process) {
      return fileFrame(at: address, region, process)
    }
    if processes[process].reserved.showsZeroes(address) { return Machine.zeroPage | address & 4095 }
    guard let window = processes[process].space.window(at: address), window.isPresent(address)
    else { return nil }
    let region = machine.devices[window.device].region
    return machine.dataStart(region) + window.offset + (address - window.range.lowerBound)
  }

  /// References of page-table entries that went away.
  mutating func give(back released: [ReleasedRun]) {
    for run in released { machine.devices[run.device].pagemap.unmap(folios: run.folios) }
  }

  /// Takes folios of a device from every process.
  mutating func revoke(_ device: Int, folios: Range<Int>) {
    for process in processes.indices where processes[process].isAlive {
      give(back: processes[process].space.revoke(device: device, folios: folios))
    }
  }

  private func noteInstall(
    _ device: Int, _ folios: Range<Int>, _ start: UInt64, _ length: UInt64, _ process: Int
  ) {
    guard log != nil else { return }
    let counts = machine.devices[device].pagemap.counts(folio: folios.lowerBound)
    note(
      "dev_dax_huge_fault",
      "\(machine.devices[device].name) folio \(folios.lowerBound) into the page table, "
        + "\(length) bytes; refcount \(counts.refcount), mapcount \(counts.mapcount)")
  }
}
