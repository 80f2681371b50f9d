internal import ArgumentParser
internal import LinuxSys
internal import Wire

/// Where the server that a tool means listens.
struct ServerOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Socket of the server.",
      discussion: "Default: the server of this run ($SOFTDAX_DIR), else your only one.",
      valueName: "path"))
  var socket: String?

  /// The server meant, or nil when none is running and none was named.
  func connectIfAny() throws -> RunningServer? {
    let directory = ThisProcess.environment(DeviceTable.environment)
    if let named = socket ?? directory.map({ "\($0)/\(DeviceTable.socketName)" }) {
      do throws(WireError) {
        return try RunningServer(socket: named)
      } catch {
        throw CommandFailure(error, at: named)
      }
    }
    let live = ServerDirectories.liveServers
    guard live.count <= 1 else {
      let list = live.map { "\($0.socket) (pid \($0.info.pid))" }.joined(separator: ", ")
      throw CommandFailure("several servers are running, give one with --socket: \(list)")
    }
    return live.first
  }

  func connect() throws -> RunningServer {
    guard let server = try connectIfAny() else {
      throw CommandFailure(
        "no softdax server is running; start one with `softdax serve` or give --socket")
    }
    return server
  }
}

/// What tools take for a device.
enum DeviceArgument {
  static let help = ArgumentHelp(
    "The device: dax0.0 or /dev/dax0.0; of a mounted filesystem pmem0, or its directory.",
    valueName: "device")
}

/// A conversation with a server that has answered once.
struct RunningServer {
  let socket: String
  let info: ServerInfo
  let client: ServerClient

  init(socket: String) throws(WireError) {
    self.socket = socket
    client = try ServerClient(socket: socket)
    info = try client.server()
  }

  /// Asks the server; a failure becomes the line for the user.
  func ask<Answer>(_ question: (ServerClient) throws(WireError) -> Answer) throws(CommandFailure)
    -> Answer
  {
    do throws(WireError) {
      return try question(client)
    } catch {
      throw CommandFailure(error, at: socket)
    }
  }

  /// The device called `name`, with or without "/dev/"; of a mounted filesystem also the directory.
  func device(named name: String) throws(CommandFailure) -> DeviceInfo {
    let devices = try ask { client throws(WireError) in try client.devices() }
    let wanted = name.hasPrefix("/dev/") ? String(name.dropFirst(5)) : name
    let place = (try? Folder.canonical(name)) ?? name
    if let device = devices.first(where: {
      $0.name == wanted || !$0.mountpoint.isEmpty && $0.mountpoint == place
    }) {
      return device
    }
    let present = devices.map(\.name).joined(separator: ", ")
    throw CommandFailure(
      "no device \(name) at \(socket); it has \(present.isEmpty ? "none" : present)")
  }
}

extension ServerDirectories {
  /// The servers of this user that answer; what others left, or have not yet furnished, is passed over.
  static var liveServers: [RunningServer] {
    Folder.entries(base).sorted().map { "\(base)/\($0)/\(DeviceTable.socketName)" }
      .filter(Folder.exists).compactMap { try? RunningServer(socket: $0) }
  }
}
