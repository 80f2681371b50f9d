internal import DaxModel
internal import NvdimmBus
internal import SystemPackage
internal import Wire

/// The bus: what workloads write into /sys, and the commands of /dev/ndctlN.
extension Server {
  func write(_ write: Request.WriteAttribute) -> Errno {
    do throws(Errno) {
      try nvdimm.write(
        write.bytes,
        to: NvdimmBus.FileIdentity(device: write.fileDevice, inode: write.fileInode))
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  func control(_ control: Request.Control) -> Reply {
    do throws(Errno) {
      let answer = try nvdimm.control(
        request: control.request,
        isReadOnly: AccessMode(rawValue: control.access) == .readOnly,
        envelope: control.envelope)
      return .controlled(result: answer.result, bytes: answer.bytes)
    } catch {
      return .controlled(result: -error.rawValue, bytes: [])
    }
  }
}
