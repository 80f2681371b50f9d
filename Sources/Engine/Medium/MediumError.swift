public import SystemPackage

/// Why a device cannot have the medium that was asked for: what failed, on what, what to do.
public enum MediumError: Error, Sendable {
  case sizeMissing(String)
  case sizeNotAligned(size: UInt64, alignment: UInt64)
  case sizeZero
  case tooSmall(path: String, has: UInt64, needs: UInt64)
  case notRegular(path: String)
  case inUse(path: String)
  case noSpace(path: String, available: UInt64, needs: UInt64)
  /// `total`: pages in the pool now, free or not.
  case noHugePages(pageBytes: UInt64, needs: UInt64, free: UInt64, total: UInt64)
  case pagesLargerThanAlignment(path: String, pageBytes: UInt64, alignment: UInt64)
  case system(call: String, path: String, Errno)
  case device(String)
}

extension MediumError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .sizeMissing(let path):
      return "\(path) does not exist: give a size to create it, such as --size 512M"
    case .sizeNotAligned(let size, let alignment):
      let down = size / alignment * alignment
      let near = down == 0 ? "\(alignment)" : "\(down) or \(down + alignment)"
      return
        "size \(size) is not a multiple of the alignment \(alignment); use \(near), or a smaller --align"
    case .sizeZero: return "a device of size 0 cannot be; give --size, such as 512M"
    case .tooSmall(let path, let has, let needs):
      return
        "\(path) has \(has) bytes, too small for a device of \(needs); use --size \(has) or less, or a larger file"
    case .notRegular(let path):
      return "\(path) is not a regular file or a /dev/daxN.M; name a file to keep the bytes in"
    case .inUse(let path):
      return
        "\(path) is in use by another softdax server; stop that one (softdax list finds it) or name another file"
    case .noSpace(let path, let available, let needs):
      return "\(path): its filesystem has \(available) bytes free, the device needs \(needs)"
    case .noHugePages(let pageBytes, let needs, let free, let total):
      return
        "\(needs) huge pages of \(pageBytes >> 20) MiB needed, \(free) free; reserve them: "
        + "echo \(total - free + needs) > /sys/kernel/mm/hugepages/hugepages-\(pageBytes >> 10)kB/nr_hugepages"
    case .pagesLargerThanAlignment(let path, let pageBytes, let alignment):
      return
        "\(path) has pages of \(pageBytes) bytes, larger than the alignment \(alignment); use --align \(pageBytes)"
    case .system(let call, let path, let errno):
      return "\(call) \(path): \(errno)" + (Self.remedy(errno).map { "; \($0)" } ?? "")
    case .device(let text): return text
    }
  }

  private static func remedy(_ errno: Errno) -> String? {
    switch errno {
    case .permissionDenied, .notPermitted:
      "give yourself read and write access, or name another file"
    case .noSuchFileOrDirectory: "make the directory first, or name another file"
    case .readOnlyFileSystem: "name a file on a filesystem that can be written"
    case .invalidArgument, .fileTooLarge: "give a smaller --size"
    default: nil
    }
  }
}
