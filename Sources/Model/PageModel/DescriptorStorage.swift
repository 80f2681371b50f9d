/// Memory for the descriptors of one pagemap.
///
/// A class, because the memory must live as long as the pagemap does: free it in `deinit`. The engine gives
/// MAP_NORESERVE memory, so that a terabyte's descriptors cost what was touched.
public protocol DescriptorStorage: AnyObject, Sendable {
  /// Zeroed, 16-byte aligned, writable, nobody else's, and in the same place for the object's life.
  ///
  /// Asked once, by `Pagemap.init`, which needs `Pagemap.bytes(forFolios:)` bytes of it.
  var memory: UnsafeMutableRawBufferPointer { get }
}
