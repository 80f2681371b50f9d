internal import CWire
internal import MemoryFailure

extension PageMapper {
  init(_ m: sd_owner) {
    self.init(
      process: m.process, command: Codec.text(m.command), address: m.address,
      shift: UInt64(m.shift),
      isPresent: m.flags & SD_OWNER_PRESENT != 0,
      policy: m.flags & SD_OWNER_EARLY != 0
        ? .early : m.flags & SD_OWNER_LATE != 0 ? .late : .standard)
  }

  var encoded: [UInt8] {
    var m = sd_owner()
    m.process = process
    m.shift = UInt32(shift)
    m.address = address
    m.flags = isPresent ? SD_OWNER_PRESENT : 0
    switch policy {
    case .early: m.flags |= SD_OWNER_EARLY
    case .late: m.flags |= SD_OWNER_LATE
    case .standard: break
    }
    Codec.put(command, into: &m.command)
    return Codec.bytes(of: m)
  }
}
