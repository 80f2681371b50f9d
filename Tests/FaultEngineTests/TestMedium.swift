internal import LinuxSys
internal import Medium
internal import PmemBase
internal import Testing

/// What keeps the bytes of a test's device.
///
/// `SOFTDAX_TEST_DEVICES=/dev/dax0.0,/dev/dax1.0` has the tests use real devices, too, and **overwrites them**: `scripts/oracle device` does
/// so in its guest. Run them with `--no-parallel`: a real device has one user at a time.
enum TestMedium: Sendable, CustomTestStringConvertible {
  /// Memory; the kernel installs its pages.
  case continued
  /// Memory; the agent maps its pages, as those of a file.
  case remapped
  /// A device of this host, by its path; the agent maps its pages.
  case real(String)

  static let all: [TestMedium] = [.continued, .remapped] + real

  private static let real: [TestMedium] = {
    let names = ThisProcess.environment("SOFTDAX_TEST_DEVICES") ?? ""
    return names.split(separator: ",").map { .real(String($0)) }
  }()

  /// Bytes of a page of the device.
  var page: UInt64 {
    get throws {
      guard case .real(let path) = self else { return PageSize.base.bytes }
      return try RealDevice.find(path).alignment
    }
  }

  /// As many pages as a test wants, or as the device has.
  func pages(upTo wanted: UInt64) throws -> UInt64 {
    guard case .real(let path) = self else { return wanted }
    let device = try RealDevice.find(path)
    return min(wanted, device.size / device.alignment)
  }

  func make(bytes: UInt64) throws -> any Medium {
    switch self {
    case .continued: return try MemoryMedium(name: "softdax-test", size: bytes)
    case .remapped: return RemappedMedium(try MemoryMedium(name: "softdax-test", size: bytes))
    case .real(let path):
      let device = try RealDevice.find(path)
      return try DeviceMedium(device, size: bytes, alignment: device.alignment)
    }
  }

  var testDescription: String {
    switch self {
    case .continued: "continued"
    case .remapped: "remapped"
    case .real(let path): path
    }
  }
}
