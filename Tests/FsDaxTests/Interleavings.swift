/// Every order in which some actors can take their steps on a shared state, each actor's own in their order.
///
/// State and actors are values, so a branch is a copy. An actor that answers nil cannot move now and is asked again later.
struct Interleavings<State, Actor> {
  let step: (inout State, inout Actor) -> Outcome
  /// Looks at each state that can be reached, between any two steps.
  var check: (State, [Actor]) -> Void = { _, _ in }
  /// Looks at each end.
  var finish: (State, [Actor]) -> Void = { _, _ in }

  enum Outcome {
    case moved
    case blocked
    case done
  }

  func explore(_ state: State, _ actors: [Actor]) {
    check(state, actors)
    var isOver = true
    for index in actors.indices {
      var (next, moved) = (state, actors)
      if step(&next, &moved[index]) == .moved {
        isOver = false
        explore(next, moved)
      }
    }
    if isOver { finish(state, actors) }
  }
}
