internal import CSoftdax

extension UInt64 {
  /// A number nobody can guess, never 0. Source: `getrandom(2)`.
  public static func unguessable() -> UInt64 {
    var value: UInt64 = 0
    while value == 0 {
      _ = unsafe withUnsafeMutablePointer(to: &value) { unsafe sd_random($0, 8) }
    }
    return value
  }
}
