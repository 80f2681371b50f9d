internal import Foundation
internal import TestSupport
import Testing

/// `softdax owners` of a mounted filesystem's device: whose a page is, who maps it, and what each kernel would do if it failed.
@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `Owners of a mount's pages` {
  private func lists(_ folio: [String: Any]) -> [(
    kernels: [String], signalled: Set<Int>, list: [String: Any]
  )] {
    (folio["machine_check"] as? [[String: Any]] ?? []).map { list in
      (
        list["kernels"] as? [String] ?? [],
        Set((list["signals"] as? [[String: Any]] ?? []).compactMap { $0["pid"] as? Int }), list
      )
    }
  }

  /// Catches a file that is left out, one kernel's kill list told for all, a prediction that does something, and one that does not come true.
  @Test func `every file of a shared block is named, and every kernel's kill list`() throws {
    let mounted = try Mounted()
    try mounted.shell(
      "head -c 16384 /dev/urandom > pool; mkdir d; cp --reflink=always pool d/clone")
    let late = try mounted.start("d/clone", "handle", "touch")
    let copier = try mounted.start("pool", "private", "early", "handle", "store")
    // Last of those with this file: of shared blocks one window at a time shows a page.
    let early = try mounted.start("pool", "early", "handle", "touch")
    let folio = try mounted.folio("--file", "pool@0x1000")
    let owners = try #require(folio["owners"] as? [[String: Any]])
    #expect(
      owners.compactMap { $0["path"] as? String }
        == ["\(mounted.ground.mount)/pool", "\(mounted.ground.mount)/d/clone"])
    #expect(owners.allSatisfy { $0["type"] as? String == "file" && $0["shared"] as? Bool == true })
    #expect(owners.allSatisfy { $0["offset"] as? Int == 4096 && $0["links"] as? Int == 1 })
    let pids = (folio["mappers"] as? [[String: Any]] ?? []).compactMap { $0["pid"] as? Int }
    #expect(Set(pids).count == 2)
    // A private copy is a page-table entry for the page since 6.15: `failureCountsEveryEntry`.
    let lists = lists(folio)
    #expect(lists.map(\.kernels) == [["6.1", "6.12"], ["7.2"]])
    let before = try #require(lists.first?.signalled)
    let after = try #require(lists.last?.signalled)
    #expect(before.count == 1 && after.count == 2 && after.isSuperset(of: before))
    #expect(lists.allSatisfy { $0.list["outcome"] as? String == "handled" })

    let text = try mounted.owners("--file", "pool@0x1000").out
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 9, "\(text)")
    #expect(lines[0].hasPrefix("pmem0: page "))
    #expect(lines[1].split(separator: " ") == ["owner", "inode", "offset", "state", "path"])
    #expect(
      lines[2].hasPrefix("file ")
        && lines[2].hasSuffix("0x1000  shared  \(mounted.ground.mount)/pool"))
    #expect(lines[3].hasSuffix("0x1000  shared  \(mounted.ground.mount)/d/clone"))
    #expect(lines[4].contains("pid  command"))
    #expect(lines[7].contains(" on Linux 6.1, 6.12: error-steps (\(before.first ?? 0), thread"))
    #expect(lines[8].contains(" on Linux 7.2: ") && lines[8].components("BUS_MCEERR_AO") == 2)
    #expect(NSDictionary(dictionary: try mounted.folio("--file", "pool@0x1000")).isEqual(to: folio))

    let broken = try Softdax.tool([
      "inject-error", "pmem0", "--file", "\(mounted.ground.mount)/pool@0x1000", "--as",
      "machine-check",
      "--data-stays", "--socket", mounted.service.socket,
    ])
    #expect(broken.status == 0, "\(broken.all)")
    #expect(early.waitForOutput("signal code 5 page 1"))
    #expect(copier.waitForOutput("signal code 5 page 1"))
    #expect(!late.printed.contains("signal"))
    try mounted.end(early, late, copier)
  }

  /// Catches an open file that is lost with its name, a free block with an owner, and metadata that is nobody's.
  @Test func `a file without a name, a free page and the filesystem's own are named`() throws {
    let mounted = try Mounted()
    try mounted.shell("head -c 16384 /dev/urandom > pool")
    let holder = try mounted.start("pool", "touch")
    let page = try #require(try mounted.folio("--file", "pool@0x2000")["pfn"] as? Int)
    try mounted.shell("rm pool")
    let nameless = try #require(
      (try mounted.folio("--page", "\(page)")["owners"] as? [[String: Any]])?.first)
    #expect(nameless["type"] as? String == "file" && nameless["links"] as? Int == 0)
    #expect(nameless["path"] == nil && nameless["inode"] is Int)
    #expect(
      try mounted.owners("--page", "\(page)").out.contains("0x2000         no name any more\n"))
    try holder.sendLine()
    #expect(try holder.wait().status == 0)
    let free = try mounted.folio("--page", "\(page)")
    #expect((free["owners"] as? [[String: Any]])?.first?["type"] as? String == "free")
    #expect(try mounted.owners("--page", "\(page)").out.contains("\nfree\n"))
    #expect(lists(free).map(\.kernels) == [["6.1", "6.12", "7.2"]])

    let own = try mounted.folio("--offset", "0")
    let owner = try #require((own["owners"] as? [[String: Any]])?.first)
    #expect(owner["type"] as? String == "metadata" && owner["name"] as? String == "superblock")
    #expect(owner["inode"] == nil && owner["links"] == nil)
    #expect(lists(own).map { $0.list["outcome"] as? String } == ["shutdown"])
    let text = try mounted.owners("--range", "0-0x2000").out
    #expect(text.components("; the filesystem shuts down\n") == 2, "\(text)")
    #expect(text.contains("\nsuperblock\n"))
    // Still alive: nothing was done.
    try mounted.shell("echo > new")
    let poisoned = try Softdax.tool([
      "inject-error", "pmem0", "-B", "0", "--as", "poison", "--socket", mounted.service.socket,
    ])
    #expect(poisoned.status == 1 && poisoned.err.contains("it has shut down"), "\(poisoned.all)")
    #expect(
      try mounted.owners("--page", "\(page)").out.contains("EIO, the filesystem has shut down"))
    _ = try mounted.service.stop()
  }
}
