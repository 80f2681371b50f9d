public import LinuxSys

extension Mount {
  /// The mount that shows `path`; the last one where several are on top of each other.
  ///
  /// - Throws: ``HostFilesystemError`` when there is no such path.
  public init(showing path: String) throws(HostFilesystemError) {
    guard let canonical = try? Folder.canonical(path) else { throw .noSuchPath(path) }
    let showing = Mount.all.filter { mount in
      mount.point == "/" || canonical == mount.point || canonical.hasPrefix(mount.point + "/")
    }
    var best: Mount?
    for mount in showing where mount.point.utf8.count >= (best?.point.utf8.count ?? 0) {
      best = mount
    }
    guard let best else { throw .noSuchPath(path) }
    self = best
  }
}
