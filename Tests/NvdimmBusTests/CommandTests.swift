internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import NvdimmBus

@Suite struct `commands of the control device` {
  private static let notTheirs = Errno(rawValue: 25)
  private let base = Rig.devices[0].resource
  private let second = Rig.devices[1].resource

  private func ioctl(
    _ rig: Rig, _ request: UInt64, _ envelope: [UInt8], readOnly: Bool = false
  ) throws(Errno) -> (result: Int32, bytes: [UInt8]) {
    try rig.bus.control(request: request, isReadOnly: readOnly, envelope: envelope)
  }

  private func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    StructReader(bytes).number(UInt32.self, at: offset) ?? .max
  }

  private func long(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    StructReader(bytes).number(UInt64.self, at: offset) ?? .max
  }

  /// Catches a field at the wrong place: libndctl clamps injections to the clear unit, and asks for as many records as fit.
  @Test func `ars_cap says that scrubs of persistent memory work, and the unit of 256 bytes`()
    throws
  {
    let rig = try Rig()
    for range in [Command.range(base, 64 << 20), Command.range(second + 4096, 512)] {
      let answer = try ioctl(rig, Command.arsCap, range + Command.room(16))
      #expect(answer.result == 0)
      #expect(answer.bytes.count == 32 && Array(answer.bytes[..<16]) == range)
      #expect(word(answer.bytes, 16) == 2 << 16)
      #expect(word(answer.bytes, 20) == 4096)
      #expect(word(answer.bytes, 24) == 256)
      #expect(word(answer.bytes, 28) == 0)
    }
  }

  /// Catches an address that is added to until it wraps, or that reaches into the neighbour.
  @Test func `an address outside the devices is status 2, and nothing changes`() throws {
    let rig = try Rig()
    let size = Rig.devices[0].size
    let before = rig.facts()
    let outside: [(UInt64, UInt64)] = [
      (base - 256, 512), (base + size, 256), (base + size - 256, 512), (base, 0), (0, 256),
      (.max, 256), (.max - 255, 256), (base, .max), (base, size + 256),
    ]
    for (address, length) in outside {
      let range = Command.range(address, length)
      #expect(
        word(try ioctl(rig, Command.arsCap, range + Command.room(16)).bytes, 16) == 2)
      let start = range + Command.bytes { $0.append(UInt64(2)) } + Command.room(8)
      #expect(word(try ioctl(rig, Command.arsStart, start).bytes, 24) == 2)
      let clear = try ioctl(rig, Command.clearError, range + Command.room(16))
      #expect(word(clear.bytes, 16) == 2 && long(clear.bytes, 24) == 0)
      for function in [7, 8] as [UInt64] {
        let package = Command.package(function, range + [1], room: 4)
        #expect(word(try ioctl(rig, Command.call, package).bytes, 64 + 17) == 2)
      }
    }
    #expect(rig.facts() == before)
  }

  /// Catches an injection that everybody knows of at once, or that a scrub does not find; and the wrong device.
  @Test func `an injection without notice is found by a scrub`() throws {
    let rig = try Rig()
    let answer = try ioctl(
      rig, Command.call, Command.inject(second + 8 * 512, 256, notify: false))
    #expect(answer.result == 0)
    #expect(word(answer.bytes, 60) == 4, "nd_fw_size")
    #expect(word(answer.bytes, 64 + 17) == 0)
    #expect(rig.media.poisoned(device: 1) == [4096..<4352])
    #expect(rig.text("bus/nd/devices/region1/badblocks") == "")
    #expect(rig.text(Rig.scrub) == "0\n")
    #expect(rig.write("1", to: Rig.scrub) == Errno(rawValue: 0))
    #expect(rig.text("bus/nd/devices/region1/badblocks") == "8 1\n")
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "")
  }

  /// Catches `ndctl inject-error` waiting 30 s for a scrub count that stays.
  @Test func `an injection with notice is a scrub`() throws {
    let rig = try Rig()
    _ = try ioctl(rig, Command.call, Command.inject(base + 512, 512, notify: true))
    _ = try ioctl(rig, Command.call, Command.inject(base + 1024, 512, notify: true))
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "1 2\n")
    #expect(rig.text(Rig.scrub) == "2\n")
  }

  /// Catches an un-injection that clears bad sectors too, which no kernel does.
  @Test func `taking an injection back leaves the bad sectors known`() throws {
    let rig = try Rig()
    _ = try ioctl(rig, Command.call, Command.inject(base, 512, notify: true))
    let answer = try ioctl(
      rig, Command.call, Command.package(8, Command.range(base, 256), room: 4))
    #expect(word(answer.bytes, 64 + 16) == 0)
    #expect(rig.media.poisoned(device: 0) == [256..<512])
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "0 1\n")
  }

  /// Catches records of one device only, and more of them than there is room for.
  @Test func `the injections of all devices are listed`() throws {
    let rig = try Rig()
    for (address, length) in [(base + 512, 256), (second, 1024)] as [(UInt64, UInt64)] {
      _ = try ioctl(rig, Command.call, Command.inject(address, length, notify: false))
    }
    let answer = try ioctl(rig, Command.call, Command.package(9, [], room: 4096))
    #expect(word(answer.bytes, 64) == 0 && word(answer.bytes, 68) == 2)
    #expect([long(answer.bytes, 72), long(answer.bytes, 80)] == [base + 512, 256])
    #expect([long(answer.bytes, 88), long(answer.bytes, 96)] == [second, 1024])
    #expect(word(answer.bytes, 60) == 40)
    let short = try ioctl(rig, Command.call, Command.package(9, [], room: 8))
    #expect(short.bytes.count == 72 && word(short.bytes, 60) == 40, "it says how much it would be")
    for index in 0..<400 {
      _ = try ioctl(
        rig, Command.call, Command.inject(base + UInt64(index) * 1024, 256, notify: false))
    }
    let many = try ioctl(rig, Command.call, Command.package(9, [], room: 8000))
    #expect(word(many.bytes, 68) == 255 && many.bytes.count <= 64 + 4096)
  }

  /// Catches `clear` that forgets sectors that are only half cleared, or that says more than it did.
  @Test func `clear_error clears whole units and forgets whole sectors`() throws {
    let rig = try Rig()
    _ = try ioctl(rig, Command.call, Command.inject(base, 2048, notify: true))
    for (offset, length) in [(128, 256), (0, 100), (1, 255)] as [(UInt64, UInt64)] {
      let refused = try ioctl(
        rig, Command.clearError, Command.range(base + offset, length) + Command.room(16))
      #expect(word(refused.bytes, 16) == 2 && long(refused.bytes, 24) == 0)
    }
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "0 4\n")
    let answer = try ioctl(
      rig, Command.clearError, Command.range(base + 256, 1280) + Command.room(16))
    #expect(answer.result == 0 && word(answer.bytes, 16) == 0 && long(answer.bytes, 24) == 1280)
    #expect(rig.media.poisoned(device: 0) == [0..<256, 1536..<2048])
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "0 1\n3 1\n")
  }

  /// Catches results of a scrub that are those of another one, or that do not fit what the caller has.
  @Test func `ars_status tells what the last scrub found`() throws {
    let rig = try Rig()
    let status = { (room: Int) throws(Errno) in
      var envelope = Command.room(room)
      envelope.replaceSubrange(4..<8, with: Command.bytes { $0.append(UInt32(room)) })
      return try ioctl(rig, Command.arsStatus, envelope)
    }
    #expect(word(try status(4096).bytes, 0) == 2 << 16, "no scrub yet")
    for index in 0..<200 as Range<UInt64> {
      _ = try ioctl(
        rig, Command.call, Command.inject(base + index * 4096, 512, notify: false))
    }
    let start =
      Command.range(base + 4096, 3 * 4096) + Command.bytes { $0.append(UInt64(2)) }
      + Command.room(8)
    #expect(word(try ioctl(rig, Command.arsStart, start).bytes, 24) == 0)
    let some = try status(4096)
    #expect(some.result == 4096 - 48 - 3 * 24, "bytes of room that stayed empty")
    #expect(word(some.bytes, 0) == 0 && word(some.bytes, 4) == 48 + 3 * 24)
    #expect([long(some.bytes, 8), long(some.bytes, 16)] == [base + 4096, 3 * 4096])
    #expect(word(some.bytes, 44) == 3)
    #expect([long(some.bytes, 48 + 8), long(some.bytes, 48 + 16)] == [base + 4096, 512])
    #expect(throws: Errno.noSuchAddressOrDevice) { try status(100) }
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "", "the kernel has not looked")

    let all =
      Command.range(base, 64 << 20) + Command.bytes { $0.append(UInt64(2)) } + Command.room(8)
    _ = try ioctl(rig, Command.arsStart, all)
    let full = try status(4096)
    #expect(word(full.bytes, 44) == 168 && full.bytes.count <= 4096)
    #expect(word(full.bytes, 40) >> 16 == 1, "overflow")
    #expect(long(full.bytes, 24) == base + 168 * 4096, "where to go on")
  }

  // MARK: Bad input

  /// Catches a command that does something although it is refused, and an errno that is not the kernel's.
  @Test func `malformed commands fail as in the kernel, and nothing changes`() throws {
    let rig = try Rig()
    let before = rig.facts()
    let good = Command.inject(base, 256, notify: true)
    let cases: [(UInt64, [UInt8], Bool, Errno)] = [
      (Command.number(0, size: 0), [], false, Self.notTheirs),
      (Command.number(5, size: 8), Command.room(64), false, Self.notTheirs),
      (Command.number(11, size: 8), Command.room(64), false, Self.notTheirs),
      (0x5401, Command.room(64), false, Self.notTheirs),
      (0, [], false, Self.notTheirs),
      (Command.call, good, true, .notPermitted),
      (Command.clearError, Command.range(base, 256) + Command.room(16), true, .notPermitted),
      (Command.arsStart, Command.room(32), true, .notPermitted),
      (Command.call, [], false, .badAddress),
      (Command.call, Array(good.dropLast()), false, .badAddress),
      (Command.call, Array(good[..<63]), false, .badAddress),
      (Command.arsCap, Command.room(31), false, .badAddress),
      (Command.arsStatus, Command.room(7), false, .badAddress),
      (Command.clearError, [], false, .badAddress),
      (
        Command.call,
        Command.package(7, Command.range(base, 256) + [1], room: 4, family: 1), false,
        .invalidArgument
      ),
      (
        Command.call,
        Command.package(7, Command.range(base, 256) + [1], room: 4, reserved: 1), false,
        .invalidArgument
      ),
      (Command.call, Command.package(6, [], room: 4), false, Self.notTheirs),
      (Command.call, Command.package(64, [], room: 4), false, Self.notTheirs),
      (Command.call, Command.package(.max, [], room: 4), false, Self.notTheirs),
      (
        Command.call, Command.package(7, Command.room(8000), room: 100), false, .invalidArgument
      ),
    ]
    for (index, (request, envelope, readOnly, errno)) in cases.enumerated() {
      #expect(throws: errno, "case \(index)") {
        try ioctl(rig, request, envelope, readOnly: readOnly)
      }
    }
    var huge = Command.package(9, [], room: 100)
    huge.replaceSubrange(20..<24, with: [0xff, 0xff, 0xff, 0xff])
    #expect(throws: Errno.invalidArgument) { try ioctl(rig, Command.call, huge) }
    #expect(rig.facts() == before)
  }

  /// Catches a function that takes half of its input for the whole.
  @Test func `input that is too short is status 2`() throws {
    let rig = try Rig()
    let before = rig.facts()
    let whole = Command.range(base, 256) + [1]
    for count in 0..<17 {
      for function in [1, 2, 4, 7] as [UInt64] where count < 16 || function == 7 {
        let answer = try ioctl(
          rig, Command.call, Command.package(function, Array(whole[..<count]), room: 16))
        #expect(word(answer.bytes, 64 + count) == 2, "function \(function), \(count) bytes")
      }
    }
    #expect(rig.facts() == before)
  }

  /// Catches a trap, and a refusal that changed something.
  @Test(arguments: SeededGenerator.seeds([1, 2, 3]))
  func `random bytes are answered or refused`(seed: UInt64) throws {
    let rig = try Rig()
    var random = SeededGenerator(seed: seed)
    let requests = [
      Command.arsCap, Command.arsStart, Command.arsStatus, Command.clearError, Command.call,
    ]
    var refused = 0
    var changed = 0
    for _ in 0..<1500 {
      let request =
        switch random.next() % 4 {
        case 0: random.next()
        case 1: requests.randomElement(using: &random)!
        default: Command.call
        }
      var envelope = (0..<Int.random(in: 0...200, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      if request == Command.call, Int.random(in: 0..<4, using: &random) > 0 {
        let address = base + UInt64.random(in: 0..<(80 << 20), using: &random)
        let length = UInt64.random(in: 0..<2000, using: &random)
        envelope = Command.package(
          UInt64.random(in: 0...12, using: &random), Command.range(address, length) + [0, 0],
          room: Int.random(in: 0...64, using: &random))
        let victim = Int.random(in: 0..<envelope.count * 4, using: &random)
        if envelope.indices.contains(victim) {
          envelope[victim] = UInt8.random(in: 0...255, using: &random)
        }
      }
      let before = rig.facts()
      do throws(Errno) {
        let answer = try ioctl(rig, request, envelope)
        #expect(answer.bytes.count <= NvdimmBus.envelopeLimit)
        #expect(answer.result >= 0)
        changed += rig.facts() == before ? 0 : 1
      } catch {
        refused += 1
        #expect(rig.facts() == before)
      }
    }
    #expect(refused > 100 && changed > 20)
  }
}

@Suite struct `the text of badblocks` {
  /// Catches an entry longer than the kernel's, which libndctl would read as another count.
  @Test func `has lines of at most 512 sectors and one page of them`() {
    #expect(BadBlocksText.lines([]) == "")
    #expect(BadBlocksText.lines([8..<9, 100..<612]) == "8 1\n100 512\n")
    #expect(BadBlocksText.lines([0..<1025]) == "0 512\n512 512\n1024 1\n")
    let many = BadBlocksText.lines((0..<2000).map { $0 * 2..<$0 * 2 + 1 })
    #expect(many.utf8.count < 4096 && many.hasSuffix(" 1\n"))
    #expect(many.utf8.count > 4080)
  }
}
