internal import MemoryFailure
internal import PmemBase
internal import Testing

@Suite struct `a filesystem that is told of a failed block` {
  /// Catches a walk that ends at the first owner, or kills nobody because metadata is lost too (MF-20, MF-23).
  @Test(arguments: KernelBehavior.allCases)
  func `every file is dealt with, and metadata shuts down`(kernel: KernelBehavior) {
    let failure = HolderFailure(
      owners: [
        .file(inode: 131, page: 3, isInCore: true, isDax: true), .metadata,
        .file(inode: 132, page: 8, isInCore: true, isDax: true),
      ], kernel: kernel)
    #expect(failure.files.map(\.inode) == [131, 132])
    #expect(failure.files.map(\.page) == [3, 8])
    #expect(failure.shutsDown)
  }

  /// Catches a free block, or an inode nobody has in memory, that counts as damage (MF-13, MF-22).
  @Test func `a free block and an inode that is not in core are nothing`() {
    #expect(!HolderFailure(owners: [], kernel: .v7_2).shutsDown)
    let cold = HolderFailure(
      owners: [.file(inode: 131, page: 3, isInCore: false, isDax: true)], kernel: .v6_1)
    #expect(cold.files.isEmpty && !cold.shutsDown)
  }

  /// Catches bug B7 in the wrong kernels: a file that is not DAX brings down 6.1 only (MF-25).
  @Test(arguments: KernelBehavior.allCases)
  func `a file that is not DAX shuts down 6_1 only`(kernel: KernelBehavior) {
    let failure = HolderFailure(
      owners: [.file(inode: 131, page: 3, isInCore: true, isDax: false)], kernel: kernel)
    #expect(failure.files.isEmpty)
    #expect(failure.shutsDown == (kernel == .v6_1))
  }

  /// Catches a removal that is taken for corruption (kernel-semantics 4.9).
  @Test func `the removal of the device is no loss of metadata`() {
    #expect(!HolderFailure(owners: [.metadata], kernel: .v6_12, everyone: true).shutsDown)
  }
}
