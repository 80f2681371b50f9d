internal import ArgumentParser
internal import LinuxSys
internal import Medium
internal import Wire

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List devices, emulated and real, as daxctl list does.",
    discussion: """
      JSON with the keys of `daxctl list`; the device of a filesystem that softdax has mounted is listed as `ndctl list` does ("blockdev": "pmem0", \
      "mode": "fsdax"), with its "mountpoint". Real devices are found through libdaxctl and marked "medium": "device".
      Nothing found is no output and exit status 0.

      Example: softdax list -u -d dax0.0
      """)

  @OptionGroup var server: ServerOption

  @Flag(name: [.customShort("u"), .long], help: "Sizes for people; a single device without array.")
  var human = false

  @Flag(
    name: [.short, .long],
    help: "Add the medium, workloads that map it, pages mapped and counts since the start.")
  var verbose = false

  @Option(
    name: [.customShort("d"), .customLong("dev")],
    help: ArgumentHelp("Only this device.", valueName: "daxN.M|pmemN"))
  var device: String?

  func run() throws {
    var devices: [DeviceListing] = []
    if let running = try server.connectIfAny() {
      devices = try running.ask { client throws(WireError) in try client.devices() }
        .map { DeviceListing($0, human: human, verbose: verbose) }
    }
    let emulated = Set(devices.map(\.name))
    // Inside a run libdaxctl sees the emulated ones too.
    let isInRun = ThisProcess.environment(DeviceTable.environment) != nil
    devices += realDevices().filter { !(isInRun && emulated.contains($0.name)) }
      .map { DeviceListing($0, human: human, verbose: verbose) }
    if let device {
      let wanted = device.hasPrefix("/dev/") ? String(device.dropFirst(5)) : device
      let place = (try? Folder.canonical(device)) ?? device
      devices.removeAll { $0.name != wanted && $0.mountpoint != place }
    }
    if let text = try DeviceListing.text(devices, human: human) { print(text) }
  }

  private func realDevices() -> [RealDevice] {
    do {
      return try RealDevice.all()
    } catch {
      // Built without them: nothing to list. Anything else is worth a word, not the emulated devices.
      if case .notBuilt = error { return [] }
      printError("softdax: \(error)")
      return []
    }
  }
}
