extension Step {
  init(parsing line: String) throws(Words.Failure) {
    var words = Words(line)
    let who = try words.next("an actor A to H, or - for the coordinator")
    guard line.hasPrefix(who + " ") else {
      throw Words.Failure(
        expected: "expected \"ACTOR OPERATION\", with the actor A to H or - first in the line")
    }
    if who == "-" {
      self = .coordinator(try CoordinatorOperation(parsing: &words, line: line))
    } else if who.count == 1, let letter = who.first, let actor = Actor(letter: letter) {
      self = .actor(actor, try ActorOperation(parsing: &words))
    } else {
      throw Words.Failure(
        expected: "expected an actor A to H, or - for the coordinator, not \"\(who)\"")
    }
    // What a shell or a reader gets is all that is left; everything else has an end.
    switch self {
    case .coordinator(.setVariable), .coordinator(.setup), .coordinator(.note),
      .coordinator(.shell):
      break
    default: try words.end()
    }
  }
}
