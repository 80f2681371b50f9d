internal import ArgumentParser
internal import FuseMount
internal import LinuxSys
internal import Medium
internal import SystemPackage

/// `softdax fsck`: what is wrong with a filesystem, and its repair.
struct Fsck: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the filesystem of a medium that nobody uses, and repair what can be repaired.",
    discussion: """
      Says each thing that is wrong and what is done about it, what is lost too. Exit status as fsck(8): 0 sound, 1 repaired, \
      4 not repaired, 8 the medium cannot be looked at.

      Example: softdax fsck /var/tmp/pmem.img
      """)

  @Argument(help: "The file that the filesystem is on.")
  var image: String

  @Flag(name: [.customShort("n"), .long], help: "Only look.")
  var dryRun = false

  private static let trouble: Int32 = 8

  func run() throws {
    let result: FilesystemCheck.Result
    do {
      let path = image.contains("/") ? image : "./" + image
      // Whole blocks: an image that was cut short has what it has.
      let size: UInt64
      do throws(Errno) {
        size = try OwnedDescriptor.openExisting(path).facts().size & ~4095
      } catch {
        throw CommandFailure("fsck: \(image): \(error)", status: Self.trouble)
      }
      guard size > 0 else {
        throw CommandFailure(
          "fsck: \(image) has less than a block of 4096 bytes; name the image of a filesystem",
          status: Self.trouble)
      }
      let medium = try FileMedium(path: path, size: size, alignment: 4096)
      result = try FilesystemCheck.run(medium, writing: !dryRun)
    } catch let error as MediumError {
      throw CommandFailure("fsck: \(error)", status: Self.trouble)
    } catch let error as MountError {
      throw CommandFailure("fsck: \(error)", status: Self.trouble)
    }
    if result.isBlank {
      throw CommandFailure("\(image) is blank: there is no filesystem on it", status: Self.trouble)
    }
    for finding in result.findings { print("\(image): \(finding)") }
    let nodes = "\(result.inodes) files and directories"
    if result.findings.isEmpty {
      print("\(image): sound, \(nodes)")
    } else if !result.isRepairable {
      print("\(image): NOT repaired: restore it from a copy, or give it up with --format")
      throw ExitCode(4)
    } else if dryRun {
      print("\(image): not sound; softdax fsck without -n repairs it, to \(nodes)")
      throw ExitCode(4)
    } else {
      print("\(image): repaired, \(nodes)")
      throw ExitCode(1)
    }
  }
}
