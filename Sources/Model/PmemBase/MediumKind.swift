/// Where a device's bytes live.
public enum MediumKind: String, Sendable, CaseIterable {
  /// Anonymous memory in a memfd: lives as long as the server.
  case memfd
  /// The same from the host's pool of 2 MiB or 1 GiB pages.
  case hugetlb
  /// A file on tmpfs or hugetlbfs.
  case tmpfs
  /// A file on any other filesystem.
  case file
  /// A real /dev/daxN.M.
  case device
}
