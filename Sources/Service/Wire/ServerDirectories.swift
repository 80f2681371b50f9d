internal import LinuxSys

/// Where servers of this user leave their session directories.
public enum ServerDirectories {
  /// /run/softdax for root, else `softdax` under $XDG_RUNTIME_DIR if that is the user's own (sudo and su may keep another's), or
  /// under a private folder of /tmp.
  public static var base: String {
    let user = ThisProcess.effectiveUser
    if user == 0 { return "/run/softdax" }
    let given = ThisProcess.environment("XDG_RUNTIME_DIR") ?? ""
    let isOwn = (try? Folder.owner(given).user) == user
    return (isOwn ? given : "/tmp/softdax-\(user)") + "/softdax"
  }
}
