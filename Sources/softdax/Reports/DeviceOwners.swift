internal import MemoryFailure
internal import OwnerIndex
internal import PmemBase
internal import Wire

/// Whose pages of an emulated device, or of a mount's, are, who maps them, and what their failure would do: the answer of `softdax owners DEV`.
struct DeviceOwners: Encodable {
  struct Mapper: Encodable {
    let pid: Int32
    let comm: String
    let address: String
    let lsb: UInt32
    let present: Bool
    let policy: String
  }

  struct Run: Encodable {
    let block: UInt64
    let count: UInt64
  }

  /// What a machine check that nobody consumed would do, and on which kernels.
  struct KillList: Encodable {
    var kernels: [String]
    let outcome: String
    let unmapped: UInt64
    let signals: [PredictionReport.Signal]
    let passedOver: [PredictionReport.Passed]
  }

  struct Folio: Encodable {
    let pfn: UInt64
    let offset: UInt64
    let length: UInt64
    let refcount: UInt32
    let mapcount: UInt32
    let badBlocks: [Run]
    let injected: [Run]
    /// Of a mounted filesystem's device.
    let owners: [OwnerRow]?
    let mappers: [Mapper]
    let machineCheck: [KillList]
  }

  let device: String
  /// The kernel of the host maps the files: no mapper is known, nor who would be signalled.
  let mappedByHost: Bool?
  let folios: [Folio]

  /// Folios that are shown at once.
  static let most: UInt64 = 4096

  /// Asks the server.
  ///
  /// - Parameter bytes: of the device, not empty.
  init(_ running: RunningServer, _ target: DeviceInfo, _ bytes: Range<UInt64>) throws {
    guard bytes.upperBound <= target.size else {
      throw CommandFailure(
        "bytes \(bytes.lowerBound) to \(bytes.upperBound - 1) are not all on \(target.name), which has \(target.size)"
      )
    }
    let size = target.alignment
    let numbers = bytes.lowerBound / size...(bytes.upperBound - 1) / size
    guard numbers.count <= Self.most else {
      throw CommandFailure(
        "\(numbers.count) pages at once; give a range of \(Self.most) pages of \(size) bytes or less"
      )
    }
    device = target.name
    mappedByHost = target.isMappedByHost ? true : nil
    let known = try running.ask { client throws(WireError) in
      try client.errors(device: target.index, list: .known)
    }
    let injected = try running.ask { client throws(WireError) in
      try client.errors(device: target.index, list: .injected)
    }
    let asked = numbers.map { max(($0 * size) >> 12, bytes.lowerBound >> 12) }
    let owners =
      target.mountpoint.isEmpty ? nil : try Self.owners(running, target, of: asked)
    folios = try zip(numbers, asked).enumerated().map { place, numbers in
      let (number, asked) = numbers
      let page = (number * size) >> 12
      let counts = try running.ask { client throws(WireError) in
        try client.pages(device: target.index, first: page, count: 1)
      }
      let mappers = try running.ask { client throws(WireError) in
        try client.owners(device: target.index, page: asked)
      }
      let sectors = (number * size) >> 9..<((number + 1) * size) >> 9
      func runs(_ all: [Range<UInt64>]) -> [Run] {
        all.filter { $0.overlaps(sectors) }.map { $0.clamped(to: sectors) }.map {
          Run(block: $0.lowerBound, count: UInt64($0.count))
        }
      }
      return Folio(
        pfn: page, offset: number * size, length: size, refcount: counts.first?.refcount ?? 0,
        mapcount: counts.first?.mapcount ?? 0, badBlocks: runs(known), injected: runs(injected),
        owners: owners?[place],
        mappers: mappers.map {
          Mapper(
            pid: $0.process, comm: $0.command, address: hexadecimal($0.address),
            lsb: UInt32($0.shift),
            present: $0.isPresent, policy: $0.policy.rawValue)
        },
        machineCheck: try Self.killLists(running, target, page))
    }
  }

  /// Whose pages of a mount are, page by page.
  private static func owners(
    _ running: RunningServer, _ target: DeviceInfo, of pages: [UInt64]
  ) throws -> [[OwnerRow]] {
    let found = try pages.map { page in
      try running.ask { client throws(WireError) in
        try client.blockOwners(device: target.index, page: page)
      }
    }
    let named = Set(found.joined().filter { $0.links > 0 }.compactMap(\.owner.inode)).sorted()
    let paths = try running.ask { client throws(WireError) in
      try client.paths(device: target.index, inodes: named)
    }
    return found.map { holdings in
      guard !holdings.isEmpty else { return [OwnerRow(type: "free")] }
      return holdings.map { holding in
        var row = OwnerRow(holding)
        row.path = row.inode.flatMap { paths[$0] }.map { target.mountpoint + $0 }
        return row
      }
    }
  }

  /// What every kernel would do; those that do the same together.
  private static func killLists(
    _ running: RunningServer, _ target: DeviceInfo, _ page: UInt64
  ) throws -> [KillList] {
    var lists: [(prediction: Prediction, list: KillList)] = []
    for kernel in KernelBehavior.allCases {
      let prediction = try running.ask { client throws(WireError) in
        try client.predict(
          device: target.index, page: page, kind: .machineCheck, process: nil, kernel: kernel)
      }
      if let same = lists.firstIndex(where: { $0.prediction == prediction }) {
        lists[same].list.kernels.append(kernel.shortName)
        continue
      }
      let report = PredictionReport(page: page, prediction)
      lists.append(
        (
          prediction,
          KillList(
            kernels: [kernel.shortName], outcome: report.outcome, unmapped: report.unmapped,
            signals: report.signals, passedOver: report.passedOver)
        ))
    }
    return lists.map(\.list)
  }

  var text: String { folios.map { text($0) }.joined(separator: "\n") }

  private func text(_ folio: Folio) -> String {
    var text =
      "\(device): page \(folio.pfn), bytes \(folio.offset) to \(folio.offset + folio.length - 1); "
      + "refcount \(folio.refcount), mapcount \(folio.mapcount)\n"
    for (name, runs) in [("bad blocks", folio.badBlocks), ("injected", folio.injected)]
    where !runs.isEmpty {
      text +=
        "\(name): " + runs.map { "\($0.block)+\($0.count)" }.joined(separator: ", ") + "\n"
    }
    if let owners = folio.owners { text += owners.text }
    if mappedByHost == true {
      text +=
        "files of this mount are mapped by the host's kernel: who maps it is not known, and nobody is signalled\n"
    } else if folio.mappers.isEmpty {
      text += "no process maps it\n"
    } else {
      var table = TextTable([
        ("pid", .right), ("command", .left), ("address", .right), ("lsb", .right),
        ("page", .left), ("policy", .left),
      ])
      for mapper in folio.mappers {
        table.add([
          "\(mapper.pid)", mapper.comm, mapper.address, "\(mapper.lsb)",
          mapper.present ? "present" : "absent", mapper.policy,
        ])
      }
      text += table.text
    }
    for list in folio.machineCheck
    where mappedByHost != true || list.outcome == Prediction.Outcome.shutdown.rawValue {
      text +=
        "a machine check that nobody consumed, on Linux \(list.kernels.joined(separator: ", ")): "
        + Self.text(list) + "\n"
    }
    return text
  }

  private static func text(_ list: KillList) -> String {
    let signals =
      list.signals.isEmpty
      ? "nobody is signalled"
      : list.signals.map {
        "\($0.comm) (\($0.pid), thread \($0.tid)) gets \($0.code) at \($0.address), lsb \($0.lsb)"
      }.joined(separator: "; ") + "; \(list.unmapped) bytes are unmapped everywhere"
    switch Prediction.Outcome(rawValue: list.outcome) {
    case .unknownOwner: return "EBUSY, no process has ever had the page"
    case .ioError: return "EIO, the filesystem has shut down and finds no owner"
    case .panic: return "the machine stops"
    case .shutdown: return signals + "; the filesystem shuts down"
    case .handled, .later, nil: return signals
    }
  }
}
