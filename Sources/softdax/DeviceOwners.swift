internal import MemoryFailure
internal import PmemBase
internal import Wire

/// Whose pages of an emulated device are, and what their failure would do: the answer of `softdax owners DEV`.
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
    let kernels: [String]
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
    let mappers: [Mapper]
    let machineCheck: [KillList]
  }

  let device: String
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
    let known = try running.ask { client throws(WireError) in
      try client.errors(device: target.index, list: .known)
    }
    let injected = try running.ask { client throws(WireError) in
      try client.errors(device: target.index, list: .injected)
    }
    folios = try numbers.map { number in
      let page = (number * size) >> 12
      let asked = max(page, bytes.lowerBound >> 12)
      let counts = try running.ask { client throws(WireError) in
        try client.pages(device: target.index, first: page, count: 1)
      }
      let owners = try running.ask { client throws(WireError) in
        try client.owners(device: target.index, page: asked)
      }
      let prediction = PredictionReport(
        page: page,
        try running.ask { client throws(WireError) in
          try client.predict(
            device: target.index, page: page, kind: .machineCheck, process: nil)
        })
      let sectors = (number * size) >> 9..<((number + 1) * size) >> 9
      func runs(_ all: [Range<UInt64>]) -> [Run] {
        all.filter { $0.overlaps(sectors) }.map { $0.clamped(to: sectors) }.map {
          Run(block: $0.lowerBound, count: UInt64($0.count))
        }
      }
      return Folio(
        pfn: page, offset: number * size, length: size, refcount: counts.first?.refcount ?? 0,
        mapcount: counts.first?.mapcount ?? 0, badBlocks: runs(known), injected: runs(injected),
        mappers: owners.map {
          Mapper(
            pid: $0.process, comm: $0.command, address: hexadecimal($0.address),
            lsb: UInt32($0.shift),
            present: $0.isPresent, policy: $0.policy.rawValue)
        },
        machineCheck: [
          // The handler's rules for device-dax are the same in all of them.
          KillList(
            kernels: KernelBehavior.allCases.map(\.shortName), outcome: prediction.outcome,
            unmapped: prediction.unmapped, signals: prediction.signals,
            passedOver: prediction.passedOver)
        ])
    }
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
    if folio.mappers.isEmpty {
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
    for list in folio.machineCheck {
      text +=
        "a machine check that nobody consumed, on Linux \(list.kernels.joined(separator: ", ")): "
      if list.outcome == Prediction.Outcome.unknownOwner.rawValue {
        text += "EBUSY, no process has ever had the page\n"
        continue
      }
      text +=
        list.signals.isEmpty
        ? "nobody is signalled\n"
        : list.signals.map {
          "\($0.comm) (\($0.pid), thread \($0.tid)) gets \($0.code) at \($0.address), lsb \($0.lsb)"
        }
        .joined(separator: "; ") + "; \(list.unmapped) bytes are unmapped everywhere\n"
    }
    return text
  }
}
