/// How a descriptor was opened; the values are those of O_ACCMODE.
public enum AccessMode: UInt32, Sendable {
  case readOnly = 0
  case writeOnly = 1
  case readWrite = 2
}
