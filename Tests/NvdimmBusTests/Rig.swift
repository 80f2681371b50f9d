internal import Foundation
internal import LinuxSys
internal import SystemPackage

@testable internal import NvdimmBus

/// A bus of two devices, one of 2 MiB pages and one of 4 KiB pages, with its files in a folder of its own.
final class Rig {
  static let devices = [
    EmulatedDevice(
      region: 0, size: 64 << 20, alignment: 2 << 20, resource: 1 << 40, major: 252, minor: 0,
      uuid: "6f3c7c2e-0001-8000-8000-50f7da000001"),
    EmulatedDevice(
      region: 1, size: 32 << 20, alignment: 4096, resource: 1 << 41, major: 252, minor: 1,
      uuid: "6f3c7c2e-0002-8000-8000-50f7da000002"),
  ]
  static let scrub = "class/nd/ndctl0/device/nfit/scrub"

  let directory: String
  let media = ErrorLists(devices: 2)
  let bus: NvdimmBus

  init(devices: [EmulatedDevice] = Rig.devices) throws {
    directory = try TemporaryTree.makeDirectory()
    bus = try NvdimmBus(
      devices: devices, bus: EmulatedBus(number: 0, major: 254, minor: 0), media: media,
      directory: directory)
    try Folder.make(directory + "/dev", mode: 0o755)
    for device in Self.devices {
      _ = try OwnedDescriptor.create("\(directory)/dev/\(device.name)", mode: 0o600)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  /// What a program reads from /sys/`path`; "" if it is not there.
  func text(_ path: String) -> String {
    (try? String(contentsOfFile: "\(directory)/sys/\(path)", encoding: .utf8)) ?? ""
  }

  func exists(_ path: String) -> Bool { Folder.exists("\(directory)/sys/\(path)") }

  /// Everything there is: files with what they say, links with where they lead.
  func everything() -> [String: String] {
    var all: [String: String] = [:]
    let root = "\(directory)/sys"
    for case let path as String in FileManager.default.enumerator(atPath: root)! {
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(root)/\(path)")
      all[path] = link ?? text(path)
    }
    return all
  }

  /// write(2) to /sys/`path`. - Returns: what it fails with; 0.
  func write(_ text: String, to path: String) -> Errno {
    guard let real = try? Folder.canonical("\(directory)/sys/\(path)"),
      let file = try? Folder.identity(real)
    else { return .noSuchFileOrDirectory }
    do throws(Errno) {
      try bus.write(
        Array(text.utf8),
        to: NvdimmBus.FileIdentity(device: file.device, inode: file.inode))
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  /// All that errors, scrubs and drivers have changed.
  func facts() -> [String] {
    Self.devices.indices.flatMap {
      ["\(media.poisoned(device: $0))", "\(media.badSectors(device: $0))"]
    } + [text(Self.scrub), "\(exists("bus/dax/devices/dax0.0"))"]
  }
}

/// The structs of linux/ndctl.h.
enum Command {
  static func number(_ name: UInt64, size: UInt64) -> UInt64 {
    3 << 30 | size << 16 | 0x4e00 | name
  }
  static let arsCap = number(1, size: 32)
  static let arsStart = number(2, size: 32)
  static let arsStatus = number(3, size: 44)
  static let clearError = number(4, size: 32)
  static let call = number(10, size: 64)

  static func bytes(_ build: (inout StructWriter) -> Void) -> [UInt8] {
    var writer = StructWriter()
    build(&writer)
    return writer.bytes
  }

  static func range(_ base: UInt64, _ length: UInt64) -> [UInt8] {
    bytes {
      $0.append(base)
      $0.append(length)
    }
  }

  static func room(_ count: Int) -> [UInt8] { Array(repeating: 0xee, count: count) }

  static func package(
    _ function: UInt64, _ input: [UInt8], room: Int, family: UInt64 = 0, reserved: UInt32 = 0
  ) -> [UInt8] {
    bytes {
      $0.append(family)
      $0.append(function)
      $0.append(UInt32(input.count))
      $0.append(UInt32(room))
      for index in 0..<9 { $0.append(index == 4 ? reserved : 0) }
      $0.append(UInt32(0xffff_ffff))
    } + input + self.room(room)
  }

  static func inject(_ base: UInt64, _ length: UInt64, notify: Bool) -> [UInt8] {
    package(7, range(base, length) + [notify ? 1 : 0], room: 4)
  }
}
