internal import SystemPackage

/// One ioctl() of /dev/ndctlN, taken apart: a total function of whatever bytes a program hands over.
///
/// Source: `__nd_ioctl`, drivers/nvdimm/bus.c, and `acpi_nfit_ctl`, drivers/acpi/nfit/core.c.
struct ControlCommand: Equatable {
  /// The function of the NFIT root device's _DSM that does it; 1...4 have the numbers of the ioctls.
  let function: UInt64
  let input: [UInt8]
  /// Where in the program's struct the output goes.
  let outputOffset: Int
  /// Bytes for it.
  let outputRoom: Int
  /// ND_CMD_CALL: the struct is a `nd_cmd_pkg`, which says itself how much came.
  let isPackage: Bool

  /// As many bytes of a program's struct as are looked at, or written.
  static let envelopeLimit = 8192
  /// `ND_IOCTL_MAX_BUFLEN`
  private static let lengthLimit: UInt64 = 4 << 20
  private static let packageSize = 64
  private static let fwSizeOffset = 60
  /// Functions, as `nfit/dsm_mask` lists them.
  static let functions: Set<UInt64> = [1, 2, 3, 4, 5, 7, 8, 9]

  /// - Parameters:
  ///   - request: the second argument of ioctl().
  ///   - isReadOnly: the descriptor is open for reading only.
  ///   - envelope: what can be read where the third argument points, at most ``envelopeLimit`` bytes.
  /// - Throws: what the ioctl fails with.
  init(request: UInt64, isReadOnly: Bool, envelope: [UInt8]) throws(Errno) {
    let number = request & 0xff
    guard request >> 8 & 0xff == UInt64(UInt8(ascii: "N")), (1...4).contains(number) || number == 10
    else { throw Errno(rawValue: 25) }  // ENOTTY
    if isReadOnly, number == 2 || number == 4 || number == 10 { throw .notPermitted }
    let reader = StructReader(envelope)
    switch number {
    case 10:
      guard let family = reader.number(UInt64.self, at: 0),
        let command = reader.number(UInt64.self, at: 8),
        let inputSize = reader.number(UInt32.self, at: 16),
        let outputSize = reader.number(UInt32.self, at: 20),
        envelope.count >= Self.packageSize
      else { throw .badAddress }
      let whole = UInt64(Self.packageSize) + UInt64(inputSize) + UInt64(outputSize)
      try Self.check(whole, envelope)
      let reserved = envelope[24..<Self.fwSizeOffset]
      guard family == 0, reserved.allSatisfy({ $0 == 0 }) else { throw .invalidArgument }
      guard Self.functions.contains(command) else { throw Errno(rawValue: 25) }
      // Half of the envelope for each way is more than any function takes or gives.
      guard inputSize <= Self.envelopeLimit / 2 - Self.packageSize else { throw .invalidArgument }
      function = command
      input = Array(envelope[Self.packageSize..<Self.packageSize + Int(inputSize)])
      outputOffset = Self.packageSize + Int(inputSize)
      outputRoom = Int(outputSize)
      isPackage = true
    default:
      // Bytes in, bytes out.
      let sizes: (input: Int, output: UInt64)
      switch number {
      case 1: sizes = (16, 16)
      case 2: sizes = (24, 8)
      case 3: sizes = (0, try Self.statusRoom(reader))
      default: sizes = (16, 16)
      }
      try Self.check(UInt64(sizes.input) + sizes.output, envelope)
      function = number
      input = Array(envelope[..<sizes.input])
      outputOffset = sizes.input
      outputRoom = Int(sizes.output)
      isPackage = false
    }
  }

  /// `out_length` of ND_CMD_ARS_STATUS says how large the caller's struct is. Source: `nd_cmd_out_size`.
  private static func statusRoom(_ reader: StructReader) throws(Errno) -> UInt64 {
    guard let length = reader.number(UInt32.self, at: 4) else { throw .badAddress }
    return length <= 4 ? 8 : 8 + UInt64(length &- 8)
  }

  private static func check(_ length: UInt64, _ envelope: [UInt8]) throws(Errno) {
    guard length <= lengthLimit else { throw .invalidArgument }
    guard length <= UInt64(envelope.count) || envelope.count >= envelopeLimit else {
      throw .badAddress
    }
  }

  /// The program's struct with `output` in its place.
  ///
  /// - Returns: what ioctl() returns (the bytes of room that stayed empty), and the bytes to write back from the start of the struct.
  /// - Throws: ENXIO when the output does not fit.
  func finish(_ output: [UInt8], in envelope: [UInt8]) throws(Errno) -> (
    result: Int32, bytes: [UInt8]
  ) {
    var bytes = Array(envelope[..<min(envelope.count, outputOffset)])
    if isPackage {
      var size = StructWriter()
      size.append(UInt32(output.count))
      bytes.replaceSubrange(Self.fwSizeOffset..<Self.packageSize, with: size.bytes)
      return (0, bytes + output.prefix(outputRoom))
    }
    guard output.count <= outputRoom else { throw .noSuchAddressOrDevice }
    return (Int32(outputRoom - output.count), bytes + output)
  }
}
