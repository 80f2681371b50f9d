internal import FailureEngine
internal import FaultEngine
internal import LinuxSys
internal import Logging
internal import Medium
internal import PmemBase
internal import Server
internal import SystemPackage

/// The server that `bench insert` embeds: one device, in this process.
struct BenchServer {
  private let server: Server
  let preload: String

  /// The session directory, for SOFTDAX_DIR.
  var directory: String { server.path }
  /// "/dev/dax0.0".
  var device: String { "/dev/" + server.deviceNames[0] }
  var failures: MemoryFailures { server.failures }
  /// The device's own pages, for the other side.
  func memory() throws(Errno) -> BenchMemory {
    try server.devices[0].medium.withDescriptor { descriptor throws(Errno) in
      try BenchMemory(sharing: descriptor)
    }
  }
  /// Files of the mount are mapped as windows.
  var offersWindows: Bool { server.offersWindows }
  /// Memory that the page descriptors take up by now.
  var descriptorBytes: UInt64 { server.devices[0].descriptorBytes }

  /// Starts it.
  ///
  /// - Parameters:
  ///   - size: Of the device, in bytes; every page of its medium exists when this returns.
  ///   - pageSize: Its alignment; above 4 KiB the medium is hugetlb.
  ///   - mount: Where a filesystem of twice that size is mounted besides; its bytes exist, too.
  static func start(
    size: UInt64, pageSize: UInt64, mount: String? = nil
  ) throws(CommandFailure) -> BenchServer {
    let preload: String
    do throws(CommandFailure) {
      preload = try PreloadLibrary.find()
    } catch {
      throw CommandFailure(
        "\(error); or measure the C side alone with --baseline", status: error.status)
    }
    let device = DeviceSpecification(
      medium: pageSize == PageSize.base.bytes ? .memory : .hugePages, size: size,
      alignment: PageSize(bytes: pageSize))
    let filesystems = mount.map { _ in DeviceSpecification(size: 2 * size + 32 << 20) }
    do throws(ServerError) {
      let server = try Server(
        Server.Options(
          devices: (filesystems.map { [$0] } ?? []) + [device], mounts: mount.map { [$0] } ?? []),
        logger: .softdax)
      do throws(Errno) {
        try server.devices[0].medium.fill(offset: 0, length: size)
      } catch {
        throw .system(call: "fallocate", path: "memfd of \(size) bytes", error)
      }
      try server.start()
      return BenchServer(server: server, preload: preload)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  /// Ends it and takes its session directory away.
  func stop() { server.stop() }
}
