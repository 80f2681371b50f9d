internal import DaxModel
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import SystemPackage
internal import Wire

/// mmap of files on the machine's mounts.
extension Server {
  /// Whether this kernel's userfaultfd can do what windows of files need.
  static func canWatchFiles() -> Bool {
    do throws(Errno) {
      let one: Userfaultfd
      do throws(Errno) {
        one = try Userfaultfd()
      } catch .notPermitted {
        one = try Userfaultfd(userModeOnly: true)
      }
      return try one.handshake(Workload.features.union(Workload.fileFeatures))
        .contains(.protectAbsent)
    } catch {
      return false
    }
  }

  func mapFile(_ map: Request.Map, _ conversation: Conversation) throws(WireError) {
    let flags = MapFlags(rawValue: map.flags)
    let protection = Protection(rawValue: map.protection)
    let workload: Workload
    let found: (mount: FilesystemMount, device: Int)
    do throws(Errno) {
      guard let known = registry.workload(map.token) else { throw .noSuchAddressOrDevice }
      workload = known
      var plan: MapPlan?
      var index = 0
      while plan == nil {
        // Another machine's mount.
        guard index < filesystems.count else { throw .inappropriateIOCTLForDevice }
        plan = try filesystems[index].plan(
          handle: map.file, length: map.length, offset: map.offset, protection: protection,
          isShared: flags.isShared)
        index += 1
      }
      guard !flags.isFixed || map.address & 4095 == 0, let plan else { throw .invalidArgument }
      found = (filesystems[index - 1], devices.count + index - 1)
      do throws(WireError) {
        try conversation.channel.send(
          .mapPlan(
            Reply.MapPlan(
              error: 0, isOfFile: true, length: plan.length, alignment: plan.alignment,
              congruence: plan.congruence)))
      } catch {
        throw .brokenPipe
      }
    } catch .brokenPipe {
      throw .disconnected(0)
    } catch {
      try conversation.channel.send(.mapPlan(Reply.MapPlan(error: -error.rawValue)))
      return
    }
    let (mount, device) = found
    try finishMap(conversation) { mapped throws(Errno) in
      try workload.addFile(
        mount, device: device, handle: map.file, address: mapped.address,
        length: mapped.length, offset: map.offset, protection: protection,
        isShared: flags.isShared, isSynchronous: flags.isSynchronous)
    }
  }

  /// A forked child's window.
  func adoptFile(_ adopt: Request.Adopt, by workload: Workload) throws(Errno) {
    let protection = Protection(rawValue: adopt.protection)
    for (index, mount) in filesystems.enumerated()
    where try mount.plan(
      handle: adopt.file, length: adopt.length, offset: adopt.offset, protection: protection,
      isShared: !adopt.isPrivate) != nil
    {
      if adopt.isPrivate {
        return try workload.adoptPrivateFile(
          mount, device: devices.count + index, handle: adopt.file, address: adopt.address,
          length: adopt.length, offset: adopt.offset, protection: protection)
      }
      return try workload.addFile(
        mount, device: devices.count + index, handle: adopt.file, address: adopt.address,
        length: adopt.length, offset: adopt.offset, protection: protection, isShared: true)
    }
    throw .noSuchAddressOrDevice
  }
}
