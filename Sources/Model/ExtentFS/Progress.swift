public import DaxModel

/// Whether a call is done, or what it would sleep for.
public enum Progress: Equatable, Sendable {
  case done
  /// Nothing has changed. Make the call again when that is over.
  case waits(LayoutBreak)

  init(_ layout: LayoutBreak) { self = layout == .done ? .done : .waits(layout) }
}
