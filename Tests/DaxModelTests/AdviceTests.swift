import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `madvise` {
  enum Answer: Equatable {
    case effect(ChangePlan.Effect)
    case errno(Errno)
  }

  static func ask(
    _ advice: Int32, _ space: inout AddressSpace, at: UInt64 = start, length: UInt64 = huge
  ) -> Answer {
    do throws(Errno) {
      return .effect(try space.begin(.advise(advice), address: at, length: length, id: 1).effect)
    } catch {
      return .errno(error)
    }
  }

  /// Catches any entry of the table that differs from mm/madvise.c; what was measured
  /// is among it.
  @Test(
    arguments: [
      (0, .effect(.nothing)), (1, .effect(.nothing)), (2, .effect(.nothing)),
      (3, .effect(.nothing)), (4, .effect(.perform)), (8, .errno(.invalidArgument)),
      (9, .errno(.operationNotSupportedByDevice)), (10, .effect(.perform)),
      (11, .effect(.perform)), (12, .effect(.nothing)), (13, .effect(.nothing)),
      (14, .effect(.nothing)), (15, .effect(.nothing)), (16, .effect(.perform)),
      (17, .effect(.perform)), (18, .errno(.invalidArgument)), (19, .effect(.nothing)),
      (20, .effect(.nothing)), (21, .effect(.nothing)), (22, .effect(.populate)),
      (23, .effect(.populate)), (24, .effect(.perform)), (25, .errno(.invalidArgument)),
      (100, .errno(.notPermitted)), (101, .errno(.notPermitted)), (-1, .errno(.invalidArgument)),
      (5, .errno(.invalidArgument)), (102, .errno(.invalidArgument)),
      (.max, .errno(.invalidArgument)),
    ] as [(Int32, Answer)])
  func `answers each advice as on a device-dax mapping`(advice: Int32, answer: Answer) throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    #expect(Self.ask(advice, &space) == answer)
    #expect(space.isChanging == (answer == .effect(.perform)))
    var base = try AddressSpace(DeviceGeometry(size: huge, alignment: .base), length: huge)
    #expect(Self.ask(advice, &base) == answer)
  }

  /// Catches a descriptor's mode that is not asked: EACCES comes before ENODEV (`madvise_remove`).
  @Test func `MADV_REMOVE needs a descriptor for writing`() throws {
    var space = try AddressSpace(
      huge8, length: huge, protection: .read, access: .readOnly)
    #expect(Self.ask(9, &space) == .errno(.permissionDenied))
  }

  /// Catches pages before a hole that are not inserted, or ones whose protection does not allow it that are (devdax-populate-hole.scn).
  @Test func `MADV_POPULATE goes as far as it may, and finds holes on the way`() throws {
    let device = DeviceGeometry(size: 4 * page, alignment: .base)
    var space = try AddressSpace(device, length: 2 * page)
    func plan(
      _ advice: Int32, _ pages: UInt64, at address: UInt64 = start
    ) throws -> (UInt64, Errno?) {
      let plan = try space.begin(.advise(advice), address: address, length: pages * page, id: 1)
      #expect(plan.effect == .populate && plan.address == address)
      return (plan.length / page, plan.failure)
    }
    #expect(try plan(22, 3) == (3, nil))
    #expect(try plan(23, 2, at: start - page) == (2, nil))
    try space.add(start + 3 * page, page, of: device, offset: 3 * page, protection: .read)
    #expect(try plan(22, 4) == (4, nil))
    #expect(try plan(23, 4) == (3, .invalidArgument))
    #expect(try plan(23, 1, at: start + 3 * page) == (0, .invalidArgument))
    let behind = space.populate(from: start + 2 * page, upTo: start + 4 * page, limit: 8)
    #expect(behind.decision == .unmapped && behind.next == start + 3 * page)

    var none = try AddressSpace(device, length: page, protection: [])
    let refused = try none.begin(.advise(22), address: start, length: page, id: 1)
    #expect(refused.length == 0 && refused.failure == .invalidArgument)
  }

  /// Catches a flag that splits a huge page, or one that is refused although the window has it
  /// already.
  @Test func `inside a huge page is EINVAL where it changes a flag`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    for advice in [1, 2, 10, 15, 16] as [Int32] {
      #expect(Self.ask(advice, &space, length: page) == .errno(.invalidArgument), "\(advice)")
    }
    for advice in [0, 3, 14, 20] as [Int32] {
      #expect(Self.ask(advice, &space, length: page) == .effect(.nothing), "\(advice)")
    }
    #expect(space.windows.count == 1)
  }

  /// Catches a flag's boundary that is refused though the part becomes its neighbour's, or an entry that outlives it unseen.
  @Test func `inside a huge page is allowed where a neighbour has the flag`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    _ = try space.make(.advise(1), start, huge)
    let plan = try space.begin(.advise(1), address: start + huge, length: page, id: 1)
    #expect(plan.effect == .perform && plan.cut == [start + huge..<start + 2 * huge])
    #expect(space.complete(id: 1, succeeded: true) == [run(1..<2)])
    #expect(space.ranges == [start..<start + huge + page, start + huge + page..<start + 2 * huge])
  }

  /// Catches a flag that is set or cleared for good by the wrong advice.
  @Test func `splits windows by what they were told, and joins them again`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    for (set, clear) in [(1, 0), (2, 0), (15, 14), (10, 11), (16, 17)] as [(Int32, Int32)] {
      _ = try space.make(.advise(set), start + page, page)
      #expect(space.windows.count == 3, "\(set)")
      _ = try space.make(.advise(clear), start, 4 * page)
      #expect(space.windows.count == 1, "\(clear)")
    }
    // RANDOM and SEQUENTIAL exclude each other.
    _ = try space.make(.advise(1), start, page)
    _ = try space.make(.advise(2), start, page)
    _ = try space.make(.advise(2), start + page, 3 * page)
    #expect(space.windows.count == 1)
  }

  /// Catches a hint over a hole that succeeds: the kernel is asked, and says ENOMEM.
  @Test func `over a hole asks the kernel`() throws {
    var space = try AddressSpace(base16, length: page)
    #expect(Self.ask(14, &space, length: 2 * page) == .effect(.perform))
    space.abandon(id: 1)
    #expect(Self.ask(14, &space, length: 0) == .effect(.nothing))
    #expect(Self.ask(14, &space, at: start + 1) == .errno(.invalidArgument))
    #expect(Self.ask(14, &space, length: .max) == .errno(.invalidArgument))
  }
}
