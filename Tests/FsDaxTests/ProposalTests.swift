import DaxModel
import PageModel
import PmemBase
import SystemPackage
import Testing

/// "Fix the DAX-gup mistake", 2022: never merged. All of it is from the patches, nothing was measured.
@Suite struct `the proposal of 2022` {
  private func machine(_ regime: RefcountRegime) -> Machine { Machine(.v6_1, regime: regime) }

  /// Catches a wait for references in the version that waits for pins only.
  @Test func `RC-28: version 1 does not wait for a plain reference, but for a pin`() throws {
    let machine = machine(.proposal1)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    let plain = try opened.take(0)
    #expect(opened.mapping.breakLayouts(task: 7) == .done)
    let pin = try opened.take(0, 1, .pin)
    guard case .waitsForIdle(64, _, isInterruptible: true) = opened.mapping.breakLayouts(task: 7)
    else {
      Issue.record("a pin is not waited for")
      return
    }
    // The unpin wakes although the plain reference stays.
    #expect(opened.mapping.release(pin) == .wakes)
    #expect(opened.woken == [7])
    #expect(opened.mapping.breakLayouts(task: 7) == .done)
    #expect(opened.counts(64).refcount == 2)
    opened.mapping.release(plain)
  }

  /// Catches the mended proposal: nothing takes the mark off an entry that outlives a punch, so its page is
  /// mapped without a reference (inferred from `dax_zap_pages` and `dax_insert_entry`).
  @Test(arguments: [RefcountRegime.proposal2, .proposal3])
  func `RC-29: a page outside the punched range is mapped with a refcount of 0`(
    regime: RefcountRegime
  ) {
    let opened = machine(regime).file(1, pages: 10, block: 64)
    opened.map()
    for page in 0..<10 as Range<UInt64> { opened.read(page) }
    #expect(opened.counts(69).refcount == 1)
    #expect(opened.mapping.breakLayouts() == .done)
    opened.mapping.punchPages(3..<4)
    #expect(opened.mapping.entries[3] == nil)
    opened.read(5)
    #expect(opened.isPresent(5) && opened.counts(69).refcount == 0)
    #expect(opened.mapping.entries.isZapped(5))
    // gup refuses it; the errno of the slow path is inferred (`try_grab_folio` warns).
    #expect(opened.gup(5) == .refused(.noMemory))
  }

  /// Catches the order in which the memory map outlives its users, which is what the list asked for.
  @Test func `RC-30: in version 1 the memory map goes while a plain reference is held`() throws {
    let machine = machine(.proposal1)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    let creation = machine.pagemap.references
    let use = try opened.take(0)
    #expect(machine.pagemap.references == creation + 1)
    #expect(opened.mapping.breakLayouts() == .done)
    opened.mapping.truncatePages(from: 0)
    #expect(machine.pagemap.references == creation)
    machine.pagemap.kill()
    #expect(machine.pagemap.life == .dead)
    #expect(opened.counts(64).refcount == 2)
    opened.mapping.release(use)
  }

  /// Catches a pagemap's reference of version 3 that follows the entry and not the page's users.
  @Test func `in version 3 the memory map waits for the last reference of a page`() throws {
    let machine = machine(.proposal3)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    let use = try opened.take(0)
    guard case .waitsForIdle = opened.mapping.breakLayouts() else {
      Issue.record("a reference is not waited for")
      return
    }
    machine.pagemap.kill()
    #expect(machine.pagemap.life == .dying && machine.pagemap.references == 1)
    #expect(opened.mapping.release(use) == .wakes)
    #expect(machine.pagemap.life == .dead)
  }

  /// Catches copy-on-write entries that hold a reference, which only the landed regime gives them (inferred
  /// from `dax_associate_entry`); and the zap that gives back what they never took.
  @Test(arguments: [RefcountRegime.proposal2, .proposal3])
  func `RC-35: a copy-on-write entry maps its page with a refcount of 0, and gup fails`(
    regime: RefcountRegime
  ) {
    let machine = machine(regime)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.file.shared = [64, 65, 66, 67]
    opened.map()
    let before = machine.pagemap.references
    opened.write(0)
    guard let block = opened.mapping.entries[0]?.blocks?.lowerBound else {
      Issue.record("no entry")
      return
    }
    #expect(opened.isPresent(0) && opened.counts(block).refcount == 0)
    #expect(machine.pagemap.references == before)
    #expect(machine.pagemap.grab(folio: Int(block), pinned: false) == .unused)
    #expect(opened.mapping.breakLayouts() == .done)
    #expect(opened.warnings.contains(.neverHeld(block: block)))
  }

  /// Catches a block that is free while a device writes to it: the inode's end waits where its entries are
  /// deleted, and no signal ends that.
  @Test func `BL-10: version 3 waits for the pin of an unlinked file's page`() throws {
    let machine = machine(.proposal3)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    let pin = try opened.take(3, 1, .pin)
    opened.mapping.unmapAll(process: 1)
    #expect(
      opened.mapping.evict(task: 7)
        == .waitsForIdle(block: 67, wakesAt: 0, isInterruptible: false))
    #expect(opened.mapping.entries[3] != nil && opened.woken.isEmpty)
    #expect(opened.counts(67).refcount == 1024)
    #expect(opened.mapping.release(pin) == .wakes)
    #expect(opened.woken == [7])
    #expect(opened.mapping.evict(task: 7) == .done)
    #expect(opened.mapping.entries.isEmpty && opened.warnings.isEmpty)
    #expect(machine.pagemap.isIdle())
  }

  /// Catches versions that wait as their successors do.
  @Test func `BL-10: version 1 lets an inode go with a pin, version 2 waits as a truncate does`()
    throws
  {
    for (regime, isDone) in [(RefcountRegime.proposal1, true), (.proposal2, false)] {
      let opened = machine(regime).file(1, pages: 10, block: 64)
      opened.map()
      let pin = try opened.take(3, 1, .pin)
      opened.mapping.unmapAll(process: 1)
      let answer = opened.mapping.evict()
      if isDone {
        #expect(answer == .done && opened.warnings == [.truncatedInUse(block: 67)])
      } else {
        #expect(answer == .waitsForIdle(block: 67, wakesAt: 0, isInterruptible: true))
      }
      opened.mapping.release(pin)
    }
  }
}

@Suite struct `a task that waits for a page` {
  /// Catches a wake-up at a put that is not the last, for the wrong task, or never.
  @Test(arguments: KernelBehavior.allCases)
  func `is woken by the put that makes it idle`(kernel: KernelBehavior) throws {
    let opened = Machine(kernel).file(1, pages: 10, block: 64)
    opened.map()
    let uses = [try opened.take(3), try opened.take(3, 1, .pin), try opened.take(3)]
    guard case .waitsForIdle(67, _, _) = opened.mapping.breakLayouts(task: 7) else {
      Issue.record("it does not wait")
      return
    }
    _ = opened.mapping.breakLayouts(task: 8)
    for use in uses.dropLast() {
      #expect(opened.mapping.release(use) == .keeps)
      #expect(opened.woken.isEmpty)
    }
    #expect(opened.mapping.release(uses[2]) == .wakes)
    #expect(opened.woken == [7, 8])
    #expect(opened.mapping.breakLayouts(task: 7) == .done)
  }

  /// Catches a sleep that goes on after a signal, and another task's that ends with it.
  @Test func `leaves by a signal`() throws {
    let opened = Machine(.v7_2).file(1, pages: 10, block: 64)
    opened.map()
    let use = try opened.take(3)
    _ = opened.mapping.breakLayouts(task: 7)
    _ = opened.mapping.breakLayouts(task: 8)
    #expect(opened.mapping.interrupt(7) && !opened.mapping.interrupt(7))
    opened.mapping.release(use)
    #expect(opened.woken == [8])
  }

  /// Catches a wake-up that stays in the file: the page's other users may belong to another one.
  @Test func `is woken by whoever used the page through another file`() throws {
    let machine = Machine(.v7_2)
    let (one, other) = (machine.file(1, pages: 4, block: 64), machine.file(2, pages: 4, block: 64))
    for opened in [one, other] { opened.file.shared = [64, 65, 66, 67] }
    one.map(1)
    other.map(2)
    one.read(0, 1)
    let use = try other.take(0, 2)
    guard case .waitsForIdle(64, wakesAt: 0, _) = one.mapping.breakLayouts(task: 7) else {
      Issue.record("it does not wait")
      return
    }
    other.mapping.unmapAll(process: 2)
    #expect(other.woken.isEmpty)
    other.mapping.release(use)
    #expect(other.woken == [7])
  }
}
