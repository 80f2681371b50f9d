public import LinuxSys
public import PmemBase
public import SystemPackage

/// A file: its bytes outlive the server. Locked against other servers as long as this one holds it.
public final class FileMedium: Medium {
  public let kind: MediumKind
  public let path: String
  public let size: UInt64
  public let pageBytes: UInt64
  public let insertion: Insertion
  private let file: OwnedDescriptor
  /// What workloads get: an open file description of its own, so that none of them can give up the lock.
  private let shared: OwnedDescriptor

  /// Opens `path`, or creates it when it does not exist and `size` says how large.
  ///
  /// The first `size` bytes (or all) are the device; bytes after them are left alone.
  ///
  /// - Parameter alignment: bytes; the size must be a multiple, and so must the pages of a hugetlbfs divide it.
  public init(path: String, size: UInt64?, alignment: UInt64) throws(MediumError) {
    self.path = path
    var created = false
    do throws(Errno) {
      do throws(Errno) {
        file = try OwnedDescriptor.openExisting(path)
      } catch .noSuchFileOrDirectory {
        guard size != nil else { throw Errno.noSuchFileOrDirectory }
        file = try OwnedDescriptor.create(path, mode: 0o600)
        created = true
      }
    } catch .noSuchFileOrDirectory where size == nil {
      throw .sizeMissing(path)
    } catch .isDirectory {
      throw .notRegular(path: path)
    } catch {
      throw .system(call: "open", path: path, error)
    }
    do throws(MediumError) {
      let facts = try Self.examine(file, path)
      pageBytes = facts.pageSize
      kind = facts.isOnTmpfs || facts.isOnHugetlbfs ? .tmpfs : .file
      insertion = kind == .tmpfs ? .continued : .remapped
      self.size = try Self.settle(
        file, path, facts, size: size, alignment: alignment, created: created)
      do throws(Errno) {
        shared = try file.reopened()
      } catch {
        throw .system(call: "reopen", path: path, error)
      }
    } catch {
      if created { Folder.removeFile(path) }
      throw error
    }
  }

  private static func examine(_ file: borrowing OwnedDescriptor, _ path: String)
    throws(MediumError) -> FileFacts
  {
    let facts: FileFacts
    do throws(Errno) {
      facts = try file.facts()
      guard facts.isRegular else { throw Errno.invalidArgument }
      try file.lockExclusively()
    } catch .wouldBlock {
      throw .inUse(path: path)
    } catch .invalidArgument {
      throw .notRegular(path: path)
    } catch {
      throw .system(call: "fstat", path: path, error)
    }
    return facts
  }

  /// The device's size; a new file is given it.
  private static func settle(
    _ file: borrowing OwnedDescriptor, _ path: String, _ facts: FileFacts, size: UInt64?,
    alignment: UInt64, created: Bool
  ) throws(MediumError) -> UInt64 {
    guard facts.pageSize <= alignment else {
      throw .pagesLargerThanAlignment(
        path: path, pageBytes: facts.pageSize, alignment: alignment)
    }
    let wanted = size ?? facts.size
    guard wanted > 0 else { throw .sizeZero }
    guard wanted % alignment == 0 else {
      throw .sizeNotAligned(size: wanted, alignment: alignment)
    }
    if !created && facts.size < wanted {
      throw .tooSmall(path: path, has: facts.size, needs: wanted)
    }
    let missing = wanted > facts.allocated ? wanted - facts.allocated : 0
    guard missing <= facts.available else {
      throw .noSpace(path: path, available: facts.available, needs: missing)
    }
    do throws(Errno) {
      if created { try file.truncate(to: wanted) }
    } catch {
      throw .system(call: "ftruncate", path: path, error)
    }
    return wanted
  }

  public func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result { try body(shared) }

  public func fill(offset: UInt64, length: UInt64) throws(Errno) {
    try file.allocate(offset: offset, length: length)
  }
}
