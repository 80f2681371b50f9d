/// Page-table entries that went away: one for each folio of the run, whose references go back.
public struct ReleasedRun: Equatable, Sendable {
  public let device: Int
  public let folios: Range<Int>

  public init(device: Int, folios: Range<Int>) {
    self.device = device
    self.folios = folios
  }
}
