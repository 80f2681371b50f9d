/// Where a run writes its journal: shared by everything that takes part in it.
final class JournalLog {
  var journal = Journal()
}
