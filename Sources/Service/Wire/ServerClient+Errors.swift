internal import CWire
public import MemoryFailure
public import OwnerIndex
public import PmemBase

/// Questions about errors.
extension ServerClient {
  /// - Throws: `.refused(EBUSY)` for software poison of a page that no process has had, `.refused(ERANGE)` for a sector that the device
  ///   does not have, `.refused(ENOTSUP)` where the medium cannot, `.refused(ESRCH)` and `.refused(EFAULT)` for a process that is no workload or
  ///   does not show the page.
  public func inject(_ injection: Request.Injection) throws(WireError) {
    guard case .done = try ask(.inject(injection)) else { throw .unexpected(type: 0) }
  }

  /// Takes injections back: sectors of 512 bytes; what is known stays known.
  public func withdraw(device: Int, first: UInt64, count: UInt64) throws(WireError) {
    guard case .done = try ask(.withdraw(device: device, first: first, count: count)) else {
      throw .unexpected(type: 0)
    }
  }

  /// Unbinds the driver of a mount's device.
  ///
  /// - Throws: `.refused(ENODEV)` if it is unbound, `.refused(ENOTSUP)` for a device that is no mount's.
  public func unbind(device: Int) throws(WireError) {
    guard case .done = try ask(.unbind(device: device)) else { throw .unexpected(type: 0) }
  }

  /// Clears sectors of 512 bytes; `count` 0: to the device's end. Returns bytes that are good for sure.
  @discardableResult
  public func clearErrors(device: Int, first: UInt64 = 0, count: UInt64 = 0) throws(WireError)
    -> UInt64
  {
    guard
      case .cleared(let bytes) = try ask(
        .clearErrors(device: device, first: first, count: count))
    else { throw .unexpected(type: 0) }
    return bytes
  }

  /// Sectors of 512 bytes, ascending.
  public func errors(device: Int, list: Request.ErrorList) throws(WireError) -> [Range<UInt64>] {
    var all: [Range<UInt64>] = []
    var first: UInt64 = 0
    while true {
      guard
        case .errors(let ranges, let next) = try ask(
          .getErrors(device: device, list, first: first))
      else { throw .unexpected(type: 0) }
      all += ranges
      if next == 0 { return all }
      guard next > first else { throw .unexpected(type: 0) }
      first = next
    }
  }

  /// Begins a scrub of everything, or only waits for one. Returns how many are complete.
  public func scrub(starts: Bool) throws(WireError) -> UInt64 {
    guard case .scrubbed(let count) = try ask(.scrub(starts: starts)) else {
      throw .unexpected(type: 0)
    }
    return count
  }

  /// Who maps the page (4 KiB).
  public func owners(device: Int, page: UInt64) throws(WireError) -> [PageMapper] {
    try list {
      .getOwners(device: device, page: page, first: $0)
    } part: { reply in
      if case .owners(let owners, let next) = reply { (owners, next) } else { nil }
    }
  }

  /// Whose a page (4 KiB) of a mount's device is.
  ///
  /// - Throws: `.refused(ENXIO)`: the device has no such page; `.refused(ENODEV)`: it is of no mount.
  public func blockOwners(device: Int, page: UInt64) throws(WireError) -> [BlockHolding] {
    try list {
      .getBlockOwners(device: device, page: page, first: $0)
    } part: { reply in
      if case .blockOwners(let owners, let next) = reply { (owners, next) } else { nil }
    }
  }

  /// A name of each inode of a mount that has one, from the mount's directory on. Cost: every name of the filesystem, at most, for some
  /// hundred inodes.
  public func paths(device: Int, inodes: [UInt64]) throws(WireError) -> [UInt64: String] {
    var found: [UInt64: String] = [:]
    var left = inodes[...]
    while !left.isEmpty {
      let asked = left.prefix(Int(SD_PATHS_PER_MESSAGE))
      guard
        case .paths(let paths) = try ask(.getPaths(device: device, inodes: Array(asked))),
        !paths.isEmpty, paths.count <= asked.count
      else { throw .unexpected(type: 0) }
      for (inode, path) in zip(asked, paths) where !path.isEmpty { found[inode] = path }
      left = left.dropFirst(paths.count)
    }
    return found
  }

  /// What an error of the page would do now.
  ///
  /// - Parameter kernel: By whose rules; nil: the server's.
  public func predict(
    device: Int, page: UInt64, kind: InjectionRule.Kind, process: Int32?,
    kernel: KernelBehavior? = nil
  ) throws(WireError) -> Prediction {
    var all = Prediction(outcome: .later)
    all.verdicts = try list {
      .predict(
        device: device, page: page, kind: kind, process: process, kernel: kernel, first: $0)
    } part: { reply in
      guard case .prediction(let part, let next) = reply else { return nil }
      if all.verdicts.isEmpty { all = part }
      return (part.verdicts, next)
    }
    return all
  }

  /// Calls `body` with what happens from now on, and how many events were lost before, until it says no or the server has gone. No
  /// other question can be asked afterwards.
  public func watch(
    pages: Bool, _ body: (_ events: [Happening], _ lost: UInt64) -> Bool
  ) throws(WireError) {
    try send(.watch(pages: pages))
    while let reply = try receive() {
      switch reply {
      case .events(let events, let lost): if !body(events, lost) { return }
      case .done(let error) where error != 0: throw .refused(-error)
      default: throw .unexpected(type: 0)
      }
    }
  }
}
