internal import LinuxSys

/// Random numbers that a seed repeats: SplitMix64.
///
/// A failure is printed with its seed; `SOFTDAX_TEST_SEED=<seed>` runs exactly that again.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// The seeds of one run: those given, or the one that `SOFTDAX_TEST_SEED` names, or with `SOFTDAX_TEST_SEED=fresh` those given and a new
  /// one.
  ///
  /// The given ones keep what was found once, and judge a change by nothing that it did not do; a fresh one goes on looking.
  public static func seeds(_ known: [UInt64]) -> [UInt64] {
    guard let text = ThisProcess.environment("SOFTDAX_TEST_SEED") else { return known }
    if text == "fresh" { return known + [.random(in: 1_000_000...9_999_999)] }
    guard let seed = UInt64(text) else { fatalError("SOFTDAX_TEST_SEED: not a number: \(text)") }
    return [seed]
  }
}
