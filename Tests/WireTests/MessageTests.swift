internal import CWire
internal import Latency
internal import PmemBase
internal import Testing

@testable internal import Wire

/// Messages mean the same at both ends.
@Suite struct `Messages` {
  /// Catches a Swift view of a C struct that is larger or smaller than the shim's.
  @Test func `structs have the sizes of the C header, without holes`() {
    func size<T>(_ type: T.Type) -> [Int] { [MemoryLayout<T>.size, MemoryLayout<T>.stride] }
    #expect(size(sd_header.self) == [8, 8])
    #expect(size(sd_done.self) == [16, 16])
    #expect(size(sd_table_header.self) == [16, 16])
    #expect(size(sd_table_entry.self) == [120, 120])
    #expect(size(sd_attach.self) == [48, 48])
    #expect(size(sd_attached.self) == [24, 24])
    #expect(size(sd_device_fd.self) == [16, 16])
    #expect(size(sd_insert.self) == [48, 48])
    #expect(size(sd_put.self) == [48, 48])
    #expect(size(sd_map.self) == [64, 64])
    #expect(size(sd_map_plan.self) == [40, 40])
    #expect(size(sd_mapped.self) == [32, 32])
    #expect(size(sd_adopt.self) == [72, 72])
    #expect(size(sd_change.self) == [64, 64])
    #expect(size(sd_change_plan.self) == [48, 48])
    #expect(size(sd_changed.self) == [32, 32])
    #expect(size(sd_populate.self) == [32, 32])
    #expect(size(sd_write_attribute.self) == [32, 32])
    #expect(size(sd_control.self) == [24, 24])
    #expect(size(sd_controlled.self) == [16, 16])
    #expect(size(sd_inject.self) == [48, 48])
    #expect(size(sd_get_errors.self) == [24, 24])
    #expect(size(sd_range.self) == [16, 16])
    #expect(size(sd_errors.self) == [24, 24])
    #expect(size(sd_scrub.self) == [16, 16])
    #expect(size(sd_scrubbed.self) == [16, 16])
    #expect(size(sd_get_owners.self) == [24, 24])
    #expect(size(sd_owner.self) == [40, 40])
    #expect(size(sd_owners.self) == [16, 16])
    #expect(size(sd_get_armed.self) == [16, 16])
    #expect(size(sd_armed_error.self) == [32, 32])
    #expect(size(sd_armed.self) == [16, 16])
    #expect(size(sd_block_owner.self) == [32, 32])
    #expect(size(sd_block_owners.self) == [16, 16])
    #expect(size(sd_get_paths.self) == [16, 16])
    #expect(size(sd_paths.self) == [16, 16])
    #expect(size(sd_predict.self) == [40, 40])
    #expect(size(sd_verdict.self) == [40, 40])
    #expect(size(sd_prediction.self) == [24, 24])
    #expect(size(sd_watch.self) == [16, 16])
    #expect(size(sd_happening.self) == [88, 88])
    #expect(size(sd_events.self) == [24, 24])
    #expect(size(sd_bucket_count.self) == [16, 16])
    #expect(size(sd_server.self) == [168, 168])
    #expect(size(sd_get_device.self) == [16, 16])
    #expect(size(sd_device.self) == [632, 632])
    #expect(size(sd_get_pages.self) == [32, 32])
    #expect(size(sd_page.self) == [40, 40])
    #expect(size(sd_pages.self) == [24, 24])
    #expect(size(sd_get_latency.self) == [24, 24])
    #expect(size(sd_latency_reply.self) == [32, 32])
    #expect(size(sd_set.self) == [16, 16])
    #expect(size(sd_locate.self) == [16, 16])
    #expect(size(sd_located.self) == [24, 24])
  }

  /// Catches a list that fills more than a message, which the other end would refuse.
  @Test func `the longest messages fit a datagram`() {
    let limit = Int(SD_MAX_MESSAGE)
    #expect(
      MemoryLayout<sd_pages>.size + Reply.pagesPerMessage * MemoryLayout<sd_page>.size <= limit)
    #expect(
      MemoryLayout<sd_latency_reply>.size
        + Reply.bucketsPerMessage * MemoryLayout<sd_bucket_count>.size <= limit)
    #expect(
      MemoryLayout<sd_block_owners>.size
        + Reply.blockOwnersPerMessage * MemoryLayout<sd_block_owner>.size <= limit)
    for count in [1, 100, 60_000, 200_000] {
      let long = Reply.paths(
        fitting: Array(repeating: "/" + String(repeating: "ä", count: count), count: 1000))
      #expect(long.encoded.count <= limit)
    }
  }

  /// Catches a path that is lost because others are long, or that is so long itself.
  @Test func `of paths as many are told as fit, and one at least`() throws {
    func told(_ all: [String]) throws -> [String] {
      guard
        case .paths(let paths) = try Reply(decoding: Reply.paths(fitting: all).encoded[...])
      else { throw WireError.unexpected(type: 0) }
      return paths
    }
    let middle = "/" + String(repeating: "m", count: 20_000)
    #expect(try told(["/a", "", "/b"]) == ["/a", "", "/b"])
    #expect(try told([middle, middle, middle, middle]) == [middle, middle, middle])
    let long = try told(["/" + String(repeating: "ä", count: 70_000) + "/end", "/b"])
    #expect(long.count == 1 && long[0].hasPrefix("...ä") && long[0].hasSuffix("ä/end"))
    #expect(try told([]) == [])
  }

  // MARK: Workload to server

  /// Catches fields that are swapped, cut or left out between the shim and the server.
  @Test func `what the shim sends is what the server reads`() throws {
    for example in Example.requests {
      let request = try Request(decoding: example.bytes[...])
      #expect("\(request)" == example.meaning)
    }
    #expect(Set(Example.requests.map { $0.bytes[6] }).count >= 12, "one for each type")
  }

  /// Catches an operation or a figure with a number of its own in Swift.
  @Test func `every operation and figure has the number of the C header`() throws {
    let operations: [(sd_operation, String)] = [
      (SD_UNMAP, "unmap"), (SD_ZAP, "zap"), (SD_PROTECT, "protect"), (SD_MOVE, "move"),
      (SD_SYNC, "sync"), (SD_ADVISE, "advise"),
    ]
    for (number, name) in operations {
      #expect(Request.Change.Operation(wire: number.rawValue).map { "\($0)" } == name)
    }
    for number in [0, 7, .max] as [UInt32] {
      #expect(Request.Change.Operation(wire: number) == nil)
    }
    let figures: [(LatencyKind, sd_latency)] = [
      (.insert, SD_LATENCY_INSERT), (.lookup, SD_LATENCY_LOOKUP),
      (.install, SD_LATENCY_INSTALL),
    ]
    #expect(figures.map(\.0) == LatencyKind.allCases)
    for (kind, number) in figures { #expect(kind.wire == number.rawValue) }
  }

  /// Catches a ring that is read past its end, an entry that is half written, or one that stands in another's place.
  @Test func `the latest handled signals are read by their numbers, whatever the bytes`() {
    var ring = [UInt8](repeating: 0, count: HandledRing.bytes)
    #expect(HandledRing.count(ring) == 0)
    #expect(HandledRing.count([]) == 0)
    #expect(HandledRing.entry(0, in: ring) == nil)
    #expect(HandledRing.entry(0, in: []) == nil)
    func note(_ turn: Int) {
      let entry = sd_handled(
        address: UInt64(turn), time: 1, thread: 2, code: 4, shift: 21, turn: UInt32(turn + 1))
      ring.replaceSubrange(
        (32 + turn % 127 * 32)..<(64 + turn % 127 * 32), with: Codec.bytes(of: entry))
      ring.replaceSubrange(0..<8, with: Codec.bytes(of: UInt64(turn + 1)))
    }
    for turn in 0..<130 { note(turn) }
    #expect(HandledRing.count(ring) == 130)
    #expect((0..<3).allSatisfy { HandledRing.entry($0, in: ring) == nil })
    #expect((3..<130).allSatisfy { HandledRing.entry($0, in: ring)?.address == $0 })
    #expect(HandledRing.entry(130, in: ring) == nil)
    ring.replaceSubrange(0..<8, with: Codec.bytes(of: UInt64.max))
    #expect(HandledRing.count(ring) == Int(UInt32.max))
    #expect(HandledRing.entry(.max, in: ring) == nil)
  }

  // MARK: Server to shim

  /// Catches a plan that the shim reads as another one.
  @Test func `what the server answers is what the shim reads`() throws {
    func read<T: BitwiseCopyable>(_ type: T.Type, _ reply: Reply) throws -> T {
      try Codec.exactly(type, reply.encoded[...])
    }
    let done = try read(sd_done.self, .done(error: -22))
    #expect(done.header.type == UInt16(SD_DONE.rawValue))
    #expect(done.header.magic == SD_WIRE_MAGIC)
    #expect(done.header.version == UInt16(SD_WIRE_VERSION))
    #expect(done.error == -22)

    let attached = try read(
      sd_attached.self, .attached(error: -1, token: 0x1122_3344_5566_7788, nonce: 77))
    #expect(attached.header.type == UInt16(SD_ATTACHED.rawValue))
    #expect(attached.error == -1)
    #expect(attached.token == 0x1122_3344_5566_7788)
    #expect(attached.nonce == 77)

    let poisoned = try read(
      sd_poisoned.self, .poisoned(Reply.Poisoned(error: 0, step: 2, signal: (3, 21))))
    #expect(poisoned.header.type == UInt16(SD_POISONED.rawValue))
    #expect(poisoned.flags == SD_POISONED_SIGNAL)
    #expect([poisoned.step, poisoned.address, UInt64(poisoned.shift)] == [2, 3, 21])
    let refused = try read(sd_poisoned.self, .poisoned(Reply.Poisoned(error: -5)))
    #expect(refused.error == -5 && refused.flags == 0)

    for isExclusive in [true, false] {
      let located = try read(
        sd_located.self,
        .located(Reply.Location(device: 1, physical: 2 << 12, isExclusive: isExclusive)))
      #expect(located.header.type == UInt16(SD_LOCATED.rawValue))
      #expect(located.device == 1 && located.physical == 2 << 12)
      #expect(
        located.flags
          == SD_LOCATED_FILE_OR_SHARED | (isExclusive ? SD_LOCATED_EXCLUSIVE : 0))
    }

    for mapsMedium in [true, false] {
      let plan = try read(
        sd_map_plan.self,
        .mapPlan(
          Reply.MapPlan(
            error: 0, mapsMedium: mapsMedium, length: 1, alignment: 2, congruence: 3)))
      #expect(plan.header.type == UInt16(SD_MAP_PLAN.rawValue))
      #expect(plan.window == (mapsMedium ? SD_WINDOW_FILE : SD_WINDOW_ANONYMOUS).rawValue)
      #expect([plan.length, plan.alignment, plan.congruence] == [1, 2, 3])
    }

    let effects: [(Reply.ChangePlan.Effect, UInt32)] = [
      (.perform, 0), (.nothing, SD_PLAN_NOTHING), (.populated, SD_PLAN_POPULATE),
    ]
    for (effect, flags) in effects {
      let plan = try read(
        sd_change_plan.self,
        .changePlan(
          Reply.ChangePlan(
            error: -13, effect: effect, address: 4, length: 5, alignment: 6, congruence: 7)))
      #expect(plan.header.type == UInt16(SD_CHANGE_PLAN.rawValue))
      #expect(plan.error == -13)
      #expect(plan.flags == flags)
      #expect([plan.address, plan.length, plan.alignment, plan.congruence] == [4, 5, 6, 7])
    }

    let descriptor = try read(sd_device_fd.self, .deviceDescriptor(device: 63))
    #expect(descriptor.header.type == UInt16(SD_DEVICE_FD.rawValue))
    #expect(descriptor.device == 63)

    let place = try read(
      sd_put.self,
      .place(
        Reply.Place(.isPrivate, address: 1, length: 2, offset: 3, device: 4, protection: 5)))
    #expect(place.header.type == UInt16(SD_PUT.rawValue))
    #expect([place.address, place.length, place.offset] == [1, 2, 3])
    #expect([place.device, place.protection, place.piece] == [4, 5, SD_PIECE_PRIVATE.rawValue])
    let insert = try read(
      sd_insert.self,
      .insert(
        Reply.Insert(
          address: 1, length: 2, offset: 3, device: 4, protection: 5, content: .nothing)))
    #expect(insert.header.type == UInt16(SD_INSERT.rawValue))
    #expect([insert.address, insert.length, insert.offset] == [1, 2, 3])
    #expect(
      [insert.device, insert.protection, insert.content] == [4, 5, SD_CONTENT_NOTHING.rawValue])

    for kept in [0, 3, Int(SD_ENVELOPE_MOST)] {
      let bytes = Reply.controlled(result: -25, bytes: Array(repeating: 7, count: kept)).encoded
      #expect(bytes.count == 16 + Int(SD_ENVELOPE_MOST), "the shim's answer is of one size")
      let controlled = try #require(Codec.value(sd_controlled.self, in: bytes[...]))
      #expect(controlled.header.type == UInt16(SD_CONTROLLED.rawValue))
      #expect(controlled.result == -25)
      #expect(controlled.length == UInt32(kept))
      #expect(bytes[16...].prefix { $0 == 7 }.count == kept)
    }
  }

  // MARK: Tools, both ways

  /// Catches a question of the tools that the server understands as another one.
  @Test func `the tools' requests decode to themselves`() throws {
    let requests: [Request] = [
      .getServer, .getDevice(0), .getDevice(Int(UInt32.max)),
      .getPages(device: 63, first: .max, count: 1 << 40),
    ]
    for request in requests {
      #expect("\(try Request(decoding: try request.encoded[...]))" == "\(request)")
    }
    for kind in LatencyKind.allCases {
      let request = Request.getLatency(device: 5, kind, first: 4351)
      #expect("\(try Request(decoding: try request.encoded[...]))" == "\(request)")
    }
  }

  /// Catches a reply that says something else to the tools than the server meant.
  @Test func `the server's answers to tools decode to themselves`() throws {
    for reply in Example.replies {
      #expect("\(try Reply(decoding: reply.encoded[...]))" == "\(reply)")
    }
    for medium in MediumKind.allCases {
      guard
        case .device(let info) = try Reply(
          decoding: Reply.device(Example.device(medium)).encoded[...])
      else {
        Issue.record("\(medium) is no device any more")
        continue
      }
      #expect(info == Example.device(medium))
    }
  }

  /// Catches text that overruns its field, or that lets the next field show through.
  @Test func `text that is too long is cut, and still ends`() throws {
    var info = Example.device(.file)
    info.name = String(repeating: "n", count: 500)
    info.mediumPath = String(repeating: "p", count: 500)
    guard case .device(let decoded) = try Reply(decoding: Reply.device(info).encoded[...])
    else {
      Issue.record("no device")
      return
    }
    #expect(decoded.name == String(repeating: "n", count: 31))
    #expect(decoded.mediumPath == String(repeating: "p", count: 255))
    #expect(decoded.size == info.size)
  }

  // MARK: The table

  /// Catches a table in which the shim finds the wrong device, or none.
  @Test func `the device table is what the shim reads`() throws {
    let table = DeviceTable(entries: [
      DeviceTable.Entry(
        path: "/dev/dax0.0", file: "dev/dax0.0", fileDevice: 11, fileInode: 12, major: 13,
        minor: 14,
        node: .dax(device: 3, size: 1 << 40, alignment: 2 << 20, mapsMedium: false)),
      DeviceTable.Entry(
        path: "/dev/ndctl0", file: "dev/ndctl0", fileDevice: 21, fileInode: 22, major: 23,
        minor: 24, node: .ndctl),
    ])
    let bytes = table.encoded
    let header = try #require(Codec.value(sd_table_header.self, in: bytes[...]))
    #expect(header.magic == SD_WIRE_MAGIC)
    #expect(header.version == SD_WIRE_VERSION)
    #expect(header.count == 2)
    #expect(bytes.count == 16 + 2 * 120)
    let first = try #require(Codec.value(sd_table_entry.self, in: bytes[16...]))
    #expect(Codec.text(first.path) == "/dev/dax0.0")
    #expect(Codec.text(first.file) == "dev/dax0.0")
    #expect([first.node_dev, first.node_ino] == [11, 12])
    #expect([first.major, first.minor, first.device] == [13, 14, 3])
    #expect([first.size, first.alignment] == [1 << 40, 2 << 20])
    #expect(first.node == SD_NODE_DAX.rawValue)
    #expect(first.window == SD_WINDOW_ANONYMOUS.rawValue)
    let second = try #require(Codec.value(sd_table_entry.self, in: bytes[136...]))
    #expect(Codec.text(second.path) == "/dev/ndctl0")
    #expect(second.node == SD_NODE_NDCTL.rawValue)
    #expect([second.size, second.alignment] == [0, 0])
  }
}
