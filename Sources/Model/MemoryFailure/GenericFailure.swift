/// The handler for pages that no filesystem answers for: device-dax, ext4, XFS without rmapbt.
///
/// Source: `mf_generic_kill_procs`, mm/memory-failure.c (v6.1, v6.12, v7.3).
public enum GenericFailure: Equatable, Sendable {
  /// No file or device ever put the page into a page table, so nobody knows whose it is (`dax_lock_folio` fails): EBUSY,
  /// the flag is not set, nobody is told (MF-12; oracle `devdax-2m-unfaulted`).
  case ownerUnknown
  /// Memory that a driver migrates pages to (device-private, device-coherent): ENXIO (MF-55).
  case belongsToDriver
  /// Handled: recovered, also when there was nobody to tell.
  case handled(KillPlan)

  /// - Parameter ownerKnown: Whether the folio has a `mapping`. It gets one with the first fault and keeps it when it is
  ///   unmapped (oracle `devdax-4k-unmapped`).
  /// - Parameter belongsToDriver: The pagemap is of type private or coherent.
  public static func decide(
    ownerKnown: Bool, belongsToDriver: Bool = false, candidates: @autoclosure () -> [Candidate],
    origin: FailureOrigin,
    sysctlEarlyKill: Bool
  ) -> GenericFailure {
    guard ownerKnown else { return .ownerUnknown }
    guard !belongsToDriver else { return .belongsToDriver }
    return .handled(
      KillPlan(
        candidates: candidates(), origin: origin, sysctlEarlyKill: sysctlEarlyKill))
  }
}
