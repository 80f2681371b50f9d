internal import DaxModel
internal import FaultEngine
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Questions that change nothing.
extension MemoryFailures {
  /// Whose windows show the page, present or not, in the order in which the kernel goes through processes.
  ///
  /// - Parameter page: Of 4 KiB, from the device's start.
  /// - Throws: `.noSuchAddressOrDevice` for a page that the device does not have.
  public func mappers(device: Int, page: UInt64) throws(Errno) -> [PageMapper] {
    _ = try folio(of: page, on: device)
    var mappers: [PageMapper] = []
    for workload in ordered() {
      var places: [(address: UInt64, window: Window)] = []
      Workload.holding([workload]) { _, space in
        guard !space.ended else { return }
        for address in space.space.addresses(of: page << 12..<(page + 1) << 12, device: device) {
          if let window = space.space.window(at: address) { places.append((address, window)) }
        }
      } act: {
      } last: { _, _ in
      }
      guard !places.isEmpty else { continue }
      let policy = workload.threads.first?.policy ?? .standard
      mappers += places.map { place in
        PageMapper(
          process: workload.process, command: workload.command, address: place.address,
          shift: place.window.alignment.shift, isPresent: place.window.isPresent(place.address),
          policy: policy)
      }
    }
    return mappers
  }

  /// Has the page in `process` as if it had touched it: who consumes an error has an entry.
  ///
  /// - Throws: `.noSuchProcess`: no such workload; `.badAddress`: none of its windows shows the page, or lets it be read.
  public func faultIn(device: Int, page: UInt64, of process: Int32) throws(Errno) {
    guard let workload = workloads().first(where: { $0.process == process }) else {
      throw .noSuchProcess
    }
    guard
      let mapper = try mappers(device: device, page: page).first(where: { $0.process == process })
    else { throw .badAddress }
    _ = try workload.faultIn(mapper.address)
  }

  // MARK: Page-table entries

  public func saw(_ event: PageEvent) {
    guard isWatched.load(ordering: .relaxed) else { return }
    pageObservers.withLock { observers in
      for observer in observers.values { observer(event) }
    }
  }

  /// Has `body` called with what happens to entries from now on, by the thread that does it: it must not wait for anybody who
  /// waits for a workload. Faults take the slower way meanwhile.
  public func observePages(_ body: @escaping @Sendable (PageEvent) -> Void) -> UInt64 {
    let name = UInt64.random(in: 1 ... .max)
    pageObservers.withLock { observers in
      observers[name] = body
      isWatched.store(true, ordering: .sequentiallyConsistent)
    }
    for device in devices { device.poison.beginCare() }
    return name
  }

  public func forget(pageObserver name: UInt64) {
    let wasThere = pageObservers.withLock { observers in
      let observer = observers.removeValue(forKey: name)
      isWatched.store(!observers.isEmpty, ordering: .sequentiallyConsistent)
      return observer != nil
    }
    guard wasThere else { return }
    for device in devices { device.poison.endCare() }
  }
}
