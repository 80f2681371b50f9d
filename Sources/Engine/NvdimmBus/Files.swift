internal import Glibc
internal import SystemPackage

/// The few system calls on paths that this room needs; `unsafe` is here only.
enum Files {
  /// Makes a directory; it may exist.
  static func makeDirectory(_ path: String) throws(SysfsError) {
    guard unsafe mkdir(path, 0o755) != 0 else { return }
    let error = Errno(rawValue: errno)
    guard error == .fileExists else { throw .create(path: path, error) }
  }

  /// Makes a file that must not exist, of mode 0444 as in sysfs.
  static func makeFile(_ path: String, text: String) throws(SysfsError) {
    do {
      let file = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: [.ownerRead, .groupRead, .otherRead])
      _ = try file.closeAfter { try file.writeAll(text.utf8) }
    } catch {
      throw .create(path: path, error as? Errno ?? .ioError)
    }
  }

  /// Makes a symbolic link that must not exist.
  static func makeLink(_ path: String, target: String) throws(SysfsError) {
    guard unsafe symlink(target, path) != 0 else { return }
    throw .create(path: path, Errno(rawValue: errno))
  }

  /// All of a file, which may be one of /proc that has no size.
  static func text(of path: String) throws(SysfsError) -> String {
    do {
      let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
      return try file.closeAfter {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = try unsafe chunk.withUnsafeMutableBytes({
          try unsafe file.read(into: $0)
        }), count > 0 {
          bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
      }
    } catch {
      throw .read(path: path, error as? Errno ?? .ioError)
    }
  }

  /// The names in a directory; none if there is no such directory.
  static func names(in path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
