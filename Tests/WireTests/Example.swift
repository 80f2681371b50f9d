internal import CWire
internal import Latency
internal import MemoryFailure
internal import OwnerIndex
internal import PmemBase

@testable internal import Wire

/// One message of each kind, every field with a value of its own.
enum Example {
  /// As the shim sends them, and what they mean.
  static let requests: [(bytes: [UInt8], meaning: String)] = {
    var attach = sd_attach()
    attach.header = Codec.header(SD_ATTACH)
    attach.pid = 4711
    attach.flags = SD_ATTACH_USER_MODE_ONLY
    Codec.put("fio", into: &attach.command)
    let map = sd_map(
      header: Codec.header(SD_MAP), token: .max, address: 2, length: 3, offset: 4, device: 5,
      access: 6, protection: 7, flags: 8, file: 9)
    let mapped = sd_mapped(
      header: Codec.header(SD_MAPPED), error: -12, reserved: 0, address: 2, length: 3)
    let adopt = sd_adopt(
      header: Codec.header(SD_ADOPT), token: 1, address: 2, length: 3, offset: 4, entered: 9,
      device: 5, access: 6, protection: 7, is_private: 1, file: 8)
    let change = sd_change(
      header: Codec.header(SD_CHANGE), token: 1, address: 2, length: 3, argument: 4, target: 5,
      scratch: 6, operation: SD_MOVE.rawValue, flags: 8)
    let changed = sd_changed(
      header: Codec.header(SD_CHANGED), error: -22, reserved: 0, address: 2, length: 3)
    let populate = sd_populate(
      header: Codec.header(SD_POPULATE), token: 1, address: 2, length: 3)
    let write = sd_write_attribute(
      header: Codec.header(SD_WRITE_ATTRIBUTE), node_dev: 1, node_ino: 2, length: 3, reserved: 0)
    let control = sd_control(
      header: Codec.header(SD_CONTROL), request: .max, access: 2, length: 4)
    let poison = sd_poison(
      header: Codec.header(SD_POISON), token: 1, address: 2, thread: 3, advice: 101)
    let set = sd_set(
      header: Codec.header(SD_SET), setting: SD_SETTING_RECOVERY.rawValue, value: 2)
    let locate = sd_locate(header: Codec.header(SD_LOCATE), address: .max)
    let done = sd_done(header: Codec.header(SD_DONE), error: -5, reserved: 0)
    let asked: [Request] =
      [
        .getServer, .getDevice(3), .getPages(device: 1, first: 2, count: 3),
        .getLatency(device: 1, .install, first: 2),
        .inject(Request.Injection(device: 1, kind: .poison, first: 2, count: 3)),
        .inject(Request.Injection(device: 1, kind: .latent, first: .max, count: 0)),
        .inject(
          Request.Injection(device: 1, kind: .machineCheck, first: 2, count: 3, dataStays: true)),
        .inject(
          Request.Injection(
            device: 1, kind: .media, first: 2, count: 3, after: .max, process: 5)),
        .clearErrors(device: 1, first: 2, count: 3),
        .withdraw(device: 1, first: 2, count: 3),
        .getErrors(device: 1, .injected, first: 2), .getErrors(device: 1, .known, first: .max),
        .scrub(starts: true), .scrub(starts: false),
        .getOwners(device: 1, page: .max, first: 2),
        .getBlockOwners(device: 1, page: .max, first: 2),
        .getArmed(device: 1, first: 2), .getPaths(device: 1, inodes: []),
        .getPaths(device: 1, inodes: [2, .max]),
        .predict(device: 1, page: 2, kind: .poison, process: nil, kernel: nil, first: 3),
      ]
      + KernelBehavior.allCases.map {
        .predict(device: 1, page: 2, kind: .machineCheck, process: 4, kernel: $0, first: 0)
      } + [
        .watch(pages: true), .watch(pages: false), .unbind(device: 3),
      ]
    return [
      (
        Codec.bytes(of: attach),
        "\(Request.attach(Request.Attach(command: "fio")))"
      ),
      (
        Codec.bytes(of: map),
        "\(Request.map(Request.Map(token: .max, address: 2, length: 3, offset: 4, device: 5, access: 6, protection: 7, flags: 8, file: 9)))"
      ),
      (
        Codec.bytes(of: mapped),
        "\(Request.mapped(Request.Mapped(error: -12, address: 2, length: 3)))"
      ),
      (
        Codec.bytes(of: adopt),
        "\(Request.adopt(Request.Adopt(token: 1, address: 2, length: 3, offset: 4, entered: 9, device: 5, access: 6, protection: 7, file: 8, isPrivate: true)))"
      ),
      (
        Codec.bytes(of: change),
        "\(Request.change(Request.Change(token: 1, operation: .move, address: 2, length: 3, argument: 4, target: 5, scratch: 6, flags: 8)))"
      ),
      (
        Codec.bytes(of: changed),
        "\(Request.changed(Request.Changed(error: -22, address: 2, length: 3)))"
      ),
      (
        Codec.bytes(of: populate),
        "\(Request.populate(Request.Populate(token: 1, address: 2, length: 3)))"
      ),
      (
        Codec.bytes(of: write) + [4, 5, 6],
        "\(Request.writeAttribute(Request.WriteAttribute(fileDevice: 1, fileInode: 2, bytes: [4, 5, 6])))"
      ),
      (
        Codec.bytes(of: control) + [5, 6, 7, 8],
        "\(Request.control(Request.Control(request: .max, access: 2, envelope: [5, 6, 7, 8])))"
      ),
      (Codec.bytes(of: set), "\(Request.set(.recovery, true))"),
      (Codec.bytes(of: locate), "\(Request.locate(address: .max))"),
      (
        Codec.bytes(of: poison),
        "\(Request.poison(Request.Poison(token: 1, address: 2, thread: 3, isSoftOffline: true)))"
      ),
      (Codec.bytes(of: done), "\(Request.done(error: -5))"),
    ] + asked.map { (try! $0.encoded, "\($0)") }
  }()

  static func device(_ medium: MediumKind) -> DeviceInfo {
    DeviceInfo(
      index: 0, name: "dax1.2", medium: medium, mediumPath: "/mnt/ä/pmem", size: 1,
      alignment: 2, resource: 3, mappedPages: 4, insertedEver: 5, faultsEver: 6,
      pagemapReferences: 7, major: 8, minor: 9, targetNode: -1, workloads: 11,
      mountpoint: "/mnt/ä", isMappedByHost: true)
  }

  /// As the server answers tools.
  static let replies: [Reply] =
    [
      .done(error: 0), .done(error: -19),
      .server(
        ServerInfo(
          pid: 4711, devices: 2, workloads: 3, attachedEver: .max, directory: "/run/softdax/4711")),
      .device(device(.memfd)),
      .cleared(bytes: .max),
      .pages([], next: 0),
      .pages(
        (0..<UInt64(Reply.pagesPerMessage)).map {
          PageInfo(
            pfn: $0, physical: $0 << 12, order: 9, isIdle: $0 % 2 == 0, refcount: 1, mapcount: 2,
            pincount: 3, share: 4)
        }, next: .max),
      .latency(LatencySnapshot(), next: 0),
      .latency(
        LatencySnapshot(
          buckets: (0..<UInt32(Reply.bucketsPerMessage)).map { ($0 * 8, UInt64($0) + 1) },
          minimum: 0, maximum: 4090), next: 4096),
      .cleared(bytes: .max),
      .errors([], next: 0), .errors([0..<8, 9..<(.max)], next: 10), .scrubbed(count: 7),
      .owners([], next: 0),
      .owners(
        [KillPolicy.standard, .early, .late].map {
          PageMapper(
            process: 1, command: "fio", address: .max, shift: 21, isPresent: $0 == .late, policy: $0
          )
        }, next: 3),
      .armed([], next: 0),
      .armed(
        InjectionRule.Kind.allCases.map {
          WaitingError(sectors: $0 == .poison ? nil : 2..<5, kind: $0, faults: .max)
        }, next: 4),
      .blockOwners([], next: 0),
      .blockOwners(
        ([.file(inode: 1, page: .max), .extentMap(inode: .max), .attributes(inode: 1)]
          + BlockOwner.Metadata.allCases.map { .metadata($0) }).map { (owner: BlockOwner) in
            BlockHolding(
              owner: owner, links: owner.inode == nil ? 0 : .max, isShared: owner.filePage != nil,
              isUnwritten: owner.inode == nil)
          }, next: 3),
      .paths([]), .paths(["", "/a", "/ä/b"]), .paths([""]),
    ] + Prediction.Outcome.allCases.map { .prediction(Prediction(outcome: $0), next: 0) } + [
      .prediction(
        Prediction(
          outcome: .handled, unmapShift: 30,
          verdicts: Verdict.Kind.allCases.map {
            Verdict(kind: $0, process: 1, command: "fio", thread: 2, address: 3, shift: 4)
          }), next: 5),
      .events([], lost: 3),
      .events(
        Happening.Kind.allCases.map { kind in
          var event = Happening(kind)
          event.sequence = 1
          event.time = 2
          event.device = kind == .end ? nil : 3
          event.bytes = kind == .end ? nil : 4096..<8192
          event.process = 4
          event.command = "fio"
          event.thread = 5
          event.address = 6
          event.code = 7
          event.shift = 8
          event.error = 9
          return event
        }, lost: .max),
    ]
}
