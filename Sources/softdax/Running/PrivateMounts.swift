internal import LinuxSys
internal import SystemPackage

/// Mounting as an ordinary user, for `softdax run --fs`.
enum PrivateMounts {
  /// Where fusermount3 is not there to mount for an ordinary user, this process and the program that it runs get mounts of their own: the
  /// filesystem is there for them, and for nobody else.
  ///
  /// Must come before the first thread. Where user namespaces are not for everybody nothing changes, and mounting says why it fails.
  static func enterIfNeeded() throws(CommandFailure) {
    guard ThisProcess.effectiveUser != 0, (try? ProgramFile.find("fusermount3")) == nil else {
      return
    }
    do throws(Errno) {
      _ = try OwnedDescriptor.openExisting("/dev/fuse")
    } catch {
      throw CommandFailure(
        "/dev/fuse cannot be opened (\(error)): run as root, or have the administrator make it readable and writable for you",
        status: Run.Status.own)
    }
    do throws(Errno) {
      try MountPoint.becomePrivate()
      printError(
        "softdax: there is no fusermount3: the filesystem is mounted for this program only")
    } catch {
      throw CommandFailure(
        "mounting is not permitted: there is no fusermount3 (package fuse3), and a user namespace is refused (\(error)); "
          + "install fuse3, run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
        status: Run.Status.own)
    }
  }
}
