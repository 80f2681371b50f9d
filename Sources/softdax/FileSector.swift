internal import LinuxSys
internal import PmemBase
internal import SystemPackage
internal import Wire

/// `--file PATH@BYTES`: where a byte of a file is on the device of a mount of softdax.
enum FileSector {
  /// The sector of 512 bytes.
  static func place(of text: String, on device: DeviceInfo) throws -> UInt64 {
    guard let sign = text.lastIndex(of: "@") else {
      throw CommandFailure("--file \(text): write PATH@BYTES, such as pool@0x3000")
    }
    let byte = try ByteCount.bytes(String(text[text.index(after: sign)...]), of: "--file")
    let given = String(text[..<sign])
    guard !device.mountpoint.isEmpty else {
      throw CommandFailure("--file: \(device.name) has no files; give a --block")
    }
    let path = given.hasPrefix("/") ? given : try Self.found(given, below: device.mountpoint)
    do throws(Errno) {
      let file = try Folder.canonical(path)
      guard file.hasPrefix(device.mountpoint + "/") else { throw .crossDevice }
      let extents = try SpaceMap.extents(of: file, in: byte..<byte + 1)
      guard
        let extent = extents.first(where: {
          $0.offset <= byte && byte - $0.offset < UInt64($0.physical.count)
        })
      else { throw .noSuchAddressOrDevice }
      return (extent.physical.lowerBound + (byte - extent.offset)) >> 9
    } catch .noSuchAddressOrDevice {
      throw CommandFailure("\(path): byte \(byte) is in a hole, or behind the end")
    } catch .crossDevice {
      throw CommandFailure("\(path) is no file on \(device.mountpoint)")
    } catch {
      throw CommandFailure("\(path): \(error)")
    }
  }

  /// From where one is, else from where the filesystem is mounted.
  private static func found(_ name: String, below mountpoint: String) throws -> String {
    if let path = try? Folder.canonical(name), path.hasPrefix(mountpoint + "/") { return path }
    return mountpoint + "/" + name
  }
}

extension Errno {
  fileprivate static var crossDevice: Errno { Errno(rawValue: 18) }
}
