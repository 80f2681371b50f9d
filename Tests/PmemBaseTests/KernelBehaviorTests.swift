import PmemBase
import Testing

@Suite struct `a kernel to follow` {
  /// Catches a version that is printed and cannot be typed.
  @Test(arguments: KernelBehavior.allCases)
  func `is written as uname has it, with or without a v`(kernel: KernelBehavior) {
    #expect(KernelBehavior(parsing: kernel.shortName) == kernel)
    #expect(KernelBehavior(parsing: "v" + kernel.shortName) == kernel)
  }

  /// Catches a version taken for one that was measured.
  @Test(arguments: ["", "v", "6", "6.10", "6.1.0", "7.2 ", "vv7.2", "V7.2"])
  func `that was not measured is refused`(text: String) {
    #expect(KernelBehavior(parsing: text) == nil)
  }

  /// Catches two versions with one name.
  @Test func `has a name of its own`() {
    #expect(KernelBehavior.allCases.map(\.shortName) == ["6.1", "6.12", "7.2"])
  }
}

@Suite struct `medium kinds` {
  /// Catches a renamed kind: the names are in messages and options.
  @Test func `have the names that users type`() {
    #expect(
      MediumKind.allCases.map(\.rawValue) == ["memfd", "hugetlb", "tmpfs", "file", "device"])
  }
}
