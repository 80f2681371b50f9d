internal import SystemPackage

/// Turns CSoftdax's "-errno or value" into a value or a typed throw.
@discardableResult @inline(__always)
func checked(_ result: CInt) throws(Errno) -> CInt {
  guard result >= 0 else { throw Errno(rawValue: -result) }
  return result
}
