internal import LinuxSys

/// The file that stands for /dev/daxN.M, made to say whether there is one.
///
/// It stays the same file all the time: descriptors are known by its identity.
struct DeviceNode {
  let directory: String
  let name: String

  private var shown: String { "\(directory)/dev/\(name)" }
  private var hidden: String { "\(directory)/dev/.\(name)" }

  /// No character device: no node. No driver: a node with the sticky bit, which the shim opens with ENXIO.
  func show(_ stage: BusState.Stage) {
    if stage < .probed {
      Folder.rename(shown, to: hidden)
    } else {
      Folder.rename(hidden, to: shown)
      Folder.setSticky(shown, stage < .driven)
    }
  }
}
