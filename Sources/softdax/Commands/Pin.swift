internal import ArgumentParser
internal import LinuxSys
internal import PmemBase
internal import SystemPackage

/// `softdax pin`: what a device does that transfers to or from a mapped file.
struct Pin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Pin pages of a mapped file, as a device does that transfers to or from them.",
    discussion: """
      Some process has the pages mapped. Whatever would take their blocks from the file (truncate, punching a hole, a clone) waits until \
      `softdax unpin`; a signal ends the wait with EINTR. What is pinned stays so when the process ends. Kernels refuse long-term pins of DAX files. \
      `softdax pages pmem0` shows \
      each pin as 1024 references.

      Example: softdax pin /mnt/pmem0/pool@0x3000
      """)

  @Argument(help: ArgumentHelp("A byte of a file on a mount of softdax.", valueName: "path@bytes"))
  var place: String

  @Option(help: ArgumentHelp("Bytes to pin (default: a page).", valueName: "bytes"))
  var length: String?

  @Flag(help: "For as long as user space likes (FOLL_LONGTERM): EOPNOTSUPP.")
  var longterm = false

  func run() throws {
    let place = try PinPlace(place, length: length, standard: PageSize.base.bytes)
    do throws(Errno) {
      try FilePins.take(
        place.path, offset: place.offset, length: place.length, longterm: longterm)
    } catch .notSupported where longterm {
      throw CommandFailure(
        "\(place.path): pages of a DAX file cannot be pinned for the long term (EOPNOTSUPP), because its filesystem must be able to wait for "
          + "them; leave out --longterm")
    } catch .badAddress {
      throw CommandFailure(
        "\(place.path): a pin is taken through a mapping, and no process shares bytes \(place.offset) to "
          + "\(place.offset + place.length - 1) (EFAULT)")
    } catch {
      throw place.failure(error)
    }
  }
}

/// `softdax unpin`.
struct Unpin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give back what `softdax pin` took; who waited for it goes on.",
    discussion: """
      Of a file without a byte: all of it. Of the directory where a filesystem is mounted: everything on it, files without a name too.

      Example: softdax unpin /mnt/pmem0/pool
      """)

  @Argument(help: ArgumentHelp("A file, a byte of it, or the mount.", valueName: "path[@bytes]"))
  var place: String

  @Option(help: ArgumentHelp("Bytes (default: a page).", valueName: "bytes"))
  var length: String?

  func run() throws {
    let hasByte = PinPlace.sign(in: place) != nil
    let place = try PinPlace(
      place, length: length, standard: hasByte ? PageSize.base.bytes : UInt64(Int64.max))
    do throws(Errno) {
      try FilePins.release(place.path, offset: place.offset, length: place.length)
    } catch .invalidArgument {
      throw CommandFailure("\(place.path): nothing of that is pinned")
    } catch {
      throw place.failure(error)
    }
  }
}

/// `path@bytes` and a length.
private struct PinPlace {
  let path: String
  let offset: UInt64
  let length: UInt64

  /// Where the byte begins, unless the whole is a file's name.
  static func sign(in text: String) -> String.Index? {
    Folder.exists(text) ? nil : text.lastIndex(of: "@")
  }

  init(_ text: String, length: String?, standard: UInt64) throws {
    if let sign = Self.sign(in: text) {
      path = String(text[..<sign])
      offset = PageSize.base.roundDown(
        try ByteCount.bytes(String(text[text.index(after: sign)...]), of: "the byte"))
    } else {
      (path, offset) = (text, 0)
    }
    self.length = try length.map { try ByteCount.bytes($0, of: "--length") } ?? standard
    guard self.length > 0, offset <= UInt64(Int64.max), self.length <= UInt64(Int64.max) - offset
    else { throw CommandFailure("\(text): no file has so many bytes") }
  }

  func failure(_ error: Errno) -> CommandFailure {
    switch error {
    case .inappropriateIOCTLForDevice, .notSupported:
      CommandFailure("\(path): not on a filesystem that softdax has mounted (--fs)")
    case .notPermitted:
      CommandFailure("\(path): only its owner may do that")
    default: CommandFailure("\(path): \(error)")
    }
  }
}
