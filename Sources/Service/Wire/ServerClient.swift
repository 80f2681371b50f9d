public import Latency

/// A tool's conversation with a running server.
///
/// Blocking; one thread at a time. Every call is one question, or one for each page of a long answer.
public final class ServerClient {
  private let channel: Channel

  /// - Throws: `.disconnected` when no server listens at `socket`.
  ///
  /// - Parameter patience: seconds after which a server that does not answer counts as none; it may be stopped, or hang.
  public init(socket: String, patience: Int32 = 5) throws(WireError) {
    channel = try Channel(to: socket, patience: patience)
  }

  public func server() throws(WireError) -> ServerInfo {
    guard case .server(let info) = try channel.ask(.getServer) else {
      throw .unexpected(type: 0)
    }
    return info
  }

  /// Every device, in the server's order.
  public func devices() throws(WireError) -> [DeviceInfo] {
    let count = try server().devices
    var devices: [DeviceInfo] = []
    for index in 0..<count {
      guard case .device(var info) = try channel.ask(.getDevice(index)) else {
        throw .unexpected(type: 0)
      }
      info.index = index
      devices.append(info)
    }
    return devices
  }

  /// The folios that hold `count` pages from page `first` on; units of 4 KiB. `count` 0: to the device's end.
  ///
  /// - Throws: `.refused(ERANGE)` when the range is not inside the device.
  public func pages(device: Int, first: UInt64, count: UInt64) throws(WireError) -> [PageInfo] {
    var all: [PageInfo] = []
    var from = first
    while true {
      let left = count == 0 ? 0 : first + count - from
      guard
        case .pages(let pages, let next) = try channel.ask(
          .getPages(device: device, first: from, count: left))
      else { throw .unexpected(type: 0) }
      all += pages
      if next == 0 || (count != 0 && next >= first + count) { return all }
      guard next > from else { throw .unexpected(type: 0) }
      from = next
    }
  }

  public func latency(device: Int, kind: LatencyKind) throws(WireError) -> LatencySnapshot {
    var all: LatencySnapshot?
    var first: UInt32 = 0
    while true {
      guard
        case .latency(let part, let next) = try channel.ask(
          .getLatency(device: device, kind, first: first))
      else { throw .unexpected(type: 0) }
      if all == nil { all = part } else { all?.merge(part) }
      if next == 0 { return all! }
      guard next > first else { throw .unexpected(type: 0) }
      first = next
    }
  }

  // MARK: For the questions of other files

  func ask(_ request: Request) throws(WireError) -> Reply { try channel.ask(request) }

  /// A list of which one reply holds a part: `part` takes it out, with the number of what comes next, 0 for nothing.
  func list<Element>(
    _ request: (_ first: UInt32) -> Request, part: (Reply) -> ([Element], next: UInt32)?
  ) throws(WireError) -> [Element] {
    var all: [Element] = []
    while true {
      guard let (some, next) = part(try ask(request(UInt32(all.count)))) else {
        throw .unexpected(type: 0)
      }
      all += some
      if next == 0 { return all }
      guard !some.isEmpty, Int(next) == all.count else { throw .unexpected(type: 0) }
    }
  }

  func send(_ request: Request) throws(WireError) { try channel.send(request) }

  /// Nil when the server has closed the connection.
  func receive() throws(WireError) -> Reply? { try channel.receiveReply() }
}
