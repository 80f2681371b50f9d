public import ExtentFS
public import Latency
internal import LinuxSys
public import Medium
public import PmemBase
internal import Synchronization
internal import SystemPackage

/// A device's filesystem, mounted: every program of this host sees ordinary files there, whose bytes are in the device's medium.
///
/// Start and stop from one thread, once each. One lock is around the filesystem; the threads that answer the kernel wait for it and for
/// the medium, for nothing else.
public final class FilesystemMount: Sendable {
  /// What `mount(8)` calls it.
  public static let type = "fuse.softdax"

  public let directory: String
  public let mediumName: String
  public let medium: any Medium
  let files: Mutex<MappedFiles>
  public let latencies: FaultLatencies
  #if FuseMount
    private let session = Mutex<FuseSession?>(nil)
  #endif

  /// Opens the filesystem on a medium; a blank medium is formatted.
  ///
  /// - Parameters:
  ///   - formats: Whatever the medium holds is erased, and a new filesystem made.
  ///   - format: What a new filesystem is to be; nil: XFS for the medium's size.
  ///   - clears: The bus can clear bad sectors, so that writing over them does.
  /// - Throws: ``MountError``; the medium has not changed then.
  public init(
    _ medium: any Medium, at directory: String, formats: Bool, kernel: KernelBehavior = .v7_2,
    clears: Bool = true, format: Format? = nil
  ) throws(MountError) {
    #if FuseMount
      self.medium = medium
      mediumName = medium.path.isEmpty ? "the \(medium.kind) medium" : medium.path
      self.directory = try Self.usable(directory)
      let most = ThisHost.memory / 4 * 3 / 16 * 4096
      guard medium.size <= most else {
        throw MountError.tooLarge(medium: mediumName, size: medium.size, most: most)
      }
      let media = MountMedia(clears: clears)
      let volume = try Self.open(
        medium, mediumName, media, formats: formats, as: format, kernel: kernel)
      let latencies = FaultLatencies()
      self.latencies = latencies
      files = Mutex(
        MappedFiles(FuseService(volume), on: medium, media: media, latencies: latencies))
    #else
      throw .notBuilt
    #endif
  }

  // MARK: Beginning and end

  /// Mounts and answers, from here on.
  public func start() throws(MountError) {
    #if FuseMount
      let new: FuseSession
      do throws(FuseError) {
        new = try FuseSession(
          at: directory, forAllUsers: ThisProcess.effectiveUser == 0,
          handle: { [self] request in
            let (seconds, nanoseconds) = WallClock.now
            let time = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
            return files.withLock { files in
              files.settle()
              defer { files.settle() }
              return files.service.handle(request, at: time)
            }
          },
          synchronize: { [self] in
            do throws(Errno) {
              try synchronizeMedium()
              return 0
            } catch { return error.rawValue }
          },
          unremember: { [self] number in
            files.withLock { $0.service.forget(number, count: 1) }
          })
      } catch {
        throw switch error.errno {
        case .permissionDenied, .notPermitted:
          .notPermitted(directory, message: error.message)
        case .noSuchFileOrDirectory, .noSuchAddressOrDevice: .noFuse
        default:
          .system(call: "mount", path: directory, error.errno, message: error.message)
        }
      }
      do throws(Errno) {
        try new.start()
      } catch {
        new.end()
        throw .system(call: "pthread_create", path: directory, error, message: "")
      }
      session.withLock { $0 = new }
    #endif
  }

  /// Unmounts, whoever still uses it, and closes the filesystem: the medium is clean then.
  ///
  /// - Returns: What went wrong with the medium; nil if nothing did.
  @discardableResult
  public func stop() -> String? {
    #if FuseMount
      let old = session.withLock { session in
        defer { session = nil }
        return session
      }
      old?.end()
    #endif
    return files.withLock { files in
      let service = files.service
      do throws(Errno) {
        try service.volume.unmount()
        return service.volume.filesystem.isShutDown && !files.isRemoved
          ? "\(mediumName): the filesystem had shut down; what was changed since is lost" : nil
      } catch {
        return "\(mediumName): unmounting: \(error)"
      }
    }
  }

  func synchronizeMedium() throws(Errno) {
    try medium.withDescriptor { file throws(Errno) in try file.synchronize() }
  }

  #if FuseMount
    // MARK: Private

    /// The directory to mount on, canonical; a dead mount of ours is taken away.
    private static func usable(_ directory: String) throws(MountError) -> String {
      let named = canonical(directory)
      guard MountPoint.clear(named, ifDeadOf: type) else { throw .isDead(named) }
      let path: String
      do throws(Errno) {
        path = try Folder.canonical(named)
        guard try Folder.owner(path).mode & 0o170000 == 0o040000 else {
          throw Errno.notDirectory
        }
      } catch {
        throw .notDirectory(directory, exists: Folder.exists(directory))
      }
      if let mounted = MountPoint.type(of: path), mounted == type {
        throw .isMounted(path, type: mounted)
      }
      return path
    }

    /// The name that mountinfo has: nothing can be asked about a dead mount itself, but about where it is.
    private static func canonical(_ directory: String) -> String {
      if let path = try? Folder.canonical(directory) { return path }
      var parts = directory.split(separator: "/", omittingEmptySubsequences: true)
      guard let name = parts.popLast() else { return directory }
      let above = (directory.hasPrefix("/") ? "/" : "./") + parts.joined(separator: "/")
      return (try? Folder.canonical(above)).map { $0 == "/" ? "/\(name)" : "\($0)/\(name)" }
        ?? directory
    }

    private static func open(
      _ medium: any Medium, _ name: String, _ media: MountMedia, formats: Bool,
      as format: Format?, kernel: KernelBehavior
    ) throws(MountError) -> Volume {
      let bytes: MediumBytes
      do throws(Errno) {
        bytes = try MediumBytes(medium)
      } catch {
        throw .system(call: "map", path: name, error, message: "")
      }
      do throws(ImageProblem) {
        let content = try Volume.content(of: bytes)
        let isFresh = content == .unfinished || (content == .other && bytes.isBlank)
        if formats || isFresh {
          try Volume.format(
            bytes, blockCount: bytes.blockCount, identifier: identifier(), owner: owner,
            as: format)
        }
        return try Volume(
          mounting: bytes, blockCount: bytes.blockCount, media: media, kernel: kernel)
      } catch .noSuperblock(0) {
        throw .foreign(medium: name)
      } catch {
        throw .image(medium: name, error)
      }
    }

    /// The root directory belongs to whoever makes the filesystem.
    private static var owner: Attributes {
      var owner = Attributes(
        mode: 0o755, user: ThisProcess.effectiveUser, group: ThisProcess.effectiveGroup)
      let (seconds, nanoseconds) = WallClock.now
      owner.created = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
      owner.accessed = owner.created
      owner.modified = owner.created
      owner.changed = owner.created
      return owner
    }

    private static func identifier() -> [UInt8] {
      var bytes: [UInt8] = []
      for number in [UInt64.unguessable(), UInt64.unguessable()] {
        for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * byte))) }
      }
      return bytes
    }
  #endif
}

/// fsck of a medium: says what is wrong, and repairs what can be if it may write.
public enum FilesystemCheck {
  public struct Result: Sendable {
    /// Each thing that is wrong, as a sentence.
    public let findings: [String]
    public let isRepairable: Bool
    public let inodes: Int
    public let isBlank: Bool
  }

  public static func run(_ medium: any Medium, writing: Bool) throws(MountError) -> Result {
    let bytes: MediumBytes
    do throws(Errno) {
      bytes = try MediumBytes(medium)
    } catch {
      throw .system(call: "map", path: medium.path, error, message: "")
    }
    if bytes.isBlank { return Result(findings: [], isRepairable: false, inodes: 0, isBlank: true) }
    do throws(ImageProblem) {
      let repair = try VolumeRepair(bytes, blockCount: bytes.blockCount, writing: writing)
      return Result(
        findings: repair.findings.map(\.text), isRepairable: repair.isRepairable,
        inodes: repair.inodes, isBlank: false)
    } catch {
      throw .image(medium: medium.path, error)
    }
  }
}
