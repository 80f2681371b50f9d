internal import ArgumentParser
internal import HostFilesystem
internal import LinuxSys
internal import PmemBase
internal import Wire

/// `softdax owners`: what a bad page takes with it.
struct Owners: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell whose a page is, who maps it, and who would be signalled if it failed.",
    discussion: """
      Of an emulated device (DEV with --page, --block, --offset or --range): who maps it, where, with which policy; its bad blocks; and the \
      kill list of a machine check that nobody consumed, for each kernel whose rules are known. The device of a filesystem that softdax has mounted \
      is pmem0, or the directory: there --file works, too, and whose the page is comes first.

      Of a mounted filesystem (--fs): reads, changes nothing. XFS with a reverse map answers at once, its own blocks included; elsewhere every file is asked for its \
      extents. With a filesystem on /dev/pmemN mounted with dax, the processes listed are those that a failure of the page would reach.

      Example: softdax owners dax0.0 --page 3
      Example: softdax owners pmem0 --file /tmp/pmem0/pool@0x3000
      Example: softdax owners --fs /mnt/pmem0 --file /mnt/pmem0/pool@0x3000
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: DeviceArgument.help)
  var device: String?

  @Option(help: ArgumentHelp("A mounted filesystem: any path on it.", valueName: "mountpoint"))
  var fs: String?

  @Option(help: ArgumentHelp("Page frame number, 4 KiB pages of DEV.", valueName: "pfn"))
  var page: UInt64?

  @Option(help: ArgumentHelp("Bytes B to E - 1 of DEV.", valueName: "B-E"))
  var range: String?

  @Option(
    name: [.customShort("B"), .long],
    help: ArgumentHelp(
      "Sector of 512 bytes from the device's start, as badblocks files count.", valueName: "sector")
  )
  var block: UInt64?

  @Option(help: ArgumentHelp("Byte from the device's start.", valueName: "bytes"))
  var offset: String?

  @Option(help: ArgumentHelp("A byte of a file.", valueName: "path@bytes"))
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Bytes that are bad, with --fs (default: a page; 512 with --block).", valueName: "bytes"))
  var length: String?

  @Flag(help: "With --fs: do not walk the filesystem for the names of files that nobody maps.")
  var noPaths = false

  @Flag(help: "JSON.")
  var json = false

  func validate() throws {
    guard (device == nil) != (fs == nil) else {
      throw ValidationError("Give an emulated device, or a mounted filesystem with --fs.")
    }
    if fs != nil {
      guard page == nil, range == nil else {
        throw ValidationError("--page and --range are for an emulated device.")
      }
      guard [block != nil, offset != nil, file != nil].count(where: { $0 }) == 1 else {
        throw ValidationError("Give one of --block, --offset and --file.")
      }
    } else {
      guard length == nil, !noPaths else {
        throw ValidationError("--length and --no-paths are for a filesystem (--fs).")
      }
      guard
        [page != nil, block != nil, offset != nil, range != nil, file != nil]
          .count(where: { $0 }) == 1
      else { throw ValidationError("Give one of --page, --block, --offset, --range and --file.") }
    }
  }

  func run() throws {
    if let device {
      let running = try server.connect()
      let target = try running.device(named: device)
      let report = try DeviceOwners(running, target, try deviceBytes(target))
      print(json ? try jsonText(report) : report.text, terminator: json ? "\n" : "")
      return
    }
    let fs = fs ?? ""
    do {
      let mount = try Mount(showing: fs)
      let radius = try BlastRadius(of: try range(on: mount), on: mount, wantsPaths: !noPaths)
      print(
        json ? try jsonText(OwnersReport(radius)) : OwnersReport(radius).text,
        terminator: json ? "\n" : "")
    } catch let error as HostFilesystemError {
      throw CommandFailure("owners: \(error)")
    }
  }

  /// The bytes of the device that are asked for.
  private func deviceBytes(_ target: DeviceInfo) throws -> Range<UInt64> {
    if let file {
      let sector = try FileSector.place(of: file, on: target)
      return sector << 9..<(sector + 1) << 9
    }
    let start: UInt64
    var length: UInt64 = 1
    var overflow = false
    if let range {
      let ends = range.split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count == 2 else {
        throw CommandFailure("--range \(range): write B-E, such as 0x3000-0x5000")
      }
      start = try ByteCount.bytes(String(ends[0]), of: "--range")
      let end = try ByteCount.bytes(String(ends[1]), of: "--range")
      guard start < end else {
        throw CommandFailure("--range \(range): no byte is in it; E is the first behind it")
      }
      length = end - start
    } else if let offset {
      start = try ByteCount.bytes(offset, of: "--offset")
    } else {
      let unit: UInt64 = page == nil ? 512 : PageSize.base.bytes
      (start, overflow) = (page ?? block ?? 0).multipliedReportingOverflow(by: unit)
    }
    let (end, past) = start.addingReportingOverflow(length)
    guard !overflow, !past else { throw CommandFailure("no device has so many bytes") }
    return start..<end
  }

  private func range(on mount: Mount) throws -> Range<UInt64> {
    let page = PageSize.base.bytes
    var start: UInt64
    var bytes = page
    if let block {
      let (byte, overflow) = block.multipliedReportingOverflow(by: 512)
      guard !overflow else {
        throw CommandFailure("--block \(block): no device has so many sectors")
      }
      (start, bytes) = (byte, 512)
    } else if let offset {
      start = PageSize.base.roundDown(try ByteCount.bytes(offset, of: "--offset"))
    } else {
      let text = file ?? ""
      guard let sign = text.lastIndex(of: "@") else {
        throw CommandFailure("--file \(text): write PATH@BYTES, such as \(mount.point)/pool@0x3000")
      }
      let byte = PageSize.base.roundDown(
        try ByteCount.bytes(String(text[text.index(after: sign)...]), of: "--file"))
      start = try BlastRadius.place(of: String(text[..<sign]), offset: byte, on: mount)
    }
    if let length { bytes = try ByteCount.bytes(length, of: "--length") }
    let (end, overflow) = start.addingReportingOverflow(bytes)
    guard bytes > 0, !overflow else {
      throw CommandFailure(
        "a range of \(bytes) bytes from byte \(start): give a --length of at least 1 that ends on the device"
      )
    }
    return start..<end
  }
}
