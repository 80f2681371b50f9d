extension AddressSpace {
  /// What fork() gives the child: the windows without a page-table entry, but for those under MADV_DONTFORK.
  ///
  /// Source: `dup_mmap`, kernel/fork.c; `vma_needs_copy`, mm/memory.c (v6.1, v7.3): a shared mapping without
  /// anonymous pages is not copied, the child faults again (oracle `devdax-2m-fork-early`).
  public func forked() -> AddressSpace {
    var child = AddressSpace()
    child.entries = entries
    for window in windows where !window.advice.contains(.dontFork) {
      var copy = window
      copy.presence = PresenceMap(slots: Window.slots(window.range, window.alignment))
      child.windows.append(copy)
    }
    return child
  }
}
