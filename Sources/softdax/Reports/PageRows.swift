internal import Wire

/// Lines about folios, as they come in; equal neighbours become one line.
struct PageRows {
  /// One folio, or with folding a run of them with equal counts.
  struct Row: Encodable, Equatable {
    var pfn: UInt64
    /// Last page frame of the run.
    var lastPfn: UInt64
    var physical: UInt64
    var order: Int
    var refcount: UInt32
    var mapcount: UInt32
    var pincount: UInt32
    var share: UInt32
    var state: State
  }

  enum State: String, Encodable {
    case idle, mapped, pinned
    /// Referenced, but by nobody who maps or pins it: for the time of a fault or an access.
    case held

    init(_ page: PageInfo) {
      self =
        page.pincount > 0
        ? .pinned : page.mapcount > 0 ? .mapped : page.isIdle ? .idle : .held
    }
  }

  private(set) var rows: [Row] = []
  private(set) var folios: UInt64 = 0
  private(set) var idle: UInt64 = 0
  private let onlyMapped: Bool
  private let folding: Bool

  init(onlyMapped: Bool, folding: Bool) {
    self.onlyMapped = onlyMapped
    self.folding = folding
  }

  /// Takes the next folio, by ascending page frame number.
  mutating func add(_ page: PageInfo) {
    folios += 1
    if page.isIdle { idle += 1 }
    if onlyMapped && page.mapcount == 0 { return }
    let row = Row(
      pfn: page.pfn, lastPfn: page.pfn + (1 << UInt64(page.order)) - 1, physical: page.physical,
      order: page.order, refcount: page.refcount, mapcount: page.mapcount,
      pincount: page.pincount, share: page.share, state: State(page))
    if folding, let last = rows.last, last.lastPfn + 1 == row.pfn, last.hasCounts(of: row) {
      rows[rows.count - 1].lastPfn = row.lastPfn
    } else {
      rows.append(row)
    }
  }

  /// The rows so far, which are forgotten here.
  mutating func takeAll() -> [Row] {
    defer { rows = [] }
    return rows
  }

  /// The table and the line that sums it up.
  var text: String {
    var table = TextTable([
      ("pfn", .left), ("physical", .left), ("order", .right), ("refcount", .right),
      ("mapcount", .right), ("pincount", .right), ("share", .right), ("state", .left),
    ])
    for row in rows {
      let isRun = row.lastPfn >= row.pfn + (1 << UInt64(row.order))
      table.add([
        isRun ? "\(row.pfn)-\(row.lastPfn)" : "\(row.pfn)", hexadecimal(row.physical),
        "\(row.order)", "\(row.refcount)", "\(row.mapcount)", "\(row.pincount)", "\(row.share)",
        row.state.rawValue,
      ])
    }
    return (rows.isEmpty ? "" : table.text) + "\(idle) of \(folios) folios idle\n"
  }
}

extension PageRows.Row {
  fileprivate func hasCounts(of other: Self) -> Bool {
    order == other.order && refcount == other.refcount && mapcount == other.mapcount
      && pincount == other.pincount && share == other.share && state == other.state
  }
}
