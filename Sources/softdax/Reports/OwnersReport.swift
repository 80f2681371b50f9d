internal import HostFilesystem
internal import LinuxSys

/// The answer of `softdax owners --fs`, for people and for programs.
struct OwnersReport: Encodable {
  struct Mapper: Encodable {
    let pid: Int32
    let command: String
    let inode: UInt64
    let path: String
    let address: String
    let permissions: String
    let present: Bool?
  }

  let mountpoint: String
  let filesystem: String
  let source: String
  let dax: Bool
  let start: UInt64
  let length: UInt64
  let asked: String
  let owners: [OwnerRow]
  let mappers: [Mapper]

  init(_ radius: BlastRadius) {
    mountpoint = radius.mount.point
    filesystem = radius.mount.kind
    source = radius.mount.source
    dax = radius.mount.isDax
    start = radius.range.lowerBound
    length = UInt64(radius.range.count)
    asked = radius.way.rawValue
    owners = radius.owners.map { OwnerRow($0) }
    mappers = radius.mappers.map { mapper in
      Mapper(
        pid: mapper.process, command: mapper.command, inode: mapper.inode,
        path: mapper.mapping.path, address: hexadecimal(mapper.address),
        permissions: mapper.mapping.permissions, present: mapper.isPresent)
    }
  }

  var text: String {
    let text =
      "\(mountpoint): \(filesystem)\(dax ? ", dax" : ""), on \(source); bytes \(start) to "
      + "\(start + length - 1), sector \(start / 512) on; by \(asked)\n"
      + owners.text
    guard !mappers.isEmpty else { return text + "no process maps it\n" }
    var people = TextTable([
      ("pid", .right), ("command", .left), ("address", .right), ("perm", .left),
      ("page", .left), ("path", .left),
    ])
    for mapper in mappers {
      people.add([
        "\(mapper.pid)", mapper.command, mapper.address, mapper.permissions,
        mapper.present.map { $0 ? "present" : "absent" } ?? "unknown", mapper.path,
      ])
    }
    return text + people.text
  }
}
