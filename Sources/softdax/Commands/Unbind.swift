internal import ArgumentParser
internal import SystemPackage
internal import Wire

/// `softdax unbind`: the device of a mounted filesystem goes.
struct Unbind: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Unbind the driver of a mounted filesystem's device, as a write to nd_pmem/unbind does.",
    discussion: """
      Nobody is asked whether the device is in use. What follows is what the machine's --kernel does: from 6.12 on every process that \
      maps a page of a file gets a SIGBUS for each (BUS_MCEERR_AO), the pages leave all page tables, and the filesystem shuts down. On 6.1 only \
      those are told who asked for it, and what is mapped stays. The bytes stay in the medium.

      Example: softdax unbind pmem0
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: "The device of a mount, or where it is mounted.")
  var device: String

  func run() throws {
    let running = try server.connect()
    let target = try running.device(named: device)
    do throws(WireError) {
      try running.client.unbind(device: target.index)
    } catch .refused(Errno.operationNotSupportedByDevice.rawValue) {
      throw CommandFailure("\(target.name) has no driver: it was unbound before (ENODEV)")
    } catch .refused(Errno.notSupported.rawValue) {
      throw CommandFailure(
        "\(target.name) is mapped itself, and not mounted: write to /sys/bus/dax/drivers/device_dax/unbind, or use ndctl disable-namespace"
      )
    } catch {
      throw CommandFailure(error, at: running.socket)
    }
  }
}
