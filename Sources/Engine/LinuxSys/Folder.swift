internal import Glibc
public import SystemPackage

/// Paths and directories: make, list, look, remove.
public enum Folder {
  public struct Owner: Sendable {
    public let user: UInt32
    public let mode: UInt32
  }

  /// - Throws: `.fileExists`. Source: `mkdir(2)`.
  public static func make(_ path: String, mode: UInt32) throws(Errno) {
    guard unsafe mkdir(path, mode) == 0 else { throw Errno(rawValue: errno) }
  }

  /// There is something at `path`; links are followed.
  public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// The absolute path without links and "..". Source: `realpath(3)`.
  public static func canonical(_ path: String) throws(Errno) -> String {
    guard let found = unsafe realpath(path, nil) else { throw Errno(rawValue: errno) }
    defer { unsafe free(found) }
    return unsafe String(cString: found)
  }

  /// Who owns it; links are not followed.
  public static func owner(_ path: String) throws(Errno) -> Owner {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw Errno(rawValue: errno) }
    return Owner(user: status.st_uid, mode: status.st_mode)
  }

  /// Names in it, without "." and ".."; none if it cannot be read.
  public static func entries(_ path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes it with all that is in it; links are removed, not followed.
  public static func remove(_ path: String) {
    for name in entries(path) {
      let child = "\(path)/\(name)"
      if unsafe unlink(child) != 0 && errno == EISDIR { remove(child) }
    }
    unsafe rmdir(path)
  }

  /// A symbolic link at `path` that says `target`.
  public static func link(_ path: String, to target: String) throws(Errno) {
    guard unsafe symlink(target, path) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Where a symbolic link leads; `nil` if it is none.
  public static func target(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink(path, &buffer, buffer.count)
    guard count >= 0, count < buffer.count else { return nil }
    return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Waits for the lock of a folder, which whoever closes the descriptor gives back. Source: `flock(2)`.
  public static func lock(_ path: String) throws(Errno) -> OwnedDescriptor {
    let folder = try OwnedDescriptor.open(path, flags: O_RDONLY | O_DIRECTORY)
    try folder.waitForLock()
    return folder
  }

  /// A symbolic link whose target is not there.
  public static func isDeadLink(_ path: String) -> Bool {
    var status = stat()
    let isLink = unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    let leadsNowhere = unsafe access(path, F_OK) != 0
    return isLink && leadsNowhere
  }

  /// Removes a directory that has nothing in it; one that has stays.
  public static func removeIfEmpty(_ path: String) { unsafe rmdir(path) }

  /// Gives a file another name, if it is there.
  public static func rename(_ path: String, to new: String) { unsafe Glibc.rename(path, new) }

  /// Sets or takes S_ISVTX, which means nothing to Linux on a regular file.
  public static func setSticky(_ path: String, _ isSticky: Bool) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    let mode = status.st_mode & 0o777
    unsafe chmod(path, isSticky ? mode | S_ISVTX : mode)
  }

  /// `st_dev` and `st_ino`; links are not followed.
  public static func identity(_ path: String) throws(Errno) -> (device: UInt64, inode: UInt64) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw Errno(rawValue: errno) }
    return (UInt64(status.st_dev), UInt64(status.st_ino))
  }

  public static func removeFile(_ path: String) { unsafe unlink(path) }
}
