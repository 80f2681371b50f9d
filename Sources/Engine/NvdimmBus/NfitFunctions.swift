internal import SystemPackage

/// The functions that the platform's firmware offers for the NFIT root device: address range scrub and error injection.
///
/// Input and output are the packed structs of ACPI 6.2, 9.20.7. Any input has an answer; what makes no sense is status 2
/// ("invalid input parameters") and changes nothing.
struct NfitFunctions {
  let devices: [EmulatedDevice]
  /// The last scrub that a program asked for.
  private var scrubbed: (range: Range<UInt64>, records: [Range<UInt64>])?

  init(devices: [EmulatedDevice]) { self.devices = devices }

  /// Bytes that one error takes at least, and that are cleared together.
  static let clearUnit: UInt64 = 256
  /// `max_ars_out`
  static let longestOutput = 4096

  private static let invalid: UInt32 = 2
  /// `ND_ARS_PERSISTENT`
  private static let persistent: UInt16 = 2

  /// The output of `function`, and whether known bad sectors may have changed or a scrub was asked for.
  mutating func call(
    _ function: UInt64, _ input: [UInt8], _ media: any PoisonableMedia
  ) -> (output: [UInt8], isScrubWanted: Bool) {
    let reader = StructReader(input)
    switch function {
    case 1: return (capabilities(reader), false)
    case 2: return (startScrub(reader, media), false)
    case 3: return (scrubStatus(), false)
    case 4: return (clear(reader, media), false)
    case 5: return (translate(), false)
    case 7: return inject(reader, media)
    case 8: return (withdraw(reader, media), false)
    default: return (injections(media), false)
    }
  }

  // MARK: Ranges

  /// Address and length, which most inputs begin with: the device they are in, and where in it.
  private func range(_ reader: StructReader) -> (
    device: Int, bytes: Range<UInt64>, physical: Range<UInt64>
  )? {
    guard let base = reader.number(UInt64.self, at: 0),
      let length = reader.number(UInt64.self, at: 8), length > 0
    else { return nil }
    let (end, overflow) = base.addingReportingOverflow(length)
    guard !overflow,
      let device = devices.firstIndex(where: {
        $0.resource <= base && end <= $0.resource + $0.size
      })
    else { return nil }
    let start = devices[device].resource
    return (device, (base - start)..<(end - start), base..<end)
  }

  // MARK: Address range scrub

  private func capabilities(_ reader: StructReader) -> [UInt8] {
    let isValid = range(reader) != nil
    var output = StructWriter()
    output.append(isValid ? UInt32(Self.persistent) << 16 : Self.invalid)
    output.append(isValid ? UInt32(Self.longestOutput) : 0)
    output.append(isValid ? UInt32(Self.clearUnit) : 0)
    output.append(UInt32(0))  // flags, reserved
    return output.bytes
  }

  private mutating func startScrub(_ reader: StructReader, _ media: any PoisonableMedia) -> [UInt8]
  {
    var output = StructWriter()
    guard let wanted = range(reader), let type = reader.number(UInt16.self, at: 16),
      type & Self.persistent != 0, let flags = reader.number(UInt8.self, at: 18)
    else {
      output.append(Self.invalid)
      output.append(UInt32(0))
      return output.bytes
    }
    // ND_ARS_RETURN_PREV_DATA: the results of the scrub before.
    if flags & 2 == 0 || scrubbed == nil {
      let base = devices[wanted.device].resource
      scrubbed = (
        wanted.physical,
        media.poisoned(device: wanted.device).map {
          ($0.lowerBound + base)..<($0.upperBound + base)
        }.filter { $0.overlaps(wanted.physical) }.map { $0.clamped(to: wanted.physical) }
      )
    }
    output.append(UInt32(0))
    output.append(UInt32(1))  // seconds
    return output.bytes
  }

  private func scrubStatus() -> [UInt8] {
    let head = 48
    let most = (Self.longestOutput - head) / 24
    let records = scrubbed?.records ?? []
    let shown = records.prefix(most)
    let rest = records.dropFirst(most).first
    let range = scrubbed?.range ?? 0..<0
    var output = StructWriter()
    output.append(scrubbed == nil ? UInt32(2) << 16 : 0)  // 2: no scrub yet
    output.append(UInt32(head + 24 * shown.count))
    output.append(range.lowerBound)
    output.append(range.upperBound - range.lowerBound)
    output.append(rest?.lowerBound ?? 0)
    output.append(rest.map { range.upperBound - $0.lowerBound } ?? 0)
    output.append(Self.persistent)
    output.append(UInt16(rest == nil ? 0 : 1))  // 1: overflow
    output.append(UInt32(shown.count))
    for record in shown {
      output.append(UInt64(0))  // handle, reserved: no DIMM
      output.append(record.lowerBound)
      output.append(record.upperBound - record.lowerBound)
    }
    return output.bytes
  }

  private func clear(_ reader: StructReader, _ media: any PoisonableMedia) -> [UInt8] {
    var status = Self.invalid
    var cleared: UInt64 = 0
    if let wanted = range(reader), wanted.physical.lowerBound.isMultiple(of: Self.clearUnit),
      wanted.physical.upperBound.isMultiple(of: Self.clearUnit)
    {
      do throws(Errno) {
        cleared = try media.clear(device: wanted.device, bytes: wanted.bytes)
        status = 0
      } catch {
        status = 3  // hardware error
      }
    }
    var output = StructWriter()
    output.append(status)
    output.append(UInt32(0))
    output.append(cleared)
    return output.bytes
  }

  /// No DIMM is behind any address. Output: status, flags, length, count.
  private func translate() -> [UInt8] {
    var output = StructWriter()
    output.append(Self.invalid)
    output.append(UInt32(0))
    output.append(UInt64(0))
    output.append(UInt32(0))
    return output.bytes
  }

  // MARK: Error injection

  private func inject(_ reader: StructReader, _ media: any PoisonableMedia) -> (
    output: [UInt8], isScrubWanted: Bool
  ) {
    var output = StructWriter()
    guard let wanted = range(reader), let options = reader.number(UInt8.self, at: 16),
      (try? media.inject(device: wanted.device, bytes: wanted.bytes)) != nil
    else {
      output.append(Self.invalid)
      return (output.bytes, false)
    }
    output.append(UInt32(0))
    return (output.bytes, options & 1 != 0)
  }

  private func withdraw(_ reader: StructReader, _ media: any PoisonableMedia) -> [UInt8] {
    var output = StructWriter()
    if let wanted = range(reader),
      (try? media.withdraw(device: wanted.device, bytes: wanted.bytes)) != nil
    {
      output.append(UInt32(0))
    } else {
      output.append(Self.invalid)
    }
    return output.bytes
  }

  /// Every injection; as many as fit.
  private func injections(_ media: any PoisonableMedia) -> [UInt8] {
    let records = devices.indices.flatMap { device in
      media.poisoned(device: device).map { range in
        (devices[device].resource + range.lowerBound, range.upperBound - range.lowerBound)
      }
    }.prefix((Self.longestOutput - 8) / 16)
    var output = StructWriter()
    output.append(UInt32(0))
    output.append(UInt32(records.count))
    for (base, length) in records {
      output.append(base)
      output.append(length)
    }
    return output.bytes
  }
}
