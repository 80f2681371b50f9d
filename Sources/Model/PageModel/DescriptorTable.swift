/// Page descriptors laid over a storage's memory, bounds checked.
///
/// The one place where descriptors are reached through a pointer. `@unchecked Sendable`: the pointer and the
/// count never change, and a descriptor is nothing but atomics.
@safe struct DescriptorTable: ~Copyable, @unchecked Sendable {
  let count: Int
  private let base: UnsafeMutablePointer<PageDescriptor>
  private let storage: any DescriptorStorage

  /// Lays `count` descriptors over the storage, which must be zeroed: zero is a valid idle descriptor.
  init(count: Int, storage: any DescriptorStorage) {
    let memory = unsafe storage.memory
    precondition(
      memory.count >= Self.bytes(for: count),
      "\(count) page descriptors need \(Self.bytes(for: count)) bytes of storage")
    guard let start = memory.baseAddress else {
      preconditionFailure("the storage of page descriptors has no address")
    }
    precondition(
      UInt(bitPattern: start) % UInt(MemoryLayout<PageDescriptor>.alignment) == 0,
      "the storage of page descriptors is not aligned")
    self.count = count
    unsafe base = start.bindMemory(to: PageDescriptor.self, capacity: count)
    self.storage = storage
  }

  static func bytes(for count: Int) -> Int {
    max(count, 1) * MemoryLayout<PageDescriptor>.stride
  }

  /// The descriptor of folio `index`; out of bounds is a precondition failure that names both.
  subscript(index: Int) -> PageDescriptor {
    @inline(__always) _read {
      precondition(
        index >= 0 && index < count, "folio \(index) is outside the pagemap (0..<\(count))")
      yield unsafe base[index]
    }
  }
}
