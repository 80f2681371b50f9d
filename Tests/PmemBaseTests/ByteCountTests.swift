import PmemBase
import Testing

@Suite struct `a size` {
  /// Catches a size read as another one: a device of the wrong size, silently.
  @Test(
    arguments: [
      ("0", 0), ("512", 512), ("1k", 1 << 10), ("512M", 512 << 20), ("3g", 3 << 30),
      ("2T", 2 << 40), ("0x200", 512), ("0X1fm", 31 << 20), ("01000", 512), ("00", 0), ("0k", 0),
      ("0xG", nil), ("18446744073709551615", .max), ("0xffffffffffffffff", .max),
      ("16777215T", 16_777_215 << 40),
    ] as [(String, UInt64?)])
  func `is read as ndctl reads it`(text: String, bytes: UInt64?) {
    #expect((try? ByteCount(parsing: text))?.bytes == bytes)
  }

  /// Catches garbage taken for a number; strtoull would take some of it.
  @Test(arguments: [
    "", " ", "k", "-1", "+1", " 1", "1 ", "1kk", "1kb", "1.5g", "08", "0x", "0xk", "x10", "1e3",
    "1_000", "٣", "1K\u{0301}", "g1", "0b1",
  ])
  func `that is no number is refused`(text: String) {
    #expect(throws: SizeError.malformed(text)) { try ByteCount(parsing: text) }
  }

  /// Catches a size that wraps around: 16777216T is 2^64.
  @Test(arguments: [
    "16777216T", "18446744073709551616", "0x10000000000000000", "99999999999999999999k",
  ])
  func `of more than 64 bits is refused`(text: String) {
    #expect(throws: SizeError.tooLarge(text)) { try ByteCount(parsing: text) }
  }

  /// Catches a refusal that does not say what to write instead.
  @Test func `that is refused is quoted, with the accepted form`() {
    let form = "write bytes (decimal, 0x hex or 0 octal) and at most one of k, m, g, t: 512m"
    #expect("\(SizeError.malformed("1kb"))" == "\"1kb\" is not a size; \(form)")
    #expect(
      "\(SizeError.tooLarge("16777216T"))"
        == "\"16777216T\" is more than 18446744073709551615 bytes; \(form)")
  }

  /// Catches a listing that differs from ndctl's for the same device.
  @Test(
    arguments: [
      (0, "0"), (4096, "4096"), (5000 * 1024 - 1, "5119999"),
      (5000 * 1024, "4.88 MiB (5.12 MB)"), (512 << 20, "512.00 MiB (536.87 MB)"),
      (526_385_152, "502.00 MiB (526.39 MB)"), ((2 << 30) - 1, "2048.00 MiB (2147.48 MB)"),
      (2 << 30, "2.00 GiB (2.15 GB)"), (1 << 40, "1024.00 GiB (1099.51 GB)"),
      (.max, "17179869184.00 GiB (18446744073.71 GB)"),
    ] as [(UInt64, String)])
  func `is printed as ndctl prints it`(bytes: UInt64, text: String) {
    #expect(ByteCount(bytes).human == text)
    #expect("\(ByteCount(bytes))" == text)
  }

  /// Catches an order that is not that of the bytes.
  @Test func `is ordered by its bytes`() {
    #expect(ByteCount(1) < ByteCount(2))
    #expect(!(ByteCount(2) < ByteCount(2)))
  }
}
