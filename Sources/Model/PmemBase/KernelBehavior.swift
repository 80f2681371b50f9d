/// The kernel whose behaviour is modelled where versions differ.
///
/// The three that were measured: see Tests/ScenarioData. Page references: `v6_1` and `v6_12` have the
/// legacy regime, `v7_2` the landed one (since 6.15).
// swift-format-ignore: AlwaysUseLowerCamelCase
public enum KernelBehavior: Sendable, CaseIterable {
  case v6_1
  case v6_12
  case v7_2

  /// What users type: `6.1`, `6.12`, `7.2`, with or without a leading `v`.
  public init?(parsing text: String) {
    switch text.hasPrefix("v") ? String(text.dropFirst()) : text {
    case "6.1": self = .v6_1
    case "6.12": self = .v6_12
    case "7.2": self = .v7_2
    default: return nil
    }
  }

  /// As `uname -r` begins: `7.2`.
  public var shortName: String {
    switch self {
    case .v6_1: "6.1"
    case .v6_12: "6.12"
    case .v7_2: "7.2"
    }
  }

  /// Whether a fault on a known bad block says so (BUS_MCEERR_AR, EHWPOISON), since 6.5; before it is any I/O error
  /// (BUS_ADRERR). MADV_POPULATE likewise.
  ///
  /// Source: `dax_mem2blk_err`, `vmf_error`, include/linux/mm.h (v6.1, v6.12); FT-12, FT-13.
  public var faultsTellPoison: Bool { self != .v6_1 }
}
