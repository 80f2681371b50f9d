public import PmemBase

/// How a kernel notes a page's owner when an entry is made and when it goes (kernel-semantics 3.2).
// swift-format-ignore: AlwaysUseLowerCamelCase
public enum AssociationRules: Sendable, CaseIterable {
  /// Page by page; only copy-on-write counts as shared; the last of several owners is never taken
  /// off (OW-11).
  case v6_1
  /// Page by page, with a share count.
  case v6_12
  /// Folios; a small exclusive folio keeps its index when its entry goes (OW-10). Not a kernel that
  /// was measured: from the source of 6.16.
  case v6_16
  /// Folios, and nothing is kept.
  case v7_2

  public init(_ kernel: KernelBehavior) {
    switch kernel {
    case .v6_1: self = .v6_1
    case .v6_12: self = .v6_12
    case .v7_2: self = .v7_2
    }
  }

  /// Whether a huge entry makes its pages one folio.
  var buildsFolios: Bool { self == .v6_16 || self == .v7_2 }

  /// Whether a small exclusive folio keeps its index when its entry goes (OW-10).
  var keepsIndex: Bool { self == .v6_16 }

  /// Whether the last of several owners stays noted when its entry goes (OW-11).
  var keepsLastShare: Bool { self == .v6_1 }
}
