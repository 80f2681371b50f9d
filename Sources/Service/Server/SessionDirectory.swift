internal import FuseMount
internal import LinuxSys
internal import Synchronization
internal import SystemPackage
internal import Wire

/// The files a server shows to workloads and tools: mode 0700, gone when the server goes.
///
/// `lock` is locked as long as the owner lives; a directory whose lock is free was left by a server that was killed, and the next one
/// sweeps it.
final class SessionDirectory: Sendable {
  let path: String
  private let lock: OwnedDescriptor
  private let isRemoved = Atomic(false)

  /// Makes a fresh one, after sweeping those that nobody owns any more.
  init() throws(ServerError) {
    let base = ServerDirectories.base
    try Self.makePrivate(base)
    // One server at a time makes its directory or sweeps: a directory is not seen before its lock is taken.
    let turn = try Self.turn(in: base)
    defer { turn.unlock() }
    Self.sweep(base)
    var number = 0
    while true {
      let path = "\(base)/\(ThisProcess.identifier)" + (number == 0 ? "" : ".\(number)")
      do throws(Errno) {
        try Folder.make(path, mode: 0o700)
        self.path = path
        break
      } catch .fileExists {
        number += 1
      } catch {
        throw .system(call: "mkdir", path: path, error)
      }
    }
    do throws(Errno) {
      lock = try OwnedDescriptor.create(path + "/lock", mode: 0o600)
      try lock.lockExclusively()
    } catch {
      Folder.remove(path)
      throw .system(call: "open", path: path + "/lock", error)
    }
  }

  deinit { remove() }

  /// Removes it, once.
  func remove() {
    if !isRemoved.exchange(true, ordering: .sequentiallyConsistent) { Folder.remove(path) }
  }

  /// Makes `folder` and, under /tmp, the one above it; what was there must be ours and closed to others.
  private static func makePrivate(_ folder: String) throws(ServerError) {
    let above = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
    for path in above.hasPrefix("/tmp/") ? [above, folder] : [folder] {
      do throws(Errno) {
        do throws(Errno) { try Folder.make(path, mode: 0o700) } catch .fileExists {}
        let owner = try Folder.owner(path)
        guard owner.user == ThisProcess.effectiveUser, owner.mode & 0o170022 == 0o040000 else {
          throw Errno.permissionDenied
        }
      } catch {
        throw .system(call: "make a private directory", path: path, error)
      }
    }
  }

  /// The right to make a directory in `base` or to sweep it, until it is unlocked.
  private static func turn(in base: String) throws(ServerError) -> OwnedDescriptor {
    do throws(Errno) {
      return try Folder.lock(base)
    } catch {
      throw .system(call: "flock", path: base, error)
    }
  }

  /// Removes every directory whose lock is free.
  private static func sweep(_ base: String) {
    for name in Folder.entries(base) {
      let path = "\(base)/\(name)"
      guard let lock = try? OwnedDescriptor.openExisting(path + "/lock") else { continue }
      guard (try? lock.lockExclusively()) != nil else { continue }
      for mount in (try? SmallFile.read(path + "/" + mountsName))?.split(separator: "\n") ?? [] {
        MountPoint.clear(String(mount), ifDeadOf: FilesystemMount.type)
      }
      Folder.remove(path)
    }
  }

  /// An empty file that stands for a device node; returns its identity.
  func makeNode(_ name: String) throws(ServerError) -> FileFacts {
    try? Folder.make(path + "/dev", mode: 0o755)
    let file = path + "/dev/" + name
    do throws(Errno) {
      return try OwnedDescriptor.create(file, mode: 0o600).facts()
    } catch {
      throw .system(call: "open", path: file, error)
    }
  }

  /// A list of where filesystems are mounted, for who sweeps after this server was killed.
  private static let mountsName = "mounts"

  func note(mounts: [String]) throws(ServerError) {
    let file = path + "/" + Self.mountsName
    do throws(Errno) {
      try SmallFile.write(Array(mounts.joined(separator: "\n").utf8), to: file, mode: 0o600)
    } catch {
      throw .system(call: "write", path: file, error)
    }
  }

  func write(_ table: DeviceTable) throws(ServerError) {
    let file = path + "/" + DeviceTable.fileName
    do throws(Errno) {
      try SmallFile.write(table.encoded, to: file, mode: 0o600)
    } catch {
      throw .system(call: "write", path: file, error)
    }
  }
}
