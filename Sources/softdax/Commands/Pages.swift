internal import ArgumentParser
internal import PmemBase
internal import Wire

struct Pages: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the counts of a device's pages.",
    discussion: """
      One line for each folio, in the numbers of the kernel's struct page; consecutive folios with equal counts share a line. \
      Page frame numbers count 4 KiB pages from the device's start; sizes take k, m, g, t.

      Example: softdax pages dax0.0 --offset 2m --length 64k --mapped
      Example: softdax pages pmem0 --mapped
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: DeviceArgument.help)
  var device: String

  @Option(help: ArgumentHelp("Page frame number to begin with.", valueName: "pfn"))
  var first: UInt64?

  @Option(help: ArgumentHelp("Byte to begin with, instead of --first.", valueName: "bytes"))
  var offset: String?

  @Option(help: ArgumentHelp("4 KiB pages to show.", valueName: "n"))
  var count: UInt64?

  @Option(help: ArgumentHelp("Bytes to show, instead of --count.", valueName: "bytes"))
  var length: String?

  @Flag(help: "Only folios with a mapcount.")
  var mapped = false

  @Flag(help: "JSON, one object for each folio.")
  var json = false

  func validate() throws {
    guard first == nil || offset == nil else {
      throw ValidationError("Give --first or --offset, not both.")
    }
    guard count == nil || length == nil else {
      throw ValidationError("Give --count or --length, not both.")
    }
  }

  func run() throws {
    let running = try server.connect()
    let device = try running.device(named: device)
    let range = try PageRange(
      first: first, offset: try offset.map { try ByteCount.bytes($0, of: "--offset") },
      count: count, length: try length.map { try ByteCount.bytes($0, of: "--length") }, in: device)
    // In pieces, so that a large device is not held in memory as a whole; text holds runs of equal folios.
    let piece: UInt64 = 1 << 18
    var rows = PageRows(onlyMapped: mapped, folding: !json)
    var printed = 0
    var from = range.first
    while from < range.end {
      let wanted = min(piece, range.end - from)
      let pages = try running.ask { client throws(WireError) in
        try client.pages(device: device.index, first: from, count: wanted)
      }
      guard let last = pages.last else { break }
      for page in pages { rows.add(page) }
      if json {
        for row in rows.takeAll() {
          print(printed == 0 ? "[" : ",")
          print(indented(try jsonText(row)), terminator: "")
          printed += 1
        }
      }
      from = max(from + wanted, last.pfn + 1 << UInt64(last.order))
    }
    print(json ? (printed == 0 ? "[\n]" : "\n]") : rows.text, terminator: json ? "\n" : "")
  }

  private func indented(_ text: String) -> String {
    text.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
  }
}

/// Pages `first..<end` of a device, in 4 KiB units, not empty.
struct PageRange: Equatable {
  let first: UInt64
  let end: UInt64

  /// Reads what the options say; without them, the whole device.
  ///
  /// - Throws: when not every page of the range is in the device.
  init(first: UInt64?, offset: UInt64?, count: UInt64?, length: UInt64?, in device: DeviceInfo)
    throws(CommandFailure)
  {
    let pages = device.size >> 12
    let begin = first ?? (offset ?? 0) >> 12
    guard begin < pages else {
      throw CommandFailure(
        "page \(begin) is outside \(device.name), whose pages are 0 to \(pages - 1) "
          + "(\(device.size) bytes)")
    }
    var wanted = count ?? pages - begin
    if let length {
      // A length that begins inside a page reaches into one page more.
      let inside = first == nil ? (offset ?? 0) & 4095 : 0
      let (sum, overflow) = length.addingReportingOverflow(inside + 4095)
      wanted = overflow ? .max : sum >> 12
    }
    guard wanted > 0 else {
      throw CommandFailure("a range of no pages in \(device.name); give a --count of at least 1")
    }
    guard wanted <= pages - begin else {
      throw CommandFailure(
        "\(wanted) pages from page \(begin) on reach past the end of \(device.name), "
          + "which has \(pages); at most \(pages - begin) from there")
    }
    self.first = begin
    end = begin + wanted
  }
}
