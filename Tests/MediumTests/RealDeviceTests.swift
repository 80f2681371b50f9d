internal import LinuxSys
internal import SystemPackage
internal import Testing

@testable internal import Medium

/// Real /dev/daxN.M of the host.
@Suite struct `Real devices` {
  private static let hostHasNone = Folder.entries("/sys/bus/dax/devices").isEmpty

  #if RealDevices
    /// Catches a discovery that invents devices, or that fails where there is no dax bus at all.
    @Test(.enabled(if: hostHasNone, "this host has real dax devices"))
    func `a host without any has none, and says so`() throws {
      #expect(try RealDevice.all() == [])
      #expect(
        complaint("dax0.0")
          == "dax0.0: no such real device; this host has none (`daxctl list` shows them; an emulated one takes --size)"
      )
    }
  #else
    /// Catches a build without libdaxctl that claims to have looked.
    @Test func `a build without the trait says what is missing`() {
      #expect(
        complaint("dax0.0")
          == "this softdax was built without real devices; install libndctl-dev and libdaxctl-dev "
          + "and build it with its default traits")
    }
  #endif

  private func complaint(_ name: String) -> String? {
    do throws(RealDeviceError) {
      _ = try RealDevice.find(name)
      return nil
    } catch {
      return error.description
    }
  }

  private func device(
    _ name: String, size: UInt64 = 1 << 30, alignment: UInt64 = 2 << 20,
    mode: RealDevice.Mode = .devdax, isEnabled: Bool = true
  ) -> RealDevice {
    RealDevice(
      name: name, path: "/dev/" + name, size: size, alignment: alignment, resource: nil,
      targetNode: -1, major: 250, minor: 0, mode: mode, isEnabled: isEnabled)
  }

  private func refusal(_ name: String, from devices: [RealDevice]) -> String? {
    do throws(RealDeviceError) {
      _ = try RealDevice.pick(name, from: devices)
      return nil
    } catch {
      return error.description
    }
  }

  /// Catches a device used as a medium while the system uses it as memory, or that no mapping fits.
  @Test func `a device that cannot be mapped is refused with what to do`() throws {
    let devices = [
      device("dax0.0"), device("dax1.0", mode: .systemRAM), device("dax2.0", isEnabled: false),
      device("dax3.0", alignment: 3),
    ]
    #expect(try RealDevice.pick("/dev/dax0.0", from: devices).name == "dax0.0")
    #expect(try RealDevice.pick("dax0.0", from: devices).path == "/dev/dax0.0")
    #expect(
      refusal("dax1.0", from: devices)
        == "dax1.0 is in mode system-ram, its memory is in use by the system; change it with "
        + "`daxctl reconfigure-device --mode=devdax dax1.0`")
    #expect(
      refusal("dax2.0", from: devices)
        == "dax2.0 is disabled; enable it with `daxctl enable-device dax2.0`")
    #expect(
      refusal("dax3.0", from: devices)
        == "dax3.0 reports size 1073741824 and alignment 3, which no mapping fits; look at "
        + "it with `daxctl list -D -d dax3.0`")
    #expect(
      refusal("dax9.0", from: devices)
        == "dax9.0: no such real device; this host has dax0.0, dax1.0, dax2.0, dax3.0")
  }

  /// Catches a node that is not there, or that one may not open, found out at the first mmap.
  @Test func `the node has to be there`() {
    #expect(throws: RealDeviceError.noNode(path: "/dev/dax99.99")) {
      try RealDevice.checkNode(at: "/dev/dax99.99")
    }
    #expect(throws: Never.self) { try RealDevice.checkNode(at: "/dev/null") }
  }

  /// Catches a real device used with pages smaller than its own, or past its end.
  @Test func `a device as medium keeps to its pages and size`() {
    func refusal(size: UInt64?, alignment: UInt64) -> String? {
      do throws(MediumError) {
        _ = try DeviceMedium(device("dax99.99"), size: size, alignment: alignment)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(
      refusal(size: nil, alignment: 4096)
        == "/dev/dax99.99 has pages of 2097152 bytes, larger than the alignment 4096; use --align 2097152"
    )
    #expect(
      refusal(size: 2 << 30, alignment: 2 << 20)
        == "/dev/dax99.99 has 1073741824 bytes, too small for a device of 2147483648; use --size 1073741824 or less, "
        + "or a larger file")
    #expect(refusal(size: 4096, alignment: 2 << 20)?.hasPrefix("size 4096 is not") == true)
  }
}
