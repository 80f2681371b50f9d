internal import Foundation
internal import NvdimmBus

/// A tree on disk for one test; gone with it.
final class TemporaryTree {
  let directory: String

  init(_ devices: [EmulatedDevice], bus: EmulatedBus) throws {
    directory = try TemporaryTree.makeDirectory()
    try SysfsTree(devices: devices, bus: bus).write(into: directory)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  static func makeDirectory() throws -> String {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "softdax-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url.resolvingSymlinksInPath().path
  }

  /// What a program reads from /sys/`path`, links followed.
  func text(_ path: String) throws -> String {
    try String(contentsOfFile: "\(directory)/sys/\(path)", encoding: .utf8)
  }

  /// Where /sys/`path` leads, as realpath() says it with the shim's prefix taken off.
  func resolved(_ path: String) -> String? {
    guard let real = unsafe realpath("\(directory)/sys/\(path)", nil) else { return nil }
    defer { unsafe free(real) }
    let text = unsafe String(cString: real)
    return text.hasPrefix(directory + "/") ? String(text.dropFirst(directory.count)) : nil
  }

  func linkText(_ path: String) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/sys/\(path)")
  }

  /// Everything below, as paths relative to sys.
  func everything() -> [String] {
    FileManager.default.enumerator(atPath: "\(directory)/sys")?.compactMap { $0 as? String } ?? []
  }
}
