internal import LinuxSys

/// Where servers of this user leave their session directories.
public enum ServerDirectories {
  /// /run/softdax for root, else `softdax` under $XDG_RUNTIME_DIR, or under a private folder of /tmp.
  public static var base: String {
    let user = ThisProcess.effectiveUser
    if user == 0 { return "/run/softdax" }
    return (ThisProcess.environment("XDG_RUNTIME_DIR") ?? "/tmp/softdax-\(user)") + "/softdax"
  }
}
