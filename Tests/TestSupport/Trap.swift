internal import CTestSupport

/// Whether `body` stops the program, as a broken precondition does.
///
/// It runs in a forked child, of which nothing is left. Instead of Swift Testing's exit tests: their monitor takes every child of the
/// process for its own, and the tests here have many (seen: a run that never ended).
public func endsInTrap(_ body: @escaping () throws -> Void) -> Bool {
  let box = unsafe Unmanaged.passRetained(Body(body))
  defer { unsafe box.release() }
  // A child of a process with threads can find a lock taken for ever: then it is tried again.
  for _ in 0..<3 {
    let answer = unsafe sd_ends_in_trap(
      { try? unsafe Unmanaged<Body>.fromOpaque($0!).takeUnretainedValue().run() },
      box.toOpaque())
    if answer >= 0 { return answer == 1 }
  }
  return false
}

private final class Body {
  let run: () throws -> Void
  init(_ run: @escaping () throws -> Void) { self.run = run }
}
