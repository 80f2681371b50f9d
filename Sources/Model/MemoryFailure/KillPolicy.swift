/// What a thread has asked for with PR_MCE_KILL; a new thread and a forked process inherit it.
///
/// Source: `PF_MCE_PROCESS`, `PF_MCE_EARLY`, kernel/sys.c `PR_MCE_KILL` (v6.1 to v7.3).
public enum KillPolicy: String, Sendable, CaseIterable {
  /// Nothing, or PR_MCE_KILL_DEFAULT: `vm.memory_failure_early_kill` decides.
  case standard = "default"
  /// PR_MCE_KILL_EARLY
  case early
  /// PR_MCE_KILL_LATE, which overrides the sysctl.
  case late

  /// Whether the thread wants to be told before it touches the page.
  public func wantsEarlyKill(sysctl: Bool) -> Bool {
    switch self {
    case .standard: sysctl
    case .early: true
    case .late: false
    }
  }
}
